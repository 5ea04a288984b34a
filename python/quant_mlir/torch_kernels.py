# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels as operations of PyTorch, which torch.compile keeps in its graph.

import torch
from quant_mlir import load_kernels, torch_kernels

kernels = load_kernels("out")
ops = torch_kernels.register(kernels)       # torch.ops.demo, if the library is called demo
weights = torch_kernels.pack(kernels, "project", codes, scales)
y = ops.project(x, weights)

Kernels for cpu:... take tensors of the CPU, those for cuda:... tensors of a GPU, and run on its
current stream. There are no gradients.
"""

from typing import Optional

import numpy as np
import torch

from .kernels import ALIGNMENT, Kernels

_DTYPES = {"f32": torch.float32, "f16": torch.float16, "i32": torch.int32, "i8": torch.int8}
# Registrations end with their Library.
_libraries = []


def pack(kernels: Kernels, kernel: str, codes, scales=None, minimums=None, device=None):
    """Kernels.pack as a tensor; the arguments are tensors of the CPU, or arrays."""
    packed = kernels.pack(kernel, *(_array(values) for values in (codes, scales, minimums)))
    tensor = torch.empty(packed.size, dtype=torch.uint8)
    tensor.numpy()[:] = packed
    return tensor.to(device) if device is not None else tensor


def register(kernels: Kernels, namespace: Optional[str] = None, threads: Optional[int] = None):
    """Makes an operation of each kernel, and returns the namespace that has them.

    Its arguments are the kernel's inputs, the packed weight, the cache, which it changes, and
    numbers, in the order of the C function; its result is a new tensor. threads: of the CPU,
    by default torch.get_num_threads().
    """
    namespace = namespace or kernels.name
    library = torch.library.Library(namespace, "FRAGMENT")
    for kernel in kernels.kernels:
        operation = _Operation(kernels, kernel, threads)
        library.define(f"{kernel}{operation.schema()}")
        library.impl(kernel, operation.run, "CUDA" if kernels.on_gpu else "CPU")
        torch.library.register_fake(f"{namespace}::{kernel}", operation.fake, lib=library)
    _libraries.append(library)
    return getattr(torch.ops, namespace)


class _Operation:
    def __init__(self, kernels: Kernels, kernel: str, threads):
        self.kernels, self.kernel, self.threads = kernels, kernel, threads
        self.taken, self.out = kernels.arguments(kernel), kernels.output(kernel)

    def schema(self) -> str:
        kinds = {"number": "int", "cache": "Tensor(a!)"}
        words = [f"{kinds.get(p['role'], 'Tensor')} {p['name']}" for p in self.taken]
        return f"({', '.join(words)}) -> Tensor"

    def _sizes(self, arguments) -> dict:
        """rows and positions, by tensors whose shapes are as they should be."""
        shapes = {}
        for parameter, tensor in zip(self.taken, arguments):
            name, role = parameter["name"], parameter["role"]
            if role == "number":
                continue
            dtype = torch.uint8 if role == "weights" else _DTYPES[parameter["dtype"]]
            if tensor.dtype != dtype:
                raise ValueError(f"{self.kernel}: {name} is of {dtype}, not {tensor.dtype}")
            shapes[name] = tensor.shape
        return self.kernels.sizes(self.kernel, shapes)

    def _result(self, like, sizes):
        shape = [sizes["rows"] if size is None else size for size in self.out["shape"]]
        return like.new_empty(shape, dtype=_DTYPES[self.out["dtype"]])

    def fake(self, *arguments):
        return self._result(arguments[0], self._sizes(arguments))

    def run(self, *arguments):
        kernels, sizes = self.kernels, self._sizes(arguments)
        out = self._result(arguments[0], sizes)
        size = kernels.kernels[self.kernel]["workspace_bytes"]
        workspace = out.new_empty(size, dtype=torch.uint8)
        values = {**sizes, self.out["name"]: out.data_ptr(), "workspace": workspace.data_ptr()}
        held = []  # copies live until the call has ended
        for parameter, argument in zip(self.taken, arguments):
            if parameter["role"] == "number":
                values[parameter["name"]] = int(argument)
                continue
            if parameter["role"] == "cache" and not argument.is_contiguous():
                raise ValueError(f"{self.kernel}: {parameter['name']} is not contiguous")
            held.append(argument.contiguous())
            values[parameter["name"]] = held[-1].data_ptr()
            if parameter["role"] == "weights" and held[-1].data_ptr() % ALIGNMENT:
                raise ValueError(f"{self.kernel}: weights are not aligned to {ALIGNMENT} bytes")
        kernels.check_sizes(values)
        if kernels.on_gpu:
            values["kernels"] = kernels.opened(out.device.index)
            values["stream"] = torch.cuda.current_stream(out.device).cuda_stream
            kernels.call(self.kernel, values)
        else:
            threads = self.threads or torch.get_num_threads()
            kernels.call_on_threads(self.kernel, values, threads)
        return out


def _array(values):
    if values is None or isinstance(values, np.ndarray):
        return values
    return values.detach().contiguous().numpy()

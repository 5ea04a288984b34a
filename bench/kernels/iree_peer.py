# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IREE on the CPU as a worker of kernels.py: iree_peer.py THREADS

Variants: f32, bf16, i8 (given bytes, results in i32), i4_g128 (4-bit weights with a scale for 128
values that are made floats inside the matmul). Weights are constants of a module, which IREE
packs when it loads one; data tiling and microkernels are on. A module has one number of rows.
"""

import importlib.metadata
import re
import sys

import iree.compiler
import iree.runtime
import numpy as np
import protocol
from ml_dtypes import bfloat16

THREADS = int(sys.argv[1])
NUMBERS = np.random.default_rng(0)
FLAGS = [
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-opt-level=O3",
    "--iree-opt-data-tiling=true",
    "--iree-llvmcpu-enable-ukernels=all",
    # Else the compiler packs the constants on its own, value by value.
    "--iree-opt-const-eval=false",
]
# Activations and results of the variants that need no decoding.
PLAIN = {"f32": ("f32", "f32"), "bf16": ("bf16", "f32"), "i8": ("i8", "i32")}
DTYPES = {"f32": np.float32, "bf16": bfloat16, "i8": np.int8}
CONSTANT = "util.global private @{name} = #util.byte_pattern<{byte}> : {type}\n"
LOAD = "  %{name} = util.global.load immutable @{name} : {type}\n"

PLAIN_MATMUL = """
  %y{i} = linalg.matmul ins(%a, %w{i} : {a}, {w}) outs(%none : {y}) -> {y}
"""
# Decoded in a producer, which is fused with the product.
GROUPED_MATMUL = """
  %e{i} = tensor.empty() : {decoded}
  %d{i} = linalg.generic {{
      indexing_maps = [affine_map<(n, g, k) -> (n, g, k)>, affine_map<(n, g, k) -> (n, g)>,
                       affine_map<(n, g, k) -> (n, g, k)>],
      iterator_types = ["parallel", "parallel", "parallel"]}}
      ins(%w{i}, %s{i} : {w}, {s}) outs(%e{i} : {decoded}) {{
  ^bb0(%code: i4, %scale: f32, %unused: f32):
    %wide = arith.extsi %code : i4 to i32
    %float = arith.sitofp %wide : i32 to f32
    %value = arith.mulf %float, %scale : f32
    linalg.yield %value : f32
  }} -> {decoded}
  %y{i} = linalg.generic {{
      indexing_maps = [affine_map<(m, n, g, k) -> (m, g, k)>, affine_map<(m, n, g, k) -> (n, g, k)>,
                       affine_map<(m, n, g, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}}
      ins(%groups, %d{i} : {groups}, {decoded}) outs(%none : {y}) {{
  ^bb0(%x: f32, %value: f32, %sum: f32):
    %product = arith.mulf %x, %value : f32
    %next = arith.addf %product, %sum : f32
    linalg.yield %next : f32
  }} -> {y}
"""


def tensor(*shape_and_type):
    return f"tensor<{'x'.join(map(str, shape_and_type))}>"


def module_of(variant, rows, k, n, copies):
    """A function @run of the activations, with one result for each copy of the weight."""
    group = re.fullmatch(r"i4_g(\d+)", variant)
    number, result = PLAIN.get(variant, ("f32", "f32"))
    types = {"a": tensor(rows, k, number), "y": tensor(rows, n, result)}
    begin = f"  %zero = arith.constant {'0' if result == 'i32' else '0.0'} : {result}\n"
    begin += f"  %empty = tensor.empty() : {types['y']}\n"
    begin += f"  %none = linalg.fill ins(%zero : {result}) outs(%empty : {types['y']})"
    begin += f" -> {types['y']}\n"
    if group:
        size = int(group[1])
        types["w"] = tensor(n, k // size, size, "i4")
        types["s"] = tensor(n, k // size, "f32")
        types["decoded"] = tensor(n, k // size, size, "f32")
        types["groups"] = tensor(rows, k // size, size, "f32")
        shape = f"[{rows}, {k // size}, {size}]"
        begin += f"  %groups = tensor.expand_shape %a [[0], [1, 2]] output_shape {shape}"
        begin += f" : {types['a']} into {types['groups']}\n"
    else:
        types["w"] = tensor(k, n, number)
    constants, body = "", ""
    for i in range(copies):
        # Equal ones would be made one.
        parts = [("w", 1 + i), ("s", 60 + i % 3)] if group else [("w", 1 + i)]
        for part, byte in parts:
            named = {"name": f"{part}{i}", "type": types[part]}
            constants += CONSTANT.format(byte=byte, **named)
            body += LOAD.format(**named)
        body += (GROUPED_MATMUL if group else PLAIN_MATMUL).format(i=i, **types)
    results = ", ".join([types["y"]] * copies)
    values = ", ".join(f"%y{i}" for i in range(copies))
    head = f"func.func @run(%a: {types['a']}) -> ({results}) {{\n"
    return f"{constants}{head}{begin}{body}  return {values} : {results}\n}}\n"


class IREE:
    def __init__(self):
        self.weights, self.modules = {}, {}
        iree.runtime.flags.parse_flags(f"--task_topology_group_count={THREADS}")

    def version(self):
        return importlib.metadata.version("iree-base-compiler")

    def prepare(self, variant, k, n, cold_megabytes):
        group = re.fullmatch(r"i4_g(\d+)", variant)
        if group:
            size = n * k // 2 + 4 * n * k // int(group[1])
        else:
            size = n * k * np.dtype(DTYPES[variant]).itemsize
        copies = protocol.copies_for(size, cold_megabytes)
        self.weights[variant] = (k, n, copies)
        return size, copies

    def runner(self, variant, rows):
        k, n, copies = self.weights[variant]
        copies = 1 if rows > 32 else copies
        if (variant, rows) not in self.modules:
            text = module_of(variant, rows, k, n, copies)
            self.modules[variant, rows] = iree.compiler.compile_str(
                text, input_type="none", extra_args=FLAGS
            )
        # With one thread the driver without a queue is the faster one.
        config = iree.runtime.Config("local-sync" if THREADS == 1 else "local-task")
        context = iree.runtime.SystemContext(config=config)
        code = self.modules[variant, rows]
        context.add_vm_module(iree.runtime.VmModule.copy_buffer(context.instance, code))
        function = context.modules.module["run"]
        numbers = NUMBERS.integers(-127, 128, (rows, k)).astype(DTYPES.get(variant, np.float32))
        a = iree.runtime.asdevicearray(config.device, numbers)
        return lambda: function(a), copies

    def release(self):
        self.weights.clear()
        self.modules.clear()


protocol.keep_to_cores(THREADS)
protocol.serve(IREE())

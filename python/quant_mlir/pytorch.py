# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch modules: exported by torch.export, written as ONNX, compiled by quantc.

import quant_mlir

model = quant_mlir.compile_torch(module, (ids,), "out", recipe="w8a8")
logits = model.run(ids.numpy())

Needs torch and onnxscript, as nothing else of the package does.
"""

import contextlib
import io
import pathlib
import subprocess
import tempfile

from . import runtime, tools
from .errors import InputError

# Of weights; a file of ONNX itself may have two.
GIGABYTE = 1 << 30


def compile_torch(
    module, inputs, folder, *, recipe: str = "f32", dynamic_shapes=None, arguments=()
) -> runtime.Model:
    """Compiles a module into a folder, as quantc does a model file, and opens it.

    module: a torch.nn.Module, taken in evaluation mode, or a torch.export.ExportedProgram.
    inputs: a tuple of tensors to call it with. Their sizes are the compiled ones but for those
    that dynamic_shapes makes dynamic, as of torch.export.export: ({1: torch.export.Dim("n")},).
    arguments: others of quantc, such as ["--tokens", "ids.npy"].
    """
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        path = pathlib.Path(temporary) / "model.onnx"
        export_onnx(module, inputs, path, dynamic_shapes=dynamic_shapes)
        command = [tools.find("quantc"), path, "--recipe", recipe, *arguments, "-o", folder]
        done = subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, encoding="utf-8")
    if done.returncode != 0:
        raise InputError(done.stderr.strip().removeprefix("quantc: error: "))
    return runtime.load(folder)


def export_onnx(module, inputs, path, *, dynamic_shapes=None) -> None:
    """Writes a module as an ONNX file; of more than a gigabyte the weights go to PATH.data."""
    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise InputError(f"PyTorch modules need torch and onnxscript: {error}") from error
    with contextlib.redirect_stdout(io.StringIO()):  # the exporters tell their steps
        try:
            if not isinstance(module, torch.export.ExportedProgram):
                module = torch.export.export(
                    module.eval(), tuple(inputs), dynamic_shapes=dynamic_shapes
                )
            program = torch.onnx.export(module, verbose=False)
        except Exception as error:  # of many kinds, pages long
            first = str(error).strip().partition("\n")[0]
            raise InputError(f"PyTorch cannot export the module: {first}") from error
    weights = [*module.state_dict.values(), *module.constants.values()]
    size = sum(each.nbytes for each in weights if isinstance(each, torch.Tensor))
    program.save(path, external_data=size > GIGABYTE)

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds and runs the compiler's tools (quantc, quant-translate, quant-opt)."""

import os
import pathlib
import shutil
import subprocess
import sys

from .errors import InputError

PACKAGE = pathlib.Path(__file__).resolve().parent


def find(name: str) -> str:
    """The path of a tool: in $QUANT_MLIR_TOOLS, beside the package, in build/bin, on PATH."""
    folders = [PACKAGE / "bin", PACKAGE.parents[1] / "build" / "bin"]
    if "QUANT_MLIR_TOOLS" in os.environ:
        folders.insert(0, pathlib.Path(os.environ["QUANT_MLIR_TOOLS"]))
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        raise InputError(
            f"{name} is not found: build it (make), or set QUANT_MLIR_TOOLS to the folder it is in"
        )
    return found


def run(name: str, *arguments) -> int:
    """Runs a tool with our stdout and stderr; returns its exit code."""
    return subprocess.run([find(name), *map(str, arguments)]).returncode


def run_opt(*arguments) -> int:
    """quant-opt, of whose report of an error, many lines of IR, the first says what it is."""
    command = [find("quant-opt"), *map(str, arguments)]
    done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    if done.returncode != 0:
        lines = done.stderr.splitlines() or [f"quant-opt failed with code {done.returncode}"]
        first = next((line for line in lines if "error: " in line), lines[0])
        raise InputError(first.removeprefix("error: "))
    sys.stderr.write(done.stderr)
    return 0


def import_model(model, output) -> int:
    """Runs quant-translate on a .gguf or .onnx file or a Hugging Face folder; its exit code."""
    path = pathlib.Path(model)
    kind = "hf" if path.is_dir() else "onnx" if path.suffix.lower() == ".onnx" else "gguf"
    return run("quant-translate", f"--import-{kind}", model, "-o", output)

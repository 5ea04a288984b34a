"""Tests that run a tool on a file and check what it prints: lit and FileCheck.

QUANT_MLIR_ROUNDTRIP=1 in the environment makes every quant-opt of every test also
print its input, parse that and compare: a round trip of all the IR we have.
"""

import os
import sys

import lit.formats
import lit.util

config.name = "quant-mlir"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
# Folders of Python and C++ tests, and of files that tests read.
config.excludes = ["e2e", "python", "unit", "Inputs", "lib"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.quant_obj_root, "test")

config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.quant_obj_root, "bin"),
        config.mlir_tools_dir,
        config.llvm_tools_dir,
        os.environ.get("PATH", ""),
    ]
)
config.environment["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")

if os.environ.get("QUANT_MLIR_ROUNDTRIP"):
    config.substitutions.append((r"\bquant-opt\b", "quant-opt --verify-roundtrip"))

# From linalg on tensors to what mlir-runner executes: upstream passes only. No
# fast-math flag and no contraction, so that every operation rounds as written.
# Memory is not freed; the programs are short.
lower_to_llvm = [
    "--convert-elementwise-to-linalg",
    "--one-shot-bufferize=bufferize-function-boundaries",
    "--convert-linalg-to-loops",
    "--expand-strided-metadata",
    "--lower-affine",
    "--convert-scf-to-cf",
    # erf and friends have no LLVM intrinsic: the C library has them.
    "--convert-math-to-libm",
    "--convert-math-to-llvm",
    "--convert-arith-to-llvm",
    "--convert-index-to-llvm",
    "--finalize-memref-to-llvm",
    "--convert-cf-to-llvm",
    "--convert-func-to-llvm",
    "--reconcile-unrealized-casts",
]
libraries = ["mlir_runner_utils", "mlir_c_runner_utils", "mlir_float16_utils"]
run = "mlir-runner -e main -entry-point-result=void " + " ".join(
    "-shared-libs=" + os.path.join(config.mlir_lib_dir, f"lib{name}.so") for name in libraries
)
config.substitutions += [
    ("%python", sys.executable),
    ("%version", config.quant_version),
    ("%lower_to_llvm", " ".join(lower_to_llvm)),
    # Runs the function @main.
    ("%run", run),
]

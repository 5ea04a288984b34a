# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A format that the compiler has not seen, as scripts/new_scheme.py writes it: kernels for CPUs and
GPUs come out of its block alone."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from building import ROOT, build_folder, compile_command, generate, link_command
from compiling import with_ptxas
from quant_mlir import load_kernels

# Whenever the dialects are registered, the format is, too.
REGISTER = """
#include "quant-mlir/Dialect/QT/IR/QT.h"

namespace quantmlir::qt {
void registerToy4Scheme(QTDialect &dialect);
}

extern "C" void register_others(mlir::DialectRegistry &registry) __asm__("__real_SYMBOL");
extern "C" void register_all(mlir::DialectRegistry &registry) __asm__("__wrap_SYMBOL");

void register_all(mlir::DialectRegistry &registry) {
  register_others(registry);
  registry.addExtension(+[](mlir::MLIRContext *, quantmlir::qt::QTDialect *dialect) {
    quantmlir::qt::registerToy4Scheme(*dialect);
  });
}
"""
SYMBOL = "_ZN9quantmlir19registerAllDialectsERN4mlir15DialectRegistryE"
LIST = """
rows: 48
kernels:
  floats: {op: matmul, n: 40, k: 96, weights: "#qt.toy4", activations: float}
  bytes: {op: matmul, n: 40, k: 96, weights: "#qt.toy4", activations: auto}
"""


def compile_source(source, include):
    command = compile_command("lib/Dialect/QT/Schemes/GGUF/GGUF.cpp")
    start = next(i for i, word in enumerate(command) if word.endswith(("++", "cc", "clang")))
    words = [command[start], f"-I{include}", *command[start + 1 : command.index("-o")]]
    made = source.with_suffix(".o")
    subprocess.run([*words, "-c", source, "-o", made], check=True)
    return str(made)


@pytest.fixture(scope="module")
def quantc(tmp_path_factory):
    """The compiler with the format Toy4 linked into it."""
    root = tmp_path_factory.mktemp("toy")
    schemes = "include/quant-mlir/Dialect/QT/Schemes"
    (root / schemes).mkdir(parents=True)
    shutil.copy(ROOT / schemes / "Schemes.def", root / schemes)
    script = [sys.executable, ROOT / "scripts" / "new_scheme.py", "Toy4", "--root", root]
    subprocess.run(script, check=True)
    folder = root / "lib/Dialect/QT/Schemes/Toy4"
    for kind in ("decls", "defs"):
        output = folder / f"Toy4.{'h' if kind == 'decls' else 'cpp'}.inc"
        generate(folder / "Toy4.td", output, f"-gen-attrdef-{kind}", "-attrdefs-dialect=qt")
    (folder / "Register.cpp").write_text(REGISTER.replace("SYMBOL", SYMBOL))
    objects = [compile_source(folder / name, folder) for name in ("Toy4.cpp", "Register.cpp")]

    command = link_command("quantc")
    output = command.index("-o")
    program = root / "bin" / "quantc"
    program.parent.mkdir()
    command[output : output + 2] = [*objects, f"-Wl,--wrap={SYMBOL}", "-o", str(program)]
    subprocess.run(command, cwd=build_folder(), check=True)
    # What it looks for beside itself.
    for name in os.listdir(build_folder() / "lib"):
        if name.startswith(("libquant_", "quant_runtime")):
            (root / "lib" / name).symlink_to((build_folder() / "lib" / name).resolve())
    return program


def compile_list(quantc, folder, target):
    (folder / "list.yaml").write_text(LIST)
    command = [quantc, "--kernels", folder / "list.yaml", "--target", target, "--name", "toy"]
    subprocess.run([*command, "-o", folder / "out"], env=with_ptxas(), check=True)
    return folder / "out"


@pytest.mark.parametrize("target", ["cpu:native", "cuda-emulated:sm_80"])
def test_numbers(quantc, tmp_path, target):
    if "cuda" in target and os.uname().machine != "x86_64":
        pytest.skip("the emulator runs on x86-64")
    kernels = load_kernels(compile_list(quantc, tmp_path, target))
    random = np.random.default_rng(4)
    codes = random.integers(0, 16, (40, 96)).astype(np.uint8)
    scales = random.random((40, 3)).astype(np.float16).astype(np.float32)
    w = (codes - 8.0) * np.repeat(scales, 32, 1)
    # Tiles of all forms: one row, a few, tensor cores.
    for rows in (1, 3, 20, 48):
        x = random.standard_normal((rows, 96)).astype(np.float32)
        for kernel, error in (("floats", 1e-3 if "cuda" in target else 1e-5), ("bytes", 0.01)):
            y = kernels.run(kernel, x=x, weights=kernels.pack(kernel, codes, scales))
            np.testing.assert_allclose(y, x @ w.T, atol=error * np.ptp(x @ w.T))


@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90a"])
def test_code(quantc, tmp_path, target):
    out = compile_list(quantc, tmp_path, f"cuda:{target}")
    assert f".target {target}" in (out / "toy.ptx").read_text()
    functions = json.loads((out / "toy.json").read_text()).get("functions")
    if functions is None:
        pytest.skip("no ptxas (requirements-tools.txt): PTX is not assembled")
    assert all(f["spill_bytes"] == 0 and "remarks" not in f for f in functions.values())

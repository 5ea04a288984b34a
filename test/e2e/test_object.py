# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the object of a model calls, and which instructions multiply its integers."""

import collections
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from tiny_models import llama_gguf

# Threads wait for each other in the runtime; LLVM turns loops that copy or clear into the C
# library's functions. Nothing else: no math, no BLAS, no kernel library.
ALLOWED = {"qm_barrier", "memcpy", "memset", "memmove"}

DOT = {
    "cpu:x86-64-v3": "vpmaddubsw",
    "cpu:x86-64-v3+vnni": "vpdpbusd",
    "cpu:x86-64-v4": "vpmaddubsw",
    "cpu:x86-64-v4+vnni": "vpdpbusd",
    "cpu:aarch64": "sdot",
    "cpu:aarch64+i8mm": "smmla",
}
DOTS = {*DOT.values(), "vpdpwssd", "vpmaddwd", "udot", "smlal"}

# The type of the model's matrices, the recipe, and whether it multiplies integers.
MODELS = [
    ("Q4_1", "as-stored", True),
    ("Q4_0", "as-stored", True),
    ("Q8_0", "as-stored", True),
    ("F16", "as-stored", False),
    ("BF16", "as-stored", False),
    ("F32", "f32", False),
    ("Q4_1", "w8a8", True),
    ("Q4_1", "int8", True),
    ("Q4_1", "int4-g32", True),
]


def llvm_tool(name):
    """A tool of the wheels that the build uses, or of the system."""
    for folder in map(pathlib.Path, sys.path):
        if (folder / "llvm" / "bin" / name).is_file():
            return str(folder / "llvm" / "bin" / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def undefined_symbols(path):
    lines = output_of(llvm_tool("llvm-nm"), "--undefined-only", str(path)).splitlines()
    return {line.split()[-1] for line in lines if line.strip()}


def instructions(path, *flags):
    """{function: {mnemonic: how often}} of an object; flags: more of llvm-objdump's."""
    flags = [*flags, "--disassemble", "--no-show-raw-insn", "--no-leading-addr"]
    counts, function = collections.defaultdict(collections.Counter), None
    for line in output_of(llvm_tool("llvm-objdump"), *flags, str(path)).splitlines():
        header = re.match(r"[0-9a-f]* ?<(.+)>:$", line)
        if header:
            function = header[1]
        elif line.startswith((" ", "\t")) and line.split():
            counts[function][line.replace("{vex}", "").split()[0]] += 1
    return counts


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")

    def make(type):
        path = folder / f"{type}.gguf"
        path.write_bytes(llama_gguf(type).bytes())
        return path

    return make


def check(path, dot, integers):
    assert undefined_symbols(path) <= ALLOWED
    # Older versions do not know these instructions unless told.
    flags = ["--mattr=+dotprod,+i8mm"] if dot in ("sdot", "smmla") else []
    total = sum(instructions(path, *flags).values(), collections.Counter())
    assert sum(total.values()) > 1000, "the disassembly is empty"
    used = {name for name in DOTS if total[name]}
    if integers:
        assert dot in used
        # A target with VNNI has no use for what it replaces.
        assert dot != "vpdpbusd" or "vpmaddubsw" not in used
    else:
        assert not used & {"vpmaddubsw", "vpdpbusd", "sdot", "udot", "smmla"}


@pytest.mark.parametrize("target", DOT)
@pytest.mark.parametrize(
    "type, recipe, integers",
    [MODELS[0], *(pytest.param(*model, marks=pytest.mark.slow) for model in MODELS[1:])],
)
def test_object(compiled, gguf, type, recipe, integers, target):
    folder = compiled(gguf(type), recipe, "--target", target)
    check(folder / "model.o", DOT[target], integers)


def test_every_kernel_of_integers_has_dot_products(compiled, gguf):
    """Not only some: a layer whose rows are odd must not fall back to scalar code."""
    folder = compiled(gguf("Q4_1"), "as-stored", "--target", "cpu:x86-64-v4+vnni")
    kernels = {
        name: counts
        for name, counts in instructions(folder / "model.o").items()
        if name and "matmul_int" in name
    }
    assert kernels, "no function of the object is called after qt.matmul"
    for name, counts in kernels.items():
        assert counts["vpdpbusd"], name


def test_foreign_objects_are_not_linked(compiled, gguf):
    folder = compiled(gguf("Q4_1"), "as-stored", "--target", "cpu:aarch64")
    assert "aarch64" in output_of(llvm_tool("llvm-objdump"), "-f", str(folder / "model.o"))
    assert not (folder / "model.so").exists() and not (folder / "model.a").exists()


@pytest.mark.slow
def test_object_of_smollm2(compiled, smollm2_gguf):
    folder = compiled(smollm2_gguf, "as-stored", "--target", "cpu:x86-64-v4+vnni")
    check(folder / "model.o", "vpdpbusd", True)


def test_each_version_uses_its_own_instructions(compiled, gguf):
    targets = ("x86-64-v3", "x86-64-v4", "x86-64-v4+bf16")
    folder = compiled(gguf("Q4_1"), "w8a8", "--target", "cpu:" + ",".join(targets))
    path = folder / "model.o"
    assert undefined_symbols(path) <= {*ALLOWED, "qm_choose_version"}
    found = {target: set() for target in targets}
    for name, counts in instructions(path).items():
        for target in targets:
            if name and name.split(".", 1)[1:] == [target] and "matmul_int" in name:
                found[target] |= set(counts)
    assert "vpmaddubsw" in found["x86-64-v3"] and "vpsignb" in found["x86-64-v3"]
    assert "vpmaddubsw" in found["x86-64-v4"] and "vpsignb" not in found["x86-64-v4"]
    assert "vpdpbusd" in found["x86-64-v4+bf16"] and "vpmaddubsw" not in found["x86-64-v4+bf16"]

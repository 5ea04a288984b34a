# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Single kernels for a GPU as C functions, with a driver that stands in. What the functions compute
is in kernels/test_gpu.py."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from compiling import with_ptxas
from quant_mlir import tools
from standin import FOLDER, build_driver, needs_no_driver

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "kernels"
HOWTO = ROOT / "docs" / "howto" / "kernels.md"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The program of the documentation, made by its commands."""
    folder = tmp_path_factory.mktemp("example")
    build_driver(folder)
    for name in ("list.yaml", "project_gpu.c"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    text = HOWTO.read_text(encoding="utf-8")
    (quantc,) = re.findall(r"^    (quantc .*cuda:.*)$", text, re.MULTILINE)
    (cc,) = re.findall(r"^    (cc .*project_gpu.*)$", text, re.MULTILINE)
    _, *flags = shlex.split(quantc.replace("sm_90a", "sm_80"))
    subprocess.run([tools.find("quantc"), *flags], cwd=folder, env=with_ptxas(), check=True)
    # What a CUDA toolkit has.
    cc = cc.replace("-I$CUDA_HOME/include", f"-I{FOLDER}").replace(" -lcudart", "")
    assert "CUDA" not in cc
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([*shlex.split(cc), *flags], cwd=folder, check=True)
    return folder


def call(folder, *arguments, **environment):
    path = {"LD_LIBRARY_PATH": str(folder / "driver"), **environment}
    command = [folder / "project_gpu", *arguments]
    return subprocess.run(command, env={**os.environ, **path}, text=True, capture_output=True)


def test_calls(example, tmp_path):
    done = call(example, CALLS=str(tmp_path / "calls"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0.000 0.000 0.000\n"  # launches do nothing
    lines = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
    names = [line[0] for line in lines]
    assert names.count("cuModuleLoadData") == names.count("cuModuleUnload") == 1
    launches = [line[1] for line in lines if line[0] == "cuLaunchKernel"]
    # The rows are normalized and rounded, then multiplied, all on the stream that was given.
    assert len(launches) > 1 and launches[-1].startswith("kernel_matmul_int"), launches
    streams = [line[1] for line in lines if line[0] == "stream"]
    assert len(streams) == len(launches) and len(set(streams)) == 1
    # Nobody waits but the program.
    assert "cuCtxSynchronize" not in names and "cuMemAlloc" not in names


@pytest.mark.parametrize(
    "arguments, environment, said",
    [
        ((), {"LD_LIBRARY_PATH": ""}, "kernels demo needs an NVIDIA GPU (cuda:sm_80), and there"),
        ((), {"GPUS": "0"}, "kernels demo needs an NVIDIA GPU (cuda:sm_80), and there is none"),
        (("1",), {}, "kernels demo: GPU 1 is asked for, and there are 1"),
        ((), {"CAPABILITY": "75"}, "this GPU is an sm_75: compile the kernels for it"),
        ((), {"FAIL": "cuLaunchKernel 719"}, "made to fail (error 719 of CUDA)"),
    ],
)
def test_failures(example, arguments, environment, said):
    if "LD_LIBRARY_PATH" in environment:
        needs_no_driver()
    done = call(example, *arguments, **environment)
    assert done.returncode == 1 and said in done.stderr
    assert done.stderr.count("\n") == 1


def test_from_python(example, tmp_path):
    program = """
import quant_mlir
kernels = quant_mlir.load_kernels("out")
memory = quant_mlir.kernels.aligned(4096)
values = {p["name"]: memory.ctypes.data for p in kernels.parameters("project")}
values.update(rows=2, kernels=kernels.opened(0), stream=64)
kernels.call("project", values)
try:
    kernels.opened(7)
except quant_mlir.InputError as error:
    print(error)
"""
    environment = {"LD_LIBRARY_PATH": str(example / "driver"), "CALLS": str(tmp_path / "calls")}
    environment["PYTHONPATH"] = str(ROOT / "python")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=example,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "kernels demo: GPU 7 is asked for, and there are 1\n"
    lines = (tmp_path / "calls").read_text().splitlines()
    assert sum(line.startswith("cuLaunchKernel kernel_") for line in lines) > 1
    assert "stream  64" in lines

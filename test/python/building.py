# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the build calls its tools, for tests that compile sources of their own."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build_folder():
    tools = os.environ.get("QUANT_MLIR_TOOLS", ROOT / "build" / "bin")
    return pathlib.Path(tools).parent


def compile_command(source):
    """How the build compiles `source` of the repository, as a list of words."""
    database = build_folder() / "compile_commands.json"
    if not database.is_file():
        pytest.skip(f"no build in {database.parent}")
    for entry in json.loads(database.read_text()):
        if entry["file"] == str(ROOT / source):
            return shlex.split(entry["command"])
    pytest.skip(f"the build in {database.parent} is not of this source tree")


def generate(td, output, *flags):
    """mlir-tblgen as the build calls it: with the include folders of libMLIR and ours."""
    site = next(path for path in map(pathlib.Path, sys.path) if (path / "mlir/bin").is_dir())
    includes = [f"-I{td.parent}", f"-I{ROOT}/include", f"-I{site}/mlir/include"]
    command = [site / "mlir/bin/mlir-tblgen", *flags, *includes, td, "-o", output]
    subprocess.run(list(map(str, command)), check=True)


def link_command(program):
    """How the build links bin/`program`, as a list of words; to be run in the build folder."""
    command = ["ninja", "-C", build_folder(), "-t", "commands", f"bin/{program}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no build by ninja in {build_folder()}: {done.stderr}")
    words = shlex.split(done.stdout.splitlines()[-1])
    # CMake's is ": && c++ ... && :".
    return words[words.index("&&") + 1 : -2]

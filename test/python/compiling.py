# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs quantc for the tests, and says how long it took and how much memory."""

import importlib.util
import os
import pathlib
import subprocess
import time

import pytest
from quant_mlir import InputError, tools


class Compiler:
    """Compiles each (model, recipe) once, into folders below `cache`."""

    def __init__(self, cache: pathlib.Path):
        self.cache = cache
        self.costs = {}

    def __call__(self, model, recipe=None, *flags) -> pathlib.Path:
        """The folder that quantc wrote. `name` of the model is always "model"."""
        model = pathlib.Path(model)
        key = "-".join([model.stem, recipe or "default", *flags]).replace("/", "_")
        folder = self.cache / key
        if folder not in self.costs:
            try:
                quantc = tools.find("quantc")
            except InputError as error:
                pytest.skip(str(error))
            command = [quantc, str(model), "--name", "model", "-o", str(folder), *flags]
            if recipe is not None:
                command += ["--recipe", recipe]
            self.costs[folder] = measure(command)
        return folder


def measure(command) -> tuple:
    """Runs a command that must succeed: (seconds, peak resident bytes)."""
    start = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} failed: {errors}"
    return time.monotonic() - start, usage.ru_maxrss * 1024


def with_ptxas() -> dict:
    """This environment, with ptxas if a package has it (requirements-tools.txt)."""
    folders = [os.environ.get("PATH", "")]
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations if package else ():
        folders += map(str, pathlib.Path(folder).glob("cu*/bin"))
    return {**os.environ, "PATH": os.pathsep.join(folders)}


def compile(model, folder, *flags, cwd=None, env=None):
    """What quantc says."""
    return run("quantc", model, "-o", folder, "--name", "model", *flags, cwd=cwd, env=env)


def run(name, *arguments, cwd=None, env=None):
    """Runs a tool that must succeed; what it says."""
    try:
        command = [tools.find(name), *map(str, arguments)]
    except InputError as error:
        pytest.skip(str(error))
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs quantc for the tests, and says how much memory it took."""

import fcntl
import importlib.util
import os
import pathlib
import subprocess

import pytest
from quant_mlir import InputError, tools


class Compiler:
    """Compiles each (model, recipe) once, into folders below `cache`, for all test processes."""

    def __init__(self, cache: pathlib.Path):
        self.cache = cache
        self.peaks = {}

    def __call__(self, model, recipe=None, *flags) -> pathlib.Path:
        """The folder that quantc wrote. `name` of the model is always "model"."""
        model = pathlib.Path(model)
        key = "-".join([model.stem, recipe or "default", *flags]).replace("/", "_")
        folder = self.cache / key
        if folder not in self.peaks:
            try:
                quantc = tools.find("quantc")
            except InputError as error:
                pytest.skip(str(error))
            command = [quantc, str(model), "--name", "model", "-o", str(folder), *flags]
            if recipe is not None:
                command += ["--recipe", recipe]
            self.peaks[folder] = peak_once(command, self.cache / f"{key}.peak")
        return folder


def peak_once(command, stamp: pathlib.Path) -> int:
    """peak_memory() unless another process has run the command: then what it found."""
    with stamp.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file():
            stamp.write_text(str(peak_memory(command)))
        return int(stamp.read_text())


def peak_memory(command) -> int:
    """Runs a command that must succeed: peak resident bytes."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} failed: {errors}"
    return usage.ru_maxrss * 1024


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

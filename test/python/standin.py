# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A CUDA driver that stands in: see test/e2e/standin/cuda.c."""

import pathlib
import shutil
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "standin"


def build_driver(folder, *flags) -> pathlib.Path:
    """The folder that has its libcuda.so.1, for LD_LIBRARY_PATH; compiled with the flags."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    driver = folder / "driver"
    driver.mkdir()
    library = driver / "libcuda.so.1"
    command = ["cc", *flags, "-shared", "-fPIC", "-o", library, FOLDER / "cuda.c"]
    subprocess.run(command, check=True)
    return driver


def needs_no_driver():
    """Skips a test of what happens without one."""
    if pathlib.Path("/dev/nvidiactl").exists():
        pytest.skip("there is a driver")

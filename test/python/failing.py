# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs commands that must fail, and holds them to what we promise of failures."""

import os
import pathlib
import re
import resource
import subprocess
import sys
import time

import pytest
from quant_mlir import InputError, tools

PACKAGE = pathlib.Path(__file__).parents[2] / "python"
# A tool fails within a tenth of a second; the rest is for machines that do other things too.
SECONDS = 3
MEBIBYTES = 200


def tree(folder):
    """What lies below a folder: {path: content}; None for what is not a regular file."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def command_of(tool, arguments):
    if tool == "python":
        return [sys.executable, "-m", "quant_mlir", *map(str, arguments)]
    try:
        return [tools.find(tool), *map(str, arguments)]
    except InputError as error:
        pytest.skip(str(error))


def fails(folder, tool, *arguments, reason, code=1, seconds=SECONDS):
    """Runs a tool in `folder`, which must fail for a reason (a regular expression).

    That is: it exits with `code`, says why in one line of text, is quick, takes little memory,
    and leaves `folder` as it was.
    """
    before, start = tree(folder), time.monotonic()
    process = subprocess.Popen(
        command_of(tool, arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - start
    # What is not printable in a name is escaped, so this does not fail.
    said = said.decode("ascii" if said.isascii() else "utf-8")
    assert process.returncode == code, said
    assert said.count("\n") == 1 and said.endswith("\n"), said
    assert said[:-1].isprintable(), said
    assert re.search(reason, said), f"{reason!r} is not in: {said}"
    assert took < seconds, f"{took:.1f} s: {said}"
    # Until it is another program, a child is as large as the tests have been.
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    most = max(MEBIBYTES * 1024, inherited + 1024)
    assert usage.ru_maxrss < most, f"{usage.ru_maxrss} KiB: {said}"
    assert tree(folder) == before, "something is left behind"

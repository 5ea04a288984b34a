# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs what the pages show: every block of a page that is marked `console`.

A line that starts with `$ ` is a command; what follows is what it prints, up to the next command. A
line `...` stands for any lines, … within a line for any text. A page is one session in a folder of
its own, with SmolLM2's file in it as SmolLM2.gguf.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from compiling import with_ptxas
from quant_mlir import InputError, tools

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sessions_of(text):
    """[(line number, command, expected lines)] of a page's console blocks."""
    steps, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            steps.append((number, line[2:], []))
        elif inside:
            steps[-1][2].append(line)
    return steps


def pattern_of(expected):
    """A regular expression for the whole output."""
    lines = []
    for line in expected:
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(re.escape(line.rstrip()).replace("…", ".*") + r"[ ]*\n")
    return re.compile("".join(lines))


PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.is_file() and sessions_of(page.read_text(encoding="utf-8"))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_what_happens(page, tmp_path, smollm2_gguf):
    try:
        binaries = pathlib.Path(tools.find("quantc")).parent
    except InputError as error:
        pytest.skip(str(error))
    (tmp_path / "SmolLM2.gguf").symlink_to(smollm2_gguf)
    others = with_ptxas()
    for tool in ("nvdisasm", "ptxas"):
        if "nvdisasm" in page.read_text(encoding="utf-8") and not shutil.which(
            tool, path=others["PATH"]
        ):
            pytest.skip(f"no {tool} (requirements-tools.txt)")
    path = [str(binaries), str(pathlib.Path(sys.executable).parent), others["PATH"]]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(ROOT / "python"),
        "ROOT": str(ROOT),
        "COLUMNS": "100",
    }
    for number, command, expected in sessions_of(page.read_text(encoding="utf-8")):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        where = f"{page.name}:{number}: $ {command}"
        # 141: the reader of a pipe, such as head, had enough.
        assert done.returncode in (0, 141), f"{where}\n{done.stdout}"
        assert pattern_of(expected).fullmatch(done.stdout), f"{where} printed\n{done.stdout}"


def test_the_rule_of_comparison():
    assert pattern_of(["a  b", "...", "c … d"]).fullmatch("a  b\nx\ny\nc 1.5 d\n")
    assert pattern_of(["a"]).fullmatch("a  \n")
    assert not pattern_of(["a", "b"]).fullmatch("a\nx\nb\n")
    assert not pattern_of(["a.b"]).fullmatch("axb\n")
    page = "```console\n$ echo a\na\n$ true\n```\n```sh\n$ not this\n```\n"
    assert sessions_of(page) == [(2, "echo a", ["a"]), (4, "true", [])]

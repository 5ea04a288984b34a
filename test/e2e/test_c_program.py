# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""docs/examples: the C program, with the commands of its README."""

import pathlib
import re
import shlex
import shutil
import subprocess

import numpy as np
import pytest

pytestmark = pytest.mark.slow

EXAMPLES = pathlib.Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def out(compiled, smollm2_gguf):
    return compiled(smollm2_gguf, "as-stored")


@pytest.fixture(scope="module")
def program(out, tmp_path_factory):
    """decode.c, built in a folder where `out` is the compiled model, by the README's command."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("program")
    (folder / "out").symlink_to(out)
    shutil.copy(EXAMPLES / "decode.c", folder)
    command = command_of_readme("cc ")
    subprocess.run([*command, "-Wall", "-Wextra", "-Werror"], cwd=folder, check=True)
    return folder


def command_of_readme(start: str) -> list:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^    ({re.escape(start)}.*)$", text, re.MULTILINE)
    return shlex.split(line)


def run(folder, *arguments):
    return subprocess.run(
        ["./decode", *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )


def test_prints_what_the_readme_says(program):
    done = run(program, *command_of_readme("./decode")[1:])
    assert done.returncode == 0, done.stderr
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    (expected,) = re.findall(r"^    \./decode.*\n    ([\d ]+)$", text, re.MULTILINE)
    assert done.stdout.split() == expected.split()


def test_agrees_with_python(program, out):
    import quant_mlir

    prompt = [504, 3575, 282, 4649, 314]
    tokens = list(prompt)
    with quant_mlir.load(out) as model, model.session(64) as session:
        logits = session.feed(prompt)
        for _ in range(20):
            tokens.append(int(np.argmax(logits[-1])))
            logits = session.feed(tokens[-1:])
    done = run(program, "out/model.weights.safetensors", 20, *prompt)
    assert [int(word) for word in done.stdout.split()] == tokens[len(prompt) :]


@pytest.mark.parametrize(
    "arguments, code, reason",
    [
        (["nowhere", 1, 504], 1, "nowhere: No such file"),
        (["decode.c", 1, 504], 1, "decode.c: has "),
        (["out/model.weights.safetensors", 1, 49152], 1, "outside the vocabulary"),
        (["out/model.weights.safetensors", 1, -1], 1, "outside the vocabulary"),
        (["out/model.weights.safetensors"], 2, "usage"),
    ],
)
def test_errors_are_one_line(program, arguments, code, reason):
    done = run(program, *arguments)
    assert done.returncode == code
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_links_nothing_but_the_c_library(program):
    """The object may ask for the runtime and what every C program has, no kernel library."""
    needed = subprocess.run(
        ["readelf", "-d", "decode"], cwd=program, capture_output=True, text=True, check=True
    ).stdout
    libraries = re.findall(r"\(NEEDED\).*\[(.*)\]", needed)
    # The loader itself is one on some systems.
    libraries = {library for library in libraries if not library.startswith("ld-linux")}
    assert libraries <= {"libc.so.6", "libm.so.6", "libpthread.so.0"}

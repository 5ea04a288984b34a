# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the command line answers before any model is loaded."""

import os
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[2] / "python"
COMMANDS = ["import", "quantize", "export", "compile", "generate", "embed", "eval", "report"]


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "quant_mlir", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def assert_one_line(done, *parts):
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: "), done.stderr
    for part in parts:
        assert part in done.stderr
    assert done.stdout == ""


def test_help_names_every_command():
    done = run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
        assert run(command, "--help").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["compile", "model.gguf"],
        ["generate", "dir", "text", "--max-tokens", "0"],
        ["eval", "dir"],
        ["eval", "dir", "--text", "t", "--reference-cache", "c"],
        ["report", "dir"],
    ],
)
def test_wrong_usage(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_no_tools(tmp_path):
    done = run("compile", "m.gguf", "-o", tmp_path, QUANT_MLIR_TOOLS=str(tmp_path), PATH="/nowhere")
    if done.returncode == 1 and "is not found" in done.stderr:
        assert_one_line(done, "quantc is not found")
    else:
        pytest.skip("the tools are built, so they are found beside the package")


@pytest.mark.parametrize("command", ["generate", "embed"])
def test_a_folder_that_is_not_there(command, tmp_path):
    assert_one_line(run(command, tmp_path / "none", "text"), str(tmp_path / "none"))


def test_a_folder_without_a_model(tmp_path):
    assert_one_line(run("generate", tmp_path, "text"), str(tmp_path))


def test_a_text_that_is_not_there(tmp_path):
    assert_one_line(run("eval", tmp_path, "--text", tmp_path / "t"), str(tmp_path / "t"))


def test_a_text_that_is_not_utf8(tmp_path):
    (tmp_path / "t").write_bytes(b"\xff\xfe")
    assert_one_line(run("eval", tmp_path, "--text", tmp_path / "t"), "not UTF-8")


@pytest.fixture
def echo_tools(tmp_path):
    """Tools that print how they were called and fail with 1."""
    for name in ("quantc", "quant-translate", "quant-opt"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@"\necho "error: no" >&2\nexit 1\n')
        tool.chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize(
    "arguments, called",
    [
        ("import m.gguf -o m.mlir", "quant-translate --import-gguf m.gguf -o m.mlir"),
        ("import . -o m.mlir", "quant-translate --import-hf . -o m.mlir"),
        (
            "quantize m.mlir --recipe w8a8 -o q.mlir",
            "quant-opt m.mlir"
            " --quantize=recipe='w8a8' weights-out='q.weights.safetensors' -o q.mlir",
        ),
        ("compile m.gguf -o out", "quantc m.gguf -o out"),
        (
            "compile m.gguf --batch 64 --target cpu:x86-64-v3 --recipe int8 --name m -o out",
            "quantc m.gguf --recipe int8 --target cpu:x86-64-v3 --name m --batch 64 -o out",
        ),
    ],
)
def test_the_tools_are_called(echo_tools, arguments, called):
    done = run(*arguments.split(), QUANT_MLIR_TOOLS=echo_tools)
    assert (done.stdout, done.stderr, done.returncode) == (called + "\n", "error: no\n", 1)

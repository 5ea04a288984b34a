# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""quantc --tune: kernels are measured once, and what is chosen changes no integer product."""

import os
import platform
import re
import subprocess

import numpy as np
import pytest
import quant_mlir
import tiny_models
from quant_mlir import InputError, tools


def quantc(folder, *arguments, **environment):
    try:
        command = [tools.find("quantc"), "--name", "model", "-o", folder, *arguments]
    except InputError as error:
        pytest.skip(str(error))
    environment = {**os.environ, **environment}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    path = tmp_path_factory.mktemp("llama") / "llama.gguf"
    path.write_bytes(tiny_models.llama_gguf("Q4_1").bytes())
    return path


@pytest.fixture(scope="module")
def tuned(llama, tmp_path_factory):
    """(what quantc wrote, what it said, its file of choices)"""
    folder = tmp_path_factory.mktemp("tuned")
    choices = folder / "new" / "tiles.yaml"
    done = quantc(folder / "out", llama, f"--tune={choices}")
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stderr, choices


def logits(folder):
    tokens = [i * 7 % tiny_models.VOCABULARY for i in range(29)]
    with quant_mlir.load(folder) as model:
        return model.logits(tokens)


def test_measures_each_kernel_once(llama, tuned, tmp_path):
    folder, said, choices = tuned
    text = choices.read_text(encoding="utf-8")
    kernels = text.count("{rows: ")
    assert kernels > 2 and f"measured {kernels} kernels for {choices}" in said
    again = quantc(tmp_path / "again", llama, f"--tune={choices}")
    assert again.returncode == 0 and "measured" not in again.stderr
    assert choices.read_text(encoding="utf-8") == text
    used = quantc(tmp_path / "used", llama, "--choices", choices)
    assert used.returncode == 0 and "measured" not in used.stderr
    objects = [f / "model.o" for f in (folder, tmp_path / "again", tmp_path / "used")]
    assert len({path.read_bytes() for path in objects}) == 1


def test_only_what_is_missing_is_measured(llama, tuned, tmp_path):
    lines = tuned[2].read_text(encoding="utf-8").splitlines(keepends=True)
    choices = tmp_path / "tiles.yaml"
    choices.write_text("".join(lines[:-1]), encoding="utf-8")
    done = quantc(tmp_path / "out", llama, f"--tune={choices}")
    assert f"measured 1 kernel for {choices}" in done.stderr
    found = choices.read_text(encoding="utf-8").splitlines(keepends=True)
    assert found[:-1] == lines[:-1] and found[-1].split(":")[0] == lines[-1].split(":")[0]


def test_other_tiles_same_integers(llama, tuned, tmp_path):
    text = tuned[2].read_text(encoding="utf-8")
    text, count = re.subn(r"(kernel\.matmul_int .*rows: )\d+", r"\g<1>5", text)
    assert count
    choices = tmp_path / "tiles.yaml"
    choices.write_text(text, encoding="utf-8")
    for folder, flags in [("usual", []), ("five", ["--choices", choices])]:
        done = quantc(tmp_path / folder, llama, *flags)
        assert done.returncode == 0, done.stderr
    usual, five = tmp_path / "usual", tmp_path / "five"
    assert (usual / "model.o").read_bytes() != (five / "model.o").read_bytes()
    assert np.array_equal(logits(usual), logits(five))


def test_kernels_in_the_users_cache(tmp_path):
    listed = tmp_path / "list.yaml"
    listed.write_text("kernels: {up: {op: matmul, n: 48, k: 64, recipe: int4-g32}}\n")
    flags = ["--kernels", listed, "--tune"]
    done = quantc(tmp_path / "out", *flags, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "cache" / "quant-mlir" / "tiles.yaml").read_text(encoding="utf-8")
    assert "tensor<48x64xf32" in text


def test_one_line_for_what_cannot_be(llama, tmp_path):
    other = "cpu:aarch64" if platform.machine() == "x86_64" else "cpu:x86-64-v3"
    broken = tmp_path / "broken.yaml"
    broken.write_text("machine: {kernel: {rows: many}}\n")
    for flags, said in [
        (["--tune", "--target", other], f"--tune: this machine cannot run code for {other}"),
        (["--choices", tmp_path / "none"], "none: No such file"),
        (["--choices", broken], "broken.yaml:1: expected a positive number"),
        ([f"--tune={broken}"], "broken.yaml:1: expected a positive number"),
        (["--tune", "--choices", broken], "--tune and --choices exclude each other"),
    ]:
        done = quantc(tmp_path / "out", llama, *flags)
        assert done.returncode in (1, 2) and said in done.stderr
        assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()

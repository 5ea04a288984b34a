# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One object with code for several CPUs: each version gives what an object of its own gives."""

import shutil
import subprocess

import numpy as np
import pytest
import quant_mlir
from cases import TARGETS as NEEDS
from cases import cpu_flags
from quant_mlir import tools
from test_matmul import needs
from tiny_models import llama_gguf

TARGETS = ("x86-64-v3", "x86-64-v4", "x86-64-v4+bf16")
LIST = "cpu:" + ",".join(TARGETS)
TOKENS = [1, 5, 9, 2, 7, 7, 3, 11, 4, 6, 8, 10, 1]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    path.write_bytes(llama_gguf("Q4_1").bytes())
    return path


@pytest.fixture
def logits(tmp_path, monkeypatch):
    """Of all tokens at once and of one more; a library chooses once, so it is a copy."""

    def run(folder, target=None):
        copy = tmp_path / (target or "single")
        shutil.copytree(folder, copy)
        monkeypatch.setenv("QM_TARGET", target or "")
        with quant_mlir.load(copy, threads=2) as model:
            assert target in (None, model.target)
            with model.session() as session:
                return np.concatenate([session.feed(TOKENS, all=True), session.feed([5])])

    return run


# Integers are summed exactly. Floats are summed in as many chains as a tile has registers to
# spare, so where panels are wider in another order; pairs of bf16 are, too, on a CPU that
# multiplies them one by one. Roundings of float32, some 1e-7 each.
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "recipe, tolerance", [("as-stored", 0), ("w8a8", 2e-6), ("bf16-a16", 2e-6), ("fp8", 2e-6)]
)
def test_versions_give_what_they_give_alone(compiled, gguf, logits, recipe, tolerance, target):
    needs(f"cpu:{target}")
    ours = logits(compiled(gguf, recipe, "--target", LIST), target)
    single = logits(compiled(gguf, recipe, "--target", f"cpu:{target}"))
    assert np.isfinite(single).all() and single.std() > 0
    assert np.abs(ours - single).max() <= tolerance * np.abs(single).max()


def test_weights_are_packed_once_for_the_widest(compiled, gguf):
    together = compiled(gguf, "w8a8", "--target", LIST)
    single = compiled(gguf, "w8a8", "--target", "cpu:x86-64-v4")
    name = "model.weights.safetensors"
    assert (together / name).read_bytes() == (single / name).read_bytes()


def test_the_best_runs_unless_told(compiled, gguf, monkeypatch):
    folder = compiled(gguf, "w8a8", "--target", LIST)
    runs = [target for target in TARGETS if cpu_flags().issuperset(NEEDS[f"cpu:{target}"])]
    if not runs:
        pytest.skip("this CPU can run none of the targets")
    monkeypatch.delenv("QM_TARGET", raising=False)
    with quant_mlir.load(folder) as model:
        assert model.target == runs[-1]
    monkeypatch.setenv("QM_TARGET", "x86-64-v2")
    with pytest.raises(quant_mlir.InputError) as caught:
        quant_mlir.load(folder)
    best_first = ", ".join(reversed(TARGETS))
    assert str(caught.value) == f"QM_TARGET=x86-64-v2: model is compiled for {best_first}"


@pytest.mark.parametrize(
    "target, error",
    [
        ("cpu:x86-64-v3,x86-64-v3", "x86-64-v3 is there twice"),
        ("cpu:x86-64-v3,aarch64", "x86-64-v3 and aarch64 cannot be in one object"),
        ("cpu:native,x86-64-v3", "native is for one machine, not for a list"),
        ("cpu:x86-64-v3,sse9", "unknown target 'cpu:sse9'; known are"),
    ],
)
def test_bad_lists(gguf, tmp_path, target, error):
    command = [tools.find("quantc"), gguf, "--target", target, "-o", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert error in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_cpu_is_refused(compiled, tmp_path):
    if "amx_int8" in cpu_flags():
        pytest.skip("needs a CPU without AMX")
    path = tmp_path / "double.mlir"
    path.write_text(
        "func.func @double(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {\n"
        "  %0 = arith.addf %x, %x : tensor<?x4xf32>\n  return %0 : tensor<?x4xf32>\n}\n"
    )
    needs("cpu:x86-64-v3")
    folder = compiled(path, None, "--target", "cpu:x86-64-v4+amx")
    with pytest.raises(quant_mlir.InputError) as caught:
        quant_mlir.load(folder)
    assert str(caught.value) == "model: compiled for x86-64-v4+amx, which this CPU cannot run"

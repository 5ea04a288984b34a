# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small PyTorch modules as torch-mlir wrote them: compiled, run, and compared with torch."""

import pathlib
import subprocess

import numpy as np
import pytest
import quant_mlir
from quant_mlir import tools

FOLDER = pathlib.Path(__file__).parent / "torch"
EXPECTED = np.load(FOLDER / "expected.npz")
MODULES = sorted(path.stem for path in FOLDER.glob("*.mlir"))
# torch-mlir itself writes sqrt(2/pi) as 0.797724, so x·Φ(x) is off by up to 1e-4.
BOUND = {"gelu_tanh": 2e-4}
# What cannot be compiled yet, and the reason that quantc gives.
UNSUPPORTED = {"attention_sdpa_mask": "tensors of i1 that cannot be fused are not supported yet"}


def test_every_module_has_an_expectation():
    assert {key.split(".")[0] for key in EXPECTED.files} == set(MODULES)


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_is_not_supported_says_so(name, tmp_path):
    command = [tools.find("quantc"), FOLDER / f"{name}.mlir", "-o", tmp_path / "out"]
    done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 1 and UNSUPPORTED[name] in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(UNSUPPORTED)))
def test_module(compiled, name):
    inputs = [EXPECTED[key] for key in sorted(EXPECTED.files) if key.startswith(f"{name}.input")]
    with quant_mlir.load(compiled(FOLDER / f"{name}.mlir", "f32")) as model:
        result = model.run(*inputs)
    expected = EXPECTED[f"{name}.result"]
    assert result.shape == expected.shape and result.dtype == expected.dtype
    # Sums have at most 24 terms of magnitude 1: 24 · 6e-8, and a factor 3 for the chain of ops.
    assert np.abs(result - expected).max() <= BOUND.get(name, 5e-6)

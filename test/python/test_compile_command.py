# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`python -m quant_mlir compile` with recipes that need calibration."""

import numpy as np
import pytest
import tiny_models
from quant_mlir import InputError, __main__, tools


@pytest.fixture
def llama(tmp_path):
    try:
        tools.find("quantc")
    except InputError as error:
        pytest.skip(str(error))
    return tiny_models.llama_folder(tmp_path / "llama")


def compile(llama, folder, *flags):
    recipe = ("--recipe", "w4a16-gptq-g32")
    return __main__.main(["compile", str(llama), *recipe, "-o", str(folder), *map(str, flags)])


def test_tokens(llama, tmp_path):
    np.save(tmp_path / "t.npy", np.arange(96, dtype=np.int32) % tiny_models.VOCABULARY)
    flags = ("--tokens", tmp_path / "t.npy", "--windows", 2, "--window-length", 32)
    assert compile(llama, tmp_path / "out", *flags) == 0
    assert list((tmp_path / "out").glob("*.weights.safetensors"))


def test_nothing_to_calibrate_with(llama, tmp_path, capfd):
    assert compile(llama, tmp_path / "out") == 1
    assert "needs calibration" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_such_text(llama, tmp_path, capfd):
    assert compile(llama, tmp_path / "out", "--text", tmp_path / "none.txt") == 1
    assert "none.txt: No such file" in capfd.readouterr().err

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF's types of matrices, from the file to the program."""

import subprocess

import numpy as np
import pytest
import quant_mlir
from block_formats import BLOCK_FORMATS
from quant_mlir import tools
from tiny_models import VOCABULARY, llama_gguf


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")

    def make(type):
        path = folder / f"{type}.gguf"
        path.write_bytes(llama_gguf(type, hidden=256, feed_forward=512).bytes())
        return path

    return make


def translate(path):
    command = [tools.find("quant-translate"), "--import-gguf", path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("type", BLOCK_FORMATS)
def test_every_matrix_has_the_scheme(gguf, type):
    weights = [line for line in translate(gguf(type)).stdout.splitlines() if "qt.weight" in line]
    matrices = [line for line in weights if "_norm.weight" not in line]
    assert len(matrices) == 15
    assert all(f"xf32, #qt.{BLOCK_FORMATS[type].mnemonic}>" in line for line in matrices)


def test_types_that_are_not_known(tmp_path):
    model = llama_gguf("Q4_K", hidden=256, feed_forward=512)
    table = model["token_embd.weight"]
    table.type, table.data = 15, bytes(len(table.data) // 144 * 292)  # Q8_K: activations
    (tmp_path / "model.gguf").write_bytes(model.bytes())
    done = translate(tmp_path / "model.gguf")
    assert done.returncode == 1
    assert "'token_embd.weight': is Q8_K; supported are F16 to F64, GGUF's" in done.stderr


# As F32 has the same numbers.
@pytest.mark.parametrize("type, kind", [("F64", "float64"), ("I8", "int8"), ("I64", "int64")])
def test_plain_numbers(compiled, tmp_path, type, kind):
    tokens = np.arange(20, dtype=np.int32)
    results = []
    for converts in (False, True):
        model = llama_gguf(type)
        for tensor in model.tensors if converts else ():
            if tensor.type == type:
                numbers = np.frombuffer(tensor.data, kind)
                tensor.type, tensor.data = "F32", numbers.astype(np.float32).tobytes()
        path = tmp_path / f"{type}_{converts}.gguf"
        path.write_bytes(model.bytes())
        with quant_mlir.load(compiled(path, "as-stored")) as program:
            results.append(program.logits(tokens))
    np.testing.assert_array_equal(*results)


# Rows that are looked up, and products with activations in 8 bits, beside floats.
@pytest.mark.parametrize(
    "type",
    [
        *("Q4_K", "Q5_0", "IQ2_S"),
        *(pytest.param(t, marks=pytest.mark.slow) for t in ("Q2_K", "Q6_K", "IQ1_M", "IQ3_XXS")),
    ],
)
def test_programs_compute_what_files_say(compiled, gguf, type):
    tokens = np.random.default_rng(3).integers(0, VOCABULARY, 40, np.int32)
    results = []
    for recipe in ("f32", "as-stored"):
        with quant_mlir.load(compiled(gguf(type), recipe)) as model:
            results.append(model.logits(tokens))
    exact, rounded = results
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    # These weights are noise: bf16 ones differ from them by 0.011 to 0.016.
    assert 0 < error < 0.05

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF's types of matrices, from the file to the program."""

import subprocess

import numpy as np
import pytest
import quant_mlir
from quant_mlir import tools
from tiny_models import HALVES, VOCABULARY, llama_gguf


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")

    def make(type):
        path = folder / f"{type}.gguf"
        path.write_bytes(llama_gguf(type, hidden=256, feed_forward=512).bytes())
        return path

    return make


def scheme(type):
    return "#qt." + type.lower().replace("_k", "_K")


def translate(path):
    command = [tools.find("quant-translate"), "--import-gguf", path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("type", sorted(set(HALVES) - {"IQ4_XS"}))
def test_every_matrix_has_the_scheme(gguf, type):
    weights = [line for line in translate(gguf(type)).stdout.splitlines() if "qt.weight" in line]
    matrices = [line for line in weights if "_norm.weight" not in line]
    assert len(matrices) == 15
    assert all(f"xf32, {scheme(type)}>" in line for line in matrices)


def test_types_that_are_not_known(gguf):
    done = translate(gguf("IQ4_XS"))
    assert done.returncode == 1
    assert "'token_embd.weight': is IQ4_XS; supported are F32, " in done.stderr


# Rows that are looked up, and products with activations in 8 bits, beside floats.
@pytest.mark.parametrize(
    "type", ["Q4_K", "Q5_0", *(pytest.param(t, marks=pytest.mark.slow) for t in ("Q2_K", "Q6_K"))]
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

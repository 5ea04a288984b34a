# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""all-MiniLM-L6-v2 against transformers, through each door that a model can come in by."""

import json
import shutil

import numpy as np
import pytest
import quant_mlir
from assemble import assemble

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def torch_file(minilm_folder, tmp_path_factory):
    """The linalg text that torch-mlir writes for transformers' BertModel."""
    path = tmp_path_factory.mktemp("torch") / "minilm_torch.mlir"
    assemble(minilm_folder, path)
    return path


@pytest.fixture(scope="module", params=["hf", "torch-mlir"])
def door(request, minilm_folder):
    return minilm_folder if request.param == "hf" else request.getfixturevalue("torch_file")


# W8A8 in PyTorch (weights by channel, activations by token, rounded to nearest) has a mean of
# 0.9969 over these sentences and 0.973 for the worst, which is one of four words.
@pytest.mark.parametrize(
    "recipe, mean, worst", [("f32", 0.9999, 0.9999), ("w8a8", 0.995, 0.96)], ids=["f32", "w8a8"]
)
def test_embeddings(
    compiled, door, minilm_folder, sentences, minilm_reference, recipe, mean, worst
):
    folder = compiled(door, recipe)
    if not (folder / "tokenizer.json").exists():  # linalg text brings no tokenizer
        shutil.copy(minilm_folder / "tokenizer.json", folder)
    with quant_mlir.load(folder) as model:
        rows = model.embed(sentences)
    assert rows.shape == (200, 384) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    cosines = (rows * minilm_reference).sum(1)
    print(recipe, "worst", cosines.min(), "mean", cosines.mean())
    assert cosines.mean() >= mean
    assert cosines.min() >= worst, sentences[int(cosines.argmin())]


def test_the_torch_graph_is_recognised(compiled, torch_file):
    """Raised to lm, the linears are quantized: 36 of them, as from the HF folder."""
    info = json.loads((compiled(torch_file, "w8a8") / "model.json").read_text())
    int8 = [tensor for tensor in info["tensors"] if "int<8" in tensor["scheme"]]
    assert len(int8) == 36

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs with quantized weights: which become weights of ours, and what they compute."""

import json

import numpy as np
import pytest
import quant_mlir
from quant_mlir.tokenizer import Tokenizer

onnx = pytest.importorskip("onnx")
import bert_graph  # noqa: E402
import dynamic_graph  # noqa: E402
import quantized_forms  # noqa: E402

FORMS = quantized_forms.build()


@pytest.fixture(scope="module")
def forms(compiled, tmp_path_factory):
    path = tmp_path_factory.mktemp("forms") / "forms.onnx"
    onnx.save(FORMS.model(), path)
    return compiled(path)


@pytest.fixture(scope="module")
def results(forms):
    with quant_mlir.load(forms) as model:
        return dict(zip(FORMS.expected, model.run(x=FORMS.x, ids=FORMS.ids)))


@pytest.mark.parametrize("name", FORMS.expected)
def test_result(results, name):
    """Sums of 64 products, each with a rounding error of 6e-8 of the largest, 127 * 16; a result
    in 16 bits is rounded."""
    error = np.abs(results[name] - FORMS.expected[name])
    bound = np.abs(FORMS.expected[name]) * 2**-11 if name.endswith("f16") else 0
    assert (error <= 64 * 6e-8 * 127 * 16 + bound).all()


def test_stored(forms):
    """The integers are weights as they are; what no scheme says is no weight."""
    info = json.loads((forms / "model.json").read_text())
    stored = {tensor["name"]: tensor["scheme"] for tensor in info["tensors"]}
    assert {name: scheme for name, scheme in stored.items() if name.endswith(".codes")} == {
        f"{name}.codes": scheme for name, scheme in FORMS.schemes.items() if scheme
    }


@pytest.mark.slow
def test_minilm(compiled, minilm_folder, sentences, minilm_reference, tmp_path):
    """Weights with a scale for each column, activations with one for each token: as w8a8."""
    path = tmp_path / "dynamic_minilm.onnx"
    onnx.save(dynamic_graph.quantize(bert_graph.build(minilm_folder)), path)
    folder = compiled(path, None, "--size", "batch=1")
    tensors = json.loads((folder / "model.json").read_text())["tensors"]
    schemes = [each["scheme"] for each in tensors]
    assert schemes.count("#qt.int<8, channel>") == 36 and schemes.count("#qt.int<8, tensor>") == 3
    tokenizer = Tokenizer.load(minilm_folder)
    with quant_mlir.load(folder) as model:
        rows = [bert_graph.embed(model, tokenizer, [text]) for text in sentences[:10]]
    cosines = (np.concatenate(rows) * minilm_reference[:10]).sum(1)
    assert cosines.min() >= 0.99, sentences[int(cosines.argmin())]

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs in ONNX files: compiled, run from Python with named inputs, and compared."""

import json

import numpy as np
import pytest
import quant_mlir
from compiling import run
from quant_mlir.__main__ import main
from quant_mlir.tokenizer import Tokenizer

onnx = pytest.importorskip("onnx")
import bert_graph  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


@pytest.fixture(scope="module")
def minilm_onnx(minilm_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "minilm_onnx.onnx"
    onnx.save(bert_graph.build(minilm_folder), path)
    return path


@pytest.mark.slow
def test_minilm(compiled, minilm_onnx, minilm_folder, sentences, minilm_reference):
    """Batches of four, so that the mask has something to hide."""
    folder = compiled(minilm_onnx, "f32")
    tokenizer = Tokenizer.load(minilm_folder)
    with quant_mlir.load(folder) as model:
        names = [each.name for each in model.functions[0].inputs]
        assert names == ["input_ids", "attention_mask", "token_type_ids"]
        rows = [bert_graph.embed(model, tokenizer, sentences[i : i + 4]) for i in range(0, 40, 4)]
    cosines = (np.concatenate(rows) * minilm_reference[:40]).sum(1)
    assert cosines.min() >= 0.9999, sentences[int(cosines.argmin())]


@pytest.mark.slow
def test_the_linears_are_quantized(compiled, minilm_onnx):
    info = json.loads(
        (compiled(minilm_onnx, "w8a8", "--size", "batch=1") / "model.json").read_text()
    )
    int8 = [tensor for tensor in info["tensors"] if "int<8" in tensor["scheme"]]
    assert len(int8) == 36


def test_external_data(compiled, tmp_path):
    """A weight in a file beside the model, behind 8 bytes that are not its own."""
    matrix = np.random.default_rng(1).standard_normal((32, 48)).astype(np.float32)
    (tmp_path / "numbers").write_bytes(b"x" * 8 + matrix.tobytes() + b"x")
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=matrix.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in [("location", "numbers"), ("offset", 8), ("length", matrix.nbytes)]:
        tensor.external_data.add(key=key, value=str(value))
    bias = numpy_helper.from_array(np.arange(48, dtype=np.float32), "b")
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 48])],
        [tensor, bias],
    )
    path = tmp_path / "external.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    x = np.random.default_rng(2).standard_normal((5, 32)).astype(np.float32)
    with quant_mlir.load(compiled(path, "f32")) as model:
        y = model.run(x=x)
        with pytest.raises(ValueError, match="takes x, not z"):
            model.run(z=x)
    # Sums of 32 terms of magnitude up to 10: 32 · 10 · 6e-8.
    assert np.abs(y - (x @ matrix + np.arange(48))).max() <= 2e-5


def test_import_from_python(tmp_path):
    """By its ending, as the other kinds of models by what they are."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx"
    )
    out = tmp_path / "m.mlir"
    assert main(["import", str(tmp_path / "m.onnx"), "-o", str(out)]) == 0
    assert "func.func" in out.read_text()


@pytest.mark.parametrize("attributes", [{"kv_num_heads": 4}, {"kv_num_heads": 2, "is_causal": 1}])
def test_attention_is_found(tmp_path, attributes):
    """The operator Attention becomes lm.attention, with grouped heads, too."""
    size = 16 * attributes["kv_num_heads"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "tokens", width])
        for name, width in (("q", 64), ("k", size), ("v", size))
    ]
    graph = helper.make_graph(
        [helper.make_node("Attention", ["q", "k", "v"], ["y"], q_num_heads=4, **attributes)],
        "g",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "tokens", 64])],
    )
    path = tmp_path / "attention.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)]), path)
    run("quant-translate", "--import-onnx", path, "-o", tmp_path / "m.mlir")
    run("quant-opt", tmp_path / "m.mlir", "--lm-raise-linalg", "-o", tmp_path / "raised.mlir")
    heads = f"heads = 4 : i64, kv_heads = {attributes['kv_num_heads']} : i64"
    assert heads in (tmp_path / "raised.mlir").read_text()

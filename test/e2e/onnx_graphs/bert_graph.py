# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A Hugging Face BERT as an ONNX file, in the nodes that PyTorch's exporter writes.

    python test/e2e/onnx_graphs/bert_graph.py HF_DIR OUT.onnx

Sizes are computed by Shape, Gather and Concat, the mask by Unsqueeze, Cast and Mul, and a
linear is a MatMul with the transposed weight and an Add.
"""

import json
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.count = weights, [], [], 0

    def __call__(self, op, *inputs, **attributes):
        """A node; what it makes has a name of its own."""
        self.count += 1
        name = f"/{op}_{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [f"{name}_output"], name, **attributes))
        return f"{name}_output"

    def constant(self, numbers, kind=np.int64):
        return self("Constant", value=numpy_helper.from_array(np.array(numbers, kind)))

    def weight(self, name, transposed=False):
        array = self.weights[name]
        array = np.ascontiguousarray(array.T) if transposed else array
        name += ".T" if transposed else ""
        if all(each.name != name for each in self.initializers):
            self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def linear(self, x, name):
        product = self("MatMul", x, self.weight(f"{name}.weight", transposed=True))
        return self("Add", self.weight(f"{name}.bias"), product)

    def norm(self, x, name, eps):
        gain, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self("LayerNormalization", x, gain, bias, axis=-1, epsilon=eps)

    def size(self, x, axis):
        """One size of x, as a list of one."""
        one = self("Gather", self("Shape", x), self.constant(axis), axis=0)
        return self("Unsqueeze", one, self.constant([0]))


def heads(g, x, count, width):
    shape = g(
        "Concat", g.size(x, 0), g.size(x, 1), g.constant([count]), g.constant([width]), axis=0
    )
    return g("Reshape", x, shape)


def attention(g, x, mask, prefix, count, width):
    name = f"{prefix}.attention.self"
    q = g("Transpose", heads(g, g.linear(x, f"{name}.query"), count, width), perm=[0, 2, 1, 3])
    k = g("Transpose", heads(g, g.linear(x, f"{name}.key"), count, width), perm=[0, 2, 3, 1])
    v = g("Transpose", heads(g, g.linear(x, f"{name}.value"), count, width), perm=[0, 2, 1, 3])
    scores = g("Div", g("MatMul", q, k), g.constant(np.sqrt(width), np.float32))
    weights = g("Softmax", g("Add", scores, mask), axis=-1)
    mixed = g("Transpose", g("MatMul", weights, v), perm=[0, 2, 1, 3])
    shape = g("Concat", g.size(mixed, 0), g.size(mixed, 1), g.constant([count * width]), axis=0)
    return g("Reshape", mixed, shape)


def gelu(g, x):
    """x/2 · (1 + erf(x/√2)), before opset 20."""
    erf = g("Erf", g("Div", x, g.constant(np.sqrt(2), np.float32)))
    doubled = g("Mul", x, g("Add", erf, g.constant(1, np.float32)))
    return g("Mul", doubled, g.constant(0.5, np.float32))


def build(folder, batch="batch"):
    """The model; `batch` is a name, or the one size that it is to have."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    g = Graph(read(folder / "model.safetensors"))
    count, hidden = config["num_attention_heads"], config["hidden_size"]
    eps = config["layer_norm_eps"]
    ids, mask, types = "input_ids", "attention_mask", "token_type_ids"

    wide = g("Unsqueeze", g("Unsqueeze", mask, g.constant([1])), g.constant([2]))
    hidden_ones = g("Sub", g.constant(1, np.float32), g("Cast", wide, to=TensorProto.FLOAT))
    lowest = g.constant(np.finfo(np.float32).min, np.float32)
    added = g("Mul", hidden_ones, lowest)

    positions = g.constant([list(range(config["max_position_embeddings"]))])
    ends = g.size(ids, 1)
    positions = g("Slice", positions, g.constant([0]), ends, g.constant([1]), g.constant([1]))
    words = g("Gather", g.weight("embeddings.word_embeddings.weight"), ids)
    kinds = g("Gather", g.weight("embeddings.token_type_embeddings.weight"), types)
    places = g("Gather", g.weight("embeddings.position_embeddings.weight"), positions)
    x = g.norm(g("Add", g("Add", words, kinds), places), "embeddings.LayerNorm", eps)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"
        mixed = attention(g, x, added, prefix, count, hidden // count)
        out = g.linear(mixed, f"{prefix}.attention.output.dense")
        x = g.norm(g("Add", out, x), f"{prefix}.attention.output.LayerNorm", eps)
        wide = gelu(g, g.linear(x, f"{prefix}.intermediate.dense"))
        out = g.linear(wide, f"{prefix}.output.dense")
        x = g.norm(g("Add", out, x), f"{prefix}.output.LayerNorm", eps)
    g.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [batch, "sequence"])
        for name in (ids, mask, types)
    ]
    shape = [batch, "sequence", hidden]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)
    graph = helper.make_graph(g.nodes, "main_graph", inputs, [output], g.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def embed(model, tokenizer, texts):
    """Means over the tokens of texts that are padded to one length."""
    ids = [tokenizer.encode(text) for text in texts]
    mask = np.zeros((len(ids), max(map(len, ids))), np.int64)
    tokens = np.zeros_like(mask)
    for row, each in enumerate(ids):
        tokens[row, : len(each)], mask[row, : len(each)] = each, 1
    states = model.run(token_type_ids=np.zeros_like(mask), input_ids=tokens, attention_mask=mask)
    means = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def read(path):
    """name -> array, of a file of f32."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, info in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and info["dtype"] == "F32":
            begin, end = info["data_offsets"]
            bytes_ = data[8 + length + begin : 8 + length + end]
            tensors[name] = np.frombuffer(bytes_, np.float32).reshape(info["shape"])
    return tensors


if __name__ == "__main__":
    save(build(sys.argv[1]), sys.argv[2])

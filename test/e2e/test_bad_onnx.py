# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX files that are at fault: each ends in one line that says why."""

import subprocess

import numpy as np
import pytest
from failing import fails
from quant_mlir import tools

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def small_model(nodes=None, initializers=(), opset=17, domain=""):
    """ids -> rows of a table, times a matrix, plus a bias; numbers in each form a file has."""
    if nodes is None:
        nodes = [
            helper.make_node("Gather", ["table", "ids"], ["rows"], "look"),
            helper.make_node("MatMul", ["rows", "matrix"], ["product"], "multiply"),
            helper.make_node("Add", ["product", "bias"], ["y"], "add"),
        ]
    matrix = np.arange(96, dtype=np.float32).reshape(8, 12)
    constants = [
        numpy_helper.from_array(np.ones((5, 8), np.float32), "table"),
        numpy_helper.from_array(matrix, "matrix"),
        helper.make_tensor("bias", TensorProto.FLOAT, [12], [0.5] * 12),
        *initializers,
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, 12])
    graph = helper.make_graph(nodes, "graph", [ids], [y], constants)
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def refuse(folder, content, reason):
    data = content if isinstance(content, bytes) else content.SerializeToString()
    (folder / "bad.onnx").write_bytes(data)
    reason = rf"error: bad\.onnx: {reason}"
    fails(folder, "quant-translate", "--import-onnx", "bad.onnx", "-o", "m.mlir", reason=reason)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, "it", **attributes)


def external(**entries):
    """A tensor that is said to be in another file."""
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize(
    "nodes, reason",
    [
        (
            [node("Add", ["b", "ids"], ["a"]), node("Add", ["a", "ids"], ["b"])],
            r"node 'it' \(Add\): reads 'b', which no input, initializer or node before it makes",
        ),
        ([node("Add", ["y", "bias"], ["y"])], r"node 'it' \(Add\): reads 'y', which no"),
        ([node("Add", ["bias"], ["y"])], r"node 'it' \(Add\): has 1 inputs"),
        ([node("Add", ["ids", "bias"], ["y"])], r"node 'it' \(Add\): has inputs of the types"),
        ([node("Add", ["bias", "bias"], ["bias"])], r"makes 'bias', which exists already"),
        (
            [node("Quux", ["ids"], ["y"], domain="org.example")],
            r"node 'it' \(Quux\): operator of domain 'org.example', opset 1, is not supported",
        ),
        (
            [node("NonZero", ["ids"], ["y"])],
            r"node 'it' \(NonZero\): operator of domain 'ai.onnx', opset 17, is not supported",
        ),
        ([node("MatMul", ["bias", "matrix"], ["y"])], r"multiplies rows of 12 by columns of 8"),
        ([node("Transpose", ["matrix"], ["y"], perm=[0, 0])], r"has no valid permutation"),
        ([node("Concat", ["matrix", "table"], ["y"], axis=1)], r"joins tensors of different sizes"),
        ([node("Softmax", ["bias"], ["y"], axis=7)], r"has no axis 7 of 1"),
        ([node("Gather", ["table", "ids"], ["y"], axis=1.5)], r"'axis' is no integer"),
        ([node("Split", ["bias"], ["y", "z"], axis=3)], r"has no axis 3 of 1"),
        ([node("Identity", ["bias"], ["z"])], r"output 'y' is never made"),
    ],
)
def test_graph(tmp_path, nodes, reason):
    refuse(tmp_path, small_model(nodes, domain="org.example"), f".*{reason}")


BLOCKS = {
    "codes": np.zeros((12, 1, 16), np.uint8),
    "scales": np.ones(12, np.float32),
    "zeros": np.zeros(12, np.uint8),
    "halves": np.full(12, 0.5, np.float32),
    "order": np.arange(8, dtype=np.int32) // 4,
    "flat": np.zeros((12, 8), np.uint8),
}


def blocks(inputs=("codes", "scales"), x="rows", op="MatMulNBits", **attributes):
    """Rows of 8 that are multiplied with, or looked up in, a matrix of blocks."""
    attributes = {"K": 8, "N": 12, "block_size": 32, **attributes}
    return node(op, [x, *inputs], ["y"], domain="com.microsoft", **attributes)


@pytest.mark.parametrize(
    "last, reason",
    [
        (blocks(bits=3), r"has codes of 3 bits; 2, 4 and 8 are supported"),
        (blocks(block_size=24), r"has blocks of 24 codes; powers of two from 16 on"),
        (blocks(block_size=8), r"has blocks of 8 codes; powers of two from 16 on"),
        (blocks(K=0), r"has a matrix of 12 rows and 0 columns"),
        (blocks(K=2**62), r"has a matrix of 12 rows and 4611686018427387904 columns"),
        (blocks(K=33), r"has 192 uint8 codes, where 12 rows of 32 bytes are needed"),
        (blocks(N=11), r"has 192 uint8 codes, where 11 rows of 16 bytes are needed"),
        (blocks(bits=8), r"has 192 uint8 codes, where 12 rows of 32 bytes are needed"),
        (blocks(["codes", "order"]), r"has 8 int32 scales for 12 rows of 1 blocks"),
        (blocks(["codes", "scales", "order"]), r"has zero points of the type int32 or of no"),
        (blocks(["codes", "scales", "flat"]), r"has 96 bytes of zero points for 12 rows of 1"),
        (blocks(["codes", "scales", "halves"]), r"has a zero point that is no code of 4 bits"),
        (blocks(["codes", "scales", "", "order"]), r"columns in blocks of another order \(g_idx\)"),
        (blocks(["codes", "rows"]), r"has a matrix that is no constant"),
        (blocks(x="ids"), r"multiplies int64 rows of 3 by a quantized matrix of 8 rows"),
        (blocks(x="none"), r"reads 'none', which no input"),
        (
            node("GatherBlockQuantized", ["flat", "ids", "scales"], ["y"], domain="com.microsoft"),
            r"has rows of 16 codes, which are no whole blocks of 128",
        ),
        (
            node(
                *("GatherBlockQuantized", ["flat", "ids", "scales"], ["y"]),
                **{"domain": "com.microsoft", "gather_axis": 1},
            ),
            r"has other axes than 0 \(gather_axis\)",
        ),
        (
            node("DynamicQuantizeMatMul", ["rows", "flat", "order"], ["y"], domain="com.microsoft"),
            r"has a matrix that is no constant, or is not quantized as one of our schemes",
        ),
        (node("Attention", ["rows", "rows", "bias"], ["y"]), r"has queries, keys and values of no"),
        (
            node("Attention", ["rows", "rows", "rows"], ["y"], q_num_heads=3, kv_num_heads=4),
            r"has rows of 8 elements, which are no 3 heads",
        ),
        (
            node("Attention", ["rows", "rows", "rows"], ["y"], q_num_heads=4, kv_num_heads=8),
            r"has 4 heads of queries for 8 of keys",
        ),
        (
            node("RotaryEmbedding", ["rows", "rows", "rows"], ["y"], num_heads=2),
            r"has no heads whose pairs have an angle each",
        ),
        (node("TopK", ["bias", "order"], ["y", "i"]), r"takes 0 elements of 12"),
        (node("Einsum", ["bias"], ["y"], equation="ab->a"), r"'ab->a', which does not fit"),
        (node("Einsum", ["rows", "flat"], ["y"], equation="abc,cd"), r"has inputs of the types"),
        (
            node("Einsum", ["rows", "matrix"], ["y"], equation="abc,dc"),
            r"has dimensions of 8 and 12 with one letter",
        ),
        (node("Einsum", ["bias"], ["y"], equation="a->b"), r"has a letter in its result twice"),
    ],
)
def test_products(tmp_path, last, reason):
    look = node("Gather", ["table", "ids"], ["rows"])
    constants = [numpy_helper.from_array(array, name) for name, array in BLOCKS.items()]
    model = small_model([look, last], constants, opset=23, domain="com.microsoft")
    refuse(tmp_path, model, rf"node 'it' \({last.op_type}\): .*{reason}")


@pytest.mark.parametrize("opset", [1, 12, 25])
def test_opset(tmp_path, opset):
    refuse(tmp_path, small_model(opset=opset), rf"has opset {opset}; 13 to 24 are supported")


@pytest.mark.parametrize(
    "entries, reason",
    [
        ({"location": "../secret"}, r"in '\.\./secret', which is not in the model's folder"),
        ({"location": "a/../../secret"}, r"which is not in the model's folder"),
        ({"location": "/etc/passwd"}, r"in '/etc/passwd', which is not in the model's folder"),
        ({"location": "C:\\secret"}, r"which is not in the model's folder"),
        ({"location": "a\nb"}, r"which is not in the model's folder"),
        ({"location": ""}, r"which is not in the model's folder"),
        ({}, r"which is not in the model's folder"),
        ({"location": "data", "offset": 4}, r"has 12 bytes of numbers, its shape needs 16"),
        ({"location": "data", "offset": 17}, r"beyond the end of 'data', which has 16 bytes"),
        ({"location": "data", "offset": -1}, r"without a valid offset and length"),
        ({"location": "data", "length": 2**63}, r"beyond the end of 'data'"),
    ],
)
def test_external_data(tmp_path, entries, reason):
    (tmp_path / "data").write_bytes(b"x" * 16)
    refuse(
        tmp_path, small_model(initializers=[external(**entries)]), f"tensor 'outside': .*{reason}"
    )


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "is empty"),
        (b"\x08", "is damaged: the model: field 1 is no valid number"),
        (b"PK\x03\x04", "is damaged: the model"),
        (b"\x80\x02}q\x00.", "is damaged: the model"),
        (b"\x08\x08", "is no ONNX model: it has no graph"),
        (b"\x3a\xff\xff\xff\xff\x0f", "is damaged: the model: field 7 claims to have"),
        (b"\x3a\x00\x3a\x00", "has more than one graph"),
        (b"\x0b\x0c", "is damaged: the model: field 1 has the unknown wire type 3"),
        (b"\x3a\x04\x0a\x02\x0a\x09", "is damaged: a node: field 1 claims to have 9 bytes"),
        (b"\x3a\x03\x7a\x01\x00", "has sparse initializers"),
    ],
)
def test_bytes(tmp_path, content, reason):
    refuse(tmp_path, content, reason)


def test_size_of_a_tensor(tmp_path):
    model = small_model()
    model.graph.initializer[1].dims[0] = 2**62
    refuse(tmp_path, model, r"tensor 'matrix': has the impossible size")
    model.graph.initializer[1].dims[0] = 9
    refuse(tmp_path, model, r"tensor 'matrix': has 384 bytes of numbers, its shape needs 432")


def mutations():
    """More than 200 damaged copies of a model, the same ones every time."""
    whole = small_model().SerializeToString()
    random = np.random.default_rng(7)
    for size in range(1, len(whole), len(whole) // 60):
        yield whole[:size]
    for place in random.integers(len(whole), size=120):
        copy = bytearray(whole)
        copy[place] ^= 1 << random.integers(8)
        yield bytes(copy)
    # Where lengths and counts are: the bytes outside of numbers.
    for place in random.integers(len(whole) // 3, size=60):
        copy = bytearray(whole)
        copy[place] = random.choice([0x00, 0x7F, 0x80, 0xFF])
        yield bytes(copy)


def test_mutations(tmp_path):
    refused = 0
    for number, content in enumerate(mutations()):
        path = tmp_path / f"m{number}.onnx"
        path.write_bytes(content)
        done = subprocess.run(
            [tools.find("quant-translate"), "--import-onnx", path.name, "-o", "m.mlir"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            timeout=10,
        )
        said = done.stderr.decode("utf-8")
        assert done.returncode in (0, 1), f"{path}: {done.returncode} {said}"
        if done.returncode == 1:
            refused += 1
            assert said.count("\n") == 1 and said[:-1].isprintable(), f"{path}: {said!r}"
            assert f"error: {path.name}: " in said, said
    # A flipped bit of a weight or of a name nobody asks for is no fault.
    assert number >= 200 and refused >= 100

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One product, x [rows, 64] times a matrix [64, 48], in each form that a graph can have it in.

    python test/e2e/onnx_graphs/quantized_forms.py OUT.onnx

x are integers of which every 32 in a row have 127 as the largest: integers of 8 bits, in groups
or for a token, are exact, so that each form has one right result, but for the order of sums.
"""

import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

K, N, BLOCK, ROWS = 64, 48, 32, 5
ONNX_TYPES = {
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
}
RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int4": (-8, 7), "uint4": (0, 15)}


def pack(codes, bits):
    """Codes of a row, low bits first, as bytes."""
    per = 8 // bits
    fill = -codes.shape[-1] % per
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, fill)]).astype(np.uint8)
    parts = codes.reshape(*codes.shape[:-1], -1, per) << (bits * np.arange(per, dtype=np.uint8))
    return np.bitwise_or.reduce(parts, axis=-1).astype(np.uint8)


class Forms:
    def __init__(self):
        self.random = np.random.default_rng(11)
        self.nodes, self.constants, self.expected, self.schemes = [], [], {}, {}
        self.x = self.random.integers(-126, 127, (ROWS, K)).astype(np.float32)
        self.x[:, ::BLOCK] = 127
        self.ids = np.array([3, 0, N - 1, 3], np.int64)
        self.bias = self.constant("bias", self.random.standard_normal(N).astype(np.float32))

    def constant(self, name, array, kind=None):
        if kind in ("int4", "uint4"):
            tensor = helper.make_tensor(name, ONNX_TYPES[kind], array.shape, array.ravel())
        else:
            tensor = numpy_helper.from_array(np.asarray(array, kind), name)
        self.constants.append(tensor)
        return name

    def node(self, op, inputs, outputs, **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs[0]

    def scales(self, shape):
        """As halves have them, too."""
        return (self.random.integers(1, 64, shape) / 1024).astype(np.float32)

    def codes(self, kind, shape):
        low, high = RANGES[kind]
        return self.random.integers(low, high + 1, shape)

    def add(self, name, scheme, expected):
        self.schemes[name], self.expected[name] = scheme, expected.astype(np.float32)

    def blocks(self, name, scheme, bits, zeros=None, scale="f4", k=K, bias=None, **attributes):
        """MatMulNBits: rows of blocks, the last filled up."""
        count = -(-k // BLOCK)
        codes = self.random.integers(0, 2**bits, (N, count * BLOCK))
        scales = self.scales((N, count))
        inputs = [
            self.columns(k) if k != K else "x",
            self.constant(f"{name}.codes", pack(codes.reshape(N, count, BLOCK), bits)),
            self.constant(f"{name}.scales", scales, scale),
        ]
        offsets = np.full((N, count), 2 ** (bits - 1))
        if zeros:
            offsets = self.random.integers(0, 2**bits, (N, count))
            packed = pack(offsets, bits) if zeros == "packed" else offsets.astype(scale)
            inputs.append(self.constant(f"{name}.zeros", packed))
        if bias:
            inputs += [""] * (5 - len(inputs)) + [bias]
        if scale == "f2":
            inputs[0] = self.node("Cast", [inputs[0]], f"{name}.x", to=TensorProto.FLOAT16)
        result = self.node(
            *("MatMulNBits", inputs, f"{name}.y" if scale == "f2" else name),
            **dict(domain="com.microsoft", K=k, N=N, bits=bits, block_size=BLOCK, **attributes),
        )
        if scale == "f2":
            self.node("Cast", [result], name, to=TensorProto.FLOAT)
        values = ((codes - np.repeat(offsets, BLOCK, 1)) * np.repeat(scales, BLOCK, 1))[:, :k]
        values = values.astype(np.float32)
        added = 0 if bias is None else numpy_helper.to_array(self.constants[0])
        self.add(name, scheme, self.x[:, :k] @ values.T + added)

    def columns(self, k):
        """The first k columns of x."""
        ends = self.constant(f"first.{k}", np.array([k]), "int64")
        axis = self.constant(f"axis.{k}", np.array([1]), "int64")
        start = self.constant(f"zero.{k}", np.array([0]), "int64")
        return self.node("Slice", ["x", start, ends, axis], f"x.{k}")

    def dequantized(self, name, kind, shape, scale_shape, zero=None, **attributes):
        """W and its name: codes, DequantizeLinear."""
        codes, scales = self.codes(kind, shape), self.scales(scale_shape)
        inputs = [
            self.constant(f"{name}.codes", codes, kind),
            self.constant(f"{name}.scales", scales),
        ]
        offsets = np.zeros(scale_shape, int)
        if zero:
            offsets = self.codes(kind, scale_shape)
            inputs.append(self.constant(f"{name}.zeros", offsets, kind))
        axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
        if block:
            offsets, each = np.repeat(offsets, block, axis), np.repeat(scales, block, axis)
        elif len(scale_shape) == 1:
            spread = [1, 1]
            spread[axis] = -1
            offsets, each = offsets.reshape(spread), scales.reshape(spread)
        else:
            each = scales
        self.node("DequantizeLinear", inputs, f"{name}.w", **attributes)
        return ((codes - offsets) * each).astype(np.float32), f"{name}.w"

    def product(self, name, scheme, *matrix, transposed=False, gemm=False, x="x", **attributes):
        shape = (N, K) if transposed else (K, N)
        values, w = self.dequantized(name, matrix[0], shape, *matrix[1:], **attributes)
        added = 0
        if gemm:
            self.node("Gemm", [x, w, self.bias], name, transB=int(transposed))
            added = numpy_helper.to_array(self.constants[0])
        else:
            if transposed:
                w = self.node("Transpose", [w], f"{name}.t", perm=[1, 0])
            self.node("MatMul", [x, w], name)
        self.add(name, scheme, self.x @ (values.T if transposed else values) + added)

    def rounded(self, name, kind, zero):
        """x, rounded to integers as they are."""
        inputs = [
            self.constant(f"{name}.xs", np.array(1), "f4"),
            self.constant(f"{name}.xz", np.array(zero), kind),
        ]
        codes = self.node("QuantizeLinear", ["x", *inputs], f"{name}.xq")
        return self.node("DequantizeLinear", [codes, *inputs], f"{name}.xf")

    def dynamic(self, name, scheme, kind, per_column, zero):
        """As quantize_dynamic of ONNX Runtime writes it."""
        shape = (N,) if per_column else ()
        codes, scales = self.codes(kind, (K, N)), self.scales(shape)
        zeros = self.codes(kind, shape) if zero else np.zeros(shape, kind)
        w, s, z = (
            self.constant(f"{name}.codes", codes, kind),
            self.constant(f"{name}.scales", scales),
            self.constant(f"{name}.zeros", zeros, kind),
        )
        xq, xs, xz = (f"{name}.{part}" for part in ("xq", "xs", "xz"))
        self.node("DynamicQuantizeLinear", ["x"], [xq, xs, xz])
        self.node("MatMulInteger", [xq, w, xz, z], f"{name}.sum")
        self.node("Cast", [f"{name}.sum"], f"{name}.float", to=TensorProto.FLOAT)
        self.node("Mul", [xs, s], f"{name}.factor")
        self.node("Mul", [f"{name}.float", f"{name}.factor"], name)
        self.add(name, scheme, self.x @ ((codes - zeros) * scales))

    def joined(self, name, scheme):
        codes, scales = self.codes("int8", (K, N)), self.scales((N,))
        inputs = ["x", self.constant(f"{name}.codes", codes, "int8")]
        inputs += [self.constant(f"{name}.scales", scales), "", self.bias]
        self.node("DynamicQuantizeMatMul", inputs, name, domain="com.microsoft")
        bias = numpy_helper.to_array(self.constants[0])
        self.add(name, scheme, self.x @ (codes * scales) + bias)

    def integers(self, name, scheme, kind, zero):
        """QLinearMatMul; its codes as floats. Halves of a step are exact, so ties are as well."""
        codes, scale = self.codes("int8", (K, N)), np.float32(1 / 64)
        step = np.float32(8)
        given = {
            "xs": np.array(1, "f4"),
            "xz": np.array(zero, kind),
            "codes": codes.astype("i1"),
            "scales": np.array(scale, "f4"),
            "zeros": np.array(0, "i1"),
            "ys": np.array(step, "f4"),
            "yz": np.array(zero + 3, kind),
        }
        xs, xz, *rest = (self.constant(f"{name}.{key}", value) for key, value in given.items())
        xq = self.node("QuantizeLinear", ["x", xs, xz], f"{name}.xq")
        y = self.node("QLinearMatMul", [xq, xs, xz, *rest], f"{name}.yq")
        self.node("DequantizeLinear", [y, rest[-2], rest[-1]], name)
        steps = np.rint(self.x @ (codes * scale) / step) + zero + 3
        self.add(name, scheme, (np.clip(steps, *RANGES[kind]) - zero - 3) * step)

    def lookup(self, name, scheme, kind, scale_shape, late=False):
        """Gather in front of DequantizeLinear, or behind it."""
        if not late:
            values, w = self.dequantized(name, kind, (N, K), scale_shape, axis=0)
            self.node("Gather", [w, "ids"], name)
            return self.add(name, scheme, values[self.ids])
        codes, scale = self.codes(kind, (N, K)), self.scales(())
        self.constant(f"{name}.codes", codes, kind)
        self.constant(f"{name}.scales", scale)
        zero = self.constant(f"{name}.zeros", np.array(7), kind)
        self.node("Gather", [f"{name}.codes", "ids"], f"{name}.rows")
        self.node("DequantizeLinear", [f"{name}.rows", f"{name}.scales", zero], name)
        return self.add(name, scheme, (codes[self.ids] - 7) * scale)

    def lookup_of_blocks(self, name, scheme):
        codes, scales = self.random.integers(0, 16, (N, K)), self.scales((N, K // BLOCK))
        zeros = self.random.integers(0, 16, (N, K // BLOCK))
        inputs = [
            self.constant(f"{name}.codes", pack(codes, 4)),
            "ids",
            self.constant(f"{name}.scales", scales),
            self.constant(f"{name}.zeros", pack(zeros, 4)),
        ]
        attributes = {"domain": "com.microsoft", "block_size": BLOCK, "quantize_axis": 1, "bits": 4}
        self.node("GatherBlockQuantized", inputs, name, **attributes)
        values = (codes - np.repeat(zeros, BLOCK, 1)) * np.repeat(scales, BLOCK, 1)
        self.add(name, scheme, values[self.ids])

    def model(self):
        inputs = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", K]),
            helper.make_tensor_value_info("ids", TensorProto.INT64, [len(self.ids)]),
        ]
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", values.shape[1]])
            if len(values) == ROWS
            else helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)
            for name, values in self.expected.items()
        ]
        graph = helper.make_graph(self.nodes, "forms", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def build():
    f, half = Forms(), BLOCK // 2
    f.blocks("nbits", "#qt.int<4, group = 32>", 4, accuracy_level=4)
    f.blocks("nbits_zeros", "#qt.int<4, group = 32, zero = i4>", 4, "packed", bias=f.bias)
    f.blocks("nbits_float_zeros", "#qt.int<4, group = 32, zero = i4>", 4, "float")
    f.blocks("nbits_f16", "#qt.int<4, group = 32, scale = f16, zero = i4>", 4, "packed", "f2")
    f.blocks("nbits_tail", "#qt.int<4, group = 32, zero = i4>", 4, "packed", k=BLOCK + half)
    f.blocks("nbits_one_block", "#qt.int<4, channel>", 4, k=half, accuracy_level=1)
    f.blocks("nbits_2", "#qt.int<2, group = 32, zero = i2>", 2, "packed")
    f.blocks("nbits_8", "#qt.int<8, group = 32, zero = i8>", 8, "packed")
    f.product("tensor", "#qt.int<8, tensor>", "int8", ())
    f.product("tensor_zero", "#qt.int<8, tensor, zero = i8>", "uint8", (), True)
    f.product("columns", "#qt.int<8, channel>", "int8", (N,), axis=1)
    f.product("gemm", "#qt.int<8, channel>", "int8", (N,), gemm=True, transposed=True, axis=0)
    f.product("rows", "#qt.int<8, channel, zero = i8>", "int8", (N,), True, transposed=True, axis=0)
    group = {"axis": 0, "block_size": BLOCK}
    f.product("int4", "#qt.int<4, group = 32>", "int4", (K // BLOCK, N), **group)
    f.product("uint4", "#qt.int<4, group = 32, zero = i4>", "uint4", (K // BLOCK, N), True, **group)
    f.product("unsigned", "#qt.int<4, channel, zero = i4>", "uint4", (N,))
    x = f.rounded("static", "int8", 0)
    f.product("static", "#qt.int<8, channel>", "int8", (N,), x=x)
    x = f.rounded("static_middle", "uint8", 128)
    f.product("static_middle", "#qt.int<8, tensor>", "int8", (), x=x, gemm=True)
    x = f.rounded("static_other", "uint8", 127)
    f.product("static_other", "#qt.int<8, channel>", "int8", (N,), x=x)
    f.dynamic("dynamic", "#qt.int<8, tensor>", "int8", False, False)
    f.dynamic("dynamic_columns", "#qt.int<8, channel, zero = i8>", "uint8", True, True)
    f.joined("joined", "#qt.int<8, channel>")
    f.integers("integers", "#qt.int<8, tensor>", "int8", 0)
    f.integers("integers_other", "#qt.int<8, tensor>", "uint8", 127)
    f.lookup("lookup", "#qt.int<8, channel>", "int8", (N,))
    f.lookup("lookup_codes", "#qt.int<8, tensor, zero = i8>", "uint8", (), late=True)
    f.lookup_of_blocks("lookup_blocks", "#qt.int<4, group = 32, zero = i4>")
    # Not along the reduction, so there is no scheme: these stay what they are.
    f.product("inputs", None, "int8", (K,), axis=0)
    f.product("wide", None, "int8", (K, N // half), axis=1, block_size=half)
    return f


if __name__ == "__main__":
    save(build().model(), sys.argv[1])

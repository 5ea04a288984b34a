# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A float graph with its weights in 8 bits, as quantize_dynamic of ONNX Runtime writes it."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper


def rounded(array, axis):
    """Codes and scales: one for each index of the other axis, or for all."""
    scales = (np.abs(array).max(axis=axis) / 127).astype(np.float32)
    wide = scales if axis is None else np.expand_dims(scales, axis)
    return np.rint(array / wide).astype(np.int8), scales


def quantize(model):
    """Products become integer products, tables are looked up as codes."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {each.name: each for each in graph.initializer}
    nodes = []
    for node in graph.node:
        weight = [name for name in node.input if name in weights]
        if node.op_type not in ("MatMul", "Gather") or not weight:
            nodes.append(node)
            continue
        name, out = weight[0], node.output[0]
        product = node.op_type == "MatMul"
        codes, scales = rounded(numpy_helper.to_array(weights[name]), 0 if product else None)
        w, s, z = (f"{name}_{part}" for part in ("quantized", "scale", "zero_point"))
        if w not in weights:
            for key, value in ((w, codes), (s, scales), (z, np.zeros_like(scales, np.int8))):
                weights[key] = numpy_helper.from_array(value, key)
                graph.initializer.append(weights[key])
        add = helper.make_node
        if not product:
            nodes.append(add("Gather", [w, node.input[1]], [f"{out}_codes"]))
            nodes.append(add("DequantizeLinear", [f"{out}_codes", s, z], [out]))
            continue
        xq, xs, xz = (f"{out}_{part}" for part in ("x", "x_scale", "x_zero_point"))
        nodes += [
            add("DynamicQuantizeLinear", [node.input[0]], [xq, xs, xz]),
            add("MatMulInteger", [xq, w, xz, z], [f"{out}_sum"]),
            add("Cast", [f"{out}_sum"], [f"{out}_float"], to=TensorProto.FLOAT),
            add("Mul", [xs, s], [f"{out}_scales"]),
            add("Mul", [f"{out}_float", f"{out}_scales"], [out]),
        ]
    read = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return result

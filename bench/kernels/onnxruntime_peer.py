# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""onnxruntime as a worker of kernels.py: onnxruntime_peer.py THREADS

Variants: f32, dynamic (int8 activations made in the op), nbitsB_gG (MatMulNBits of B bits in
groups of G, with int8 activations: accuracy level 4).
"""

import re
import sys

import numpy as np
import onnxruntime
import protocol
from onnx import TensorProto, helper, numpy_helper

THREADS = int(sys.argv[1])
NUMBERS = np.random.default_rng(0)


def parts_of(variant, k, n, name):
    """The initializers and the node that compute NAME from a, and the weight's bytes."""
    tensor = numpy_helper.from_array
    nbits = re.fullmatch(r"nbits(\d)_g(\d+)", variant)
    if variant == "f32":
        w = NUMBERS.standard_normal((k, n), np.float32)
        inputs = [tensor(w, f"{name}_w")]
        node = ("MatMul", "", {})
    elif variant == "dynamic":
        inputs = [
            tensor(NUMBERS.integers(-127, 128, (k, n), np.int8), f"{name}_w"),
            tensor(NUMBERS.random(n, np.float32), f"{name}_s"),
            tensor(np.zeros(n, np.int8), f"{name}_z"),
        ]
        node = ("DynamicQuantizeMatMul", "com.microsoft", {})
    else:
        bits, group = int(nbits[1]), int(nbits[2])
        codes = NUMBERS.integers(0, 256, (n, k // group, group * bits // 8), np.uint8)
        inputs = [
            tensor(codes, f"{name}_w"),
            tensor(NUMBERS.random(n * (k // group), np.float32) * 0.01, f"{name}_s"),
        ]
        fields = {"K": k, "N": n, "bits": bits, "block_size": group, "accuracy_level": 4}
        node = ("MatMulNBits", "com.microsoft", fields)
    op, domain, fields = node
    names = ["a", *(each.name for each in inputs)]
    made = helper.make_node(op, names, [name], domain=domain, **fields)
    return inputs, made, sum(len(each.raw_data) for each in inputs)


class Onnxruntime:
    def __init__(self):
        self.sessions = {}

    def version(self):
        return onnxruntime.__version__

    def session(self, variant, k, n, copies):
        parts = [parts_of(variant, k, n, f"y{i}") for i in range(copies)]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [node for _, node, _ in parts],
            "graph",
            [value("a", TensorProto.FLOAT, ["M", k])],
            [value(f"y{i}", TensorProto.FLOAT, ["M", n]) for i in range(copies)],
            [each for inputs, _, _ in parts for each in inputs],
        )
        sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=sets, ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, variant, k, n, cold_megabytes):
        size = parts_of(variant, k, n, "y")[2]
        copies = protocol.copies_for(size, cold_megabytes)
        cold = self.session(variant, k, n, copies)
        warm = cold if copies == 1 else self.session(variant, k, n, 1)
        self.sessions[variant] = (cold, warm, copies, k)
        return size, copies

    def runner(self, variant, rows):
        cold, warm, copies, k = self.sessions[variant]
        session, copies = (warm, 1) if rows > 32 else (cold, copies)
        binding = session.io_binding()
        binding.bind_cpu_input("a", NUMBERS.standard_normal((rows, k), np.float32))
        for output in session.get_outputs():
            binding.bind_output(output.name)
        # Results get memory now and keep it.
        session.run_with_iobinding(binding)
        for output, value in zip(session.get_outputs(), binding.get_outputs()):
            binding.bind_ortvalue_output(output.name, value)
        return lambda: session.run_with_iobinding(binding), copies

    def release(self):
        self.sessions.clear()


protocol.keep_to_cores(THREADS)
protocol.serve(Onnxruntime())

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""OpenVINO as a worker of kernels.py: openvino_peer.py THREADS

Variants: i8 (one scale a row of the weight), i4_gG (4 bits in groups of G, activations quantized
in groups of G, too), bf16.
"""

import sys

import numpy as np
import openvino
import protocol
from openvino import opset13 as op

THREADS = int(sys.argv[1])
NUMBERS = np.random.default_rng(0)


class OpenVINO:
    def __init__(self):
        self.requests = {}
        self.kept = []  # constants refer to this memory

    def version(self):
        return openvino.__version__

    def weight(self, variant, k, n):
        """A node f32[n, k], and the bytes that it is stored in."""
        if variant == "bf16":
            return op.constant(NUMBERS.standard_normal((n, k), np.float32)), 2 * n * k
        if variant == "i8":
            groups, shape = 1, [n, k]
            codes = op.constant(NUMBERS.integers(0, 256, (n, k), np.uint8))
            zeros = op.constant(np.full((n, 1), 128, np.uint8))
        else:
            group = int(variant.removeprefix("i4_g"))
            groups, shape = k // group, [n, k // group, group]
            raw = NUMBERS.integers(0, 256, n * k // 2, np.uint8)
            eights = np.full((n * groups + 1) // 2, 0x88, np.uint8)
            self.kept += [raw, eights]
            u4 = openvino.Type.u4
            codes = op.constant(openvino.Tensor(raw, openvino.Shape(shape), u4))
            zeros = op.constant(openvino.Tensor(eights, openvino.Shape([n, groups, 1]), u4))
        scales = NUMBERS.random((*shape[:-1], 1), np.float32) * 0.01
        centred = op.subtract(op.convert(codes, np.float16), op.convert(zeros, np.float16))
        w = op.multiply(centred, op.constant(scales.astype(np.float16)))
        if len(shape) == 3:
            w = op.reshape(w, op.constant(np.array([n, k], np.int64)), False)
        bits = 8 if variant == "i8" else 4
        return op.convert(w, np.float32), n * k * bits // 8 + 2 * n * groups

    def request(self, variant, k, n, copies):
        a = op.parameter(openvino.PartialShape([-1, k]), np.float32)
        results, size = [], 0
        for _ in range(copies):
            w, size = self.weight(variant, k, n)
            results.append(op.result(op.matmul(a, w, False, True)))
        options = {
            "INFERENCE_NUM_THREADS": THREADS,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if variant == "bf16" else "f32",
        }
        if variant.startswith("i4_g"):
            options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = variant.removeprefix("i4_g")
        model = openvino.Model(results, [a])
        compiled = openvino.Core().compile_model(model, "CPU", options)
        return compiled.create_infer_request(), size

    def prepare(self, variant, k, n, cold_megabytes):
        warm, size = self.request(variant, k, n, 1)
        copies = protocol.copies_for(size, cold_megabytes)
        cold = warm if copies == 1 else self.request(variant, k, n, copies)[0]
        self.requests[variant] = (cold, warm, copies, k)
        return size, copies

    def runner(self, variant, rows):
        cold, warm, copies, k = self.requests[variant]
        request, copies = (warm, 1) if rows > 32 else (cold, copies)
        self.input = NUMBERS.standard_normal((rows, k), np.float32)
        request.set_input_tensor(openvino.Tensor(self.input))
        return request.infer, copies

    def release(self):
        self.requests.clear()
        self.kept.clear()


protocol.keep_to_cores(THREADS)
protocol.serve(OpenVINO())

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch as a worker of kernels.py: torch_peer.py THREADS

Variants: f32, bf16, dynamic (int8 with activations quantized in the op), i4_g128 (the op of
torchao's weight-only int4).
"""

import os
import sys

THREADS = int(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import protocol  # noqa: E402
import torch  # noqa: E402
from torch.nn.functional import linear  # noqa: E402


def matmul(variant, w):
    """A function of x, f32[m, k] or bf16."""
    n, k = w.shape
    if variant == "f32":
        w = w.clone()
        return lambda x: linear(x, w)
    if variant == "bf16":
        w = w.bfloat16()
        return lambda x: linear(x, w)
    if variant == "dynamic":
        scales = w.abs().amax(1) / 127
        zeros = torch.zeros(n, dtype=torch.long)
        codes = torch.quantize_per_channel(w, scales, zeros, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(codes, None)
        return lambda x: torch.ops.quantized.linear_dynamic(x, packed, False)
    codes = (w * 100).to(torch.int32).clamp(0, 15)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1)
    scales = torch.rand(k // 128, n, 2).bfloat16() * 0.01
    return lambda x: torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, 128, scales)


class Torch:
    def __init__(self):
        self.matmuls = {}

    def version(self):
        return torch.__version__

    def prepare(self, variant, k, n, cold_megabytes):
        size = {
            "f32": 4 * n * k,
            "bf16": 2 * n * k,
            "dynamic": n * k + 4 * n,
            "i4_g128": n * k // 2 + 4 * n * (k // 128),
        }[variant]
        copies = protocol.copies_for(size, cold_megabytes)
        w = torch.randn(n, k) * 0.02
        self.matmuls[variant] = [matmul(variant, w) for _ in range(copies)], k
        return size, copies

    def runner(self, variant, rows):
        matmuls, k = self.matmuls[variant]
        if rows > 32:
            matmuls = matmuls[:1]
        x = torch.randn(rows, k)
        if variant in ("bf16", "i4_g128"):
            x = x.bfloat16()

        def run():
            for each in matmuls:
                each(x)

        return run, len(matmuls)

    def release(self):
        self.matmuls.clear()


protocol.keep_to_cores(THREADS)
torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)
torch.backends.quantized.engine = "x86"
protocol.serve(Torch())

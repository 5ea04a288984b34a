# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A kernel of a list as an operation of PyTorch: see docs/howto/kernels.md."""

import sys

import torch
from quant_mlir import load_kernels, torch_kernels

ROWS, K, N = 8, 64, 48
kernels = load_kernels(sys.argv[1])
ops = torch_kernels.register(kernels)
device = "cuda" if kernels.on_gpu else "cpu"

n, k, m = (torch.arange(size)[:, None] for size in (N, K, ROWS))
codes = ((n + k.T) % 16).to(torch.uint8)  # 8 stands for 0
scales = torch.full((N, K // 32), 0.25)
weights = torch_kernels.pack(kernels, "project", codes, scales, device=device)
gain, bias = torch.ones(K, device=device), n[:, 0].to(device, torch.float32)
residual = torch.zeros(ROWS, N, device=device)
x = (k.T % (m + 2)).to(device, torch.float32)


@torch.compile(fullgraph=True, backend="eager")
def layer(x):
    return ops.project(x, gain, bias, residual, weights)


y = layer(x)
print(*(f"{value:.3f}" for value in (y[1, 1], y[3, 5], y[ROWS - 1, N - 1])))

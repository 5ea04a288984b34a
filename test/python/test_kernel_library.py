# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Libraries of kernels from Python, and as operations of PyTorch."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from quant_mlir import InputError, load_kernels, tools
from quant_mlir import kernels as kernels_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
N, K, ROWS = 48, 64, 8
LIST = """
rows: 16
kernels:
  project: {op: matmul, n: 48, k: 64, recipe: int4-g32, bias: true}
  minimums: {op: matmul, n: 48, k: 64, recipe: int4-g32-asym-a32}
  attend: {op: attention, heads: 4, kv_heads: 2, head_size: 16, cache: float32}
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "list.yaml").write_text(LIST)
    command = [tools.find("quantc"), "--kernels", "list.yaml", "--name", "demo", "-o", "out"]
    subprocess.run(command, cwd=folder, check=True)
    return load_kernels(folder / "out")


@pytest.fixture(scope="module")
def numbers():
    """codes, scales, minimums, x, bias"""
    random = np.random.default_rng(1)
    scales, minimums = random.random((2, N, K // 32)).astype(np.float16).astype(np.float32)
    x = random.standard_normal((ROWS, K)).astype(np.float32)
    codes = random.integers(0, 16, (N, K)).astype(np.uint8)
    return codes, scales, minimums, x, random.standard_normal(N).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 3])
def test_matmul(kernels, numbers, threads):
    codes, scales, _, x, bias = numbers
    weights = kernels.pack("project", codes, scales)
    y = kernels.run("project", x=x, bias=bias, weights=weights, threads=threads)
    w = (codes - 8.0) * np.repeat(scales, 32, 1)
    # Activations are rounded to a 254th of their groups' ranges.
    np.testing.assert_allclose(y, x @ w.T + bias, atol=0.02 * np.ptp(y))
    assert (y == kernels.run("project", x=x, bias=bias, weights=weights)).all()


def test_minimums(kernels, numbers):
    codes, scales, minimums, x, _ = numbers
    weights = kernels.pack("minimums", codes, scales, minimums)
    y = kernels.run("minimums", x=x, weights=weights)
    w = codes * np.repeat(scales, 32, 1) + np.repeat(minimums, 32, 1)
    np.testing.assert_allclose(y, x @ w.T, atol=1e-5 * np.ptp(y))


def attention(query, key, value):
    """Of all tokens, each with those before it."""
    heads = [
        query.reshape(-1, 4, 16),
        *(np.repeat(a.reshape(-1, 2, 16), 2, 1) for a in (key, value)),
    ]
    q, k, v = (head.transpose(1, 0, 2) for head in heads)
    scores = q @ k.transpose(0, 2, 1) / 4
    scores[:, ~np.tri(len(query), dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(-1, 64)


def test_attention(kernels):
    random = np.random.default_rng(2)
    query, key, value = (random.standard_normal((5, n)).astype(np.float32) for n in (64, 32, 32))
    cache = np.zeros((1, 2, 2, 16, 16), np.float32)
    parts = [slice(0, 3), slice(3, 5)]
    rows = [
        kernels.run(
            "attend", query=query[at], key=key[at], value=value[at], cache=cache, position=at.start
        )
        for at in parts
    ]
    np.testing.assert_allclose(np.concatenate(rows), attention(query, key, value), atol=1e-5)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"kernel": "other"}, "there is no kernel 'other', there are: attend, minimums, project"),
        ({"x": np.zeros((2, 65))}, r"project: x is \[2, 64\], not \[2, 65\]"),
        ({"x": np.zeros((17, 64))}, "17 rows: the kernels are for 16 at most"),
        ({"x": None}, "the parameter 'x' is missing"),
        ({"y": 3}, "kernel 'project' has no parameter 'y'"),
        ({"weights": np.zeros(64, np.float32)}, "weights are not what `pack` has made"),
        ({"weights": kernels_module.aligned(64)}, r"project: weights is \[1728\], not \[64\]"),
    ],
)
def test_wrong_calls(kernels, numbers, changes, reason):
    codes, scales, _, x, bias = numbers
    weights = kernels.pack("project", codes, scales)
    arguments = {"kernel": "project", "x": x, "bias": bias, "weights": weights, **changes}
    with pytest.raises((TypeError, ValueError), match=reason):
        kernels.run(**arguments)


@pytest.mark.parametrize("positions, position", [(16, 15), (16, -1), (20, 0)])
def test_no_room_in_the_cache(kernels, positions, position):
    rows = {name: np.zeros((2, n)) for name, n in (("query", 64), ("key", 32), ("value", 32))}
    cache = np.zeros((1, 2, 2, positions, 16), np.float32)
    with pytest.raises(ValueError, match=f"no room for 2 rows at {position}"):
        kernels.run("attend", **rows, cache=cache, position=position)
    with pytest.raises(TypeError, match="the parameter 'position' is missing"):
        kernels.run("attend", **rows, cache=cache)


@pytest.mark.parametrize(
    "kernel, change, reason",
    [
        ("attend", lambda codes, scales: (codes, scales), "'attend' has no weight"),
        ("project", lambda codes, scales: (codes[:5], scales), r"not \[5, 64\] of uint8"),
        ("project", lambda codes, scales: (codes, None), "has scales"),
        ("project", lambda codes, scales: (codes, scales, scales), "has no minimums"),
        ("project", lambda codes, scales: (codes, scales[:, :1]), r"scales are \[48, 2\]"),
    ],
)
def test_wrong_weights(kernels, numbers, kernel, change, reason):
    codes, scales, *_ = numbers
    with pytest.raises(ValueError, match=reason):
        kernels.pack(kernel, *change(codes, scales))


def test_not_a_library(tmp_path):
    with pytest.raises(InputError, match="holds 0 libraries of kernels, not one"):
        load_kernels(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match=r"a\.json: not a library of kernels"):
        load_kernels(tmp_path)


def test_torch(kernels, numbers):
    torch = pytest.importorskip("torch")
    from quant_mlir import torch_kernels

    codes, scales, _, x, bias = map(torch.from_numpy, numbers)
    ops = torch_kernels.register(kernels, "test_torch")
    weights = torch_kernels.pack(kernels, "project", codes, scales)
    y = ops.project(x, bias, weights)
    packed = kernels.pack("project", *numbers[:2])
    expected = kernels.run("project", x=numbers[3], bias=numbers[4], weights=packed)
    np.testing.assert_array_equal(y.numpy(), expected)
    torch.library.opcheck(ops.project.default, (x, bias, weights))
    compiled = torch.compile(
        lambda x: 2 * ops.project(torch.relu(x), bias, weights), fullgraph=True, backend="eager"
    )
    assert torch.equal(compiled(x), 2 * ops.project(torch.relu(x), bias, weights))
    with pytest.raises(ValueError, match=r"project: x is \[8, 64\], not \[8, 5\]"):
        ops.project(x[:, :5], bias, weights)
    query, key = torch.zeros(3, 64), torch.ones(3, 32)
    cache = torch.zeros(1, 2, 2, 16, 16)
    ops.attend(query, key, key, cache, 4)
    assert cache.sum() == 2 * 3 * 32


def test_torch_example(tmp_path):
    pytest.importorskip("torch")
    text = (ROOT / "docs" / "howto" / "kernels.md").read_text(encoding="utf-8")
    folder = ROOT / "docs" / "examples" / "kernels"
    command = [tools.find("quantc"), "--kernels", folder / "list.yaml", "--name", "demo"]
    subprocess.run([*command, "-o", tmp_path / "out"], check=True)
    program = [sys.executable, folder / "project_torch.py", tmp_path / "out"]
    path = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(program, env=path, capture_output=True, text=True, check=True)
    (expected,) = re.findall(r"^    python project_torch.py out\n    (.*)$", text, re.MULTILINE)
    assert done.stdout.split() == expected.split()

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention over caches on an emulated GPU: kernels of a library, against numpy, and what ptxas
says of them. What else it can do, windows, soft caps and masks, is in test_ops.py and, in whole
models, test_gpu_models.py."""

import ctypes as c
import json
import platform
import re
import subprocess

import numpy as np
import pytest
from compiling import with_ptxas
from quant_mlir import tools
from test_ops import UNIT, normal

HALF_UNIT = 2.0**-11  # what rounding to f16 costs at most

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the emulator runs on x86-64"
)

# heads, those of keys, elements of a head: groups that leave rows of a block without work, rows of
# shared memory that are swizzled and that are not, chunks of 64 positions and of 32.
SHAPES = [(6, 2, 64), (4, 4, 16), (3, 1, 48), (8, 1, 128), (2, 1, 256), (33, 1, 16)]
# With the cache, and whether later positions are hidden.
CASES = [(shape, cache, True) for shape in SHAPES for cache in ("float16", "int8")]
CASES += [(SHAPES[0], "float32", True), (SHAPES[0], "float16", False), (SHAPES[3], "int8", False)]
POSITIONS = 112  # no multiple of a chunk
# Few rows over so many positions are split over segments of them.
LONG = 1040


def name_of(number) -> str:
    return f"attend_{number}"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attention")
    kernels = [
        f"  {name_of(number)}: {{op: attention, heads: {heads}, kv_heads: {kv_heads},"
        f" head_size: {size}, cache: {cache}, causal: {str(causal).lower()}}}\n"
        for number, ((heads, kv_heads, size), cache, causal) in enumerate(CASES)
    ]
    (folder / "list.yaml").write_text(f"rows: 80\nkernels:\n{''.join(kernels)}")
    command = [tools.find("quantc"), "--kernels", "list.yaml", "--target", "cuda-emulated:sm_80"]
    subprocess.run([*command, "--name", "lib", "-o", "out"], cwd=folder, check=True)
    return c.CDLL(str(folder / "out" / "lib.so"))


def aligned(count):
    memory = np.full(count + 256, 0xFF, np.uint8)  # as floats no numbers
    start = -memory.ctypes.data % 256
    return memory[start : start + count]


def kept(x, cache):
    """[rows, heads, size] as the cache has it."""
    if cache == "float16":
        return x.astype(np.float16).astype(np.float64)
    if cache == "float32":
        return x.astype(np.float64)
    scale = np.abs(x).max(-1, keepdims=True) / np.float32(127)
    return np.round(x / scale) * scale.astype(np.float64)


def attention(q, k, v, causal, is_exact):
    """The result, the bound of its error."""
    rows, heads, size = q.shape
    first = len(k) - rows if causal else 0
    q, scale = q.astype(np.float64), 1 / np.sqrt(size)
    k, v = (np.repeat(a, heads // a.shape[1], axis=1) for a in (k, v))
    scores = np.einsum("ihd,jhd->hij", q, k) * scale
    noise = np.einsum("ihd,jhd->hij", np.abs(q), np.abs(k)) * scale
    # Queries are rounded, of int8 also what keys stand for; sums in f32.
    rounding = 4 * np.sqrt(size) * UNIT + (0 if is_exact else 2 * HALF_UNIT)
    noise = (rounding * noise).max()
    i, j = np.mgrid[:rows, : len(k)]
    if causal:
        scores[:, j > i + first] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    result = np.einsum("hij,jhd->ihd", weights, v)
    spread = np.einsum("hij,jhd->ihd", weights, np.abs(v))
    # See test_ops.py; weights and values are rounded, too.
    units = (16 + len(k)) * UNIT + (0 if is_exact else 2 * HALF_UNIT)
    return result, (2 * noise + units) * spread + UNIT


# The new rows of each call: one has a block for each head, as all have of float32.
CALLS = (33, 1, 2, 66)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_attention(library, number):
    shape, cache, causal = CASES[number]
    heads, kv_heads, size = shape
    bytes_of = {"float32": 4 * size, "float16": 2 * size, "int8": size + 4}[cache]
    memory = aligned(2 * kv_heads * POSITIONS * bytes_of)
    workspace = aligned(1 << 24)
    keys, values = np.zeros((2, 0, kv_heads, size))
    call = library[f"lib_{name_of(number)}"]
    for seed, rows in enumerate(CALLS):
        q = normal(rows, heads, size, seed=3 * seed)
        k, v = (normal(rows, kv_heads, size, seed=3 * seed + i) for i in (1, 2))
        out = np.full((rows, heads, size), np.nan, np.float32)
        pointers = [a.ctypes.data_as(c.c_void_p) for a in (q, k, v, out, memory, workspace)]
        numbers = [c.c_int64(n) for n in (rows, POSITIONS, len(keys))]
        call(*numbers[:2], *pointers[:5], numbers[2], pointers[5], None)
        keys = np.concatenate([keys, kept(k, cache)])
        values = np.concatenate([values, kept(v, cache)])
        expected, bound = attention(q, keys, values, causal, cache == "float32" or rows == 1)
        error = np.abs(out - expected)
        assert (error <= bound).all(), f"{rows} rows: {(error / bound).max()} of the bound"


@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90a"])
def test_code(target, tmp_path):
    """Machine code without spills, for all sizes of heads that people have; products of a chunk of
    scores, and of one with values."""
    shapes = [(9, 3, 64, "float16"), (32, 8, 128, "float16"), (32, 8, 128, "int8")]
    shapes += [(8, 4, 256, "float16"), (32, 32, 96, "int8")]
    kernels = [
        f"  a{number}: {{op: attention, heads: {heads}, kv_heads: {kv_heads}, head_size: {size},"
        f" cache: {cache}}}\n"
        for number, (heads, kv_heads, size, cache) in enumerate(shapes)
    ]
    (tmp_path / "list.yaml").write_text(f"rows: 512\nkernels:\n{''.join(kernels)}")
    command = [tools.find("quantc"), "--kernels", "list.yaml", "--target", f"cuda:{target}"]
    subprocess.run(
        [*command, "--name", "lib", "-o", "."], cwd=tmp_path, check=True, env=with_ptxas()
    )
    if not (tmp_path / "lib.cubin").exists():
        pytest.skip("no ptxas (requirements-tools.txt): PTX is not assembled")
    made = json.loads((tmp_path / "lib.json").read_text())["functions"]
    assert sum("flash" in name for name in made) == len(shapes)
    for name, used in made.items():
        assert used["spill_bytes"] == 0 and "remarks" not in used, (name, used)
    # In PTX a loop is there once: 16 by 8 scores of 16 elements each, sums likewise.
    text = (tmp_path / "lib.ptx").read_text()
    products = [
        body.count("mma.sync.aligned.m16n8k16")
        for name, body in re.findall(r"\.entry (\w+)\((.*?)^}", text, re.M | re.S)
        if "flash" in name
    ]
    chunks = [64 if size <= 128 else 32 for _, _, size, _ in shapes]
    expected = [2 * size // 16 * chunk // 8 for (_, _, size, _), chunk in zip(shapes, chunks)]
    assert products == expected


def in_order(rows, plane):
    """[positions, heads, size] as a cache has it: 16 positions together, of keys each element."""
    positions, heads, size = rows.shape
    blocks = rows.reshape(positions // 16, 16, heads, size)
    return blocks.transpose((2, 0, 3, 1) if plane == 0 else (2, 0, 1, 3))


@pytest.mark.parametrize("first", [LONG - 18, LONG - 1], ids=["before", "split"])
@pytest.mark.parametrize("number", [0, 2, 6], ids=lambda number: str(CASES[number]))
def test_many_positions(library, number, first):
    (heads, kv_heads, size), cache, causal = CASES[number]
    assert cache == "float16" and causal
    past = [normal(LONG, kv_heads, size, seed=seed).astype(np.float16) for seed in (1, 2)]
    memory = aligned(2 * 2 * kv_heads * LONG * size)
    planes = memory.view(np.float16).reshape(2, -1)
    for plane, rows in enumerate(past):
        planes[plane] = in_order(rows, plane).reshape(-1)
    q = normal(1, heads, size, seed=3)
    k, v = (normal(1, kv_heads, size, seed=seed) for seed in (4, 5))
    out, workspace = np.full((1, heads, size), np.nan, np.float32), aligned(1 << 24)
    pointers = [a.ctypes.data_as(c.c_void_p) for a in (q, k, v, out, memory, workspace)]
    numbers = [c.c_int64(n) for n in (1, LONG, first)]
    library[f"lib_{name_of(number)}"](*numbers[:2], *pointers[:5], numbers[2], pointers[5], None)
    keys, values = (
        np.concatenate([rows[:first].astype(np.float64), kept(new, cache)])
        for rows, new in zip(past, (k, v))
    )
    expected, bound = attention(q, keys, values, causal, is_exact=True)
    assert (np.abs(out - expected) <= bound).all()

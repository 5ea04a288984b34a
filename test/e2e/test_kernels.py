# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""quantc --kernels: functions of a list, called through C, against numpy."""

import ctypes
import pathlib
import re
import shlex
import shutil
import subprocess
import threading

import numpy as np
import pytest
from quant_mlir import tools

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "kernels"


def compile_list(text, folder, name="lib"):
    path = folder / "list.yaml"
    path.write_text(text, encoding="utf-8")
    command = [tools.find("quantc"), "--kernels", path, "--name", name, "-o", folder / "out"]
    return subprocess.run(command, capture_output=True, text=True)


class Panels(ctypes.Structure):
    """qm_panels"""

    _fields_ = [
        *(
            (field, ctypes.c_int64)
            for field in ["n", "k", "lanes", "vectors", "group", "scale_group", "scale_block"]
        ),
        *((f, ctypes.c_int64) for f in ["group_bytes", "panel_bytes", "scale_at", "minimum_at"]),
        *(
            (f, ctypes.c_uint32)
            for f in ["code_bits", "code_bytes", "depth", "scale_dtype", "minimum_dtype"]
        ),
        ("scale_factor", ctypes.c_float),
    ]


class Team(ctypes.Structure):
    _fields_ = [
        ("thread", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("barrier", ctypes.c_void_p),
    ]


def aligned(size):
    raw = np.zeros(size + 64, np.uint8)
    return raw[-raw.ctypes.data % 64 :][:size]


class Library:
    def __init__(self, text, folder):
        done = compile_list(text, folder)
        assert done.returncode == 0, done.stderr
        self.header = (folder / "out" / "lib.h").read_text(encoding="utf-8")
        self.c = ctypes.CDLL(str(folder / "out" / "lib.so"))

    def number(self, name):
        found = re.search(rf"#define LIB_{name.upper()} (\d+)", self.header)
        return int(found[1]) if found else 0

    def panels(self, kernel):
        (text,) = re.findall(rf"lib_{kernel}_panels = {{([^}}]*)}}", self.header)
        words = text.replace("f", "").split(",")
        return Panels(*map(int, words[:-1]), float(words[-1]))

    def pack(self, kernel, codes, scales, minimums=None):
        packed = aligned(self.number(f"{kernel}_weight_bytes"))
        pointers = [
            a if a is None else a.ctypes.data_as(ctypes.c_void_p) for a in (scales, minimums)
        ]
        status = self.c.qm_pack_weight(
            ctypes.byref(self.panels(kernel)),
            codes.ctypes.data_as(ctypes.c_void_p),
            *pointers,
            packed.ctypes.data_as(ctypes.c_void_p),
        )
        assert status == 0
        return packed

    def call(self, kernel, *arguments, threads=1):
        """Arrays by pointer, numbers as int64, None as NULL."""
        function = self.c[f"lib_{kernel}"]
        values = [
            a
            if a is None
            else ctypes.c_int64(a)
            if isinstance(a, int)
            else a.ctypes.data_as(ctypes.c_void_p)
            for a in arguments
        ]
        if threads == 1:
            function(*values, None)
            return
        barrier = aligned(128)
        teams = [Team(i, threads, barrier.ctypes.data) for i in range(threads)]
        runs = [
            threading.Thread(target=function, args=[*values, ctypes.byref(team)]) for team in teams
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()


def int8_rows(x, group):
    """Activations as kernels round them."""
    m, k = x.shape
    parts = x.reshape(m, k // group, group)
    scales = np.abs(parts).max(-1, keepdims=True) / np.float32(127)
    return (np.round(parts / scales) * scales).reshape(m, k)


NUMBERS = np.random.default_rng(5)


# n ends inside a panel; two threads share rows and panels unevenly.
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "fields, bits, group, offset, activations",
    [
        ("recipe: w8a8", 8, 128, 128, 128),
        ("recipe: int4-g32", 4, 32, 8, 32),
        ("recipe: int3-g64", 3, 64, 4, 32),
        ("recipe: q4_1", 4, 32, None, 32),
        ("weights: '#qt.int<5, group = 64, scale = f16>', activations: float", 5, 64, 16, None),
    ],
)
def test_matmul(tmp_path, fields, bits, group, offset, activations, threads):
    n, k, rows = 53, 128, 13
    library = Library(
        f"rows: 16\nkernels:\n  mm: {{op: matmul, n: {n}, k: {k}, {fields},"
        " norm: 1.0e-5, bias: true, residual: true}\n",
        tmp_path,
    )
    codes = NUMBERS.integers(1, 1 << bits, (n, k), np.uint8)
    scales = NUMBERS.random((n, k // group)).astype(np.float16).astype(np.float32)
    minimums = -4 * scales if offset is None else None
    w = codes.reshape(n, k // group, group).astype(np.float32) - (offset or 0)
    w = w * scales[..., None] + (0 if minimums is None else minimums[..., None])
    x, gain = NUMBERS.standard_normal((rows, k), np.float32), NUMBERS.random(k, np.float32)
    bias = NUMBERS.standard_normal(n, np.float32)
    residual = NUMBERS.standard_normal((rows, n), np.float32)

    packed = library.pack("mm", codes, scales, minimums)
    out = np.full((rows, n), np.nan, np.float32)
    workspace = aligned(max(library.number("mm_workspace_bytes"), 1))
    library.call("mm", rows, x, gain, bias, residual, out, packed, workspace, threads=threads)
    normed = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * gain
    if activations:
        normed = int8_rows(normed, activations)
    expected = normed @ w.reshape(n, k).T + bias + residual
    # A value halfway between two codes may go either way after the norm.
    assert np.abs(out - expected).max() < 2e-3 * np.abs(expected).max()


def test_attention_appends_and_attends(tmp_path):
    heads, kv_heads, size, positions = 4, 2, 16, 32
    library = Library(
        f"kernels: {{attend: {{op: attention, heads: {heads}, kv_heads: {kv_heads},"
        f" head_size: {size}, cache: float32}}}}\n",
        tmp_path,
    )
    assert "weights" not in library.header.split("lib_attend(")[1].split(")")[0]
    cache = aligned(2 * kv_heads * positions * size * 4)
    keys, values = np.zeros((2, 0, kv_heads, size), np.float32)
    for rows in (5, 1, 9):
        q, k, v = (
            NUMBERS.standard_normal((rows, h, size), np.float32)
            for h in (heads, kv_heads, kv_heads)
        )
        out = np.empty((rows, heads * size), np.float32)
        library.call("attend", rows, positions, q, k, v, out, cache, len(keys), None, threads=2)
        first = len(keys)
        keys, values = np.concatenate([keys, k]), np.concatenate([values, v])
        for m in range(rows):
            for h in range(heads):
                seen, kv = slice(first + m + 1), h // (heads // kv_heads)
                scores = keys[seen, kv] @ q[m, h] / np.sqrt(size)
                weights = np.exp(scores - scores.max())
                expected = weights / weights.sum() @ values[seen, kv]
                np.testing.assert_allclose(
                    out[m, h * size : (h + 1) * size], expected, rtol=1e-4, atol=1e-5
                )


def test_packing_says_what_is_missing(tmp_path):
    library = Library("kernels: {mm: {op: matmul, n: 16, k: 32, recipe: q4_1}}\n", tmp_path)
    codes, scales = np.zeros((16, 32), np.uint8), np.ones((16, 1), np.float32)
    with pytest.raises(AssertionError):
        library.pack("mm", codes, scales)
    library.c.qm_last_error.restype = ctypes.c_char_p
    assert library.c.qm_last_error() == b"the format has minimums"


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "list.yaml:1: is empty"),
        ("rows: 32\n", "list.yaml:1: has no kernels"),
        ("rows: 33\nkernels: {}\n", "list.yaml:1: rows are a multiple of 16 up to 4096, not 33"),
        ("kernels:\n  a-b: {op: matmul}\n", "list.yaml:2: 'a-b' is no name of a C function"),
        ("kernels: {a: {op: conv}}\n", "list.yaml:1: op 'conv' is neither matmul nor attention"),
        (
            "kernels: {a: {op: matmul, n: 4}}\n",
            "list.yaml:1: a matmul needs n, k and weights or recipe",
        ),
        (
            "kernels: {a: {op: matmul, n: 4, k: 32, recipe: w4a16-gptq}}\n",
            "list.yaml:1: recipe 'w4a16-gptq' does not name a format of weights and one of"
            " activations alone",
        ),
        (
            "kernels: {a: {op: matmul, n: 4, k: 32, weights: '#qt.none'}}\n",
            "list.yaml:1: weights '#qt.none' are no scheme",
        ),
        (
            "kernels: {a: {op: attention, heads: 3}}\n",
            "list.yaml:1: attention needs heads and head_size",
        ),
        (
            "kernels: {a: {op: matmul, n: 4, k: 32, recipe: q4_0, causal: false}}\n",
            "list.yaml:1: causal does not belong to op: matmul",
        ),
        (
            "kernels: {a: {op: attention, heads: 2, head_size: 16, bias: true}}\n",
            "list.yaml:1: bias does not belong to op: attention",
        ),
        # What only a pass can know still names the kernel.
        (
            "kernels: {a: {op: attention, heads: 2, head_size: 8}}\n",
            "list.yaml: a:2:8: 'lm.attention' op has heads of 8; CPU kernels need a multiple of 16",
        ),
        (
            "kernels: {a: {op: attention, heads: 3, kv_heads: 2, head_size: 8}}\n",
            "list.yaml:1: heads are no multiple of kv_heads",
        ),
        ("kernels: {a: {op: matmul, n: 0}}\n", "list.yaml:1: expected a positive number, not '0'"),
        ("kernels: {a: {op: matmul, n: 99999999}}\n", "a size is at most 16777216, not 99999999"),
        ("kernels: {a: {op: matmul, m: 4}}\n", "list.yaml:1: unknown key 'm'"),
        ("kernels: [a\n", "list.yaml:"),
    ],
)
def test_bad_lists(tmp_path, text, error):
    done = compile_list(text, tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert error in done.stderr
    assert not (tmp_path / "out").exists()


def test_example(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    text = (ROOT / "docs" / "howto" / "kernels.md").read_text(encoding="utf-8")
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    listed = (tmp_path / "list.yaml").read_text(encoding="utf-8")
    assert re.sub(r" +#.*", "", shown) == listed
    quantc, cc, run = re.findall(r"^    ((?:quantc|cc|\./project).*)$", text, re.MULTILINE)
    command = shlex.split(quantc)
    subprocess.run([tools.find("quantc"), *command[1:]], cwd=tmp_path, check=True)
    subprocess.run([*shlex.split(cc), "-Wall", "-Wextra", "-Werror"], cwd=tmp_path, check=True)
    done = subprocess.run([run], cwd=tmp_path, capture_output=True, text=True, check=True)
    (expected,) = re.findall(r"^    \./project\n    (.*)$", text, re.MULTILINE)
    assert done.stdout.split() == expected.split()

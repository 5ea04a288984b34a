# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""quantc --kernels: functions of a list, called through C, against numpy."""

import ctypes
import itertools
import pathlib
import re
import shlex
import shutil
import subprocess
import threading

import numpy as np
import pytest
from cases import TARGETS, cpu_flags
from quant_mlir import tools
from test_matmul import needs

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "kernels"


def compile_list(text, folder, *options, name="lib"):
    path = folder / "list.yaml"
    path.write_text(text, encoding="utf-8")
    command = [tools.find("quantc"), "--kernels", path, "--name", name, "-o", folder / "out"]
    return subprocess.run([*command, *options], capture_output=True, text=True)


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
    def __init__(self, text, folder, *options):
        done = compile_list(text, folder, *options)
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


# What rounding keys and values costs, as a share of the largest result.
CACHES = {"float32": (4, 1e-5), "float16": (2, 2e-3), "int8": (1, 2e-2)}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cache_type", CACHES)
def test_attention_appends_and_attends(tmp_path, cache_type, target):
    needs(target)
    heads, kv_heads, size, positions = 4, 2, 32, 640
    library = Library(
        f"rows: 272\nkernels: {{attend: {{op: attention, heads: {heads}, kv_heads: {kv_heads},"
        f" head_size: {size}, cache: {cache_type}}}}}\n",
        tmp_path,
        *("--target", target),
    )
    assert "weights" not in library.header.split("lib_attend(")[1].split(")")[0]
    element, bound = CACHES[cache_type]
    scale = 4 if cache_type == "int8" else 0
    assert f"[2][{kv_heads}][positions][{size + scale}]" in library.header
    # What nothing was written to may be anything: these are NaN.
    cache = aligned(2 * kv_heads * positions * (size + scale) * element)
    cache[:] = 0xFF
    workspace = aligned(library.number("attend_workspace_bytes"))
    keys, values = np.zeros((2, 0, kv_heads, size), np.float32)
    # Few rows over more than 256 positions are split over these.
    for rows in (5, 1, 9, 1, 1, 100, 1, 137, 1, 1, 3, 5, 270, 1):
        q, k, v = (
            NUMBERS.standard_normal((rows, h, size), np.float32)
            for h in (heads, kv_heads, kv_heads)
        )
        k[-1, 0], v[0, 1] = 0, 0  # scales of zero
        outs = [np.empty((rows, heads * size), np.float32) for _ in range(2)]
        for out, threads in zip(outs, (2, 1)):
            arguments = (rows, positions, q, k, v, out, cache, len(keys), workspace)
            library.call("attend", *arguments, threads=threads)
        np.testing.assert_array_equal(*outs)
        first = len(keys)
        keys, values = np.concatenate([keys, k]), np.concatenate([values, v])
        expected = np.empty_like(outs[0])
        for m in range(rows):
            for h in range(heads):
                seen, kv = slice(first + m + 1), h // (heads // kv_heads)
                scores = keys[seen, kv] @ q[m, h] / np.sqrt(size)
                weights = np.exp(scores - scores.max())
                expected[m, h * size : (h + 1) * size] = weights / weights.sum() @ values[seen, kv]
        assert np.abs(outs[0] - expected).max() < bound * np.abs(expected).max()


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
            "list.yaml: a:2:8: 'lm.attention' op has heads of 8; kernels need a multiple of 16",
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
    text = text.partition("## On a GPU")[0]
    quantc, cc, run = re.findall(r"^    ((?:quantc|cc|\./project).*)$", text, re.MULTILINE)
    command = shlex.split(quantc)
    subprocess.run([tools.find("quantc"), *command[1:]], cwd=tmp_path, check=True)
    subprocess.run([*shlex.split(cc), "-Wall", "-Wextra", "-Werror"], cwd=tmp_path, check=True)
    done = subprocess.run([run], cwd=tmp_path, capture_output=True, text=True, check=True)
    (expected,) = re.findall(r"^    \./project\n    (.*)$", text, re.MULTILINE)
    assert done.stdout.split() == expected.split()


VERSIONS = ("cpu:x86-64-v3", "cpu:x86-64-v4", "cpu:x86-64-v4+bf16")


@pytest.mark.parametrize("target", VERSIONS)
@pytest.mark.parametrize("recipe, bits, groups", [("w8a8", 8, 1), ("int4-g32", 4, 4)])
def test_versions(tmp_path, monkeypatch, recipe, bits, groups, target):
    """One object for several CPUs gives, by each version, what one for it alone gives."""
    needs(target)
    codes = NUMBERS.integers(1, 1 << bits, (53, 128), np.uint8)
    scales = NUMBERS.random((53, groups), np.float32)
    x = NUMBERS.standard_normal((13, 128), np.float32)
    text = f"rows: 16\nkernels: {{mm: {{op: matmul, n: 53, k: 128, recipe: {recipe}}}}}\n"
    outs = []
    for name, targets in [("alone", target), ("together", ",".join(VERSIONS))]:
        (tmp_path / name).mkdir()
        library = Library(text, tmp_path / name, "--target", targets)
        monkeypatch.setenv("QM_TARGET", target[len("cpu:") :])
        out = np.full((13, 53), np.nan, np.float32)
        workspace = aligned(library.number("mm_workspace_bytes") + 64)
        library.call("mm", 13, x, out, library.pack("mm", codes, scales), workspace)
        outs.append(out)
    np.testing.assert_array_equal(*outs)


def test_target_of_a_version(tmp_path):
    """LIB_target() of the header; without the CPU's support, NULL and a reason."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    library = "kernels: {mm: {op: matmul, n: 16, k: 32, recipe: q4_0}}\n"
    Library(library, tmp_path, "--target", ",".join(VERSIONS))
    program = tmp_path / "program.c"
    program.write_text(
        '#include "lib.h"\n#include <stdio.h>\nint main(void) {\n'
        "  const char *target = lib_target();\n"
        '  printf("%s\\n", target ? target : qm_last_error());\n  return 0;\n}\n'
    )
    out = tmp_path / "out"
    subprocess.run(
        ["cc", program, f"-I{out}", out / "lib.a", "-lpthread", "-o", tmp_path / "program"],
        check=True,
    )

    def run(target):
        done = subprocess.run(
            [tmp_path / "program"], env={"QM_TARGET": target}, capture_output=True, text=True
        )
        return done.stdout.strip()

    needs(VERSIONS[0])
    assert run("x86-64-v3") == "x86-64-v3"
    names = ", ".join(target[len("cpu:") :] for target in reversed(VERSIONS))
    assert run("other") == f"QM_TARGET=other: lib is compiled for {names}"


# Values of K in tiles of 64 bytes: nine; one and a half; half of one. N: two panels of two
# registers, one and a part of one, three of one register.
TILE_SHAPES = [(64, 576), (53, 96), (48, 32)]
# Twice as many tiles of bf16, and a quarter.
CUT_TILE = (16, 72)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """Counts emulated products of AMX tiles; None where the CPU has them."""
    needs("cpu:x86-64-v4+bf16")
    if "amx_int8" in cpu_flags():
        return None
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the emulator")
    path = tmp_path_factory.mktemp("amx") / "emulator.so"
    source = pathlib.Path(__file__).with_name("amx_emulator.c")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, source, "-o", path], check=True)
    return ctypes.c_uint64.in_dll(ctypes.CDLL(str(path)), "amx_products")


def run_with_tiles(recipe, shapes, emulated, folder, make_weight):
    """The results of each shape and number of rows, without tiles and with."""
    text = "rows: 48\nkernels:\n" + "".join(
        f"  mm{n}: {{op: matmul, n: {n}, k: {k}, recipe: {recipe}, bias: true}}\n"
        for n, k in shapes
    )
    libraries = {}
    for target in ("bf16", "amx"):
        (folder / target).mkdir()
        flags = ("--target", f"cpu:x86-64-v4+{target}")
        libraries[target] = Library(text, folder / target, *flags)
    amx = libraries["amx"].c  # asks the system for permission:
    amx.qm_choose_version(ctypes.byref(ctypes.c_char.in_dll(amx, "lib_versions")))
    for (n, k), rows in itertools.product(shapes, (1, 15, 16, 33, 48)):
        codes, scales = make_weight(n, k)
        bias = NUMBERS.random(n, np.float32)
        x = NUMBERS.standard_normal((rows, k), np.float32)
        outs, before = [], 0 if emulated is None else emulated.value
        for library in libraries.values():
            out = np.full((rows, n), np.nan, np.float32)
            workspace = aligned(library.number(f"mm{n}_workspace_bytes") + 64)
            packed = library.pack(f"mm{n}", codes, scales)
            library.call(f"mm{n}", rows, x, bias, out, packed, workspace, threads=2)
            outs.append(out)
        if emulated is not None:
            assert (emulated.value > before) == (rows >= 16), "tiles are for 16 rows"
        yield outs


def test_tiles_give_the_bits_of_vnni(emulated, tmp_path):
    def make_weight(n, k):
        return NUMBERS.integers(0, 256, (n, k), np.uint8), NUMBERS.random((n, 1), np.float32)

    for outs in run_with_tiles("w8a8", [*TILE_SHAPES, CUT_TILE], emulated, tmp_path, make_weight):
        np.testing.assert_array_equal(*outs)


def bf16_weight(n, k):
    numbers = NUMBERS.standard_normal((n, k), np.float32)
    return (numbers.view(np.uint32) >> 16).astype(np.uint16), None


def e4m3_weight(n, k):
    codes = NUMBERS.integers(0, 127, (n, k), np.uint8)  # without NaN
    codes |= NUMBERS.integers(0, 2, (n, k), np.uint8) << 7
    return codes, NUMBERS.random((n, 1), np.float32)


@pytest.mark.parametrize(
    ("recipe", "shapes", "make_weight"),
    [("bf16-a16", [*TILE_SHAPES, CUT_TILE], bf16_weight), ("fp8", TILE_SHAPES, e4m3_weight)],
)
def test_tiles_of_bf16_add_up_the_same(recipe, shapes, make_weight, emulated, tmp_path):
    for without, tiles in run_with_tiles(recipe, shapes, emulated, tmp_path, make_weight):
        # The order of additions differs.
        np.testing.assert_allclose(tiles, without, rtol=0, atol=1e-6 * np.abs(without).max())

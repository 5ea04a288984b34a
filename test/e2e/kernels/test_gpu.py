# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The kernel matrix on an emulated GPU: the very kernels that become PTX, run by the CPU with a
thread after the other, against numpy; products of integers bit by bit where that is due."""

import dataclasses
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import quant_mlir
from cases import Case, modules
from compiling import with_ptxas
from quant_mlir import tools
from schemes import Block, Codebook, Float, Int, SmallFloat, SuperBlock, store_floats
from test_matmul import (
    UNIT,
    activations,
    integer_product,
    quantize,
    round_activation,
    write_module,
)
from weight_files import write_safetensors

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "bench/gpu"))
import sass

# Rows of a call: dot products for 1, of integers for up to 4; tensor cores for more, 8 of floats
# and 16 at a time, and from shared memory beyond 32.
TOKENS = (1, 3, 17, 33)
# More than a tile of 64, two, and a row more.
MANY_TOKENS = (70, 128, 129)


def missing(case):
    """What the kernels do not do yet."""
    return "group = 7" in case.scheme.text


def gpu_cases(module):
    cases = [case for case in modules()[module] if not missing(case)]
    return [dataclasses.replace(case, gathers=False) for case in cases]


def parts_bound(case, x):
    """Lanes of a warp share a group: what each of them has is scaled and added by itself, so that
    the bound is relative to the terms, not to their sum."""
    weight = case.weight
    codes, scales = quantize(x.copy(), case.xgroup)
    codes = np.abs(codes)
    group = min(case.xgroup, weight.group)
    magnitude = np.zeros((len(x), case.n))
    for start in range(0, case.k, group):
        part = slice(start, min(start + group, case.k))
        products = codes[:, part] @ np.abs(weight.codes[:, part]).T.astype(np.float64)
        sums = codes[:, part].sum(axis=1, keepdims=True)
        scale = np.abs(weight.scales[:, start // weight.group])
        minimum = np.abs(weight.minimums[:, start // weight.group])
        magnitude += scales[:, [start // case.xgroup]] * (scale * products + minimum * sums)
    # Two roundings of each term and two additions for each group, three in the end over lanes.
    return (2 * -(-case.k // group) + 5) * UNIT * magnitude


def float_product(case, x, on_tensor_cores):
    """Both sides are rounded to what tensor cores multiply; by lanes the weights are not."""
    values = case.weight.values()
    if case.activation:
        x = round_activation(case, x)
    # Two 8-bit floats are multiplied as they are, in words.
    kinds = case.activation, getattr(case.scheme, "kind", "")
    is_exact = kinds[0].startswith("#qt.float<f8") and kinds[1].startswith("f8") and case.k % 4 == 0
    rounds_first = not case.activation and case.k % 4 == 0
    if case.scheme != Float("f32") and not is_exact and (on_tensor_cores or rounds_first):
        kind = "bf16" if case.scheme == Float("bf16") else "f16"
        x = store_floats(np.clip(x, -65504, 65504) if kind == "f16" else x, kind)[1]
        if on_tensor_cores and isinstance(case.scheme, Codebook):
            numbers = case.weight.floats.astype(np.float16).astype(np.float64)
            values = numbers * case.weight.spread(case.weight.float_scales)
    x = x.astype(np.float64)
    # Sums of K terms in float32, and at most four more roundings of each number.
    bound = (case.k + 6) * UNIT * (np.abs(x) @ case.weight.magnitude().T)
    return x @ values.T, bound


def scaling_bound(case, x):
    """Weights that are scaled in f16: their scale is rounded, the product, and, with minimums, that
    and the sum."""
    return 4 * 2.0**-11 * (np.abs(x).astype(np.float64) @ case.weight.magnitude().T)


def check(case, model, calls=TOKENS, scales=False):
    """`scales`: the target may scale weights of groups before it multiplies them by floats."""
    x = activations(case, max(calls))
    residual = np.random.default_rng(9).integers(-100, 100, (len(x), case.n)).astype(np.float32)
    for tokens in calls:
        exact = None
        if case.is_integer:
            expected, bound, exact = (a[-tokens:] for a in integer_product(case, x))
            products = [(expected, bound + parts_bound(case, x)[-tokens:])]
        else:
            # One row is for lanes where tensor cores have no form for few.
            ways = [True] if tokens > 1 else [True, False]
            products = [float_product(case, x[-tokens:], way) for way in ways]
            if scales and not case.activation:
                more = scaling_bound(case, x[-tokens:])
                products = [(expected, bound + more) for expected, bound in products]
        inputs = [x[-tokens:]]
        if case.residual:
            inputs.append(residual[-tokens:])
        result = model.run(*inputs, function=case.name)
        where = f"{case}, {tokens} tokens"
        beyond = []
        for expected, bound in products:
            for present, addend in (
                (case.bias, case.bias_values),
                (case.residual, residual[-tokens:]),
            ):
                if present:
                    expected = expected + addend
                    bound = bound + 3 * UNIT * (np.abs(addend) + np.abs(expected))
            error = np.abs(result - expected)
            beyond.append((error - bound).max())
        assert min(beyond) <= 0, f"{where}: {beyond} beyond the bound"
        if exact is not None:
            assert (error[exact] == 0).all(), f"{where}: not the exact sum"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the emulator runs on x86-64")
@pytest.mark.parametrize("module", [name for name in modules() if gpu_cases(name)])
def test_kernels(compiled, module):
    cases = gpu_cases(module)
    path = write_module(compiled.cache / "gpu", module, cases)
    folder = compiled(path, None, "--target", "cuda-emulated:sm_80")
    with quant_mlir.load(folder, 1) as model:
        for case in cases:
            check(case, model)


def many_cases():
    """What tiles do in ways of their own: small and large ones, words that share registers, floats
    of two bytes, groups of one step, of several, of half a product on tensor cores. Weights of more
    than 64 rows have large ones, which are `wgmma` where there is that."""
    token, group = "#qt.int<8, token>", "#qt.int<8, group = 32>"
    rows = [
        (Int(4, False, "group = 128", "f16"), "", 128, 256),
        (Int(4, True, "group = 64", "f16"), "", 33, 192),  # sums of activations, over two steps
        (Int(3, True, "channel", "f32"), token, 48, 320),  # planes of 2 bits and of 1
        (Int(8, False, "channel", "f32"), token, 576, 96),
        (Block("q4_0"), group, 96, 96),
        (SuperBlock("q4_K"), group, 48, 256),
        (SuperBlock("q6_K"), "#qt.int<8, group = 16>", 80, 256),
        (SuperBlock("q3_K"), "", 48, 256),
        (Codebook("nf4", 64), "", 264, 128),
        (SmallFloat("f8E4M3FN", "channel"), "", 70, 64),
        (SmallFloat("f8E4M3FN", "channel"), "#qt.float<f8E4M3FN, token>", 136, 320),
        (SmallFloat("f8E5M2", "block = 64x64"), "#qt.float<f8E4M3FN, group = 64>", 128, 192),
        (SmallFloat("f8E4M3FN", "tensor"), "#qt.float<f8E5M2, token>", 70, 96),
        (Float("bf16"), "", 112, 96),
        (Int(4, True, "group = 64", "f16"), "", 97, 192),
        (Int(3, True, "channel", "f32"), token, 144, 320),
        (Int(2, False, "group = 32", "f32"), group, 100, 160),
        (SuperBlock("q4_K"), group, 80, 256),
        (SuperBlock("q3_K"), "", 72, 256),
        (Float("f16"), "", 65, 48),
    ]
    return [Case(*row, i % 2 == 0, i % 3 == 0, f"many_{i}", False) for i, row in enumerate(rows)]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the emulator runs on x86-64")
@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90a"])
def test_many_rows(compiled, target):
    """The emulated GPU has one processor, which a block of a large tile keeps busy."""
    cases = many_cases()
    if target == "sm_89":  # what it multiplies otherwise
        cases = [case for case in cases if "f8" in case.activation]
    path = write_module(compiled.cache / "gpu", f"many_{target}", cases)
    flags = ("--target", f"cuda-emulated:{target}", "--batch", "144")
    folder = compiled(path, None, *flags)
    with quant_mlir.load(folder, 1) as model:
        for case in cases:
            check(case, model, MANY_TOKENS, scales=target == "sm_90a")


def run_quantc(*arguments):
    return subprocess.run(
        [tools.find("quantc"), *map(str, arguments)],
        env=with_ptxas(),
        text=True,
        capture_output=True,
    )


def write_list(path):
    """A matmul with floats and one with int8 for every number format, of a few groups."""
    lines, seen = ["kernels:"], set()
    for cases in modules().values():
        for case in cases:
            kind = (type(case.scheme), getattr(case.scheme, "kind", case.scheme.text[:10]))
            both = (kind, case.is_integer)
            if both in seen or missing(case):
                continue
            seen.add(both)
            activations = case.activation or "float"
            lines.append(
                f"  k{len(seen)}: {{op: matmul, n: 8192, k: 1024, bias: true, "
                f'weights: "{case.scheme.text}", activations: "{activations}"}}'
            )
    path.write_text("\n".join(lines))
    return len(seen)


@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90a"])
def test_code(tmp_path, target):
    """PTX always; what ptxas says of it, where there is one."""
    count = write_list(tmp_path / "list.yaml")
    done = run_quantc(
        "--kernels", tmp_path / "list.yaml", "--target", f"cuda:{target}", "-o", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert f".target {target}" in (tmp_path / "out" / "kernels.ptx").read_text()
    made = json.loads((tmp_path / "out" / "kernels.json").read_text())
    assert len(made["kernels"]) == count
    if "functions" not in made:
        pytest.skip("no ptxas (requirements-tools.txt): PTX is not assembled")
    launched = {
        form["function"]
        for kernel in made["kernels"].values()
        for step in kernel["steps"]
        for form in step
    }
    assert launched == set(made["functions"])
    for name, used in made["functions"].items():
        assert used["spill_bytes"] == 0 and "remarks" not in used, (name, used)
    env = with_ptxas()
    if shutil.which("nvdisasm", path=env["PATH"]):
        for name, lines in sass.functions(tmp_path / "out" / "kernels.cubin", env).items():
            assert not sass.overwritten(lines), name
    if shutil.which("cuobjdump"):
        dump = subprocess.run(
            ["cuobjdump", "-sass", tmp_path / "out" / "kernels.cubin"],
            text=True,
            capture_output=True,
        ).stdout
        for instruction in ("IMMA.16832.U8.S8", "HMMA.16816.F32", "IDP.4A"):
            assert instruction in dump


def test_overwritten():
    """A register of a product that has not been waited for."""
    loop = [
        (".L_1", ""),
        (None, "LDS.128 R88, [R3]"),
        (None, "WARPGROUP.DEPBAR.LE gsb0, 0x0"),
        (None, "IGMMA.64x64x32.U8.S8 R24, R88, gdesc[UR8], R24, gsb0"),
        (None, "@P0 BRA `(.L_1)"),
        (None, "WARPGROUP.DEPBAR.LE gsb0, 0x0"),
        (None, "IADD3 R91, R1, R2, RZ"),
        (None, "EXIT"),
    ]
    assert sass.overwritten(loop) == ["LDS.128 R88, [R3]"]
    loop[1:3] = reversed(loop[1:3])
    assert sass.overwritten(loop) == []


PTXAS = """#!/bin/sh
cat <<END
ptxas info    : (C7519) warpgroup.arrive is injected in around line 12 in function 'b'
ptxas info    : Compiling entry function 'a' for 'sm_90a'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 512 bytes smem
ptxas info    : Compiling entry function 'b' for 'sm_90a'
    8 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 255 registers
END
echo code >"$4"
"""


def test_what_ptxas_says(tmp_path, monkeypatch):
    (tmp_path / "ptxas").write_text(PTXAS)
    (tmp_path / "ptxas").chmod(0o755)
    kernels = tmp_path / "list.yaml"
    kernels.write_text('kernels: {a: {op: matmul, n: 16, k: 32, weights: "#qt.q4_0"}}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = run_quantc("--kernels", kernels, "--target", "cuda:sm_90a", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "kernels.json").read_text())["functions"] == {
        "a": {"registers": 40, "shared_bytes": 512, "spill_bytes": 0},
        "b": {
            "registers": 255,
            "remarks": ["C7519: warpgroup.arrive is injected in around line 12"],
            "shared_bytes": 0,
            "spill_bytes": 12,
        },
    }


@pytest.mark.parametrize("target", ["sm_80", "sm_90a"])
def test_inner_loops(tmp_path, target):
    """What the GPU executes for a step of a tile: the products, copies that run ahead, and no more
    instructions beside these than they can hide."""
    env = with_ptxas()
    if not all(shutil.which(tool, path=env["PATH"]) for tool in ("nvdisasm", "ptxas")):
        pytest.skip("no nvdisasm or ptxas (requirements-tools.txt)")
    list_file = tmp_path / "list.yaml"
    list_file.write_text(
        "kernels:\n"
        '  int4: {op: matmul, n: 4096, k: 4096, weights: "#qt.int<4, group = 128, scale = f16>", '
        "activations: float}\n"
        '  int8: {op: matmul, n: 4096, k: 4096, weights: "#qt.int<8, channel>", '
        'activations: "#qt.int<8, token>"}\n'
    )
    flags = ("--target", f"cuda:{target}", "-o", tmp_path / "out")
    done = run_quantc("--kernels", list_file, *flags)
    assert done.returncode == 0, done.stderr
    found = sass.functions(tmp_path / "out" / "kernels.cubin", env)
    # Rows, tokens, values of K in what is one product of the loop, and others for each of them.
    shapes = {
        "sm_80": {"float": (r"tiles256x64", 32, 8), "int": (r"tiles256x64", 32, 8)},
        "sm_90a": {"float": (r"wgmma256x128", 8, 100), "int": (r"wgmma256x128", 8, 25)},
    }
    for step, (form, products, most) in shapes[target].items():
        (name,) = (name for name in found if re.fullmatch(rf".*_{step}_\d_{form}", name))
        counts = sass.inner_loop(found[name])
        # Steps of a group may have become one.
        assert counts["tensor"] % products == 0 and counts["tensor"] > 0, (name, counts)
        assert counts["copies"] >= counts["tensor"] / products, (name, counts)
        assert counts.get("local", 0) == 0, (name, counts)
        assert counts["all"] < most * counts["tensor"], (name, counts)


def test_errors(tmp_path):
    kernels = tmp_path / "list.yaml"
    for text, target, said in (
        ("", "cuda:sm_75", "unknown target 'cuda:sm_75'; the GPUs are cuda:sm_80,"),
        (
            'kernels: {a: {op: matmul, n: 16, k: 30, weights: "#qt.int<8, channel>", '
            'activations: "#qt.int<8, token>"}}',
            "cuda:sm_80",
            "has rows of 30 values",
        ),
    ):
        kernels.write_text(text)
        done = run_quantc("--kernels", kernels, "--target", target, "-o", tmp_path / "out")
        assert done.returncode == 1 and said in done.stderr
        assert done.stderr.count("\n") == 1


def test_every_scheme_is_here():
    """All that the matrix has; what is left out is left out by activation, not by scheme."""
    everything = {type(case.scheme) for cases in modules().values() for case in cases}
    assert everything == {type(case.scheme) for name in modules() for case in gpu_cases(name)}


def test_generator_names_no_format():
    """A new format has kernels for GPUs without a line there."""
    root = pathlib.Path(__file__).resolve().parents[3]
    definitions = root / "lib/Dialect/QT/Schemes"
    names = [path.stem for path in definitions.iterdir() if path.is_dir()]
    assert "Int" in names and "Codebook" in names
    for path in (root / "lib/CodeGen/GPU").rglob("*.*"):
        text = path.read_text()
        assert "Schemes/" not in text, path
        assert not re.search(rf"\b({'|'.join(names)})Attr\b", text), path


EXPERTS_MODULE = """
qt.weight @w : {weight} in "{file}"
func.func @integers(%x: {x}, %experts: tensor<5xi32>) -> {y} {{
  %w = qt.load @w : {weight}
  %q = qt.quantize %x : {x} -> {codes}
  %y = qt.matmul %q, %w experts %experts : {codes}, {weight} experts tensor<5xi32> -> {y}
  return %y : {y}
}}
func.func @floats(%x: {x}, %experts: tensor<5xi32>) -> {y} {{
  %w = qt.load @w : {weight}
  %y = qt.matmul %x, %w experts %experts : {x}, {weight} experts tensor<5xi32> -> {y}
  return %y : {y}
}}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the emulator runs on x86-64")
@pytest.mark.parametrize("target", ["sm_80", "sm_90a"])
def test_experts(compiled, target):
    """Rows meet a weight of several by where they are; blocks have rows of one. Some have none."""
    rng = np.random.default_rng(4)
    codes = rng.integers(-127, 127, (4 * 48, 64), endpoint=True).astype(np.int8)
    scales = rng.uniform(0.01, 0.02, (4 * 48, 1)).astype(np.float32)
    folder = compiled.cache / "gpu"
    folder.mkdir(exist_ok=True)
    file = folder / "experts.safetensors"
    write_safetensors(file, {"w.codes": codes, "w.scales": scales})
    types = {
        "weight": "!qt.tensor<192x64xf32, #qt.int<8, channel>>",
        "codes": "!qt.tensor<?x64xf32, #qt.int<8, token>>",
        "x": "tensor<?x64xf32>",
        "y": "tensor<?x48xf32>",
    }
    path = folder / f"experts_{target}.mlir"
    path.write_text(EXPERTS_MODULE.format(file=file, **types))
    made = compiled(path, None, "--target", f"cuda-emulated:{target}", "--batch", "144")
    with quant_mlir.load(made, 1) as model:
        for ends in ((0, 1, 1, 1, 1), (0, 0, 1, 1, 3), (0, 5, 5, 21, 22), (0, 70, 71, 71, 130)):
            # Whole numbers, of which the loudest has code 127.
            x = rng.integers(-127, 127, (ends[-1], 64), endpoint=True).astype(np.float32)
            x[:, 0] = 127
            experts = np.array(ends, np.int32)
            values = codes.astype(np.float64) * scales
            expected = np.concatenate(
                [
                    x[a:b] @ values[48 * e : 48 * (e + 1)].T
                    for e, (a, b) in enumerate(zip(ends, ends[1:]))
                ]
            )
            for name in ("integers", "floats"):
                result = model.run(x, experts, function=name)
                np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-2, err_msg=name)

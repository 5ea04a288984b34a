# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Activations that are quantized with given scales, one scale for all, after a multiplication, or
without their outliers: compiled products against numpy."""

import pathlib
import platform

import numpy as np
import pytest
import quant_mlir
from cases import TARGETS as CPU_TARGETS
from schemes import round_to, small_values
from test_matmul import UNIT, needs
from weight_files import write_safetensors

EMULATED = "cuda-emulated:sm_80"
TARGETS = [*CPU_TARGETS, EMULATED]
N, K = 48, 96
ROWS = (1, 7, 33)
RNG = np.random.default_rng(3)
CODES = RNG.integers(-127, 127, (N, K), endpoint=True).astype(np.int8)
SCALES = RNG.uniform(0.01, 0.02, (N, 1)).astype(np.float32)
WEIGHT = CODES.astype(np.float64) * SCALES
MULTIPLIER = RNG.uniform(0.25, 4, K).astype(np.float32)
STATIC = np.array([0.03125], np.float32)  # so that ratios are exact
STATIC8 = np.array([2.0**-7], np.float32)
ACTIVATIONS = {
    "static": ("int<8, tensor>", "scale %s"),
    "dynamic": ("int<8, tensor>", ""),
    "smoothed": ("int<8, token>", "by %m"),
    "smoothed_static": ("int<8, tensor>", "by %m scale %s"),
    "static8": ("float<f8E4M3FN, tensor>", "scale %t"),
    "dynamic8": ("float<f8E4M3FN, tensor>", ""),
    "smoothed8": ("float<f8E5M2, group = 32>", "by %m"),
    "smoothed_static8": ("float<f8E4M3FN, tensor>", "by %m scale %t"),
}


def golden(name, dtype, *shape):
    """What bitsandbytes computed for its LLM.int8."""
    folder = pathlib.Path(__file__).parents[2] / "golden"
    return np.fromfile(folder / f"bnb.int8.{name}.bin", dtype).reshape(shape)


def llm_int8(file):
    weight = "!qt.tensor<20x96xf32, #qt.int<8, channel>>"
    x, y, q = "tensor<?x96xf32>", "tensor<?x20xf32>", "!qt.tensor<?x96xf32, #qt.int<8, token>>"
    return f"""
qt.weight @cb : {weight} in "{file}"
qt.weight @bias : tensor<20xf32> in "{file}"
func.func @llm_int8(%x: {x}) -> {y} {{
  %w = qt.load @cb : {weight}
  %bias = qt.load @bias : tensor<20xf32>
  %i, %o = qt.split_outliers %x {{threshold = 6.0}} : {x}
  %q = qt.quantize %i : {x} -> {q}
  %a = qt.matmul %q, %w bias %bias : {q}, {weight}, tensor<20xf32> -> {y}
  %b = qt.matmul %o, %w : {x}, {weight} -> {y}
  %y = arith.addf %a, %b : {y}
  return %y : {y}
}}"""


def module(file):
    weight = f"!qt.tensor<{N}x{K}xf32, #qt.int<8, channel>>"
    x, y = f"tensor<?x{K}xf32>", f"tensor<?x{N}xf32>"
    lines = [f'qt.weight @w : {weight} in "{file}"']
    loads = [f"  %w = qt.load @w : {weight}"]
    for name, size in (("m", K), ("s", 1), ("t", 1)):
        lines.append(f'qt.weight @{name} : tensor<{size}xf32> in "{file}"')
        loads.append(f"  %{name} = qt.load @{name} : tensor<{size}xf32>")
    for name, (scheme, operands) in ACTIVATIONS.items():
        quantized = f"!qt.tensor<?x{K}xf32, #qt.{scheme}>"
        types = [x, f"tensor<{K}xf32>" if "by" in operands else ""]
        types.append("tensor<1xf32>" if "scale" in operands else "")
        types = ", ".join(filter(None, types))
        lines += [f"func.func @{name}(%x: {x}) -> {y} {{", *loads]
        lines.append(f"  %q = qt.quantize %x {operands} : {types} -> {quantized}")
        lines.append(f"  %y = qt.matmul %q, %w : {quantized}, {weight} -> {y}")
        lines += [f"  return %y : {y}", "}"]
        if "tensor" in scheme and "scale" not in operands:
            continue
        lines += [f"func.func @{name}_rounded(%x: {x}) -> {x} {{", *loads]
        lines.append(f"  %q = qt.quantize %x {operands} : {types} -> {quantized}")
        lines.append(f"  %y = qt.dequantize %q : {quantized} -> {x}")
        lines += [f"  return %y : {x}", "}"]
    quantized = f"!qt.tensor<?x{K}xf32, #qt.int<8, token>>"
    for name, flag in (("outliers", ""), ("outliers_per_token", ", per_token")):
        lines += [f"func.func @{name}(%x: {x}, %r: {y}) -> {y} {{", loads[0]]
        lines.append(f"  %i, %o = qt.split_outliers %x {{threshold = 6.0{flag}}} : {x}")
        lines.append(f"  %q = qt.quantize %i : {x} -> {quantized}")
        lines.append(f"  %a = qt.matmul %q, %w : {quantized}, {weight} -> {y}")
        lines.append(f"  %b = qt.matmul %o, %w : {x}, {weight} -> {y}")
        lines.append(f"  %c = arith.addf %a, %b : {y}")
        lines += [f"  %y = arith.addf %r, %c : {y}", f"  return %y : {y}", "}"]
    return "\n".join(lines)


def activations():
    """Not next to a tie of any of the roundings below."""
    x = RNG.standard_normal((max(ROWS), K)).astype(np.float32)
    x[:, 5] *= 40  # loud in nearly every row
    x[3, 17] = 6.0  # reaches the threshold in one
    x[4] = 0
    return x


@pytest.fixture(scope="module", params=TARGETS)
def models(request, compiled):
    if request.param == EMULATED:
        if platform.machine() != "x86_64":
            pytest.skip("the emulator runs on x86-64")
    else:
        needs(request.param)
    folder = compiled.cache / "activations"
    folder.mkdir(exist_ok=True)
    file = folder / "w.safetensors"
    arrays = {"w.codes": CODES, "w.scales": SCALES, "m": MULTIPLIER, "s": STATIC, "t": STATIC8}
    arrays["cb.codes"] = golden("CB", np.int8, 20, 96)
    arrays["cb.scales"] = golden("SCB", np.float32, 20, 1) / np.float32(127)
    arrays["bias"] = golden("bias", np.float16, 20)
    write_safetensors(file, arrays)
    path = folder / "activations.mlir"
    path.write_text(module(file) + llm_int8(file))
    compiled_folder = compiled(path, None, "--target", request.param)
    with quant_mlir.load(compiled_folder, 1) as one, quant_mlir.load(compiled_folder, 2) as two:
        yield one, two


def integers(x, scale):
    """Codes -127 to 127 and their values."""
    ratio = x / np.where(scale == 0, 1, scale)
    return np.rint(ratio).clip(-127, 127) * scale


def quantized(name, x):
    """The activation's values after quantizing, as float64."""
    scheme, operands = ACTIVATIONS[name]
    if "by" in operands:
        x = x * MULTIPLIER
    axis = None if "tensor" in scheme else 1
    if "int" in scheme:
        largest = np.abs(x).max(axis=axis, keepdims=True)
        scale = STATIC if "scale" in operands else largest / np.float32(127)
        return integers(x.astype(np.float64), scale.astype(np.float64))
    kind = scheme.split("<")[1].split(",")[0]
    parts = []
    for part in np.split(x, K // 32, axis=1) if "group" in scheme else [x]:
        scale = np.abs(part).max(axis=axis, keepdims=True) / np.float32(small_values(kind)[-1])
        scale[scale == 0] = 2.0**-23
        scale = STATIC8 if "scale" in operands else scale
        parts.append(round_to(kind, part / scale).astype(np.float32) * scale)
    return np.concatenate(parts, axis=1).astype(np.float64)


def halves(models):
    """Tensor cores multiply floats as f16: half a unit of that."""
    return 2.0**-11 if models[0].target == EMULATED else 0


def check(models, name, x, inputs, expected, slack):
    for rows in ROWS:
        results = [m.run(*(i[:rows] for i in inputs), function=name) for m in models]
        wanted, bound = expected(x[:rows])
        error = np.abs(results[0] - wanted)
        assert (error <= bound + slack[:rows]).all(), f"{name}, {rows} rows: {error.max()}"
        assert np.array_equal(*results), f"{name}: threads change the result"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_product(models, name):
    x = activations()

    def expected(part):
        values = quantized(name, part)
        unit = 2 * np.sqrt(K) * 4 * UNIT
        return values @ WEIGHT.T, (unit + halves(models)) * (np.abs(values) @ np.abs(WEIGHT).T)

    # A ratio next to a tie may go the other way: codes are made by multiplying with 127 / max.
    slack = np.zeros((len(x), 1))
    if "int" in ACTIVATIONS[name][0] and "scale" not in ACTIVATIONS[name][1]:
        wide = (x * MULTIPLIER if "by" in ACTIVATIONS[name][1] else x).astype(np.float64)
        for rows in ROWS:  # one scale for all depends on how many there are
            axis = None if "tensor" in ACTIVATIONS[name][0] else 1
            part = wide[:rows]
            scale = np.abs(part).max(axis=axis, keepdims=True) / 127
            close = np.abs(part / np.where(scale == 0, 1, scale) % 1 - 0.5) < 1e-4
            x[:rows][close] = 0
    check(models, name, x, [x], expected, slack)


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if not n.startswith("dynamic")])
def test_rounding(models, name):
    """What calibration sees of a quantized activation."""
    x = activations()
    if "int" in ACTIVATIONS[name][0]:
        wide = (x * MULTIPLIER if "by" in ACTIVATIONS[name][1] else x).astype(np.float64)
        scale = np.abs(wide).max(axis=1, keepdims=True) / 127
        x[np.abs(wide / np.where(scale == 0, 1, scale) % 1 - 0.5) < 1e-4] = 0

    def expected(part):
        values = quantized(name, part)
        return values, 4 * UNIT * np.abs(values)

    check(models, name + "_rounded", x, [x], expected, np.zeros((len(x), 1)))


@pytest.mark.parametrize("name", ["outliers", "outliers_per_token"])
def test_outliers(models, name):
    """LLM.int8: loud columns, or single values, are multiplied as floats."""
    x = activations()
    residual = RNG.integers(-9, 9, (len(x), N)).astype(np.float32)

    def expected(part):
        loud = np.abs(part) >= 6
        if name == "outliers":
            loud = np.broadcast_to(loud.any(axis=0), part.shape)
        inliers = np.where(loud, 0, part).astype(np.float64)
        scale = np.abs(inliers).max(axis=1, keepdims=True) / 127
        values = integers(inliers, scale) + np.where(loud, part, 0)
        total = values @ WEIGHT.T + residual[: len(part)]
        bound = 4 * np.sqrt(K) * 4 * UNIT * (np.abs(values) @ np.abs(WEIGHT).T + np.abs(total))
        bound += halves(models) * (np.abs(np.where(loud, part, 0)) @ np.abs(WEIGHT).T)
        # A code next to a tie may go the other way.
        ratio = inliers / np.where(scale == 0, 1, scale) % 1
        ties = (np.abs(ratio - 0.5) < 1e-4).astype(np.float64) * scale
        return total, bound + ties @ np.abs(WEIGHT).T

    check(models, name, x, [x, residual], expected, np.zeros((len(x), 1)))
    assert (np.abs(x) >= 6).any(axis=0).sum() == 2


def test_llm_int8_of_bitsandbytes(models):
    x = golden("x", np.float16, 6, 96).astype(np.float32)
    ours = models[0].run(x, function="llm_int8")
    exact = golden("y_float64", np.float64, 6, 20)
    theirs = golden("y", np.float16, 6, 20).astype(np.float64)
    # Theirs is rounded to f16, ours is not.
    assert np.abs(ours - exact).max() < np.abs(theirs - exact).max()
    assert np.abs(ours - exact).max() < 2.0**-11 * np.abs(exact).max()

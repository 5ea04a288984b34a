# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Statistics of activations: compiled code against numpy."""

import numpy as np
import pytest
import quant_mlir
from test_matmul import UNIT, needs

# The widest and the narrowest registers.
TARGETS = ("cpu:x86-64-v3", "cpu:x86-64-v4+vnni")
# Less than a panel of 32 columns, one, two and a half, whole ones; odd ends.
WIDTHS = (5, 32, 33, 80, 576)
PAIRS = ((5, 80), (33, 32), (64, 7), (96, 40), (96, 192))


def module() -> str:
    functions = []
    for k in WIDTHS:
        types = f"tensor<2x{k}xf32>, tensor<{k}xf32>, tensor<{k}xf32>, tensor<{k}x{k}xf32>"
        types += ", tensor<2048xi32>"
        functions.append(f"""
func.func @observe_{k}(%x: tensor<?x{k}xf32>) -> ({types}) {{
  %0:5 = qt.observe %x [range, sum, sum_abs, gram, histogram] site "w"
      : tensor<?x{k}xf32> -> {types}
  return %0#0, %0#1, %0#2, %0#3, %0#4 : {types}
}}""")
    for n, k in PAIRS:
        types = f"tensor<?x{n}xf32>, tensor<?x{k}xf32>"
        functions.append(f"""
func.func @cross_{n}_{k}(%x: tensor<?x{n}xf32>, %y: tensor<?x{k}xf32>) -> tensor<{n}x{k}xf32> {{
  %0 = qt.cross_gram %x, %y : {types} -> tensor<{n}x{k}xf32>
  return %0 : tensor<{n}x{k}xf32>
}}""")
    return "\n".join(functions)


@pytest.fixture(scope="module", params=TARGETS)
def models(request, compiled):
    needs(request.param)
    path = compiled.cache / "observe.mlir"
    path.write_text(module())
    folder = compiled(path, None, "--target", request.param)
    with quant_mlir.load(folder, 1) as one, quant_mlir.load(folder, 3) as three:
        yield one, three


def histogram(x):
    """32 bins an octave from 2^-40 on: exponent and the first 5 bits of the mantissa."""
    bits = np.abs(x).view(np.uint32) >> 18
    bins = np.clip(bits.astype(np.int64) - (127 - 40) * 32, 0, 2047)
    return np.bincount(bins.ravel(), minlength=2048)


@pytest.mark.parametrize("k", WIDTHS)
@pytest.mark.parametrize("rows", (1, 16, 37, 128))
def test_observe(models, k, rows):
    random = np.random.default_rng(k * 1000 + rows)
    x = random.standard_normal((rows, k)).astype(np.float32)
    x *= np.exp2(random.integers(-60, 30, (1, k))).astype(np.float32)
    x[:, k // 2] = 0
    wide = x.astype(np.float64)
    lower = np.tril_indices(k)
    for model in models:
        found, plain, sums, gram, counts = model.run(x, function=f"observe_{k}")
        assert np.array_equal(found[0], x.min(0)) and np.array_equal(found[1], x.max(0))
        magnitudes = np.abs(wide).sum(0)
        assert (np.abs(plain - wide.sum(0)) <= rows * UNIT * magnitudes).all()
        assert (np.abs(sums - magnitudes) <= rows * UNIT * magnitudes).all()
        bound = (rows + 1) * UNIT * (np.abs(wide).T @ np.abs(wide)) + 1e-37
        error = np.abs(gram - wide.T @ wide)
        assert (error <= bound)[lower].all()
        assert np.array_equal(counts, histogram(x))


@pytest.mark.parametrize("n, k", PAIRS)
@pytest.mark.parametrize("rows", (1, 37))
def test_cross_gram(models, n, k, rows):
    random = np.random.default_rng(n * 1000 + k)
    x = random.standard_normal((rows, n)).astype(np.float32)
    y = random.standard_normal((rows, k)).astype(np.float32)
    bound = (rows + 1) * UNIT * (np.abs(x).T.astype(np.float64) @ np.abs(y))
    for model in models:
        found = model.run(x, y, function=f"cross_{n}_{k}")
        assert (np.abs(found - x.T.astype(np.float64) @ y) <= bound).all()


@pytest.mark.parametrize("bad", (np.nan, np.inf, -np.inf))
def test_what_is_not_finite_shows_in_the_range(models, bad):
    x = np.ones((20, 33), np.float32)
    x[7, 32] = bad
    for model in models:
        found, *_ = model.run(x, function="observe_33")
        finite = np.isfinite(found).all(0)
        assert finite[:32].all() and not finite[32]

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Norms, rope, attention, activations and what stays linalg: compiled code against numpy."""

import math
import platform

import numpy as np
import pytest
import quant_mlir
from test_matmul import UNIT, needs

# The widest and the narrowest registers, and a GPU.
TARGETS = ("cpu:x86-64-v3", "cpu:x86-64-v4+vnni", "cuda-emulated:sm_80")
RNG_SEED = 11
FUNCTIONS, CHECKS = [], []


def function(text):
    """Registers a function of the module and, below it, the check that calls it."""

    def register(check):
        FUNCTIONS.append(text)
        CHECKS.append(check)
        return check

    return register


def normal(*shape, seed=RNG_SEED):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(result, expected, bound):
    assert result.shape == expected.shape and result.dtype == np.float32
    error = np.abs(result - expected)
    assert (error <= bound).all(), f"error {error.max()}, {(error / bound).max()} of the bound"


# Rows of whole registers, of a part of one, and of both.
WIDTHS = (576, 4, 100)

for width in WIDTHS:
    x, g = f"tensor<?x{width}xf32>", f"tensor<{width}xf32>"

    @function(f"""
func.func @rms_norm_{width}(%x: {x}, %g: {g}) -> {x} {{
  %y = lm.rms_norm %x, %g {{eps = 1.0e-5}} : {x}, {g}
  return %y : {x}
}}
func.func @layer_norm_{width}(%x: {x}, %g: {g}, %b: {g}) -> ({x}, {x}) {{
  %y = lm.layer_norm %x, %g bias %b {{eps = 1.0e-12}} : {x}, {g}, {g}
  %z = lm.layer_norm %x, %g {{eps = 1.0e-12}} : {x}, {g}
  return %y, %z : {x}, {x}
}}""")
    def check_norms(run, width=width):
        gain, bias = normal(width, seed=1), normal(width, seed=2)
        for tokens in (1, 2, 17):
            x = normal(tokens, width)
            x[0] *= 1e-4  # here eps counts
            wide = x.astype(np.float64)
            expected = wide / np.sqrt((wide**2).mean(1, keepdims=True) + 1e-5) * gain
            # The sum has `width` terms; squares, root, division and product round once each.
            bound = (width + 6) * UNIT * np.abs(expected)
            close(run(f"rms_norm_{width}", x, gain), expected, bound)

            # A mean of 10 sigma: a variance computed as E(x²) - E(x)² would lose two digits more.
            x = normal(tokens, width) + np.float32(10)
            wide = x.astype(np.float64)
            centred = wide - wide.mean(1, keepdims=True)
            expected = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12) * gain
            # What the mean is wrong by, divided by sigma.
            sigma = centred.std(1, keepdims=True)
            shift = 2 * math.sqrt(width) * UNIT * np.abs(wide).max() / sigma
            bound = (shift + (width + 8) * UNIT) * (np.abs(expected) + np.abs(gain)) + UNIT
            with_bias, without = run(f"layer_norm_{width}", x, gain, bias)
            close(without, expected, bound)
            close(with_bias, expected + bias, bound + UNIT * np.abs(bias))


def rope(x, position, head_size, rotary, base, style):
    x = x.astype(np.float64).reshape(len(x), -1, head_size)
    out = x.copy()
    pair = np.arange(rotary // 2)
    angle = (position + np.arange(len(x)))[:, None, None] / base ** (2 * pair / rotary)
    first, second = (
        (2 * pair, 2 * pair + 1) if style == "interleaved" else (pair, pair + rotary // 2)
    )
    a, b = x[..., first], x[..., second]
    out[..., first] = a * np.cos(angle) - b * np.sin(angle)
    out[..., second] = a * np.sin(angle) + b * np.cos(angle)
    return out.reshape(len(x), -1)


for style in ("interleaved", "half"):
    for rotary in (64, 32):

        @function(f"""
func.func @rope_{style}_{rotary}(%x: tensor<?x192xf32>, %p: index) -> tensor<?x192xf32> {{
  %y = lm.rope %x at %p {{base = 1.0e5, head_size = 64, rotary_size = {rotary},
                          style = #lm.rope_style<{style}>}} : tensor<?x192xf32>
  return %y : tensor<?x192xf32>
}}""")
        def check_rope(run, style=style, rotary=rotary):
            for tokens in (1, 5):
                for position in (0, 1, 8000):
                    x = normal(tokens, 192)
                    expected = rope(x, position, 64, rotary, 1e5, style)
                    result = run(f"rope_{style}_{rotary}", x, position)
                    # cos, sin, two products and a sum round, nothing else does: angles are f64.
                    close(result, expected, 4 * UNIT * 2 * np.abs(x).max())
                    untouched = np.arange(192) % 64 >= rotary
                    assert np.array_equal(result[:, untouched], x[:, untouched])


def attention(q, k, v, heads, kv_heads, scale, causal, mask, window, softcap):
    """The result, the bound of its error."""
    tokens, size = len(q), q.shape[1] // heads
    q, k, v = (a.astype(np.float64).reshape(tokens, -1, size) for a in (q, k, v))
    k, v = (np.repeat(a, heads // kv_heads, axis=1) for a in (k, v))
    scores = np.einsum("ihd,jhd->hij", q, k) * scale
    noise = np.einsum("ihd,jhd->hij", np.abs(q), np.abs(k)) * scale
    noise = (4 * math.sqrt(size) * UNIT * noise).max()
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
        noise += 8 * UNIT * softcap
    if mask is not None:
        scores = scores + mask
        noise += UNIT * np.abs(scores[np.isfinite(scores)]).max()
    i, j = np.mgrid[:tokens, :tokens]
    hidden = np.zeros((tokens, tokens), bool)
    if causal:
        hidden |= j > i
    if window:
        hidden |= j <= i - window
    scores[:, hidden] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    result = np.einsum("hij,jhd->ihd", weights, v).reshape(tokens, -1)
    # An error of e in every score changes a weight by at most 2e of itself; exp and the sums over
    # blocks of 16 keys, each scaled once, add their own.
    spread = np.einsum("hij,jhd->ihd", weights, np.abs(v)).reshape(tokens, -1)
    return result, (2 * noise + (16 + tokens) * UNIT) * spread + UNIT


ATTENTION = {  # name: (heads, kv_heads, head size, attributes, has a mask)
    "plain": (4, 4, 16, {}, False),
    "causal_grouped": (6, 2, 32, {"causal": True}, False),
    "causal_one_kv_head": (3, 1, 64, {"causal": True}, False),
    "mask": (2, 2, 48, {}, True),
    "mask_causal": (2, 1, 16, {"causal": True}, True),
    "window": (4, 2, 32, {"causal": True, "window": 5}, False),
    "window_17": (2, 2, 16, {"causal": True, "window": 17}, False),
    "window_not_causal": (2, 2, 16, {"window": 3}, False),
    "softcap": (4, 2, 32, {"softcap": 2.0}, False),
    "everything": (4, 2, 16, {"causal": True, "window": 9, "softcap": 1.5}, True),
}


def attention_mlir(name):
    heads, kv_heads, size, attributes, mask = ATTENTION[name]
    q, kv = f"tensor<?x{heads * size}xf32>", f"tensor<?x{kv_heads * size}xf32>"
    listed = [f"heads = {heads}", f"kv_heads = {kv_heads}", "scale = 0.2"]
    if attributes.get("causal"):
        listed.append("causal")
    if "window" in attributes:
        listed.append(f"window = {attributes['window']}")
    if "softcap" in attributes:
        listed.append(f"softcap = {attributes['softcap']}")
    argument, use, type_ = (
        (", %m: tensor<?x?xf32>", "mask %m", "mask tensor<?x?xf32>") if mask else ("", "", "")
    )
    return f"""
func.func @attention_{name}(%q: {q}, %k: {kv}, %v: {kv}{argument}) -> {q} {{
  %y = lm.attention %q, %k, %v {use} {{{", ".join(listed)}}} : {q}, {kv}, {kv} {type_}
  return %y : {q}
}}"""


for name in ATTENTION:

    @function(attention_mlir(name))
    def check_attention(run, name=name):
        heads, kv_heads, size, attributes, has_mask = ATTENTION[name]
        for tokens in (1, 15, 16, 17, 40):  # a block of keys has 16
            q = normal(tokens, heads * size, seed=1)
            k, v = (normal(tokens, kv_heads * size, seed=s) for s in (2, 3))
            mask = None
            if has_mask:
                mask = normal(tokens, tokens, seed=4)
                mask[np.random.default_rng(5).random(mask.shape) < 0.3] = -np.inf
                np.fill_diagonal(mask, 0)  # a row must see something
            arguments = {"causal": False, "window": 0, "softcap": 0, **attributes}
            expected, bound = attention(q, k, v, heads, kv_heads, 0.2, mask=mask, **arguments)
            inputs = [q, k, v] + ([mask] if has_mask else [])
            close(run(f"attention_{name}", *inputs), expected, bound)


SQRT_HALF = math.sqrt(0.5)
ACTIVATIONS = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x / 2 * np.vectorize(math.erfc)(-x * SQRT_HALF),
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}

for kind in ACTIVATIONS:

    @function(f"""
func.func @{kind}(%x: tensor<?x33xf32>) -> tensor<?x33xf32> {{
  %y = lm.activation {kind} %x : tensor<?x33xf32>
  return %y : tensor<?x33xf32>
}}""")
    def check_activation(run, kind=kind):
        points = np.concatenate([np.linspace(-12, 12, 326), [0, -0.0, 80, -80]])
        x = points.astype(np.float32).reshape(10, 33)
        with np.errstate(over="ignore"):
            expected = ACTIVATIONS[kind](x.astype(np.float64))
        # 1 + erf and 1 + tanh cancel below zero, so the error is relative to x, not to the result.
        close(
            run(kind, x), expected, 16 * UNIT * np.maximum(np.abs(x), np.abs(expected)) + UNIT / 8
        )


# Elementwise ops between kernels are fused; a value that is used twice, an operand that is
# broadcast along rows, and a constant.
@function("""
func.func @chain(%x: tensor<?x100xf32>, %g: tensor<100xf32>) -> tensor<?x100xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x100xf32>
  %e = tensor.empty(%n) : tensor<?x100xf32>
  %gs = linalg.broadcast ins(%g : tensor<100xf32>) outs(%e : tensor<?x100xf32>) dimensions = [0]
  %a = arith.mulf %x, %gs : tensor<?x100xf32>
  %s = lm.activation silu %a : tensor<?x100xf32>
  %b = arith.mulf %s, %x : tensor<?x100xf32>
  %c = arith.subf %b, %a : tensor<?x100xf32>
  return %c : tensor<?x100xf32>
}""")
def check_chain(run):
    gain = normal(100, seed=3)
    for tokens in (1, 3, 40):
        x = normal(tokens, 100)
        a = x.astype(np.float64) * gain
        expected = a / (1 + np.exp(-a)) * x - a
        close(run("chain", x, gain), expected, 16 * UNIT * np.abs(a) * (1 + np.abs(x)) + UNIT / 8)


# No kernel of ours: a softmax along columns, as three loops that stay linalg.
@function("""
#all = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>
func.func @column_softmax(%x: tensor<?x20xf32>) -> (tensor<?x20xf32>, tensor<20xf32>) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x20xf32>
  %zero = arith.constant 0.0 : f32
  %low = arith.constant -1.0e30 : f32
  %row = tensor.empty() : tensor<20xf32>
  %lows = linalg.fill ins(%low : f32) outs(%row : tensor<20xf32>) -> tensor<20xf32>
  %max = linalg.reduce { arith.maximumf } ins(%x : tensor<?x20xf32>) outs(%lows : tensor<20xf32>)
         dimensions = [0]
  %e = tensor.empty(%n) : tensor<?x20xf32>
  %exp = linalg.generic {indexing_maps = [#all, #column, #all],
                         iterator_types = ["parallel", "parallel"]}
         ins(%x, %max : tensor<?x20xf32>, tensor<20xf32>) outs(%e : tensor<?x20xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %d = arith.subf %a, %b : f32
    %p = math.exp %d : f32
    linalg.yield %p : f32
  } -> tensor<?x20xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%row : tensor<20xf32>) -> tensor<20xf32>
  %sum = linalg.reduce { arith.addf } ins(%exp : tensor<?x20xf32>) outs(%zeros : tensor<20xf32>)
         dimensions = [0]
  %y = linalg.generic {indexing_maps = [#all, #column, #all],
                       iterator_types = ["parallel", "parallel"]}
       ins(%exp, %sum : tensor<?x20xf32>, tensor<20xf32>) outs(%e : tensor<?x20xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %q = arith.divf %a, %b : f32
    linalg.yield %q : f32
  } -> tensor<?x20xf32>
  return %y, %max : tensor<?x20xf32>, tensor<20xf32>
}""")
def check_column_softmax(run):
    for tokens in (1, 17):
        x = normal(tokens, 20) * 5
        soft, largest = run("column_softmax", x)
        wide = np.exp(x.astype(np.float64) - x.max(0))
        expected = wide / wide.sum(0)
        close(soft, expected, (tokens + 16) * UNIT * (1 + np.abs(x).max()) * expected)
        assert np.array_equal(largest, x.max(0))


@function("""
func.func @transposed(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x?xf32>
  %m = tensor.dim %x, %c1 : tensor<?x?xf32>
  %e = tensor.empty(%m, %n) : tensor<?x?xf32>
  %y = linalg.transpose ins(%x : tensor<?x?xf32>) outs(%e : tensor<?x?xf32>) permutation = [1, 0]
  return %y : tensor<?x?xf32>
}""")
def check_transposed(run):
    x = normal(7, 5)
    assert np.array_equal(run("transposed", x), x.T)


# Raised to a lm.linear, whose weight is no weight.
@function("""
#left = affine_map<(i, j, k) -> (i, k)>
#right = affine_map<(i, j, k) -> (j, k)>
#out = affine_map<(i, j, k) -> (i, j)>
func.func @product(%x: tensor<?x20xf32>, %y: tensor<?x20xf32>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %x, %c0 : tensor<?x20xf32>
  %m = tensor.dim %y, %c0 : tensor<?x20xf32>
  %e = tensor.empty(%n, %m) : tensor<?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %z = linalg.matmul indexing_maps = [#left, #right, #out]
       ins(%x, %y : tensor<?x20xf32>, tensor<?x20xf32>) outs(%zeros : tensor<?x?xf32>)
       -> tensor<?x?xf32>
  return %z : tensor<?x?xf32>
}""")
def check_product(run):
    x, y = normal(5, 20, seed=1), normal(3, 20, seed=2)
    wide = x.astype(np.float64)
    close(run("product", x, y), wide @ y.T, 21 * UNIT * (np.abs(wide) @ np.abs(y).T))


@function("""
func.func @linear(%x: tensor<1x?x20xf32>, %w: tensor<6x20xf32>, %b: tensor<6xf32>)
    -> tensor<1x?x6xf32> {
  %y = lm.linear %x, %w bias %b
      : tensor<1x?x20xf32>, tensor<6x20xf32>, tensor<6xf32> -> tensor<1x?x6xf32>
  return %y : tensor<1x?x6xf32>
}""")
def check_linear(run):
    x, w, b = normal(1, 5, 20, seed=1), normal(6, 20, seed=2), normal(6, seed=3)
    wide = x.astype(np.float64)
    bound = 22 * UNIT * (np.abs(wide) @ np.abs(w).T + np.abs(b))
    close(run("linear", x, w, b), wide @ w.T + b, bound)


# Results in every odd form: twice the same, an input as it is, whole numbers.
@function("""
func.func @results(%x: tensor<?x8xf32>, %i: tensor<?xi32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>) {
  %y = arith.addf %x, %x : tensor<?x8xf32>
  %j = arith.addi %i, %i : tensor<?xi32>
  return %y, %x, %y, %j : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
}""")
def check_results(run):
    x, i = normal(3, 8), np.array([1, -2, 1 << 29], np.int32)
    first, given, second, whole = run("results", x, i)
    assert np.array_equal(first, 2 * x) and np.array_equal(second, 2 * x)
    assert np.array_equal(given, x)
    assert np.array_equal(whole, 2 * i) and whole.dtype == np.int32


@pytest.fixture(scope="module", params=TARGETS)
def models(request, compiled):
    if not request.param.startswith("cuda"):
        needs(request.param)
    elif platform.machine() != "x86_64":
        pytest.skip("the emulator runs on x86-64")
    path = compiled.cache / "ops.mlir"
    # Aliases of attributes stand at the top of a module.
    lines = "\n".join(FUNCTIONS).split("\n")
    path.write_text("\n".join(sorted(lines, key=lambda line: not line.startswith("#"))))
    folder = compiled(path, None, "--target", request.param)
    with quant_mlir.load(folder, 1) as one, quant_mlir.load(folder, 2) as two:
        yield one, two


@pytest.mark.parametrize("number", range(len(CHECKS)), ids=lambda n: _name(FUNCTIONS[n]))
def test_op(models, number):
    def run(name, *inputs):
        one, two = (model.run(*inputs, function=name) for model in models)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (one, two))):
            assert np.array_equal(a, b), "threads change the result"
        return one

    CHECKS[number](run)


def _name(text):
    return text.split("@")[1].split("(")[0]

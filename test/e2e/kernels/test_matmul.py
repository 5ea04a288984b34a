# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The kernel matrix: compiled products and lookups against numpy, bit by bit where that is due.

By default every two values of any two factors meet (scheme, group, scale type, activation, shape,
bias, residual); with QUANT_MLIR_FULL_KERNEL_MATRIX=1 in the environment all of them do.
"""

import platform

import numpy as np
import pytest
import quant_mlir
from cases import TARGETS, TOKENS, cpu_flags, missing_pairs, modules
from schemes import round_to, small_values, store_floats
from weight_files import write_gguf, write_safetensors

UNIT = 2.0**-24  # the relative error of one rounding to float32


def needs(target):
    missing = sorted(set(TARGETS[target]) - cpu_flags())
    if missing or platform.machine() != "x86_64":
        pytest.skip(f"this CPU cannot run {target}: {', '.join(missing) or platform.machine()}")


def write_module(folder, name, cases):
    """NAME.mlir, its weights beside it in NAME.safetensors or NAME.gguf."""
    folder.mkdir(parents=True, exist_ok=True)
    safetensors, gguf = folder / f"{name}.safetensors", folder / f"{name}.gguf"
    arrays, blocks, texts = {}, {}, []
    for case in cases:
        weight = case.weight
        for suffix, array in weight.parts.items():
            arrays[f"{case.name}.w{suffix}"] = array
        if weight.blocks:
            kind, data = weight.blocks
            blocks[f"{case.name}.w"] = (kind, (case.n, case.k), data)
        if case.bias:
            arrays[f"{case.name}.b"] = case.bias_values
        texts.append(case.mlir(gguf if weight.blocks else safetensors))
    write_safetensors(safetensors, arrays)
    if blocks:
        write_gguf(gguf, blocks)
    path = folder / f"{name}.mlir"
    path.write_text("\n".join(texts))
    return path


def activations(case, count=33):
    """[count, K]. Even rows quantize to themselves with scale 1: whole numbers, 127 in each group.

    From the end, because calls with fewer tokens take the last rows: whole, arbitrary, all 127,
    ..., one loud value, all zeros.
    """
    rng = np.random.default_rng(case.k)
    x = rng.standard_normal((count, case.k)).astype(np.float32)
    x[::2] = rng.integers(-127, 127, x[::2].shape, endpoint=True)
    x[::2, :: case.xgroup] = 127
    x[-3] = 127
    x[1, 1:] *= 1e-3
    x[0] = 0
    return x


def quantize(x, group):
    """Codes and scales [rows, groups] of a dynamic activation; x loses its values next to a tie,
    where multiplying by 127/max and dividing by max/127 may round to different codes."""
    codes, scales = np.zeros(x.shape), []
    for start in range(0, x.shape[1], group):
        part = x[:, start : start + group]  # a view: what is cleared is cleared in x
        largest = np.abs(part).max(axis=1, keepdims=True)
        factor = 127 / np.where(largest == 0, 1, largest).astype(np.float64)
        part[np.abs(part * factor % 1 - 0.5) < 1e-4] = 0
        codes[:, start : start + group] = np.rint(part * factor)
        scales.append((largest / np.float32(127)).astype(np.float64))
    scales = np.concatenate(scales, axis=1)
    return codes, scales


def integer_product(case, x):
    """The product, its error bound, and where every intermediate result is exact."""
    weight = case.weight
    codes, xscales = quantize(x, case.xgroup)
    # A group of the kernel: the smaller of the two, in which sums are integers.
    group = min(case.xgroup, weight.group)
    total = magnitude = np.zeros((len(x), case.n))
    whole = np.zeros((len(x), case.n))
    for start in range(0, case.k, group):
        part = slice(start, min(start + group, case.k))
        products = codes[:, part] @ weight.codes[:, part].T.astype(np.float64)
        sums = codes[:, part].sum(axis=1, keepdims=True)
        xscale = xscales[:, [start // case.xgroup]]
        scale = weight.scales[:, start // weight.group]
        minimum = weight.minimums[:, start // weight.group]
        total = total + xscale * (scale * products + minimum * sums)
        magnitude = magnitude + np.abs(xscale) * (np.abs(scale * products) + np.abs(minimum * sums))
        # With scales of 1/2 and 1 these are whole numbers of halves.
        whole = whole + 2 * (np.abs(scale * products) + np.abs(minimum * sums))
    groups = -(-case.k // group)
    exact = np.zeros_like(total, dtype=bool)
    exact[::2, ::2] = True
    exact &= whole < 2**23  # a bit to spare for bias and residual
    exact &= weight.lanes_are_exact
    # A term is the product of at most four float32 (five with a codebook): an integer (rounded
    # if above 2^24), a weight scale or a minimum (rounded when packed), an activation scale
    # (rounded), with two roundings of products. It then passes through at most two additions
    # per group, the last scale, the bias and the residual.
    more = 0 if weight.lanes_are_exact else 2
    return total, (2 * groups + 8 + more) * UNIT * magnitude, exact


def round_activation(case, x):
    """What an activation of 8-bit floats is rounded to."""
    kind = case.activation[len("#qt.float<") :].split(",")[0].strip(">")
    if kind == "bf16":
        return store_floats(x, kind)[1].astype(np.float32)
    result = np.zeros_like(x)
    for start in range(0, x.shape[1], case.xgroup):
        part = x[:, start : start + case.xgroup]
        largest = np.abs(part).max(axis=1, keepdims=True)
        scale = largest / np.float32(small_values(kind)[-1])
        scale[largest == 0] = 2.0**-23
        rounded = round_to(kind, part / scale).astype(np.float32)
        result[:, start : start + case.xgroup] = rounded * scale
    return result


def float_product(case, x):
    """Sums of K terms. The errors of random ones are as independent as those of a random walk;
    equal ones, which rows of one code have, round in the same direction."""
    if case.activation:
        x = round_activation(case, x)
    values = case.weight.values()
    x = x.astype(np.float64)
    total = x @ values.T
    is_random = case.weight.floats is not None and case.weight.float_scales is None
    factor = 4 * np.sqrt(case.k) if is_random else case.k
    # A number is read with at most three roundings, and once more its row's sum.
    bound = (factor + 4) * UNIT * (np.abs(x) @ case.weight.magnitude().T)
    return total, bound, np.zeros_like(total, dtype=bool)


def check_product(case, models):
    x = activations(case)
    expected, bound, exact = (integer_product if case.is_integer else float_product)(case, x)
    rng = np.random.default_rng(9)
    residual = rng.integers(-100, 100, expected.shape).astype(np.float32)
    for present, addend in ((case.bias, case.bias_values), (case.residual, residual)):
        if present:
            expected = expected + addend
            bound = bound + 3 * UNIT * (np.abs(addend) + np.abs(expected))
    claims = case.is_integer and case.weight.lanes_are_exact
    assert exact.sum() > 0.1 * exact.size or not claims
    for tokens in TOKENS:
        inputs = [x[-tokens:]] + ([residual[-tokens:]] if case.residual else [])
        results = [model.run(*inputs, function=case.name) for model in models]
        where = f"{case}, {tokens} tokens"
        error = np.abs(results[0] - expected[-tokens:])
        assert results[0].dtype == np.float32 and results[0].shape == (tokens, case.n), where
        worst = (error - bound[-tokens:]).max()
        assert (error <= bound[-tokens:]).all(), f"{where}: {worst} beyond the bound"
        assert (error[exact[-tokens:]] == 0).all(), f"{where}: not the exact sum"
        for other in results[1:]:
            assert np.array_equal(results[0], other), f"{where}: threads change the result"


def check_gather(case, models):
    ids = np.array([-1, 0, 1, 2, 17, case.n // 2, 0], np.int32) % case.n
    expected = case.weight.float32_values()[ids]
    for model in models:
        result = model.run(ids, function=f"{case.name}_gather")
        assert np.array_equal(result, expected), f"{case}: gather"


def test_default_choice_covers_all_pairs():
    assert not missing_pairs()


@pytest.mark.parametrize("module", modules())
@pytest.mark.parametrize("target", TARGETS)
def test_kernels(compiled, monkeypatch, target, module):
    needs(target)
    monkeypatch.setenv("QM_TARGET", target.split(",")[0][len("cpu:") :])
    cases = modules()[module]
    # Mostly another target's kernels, scheduled for this machine or reading other panels.
    if target == "cpu:native" or (target.endswith("+bf16") and module != "pairs"):
        cases = cases[::4]
    path = write_module(compiled.cache / "kernels" / target.replace(":", "_"), module, cases)
    folder = compiled(path, None, "--target", target)
    with quant_mlir.load(folder, 1) as one, quant_mlir.load(folder, 2) as two:
        for case in cases:
            check_product(case, (one, two))
            if case.gathers:
                check_gather(case, (one, two))

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The quantization methods on a tiny llama, from calibration to the compiled program."""

import subprocess

import numpy as np
import pytest
import tiny_models
from quant_mlir import InputError, load, safetensors, statistics, tools

TEXTS, LENGTH = 8, 64
SITES = ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj")


def run(name, *arguments, code=0):
    try:
        tool = tools.find(name)
    except InputError as error:
        pytest.skip(str(error))
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with the model, its IR, calibration tokens and their statistics."""
    folder = tmp_path_factory.mktemp("quantization")
    path = tiny_models.llama_folder(folder / "llama")
    random = np.random.default_rng(7)
    tokens = random.integers(0, tiny_models.VOCABULARY, (TEXTS, LENGTH), np.int32)
    np.save(folder / "tokens.npy", tokens)
    run("quant-translate", "--import-hf", path, "-o", folder / "model.mlir")
    run("quant-calibrate", path, "--tokens", folder / "tokens.npy", "-o", folder / "statistics")
    return folder


def logits(model, folder, *arguments):
    """Of the last text, all positions."""
    run("quantc", *arguments, "-o", folder, "--name", "model")
    return load(folder).logits(np.load(model / "tokens.npy")[-1])


def dequantize(tensors, name, group, zeros):
    codes = tensors[name + ".codes"].astype(np.float64)
    if zeros:
        codes = tensors[name + ".codes"].view(np.uint8).astype(np.float64)
    expand = lambda x: np.repeat(x.astype(np.float64), group, 1)[:, : codes.shape[1]]  # noqa: E731
    if zeros:
        codes -= expand(tensors[name + ".zeros"].view(np.uint8))
    return codes * expand(tensors[name + ".scales"])


def losses(model, recipe, group, zeros=False):
    """trace(D H Dᵀ) of each first reader, D = what the recipe changed."""
    out = model / f"{recipe}.safetensors"
    options = f"recipe={recipe} calibration={model / 'statistics'} weights-out={out}"
    run("quant-opt", model / "model.mlir", f"--quantize={options}", "-o", "/dev/null")
    tensors = safetensors.read(out)[0]
    original = safetensors.read(model / "llama" / "model.safetensors")[0]
    sites = {site.name: site for site in statistics.read(model / "statistics")[0]}
    result = []
    for layer in range(tiny_models.LAYERS):
        for site in SITES:
            name = f"model.layers.{layer}.{site}.weight"
            change = dequantize(tensors, name, group, zeros) - original[name]
            result.append(np.einsum("nk,kj,nj->", change, sites[name].hessian, change))
    return np.array(result)


@pytest.mark.parametrize("bits, suffix", [(4, ""), (3, "-asym"), (2, "-g32")])
def test_gptq_beats_rounding(model, bits, suffix):
    group = 32 if suffix == "-g32" else 128
    zeros = suffix == "-asym"
    rounded = losses(model, f"w{bits}a16{suffix}", group, zeros)
    gptq = losses(model, f"w{bits}a16-gptq{suffix}", group, zeros)
    # Random inputs are nearly independent, so there is little to make up for: what is gained
    # comes from the ranges mostly. On real models it is a factor.
    assert (gptq < rounded).all()


@pytest.mark.parametrize("smoothing", ["qt-smooth", "qt-awq"])
def test_smoothing_leaves_the_float_model_alone(model, tmp_path, smoothing):
    recipe = "w8a8" if smoothing == "qt-smooth" else "w4a16-awq"
    options = f"recipe={recipe} calibration={model / 'statistics'} weights-out={tmp_path / 'w'}"
    smoothed = tmp_path / "smoothed.mlir"
    run("quant-opt", model / "model.mlir", f"--{smoothing}={options}", "-o", smoothed)
    assert "qt.fingerprint" in smoothed.read_text()
    tensors = safetensors.read(tmp_path / "w")[0]
    factors = [name for name in tensors if name.endswith(".smoothing")]
    # Norms to q, k, v and gate, up; v to o; up to down; in each layer. AWQ leaves alone what
    # no factors improve.
    most = 4 * tiny_models.LAYERS
    assert len(factors) == most if smoothing == "qt-smooth" else 0 < len(factors) <= most
    assert any(np.ptp(tensors[name]) > 0.1 for name in factors)

    before = logits(model, tmp_path / "before", model / "llama", "--recipe", "f32")
    after = logits(model, tmp_path / "after", smoothed, "--recipe", "f32")
    assert np.abs(after - before).max() < 1e-5 * np.ptp(before)


@pytest.mark.parametrize(
    "plain, better",
    [
        ("w8a8", ["w8a8-smoothquant", "w8a8-smoothquant-gptq"]),
        ("w8a8-static", ["w8a8-static-smoothquant"]),
        ("int8-llm", ["int8-llm-smoothquant"]),
        ("w4a16-asym", ["w4a16-awq"]),
        ("w4a16", ["w4a16-gptq", "w4a16-gptaq"]),
        ("nf4", ["nf4-gptq"]),
        ("fp8-block", ["fp8-block-gptq"]),
    ],
)
def test_each_method_lowers_the_error_of_the_compiled_model(model, tmp_path, plain, better):
    exact = logits(model, tmp_path / "f32", model / "llama", "--recipe", "f32")
    tokens = ("--tokens", model / "tokens.npy")
    errors = []
    for recipe in [plain, *better]:
        got = logits(model, tmp_path / recipe, model / "llama", "--recipe", recipe, *tokens)
        errors.append(np.sqrt(np.mean((got - exact) ** 2) / np.mean(exact**2)))
    assert errors == sorted(errors, reverse=True), errors


def test_static_scales_hold_what_was_seen(model):
    out = model / "static.safetensors"
    options = f"recipe=w8a8-static calibration={model / 'statistics'} weights-out={out}"
    done = run("quant-opt", model / "model.mlir", f"--quantize={options}")
    tensors = safetensors.read(out)[0]
    for site in statistics.read(model / "statistics")[0]:
        if not site.name.startswith("model.layers"):
            continue
        reach = max(np.abs(site.min).max(), np.abs(site.max).max())
        assert tensors[site.name + ".input_scale"] == pytest.approx(reach / 127, rel=1e-6)
        assert f'@"{site.name}.input_scale"' in done.stdout or (
            f"@{site.name}.input_scale" in done.stdout
        )


def test_no_calibration(model, tmp_path):
    done = run("quantc", model / "llama", "--recipe", "w4a16-gptq", "-o", tmp_path / "q", code=1)
    assert done.stderr.count("\n") == 1
    assert "recipe 'w4a16-gptq' needs calibration: --tokens FILE.npy" in done.stderr
    assert not (tmp_path / "q").exists()


def test_statistics_of_another_model(model, tmp_path):
    other = tiny_models.llama_folder(tmp_path / "other")
    tensors, metadata = safetensors.read(other / "model.safetensors")
    safetensors.write(other / "model.safetensors", {n: 2 * t for n, t in tensors.items()}, metadata)
    flags = ("--recipe", "w4a16-gptq", "--calibration", model / "statistics")
    done = run("quantc", other, *flags, "-o", tmp_path / "q", code=1)
    assert done.stderr.count("\n") == 1 and "statistics of another model" in done.stderr


def test_too_few_tokens(model, tmp_path):
    np.save(tmp_path / "few.npy", np.arange(8, dtype=np.int32))
    out = tmp_path / "w.safetensors"
    options = f"recipe=w4a16-gptq tokens={tmp_path / 'few.npy'} weights-out={out}"
    done = run("quant-opt", model / "model.mlir", f"--quantize={options}", "-o", "/dev/null")
    assert "warning" in done.stderr and "tokens" in done.stderr

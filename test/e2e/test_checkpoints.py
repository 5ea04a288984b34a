# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantized Hugging Face checkpoints, from the folder to logits."""

import json

import numpy as np
import numpy_models
import pytest
import tiny_models
from compiling import compile, run
from failing import fails
from quant_mlir import load
from tiny_checkpoints import FORMATS, encode

KEEP = """
config_groups:
  all: {targets: [Linear, Embedding], weights: keep, input_activations: float}
"""


def expected_logits(values, tokens):
    config = {"layers": 2, "heads": 4, "kv_heads": 2, "eps": 1e-5, "base": 10000.0}
    return numpy_models.llama(values, tokens, config, numpy_models.HF_NAMES, False)[1]


TOKENS = np.random.default_rng(3).integers(0, tiny_models.VOCABULARY, 40, np.int32)


@pytest.mark.parametrize("format", FORMATS)
def test_logits(format, tmp_path):
    values = encode(format, tmp_path / "m")
    (tmp_path / "keep.yaml").write_text(KEEP)
    summary = compile(tmp_path / "m", tmp_path / "out", "--recipe", tmp_path / "keep.yaml")
    assert f"kept as {FORMATS[format][2]}, inputs float" in summary
    expected = expected_logits(values, TOKENS)
    got = load(tmp_path / "out").logits(TOKENS)
    assert np.abs(got - expected).max() < 1e-3 * np.ptp(expected)


# A format for each kind of input.
@pytest.mark.parametrize(
    "format", {inputs: name for name, (*_, inputs) in FORMATS.items()}.values()
)
def test_activations_are_what_the_checkpoint_says(format, tmp_path):
    values = encode(format, tmp_path / "m")
    summary = compile(tmp_path / "m", tmp_path / "out")
    _, _, scheme, inputs = FORMATS[format]
    assert f"kept as {scheme}, inputs {inputs}, " in summary
    expected = expected_logits(values, TOKENS)
    got = load(tmp_path / "out").logits(TOKENS)
    # What rounding activations may cost: little with 8-bit integers, more with floats.
    error = np.sqrt(np.mean((got - expected) ** 2) / np.mean(expected**2))
    assert error < (0.1 if "float<" in inputs or "static" in inputs else 0.03)
    if inputs != "float":
        assert error > 1e-5


def test_a_layer_in_two_files(tmp_path):
    values = encode("gptq", tmp_path / "m", shards=2)
    (tmp_path / "keep.yaml").write_text(KEEP)
    compile(tmp_path / "m", tmp_path / "out", "--recipe", tmp_path / "keep.yaml")
    expected = expected_logits(values, TOKENS)
    got = load(tmp_path / "out").logits(TOKENS)
    assert np.abs(got - expected).max() < 1e-3 * np.ptp(expected)


def test_another_recipe_rounds_again(tmp_path):
    values = encode("w8a8-static", tmp_path / "m")
    summary = compile(tmp_path / "m", tmp_path / "out", "--recipe", "f32")
    assert "weights #qt.float<f32>, inputs float" in summary
    expected = expected_logits(values, TOKENS)
    got = load(tmp_path / "out").logits(TOKENS)
    assert np.abs(got - expected).max() < 1e-4 * np.ptp(expected)


def test_a_folder_that_changed(tmp_path):
    encode("gptq", tmp_path / "m")
    run("quant-translate", "--import-hf", "m", "-o", "m.mlir", cwd=tmp_path)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["quantization_config"]["quant_method"] = "awq"
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    reason = "m: is not a checkpoint of the method 'gptq'"
    fails(tmp_path, "quantc", "m.mlir", "-o", "out", reason=reason)


@pytest.mark.parametrize(
    "format, end, reason",
    [
        ("packed", "weight_scale", "q_proj.weight_scale': is missing"),
        ("gptq", "scales", "q_proj.scales': is missing"),
        ("awq", "scales", "q_proj.scales': is missing"),
        ("nf4", "weight.absmax", "q_proj.weight.absmax': is missing"),
        ("fp8-block", "weight_scale_inv", "q_proj.weight_scale': is missing"),
    ],
)
def test_a_missing_tensor(format, end, reason, tmp_path):
    encode(format, tmp_path / "bad")
    file = tmp_path / "bad" / "model.safetensors"
    name = f"model.layers.0.self_attn.q_proj.{end}"
    file.write_bytes(file.read_bytes().replace(name.encode(), name[:-1].encode() + b"_"))
    fails(tmp_path, "quantc", "bad", "-o", "out", reason=reason)

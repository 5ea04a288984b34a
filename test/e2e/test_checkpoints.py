# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantized Hugging Face checkpoints, from the folder to logits."""

import json
import subprocess

import checkpoint_writers as write
import numpy as np
import numpy_models
import pytest
import tiny_models
from failing import fails
from quant_mlir import InputError, load, tools

GROUPS = {"num_bits": 4, "strategy": "group", "group_size": write.GROUP}
CHANNEL = {"num_bits": 8, "strategy": "channel"}
TOKEN = {"num_bits": 8, "strategy": "token", "dynamic": True}
FLOAT = {"num_bits": 8, "type": "float"}
BLOCKS = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [48, 40]}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": write.GROUP}
BNB = {"quant_method": "bitsandbytes"}

# name: (quantization_config, writer, the scheme of q_proj, what it is multiplied with)
FORMATS = {
    "packed": (
        write.compressed(GROUPS),
        write.packed(4),
        "#qt.int<4, group = 32, scale = f16>",
        "#qt.int<8, group = 32>",
    ),
    "packed-asymmetric": (
        write.compressed({**GROUPS, "num_bits": 3, "symmetric": False}),
        write.packed(3, asymmetric=True),
        "#qt.int<3, group = 32, scale = f16, zero = i3>",
        "#qt.int<8, group = 32>",
    ),
    # The last group of rows of 64 and 96 is shorter.
    "packed-groups-of-40": (
        write.compressed({**GROUPS, "num_bits": 5, "group_size": 40}),
        write.packed(5, group=40),
        "#qt.int<5, group = 40, scale = f16>",
        "#qt.int<8, group = 40>",
    ),
    "w8a8": (
        write.compressed(CHANNEL, TOKEN),
        write.int8(),
        "#qt.int<8, channel>",
        "#qt.int<8, token>",
    ),
    "w8a8-static": (
        write.compressed(CHANNEL, {"num_bits": 8, "strategy": "tensor", "dynamic": False}),
        write.int8(static=True),
        "#qt.int<8, channel>",
        "#qt.int<8, tensor> static",
    ),
    "fp8-dynamic": (
        write.compressed({**FLOAT, **CHANNEL}, {**FLOAT, **TOKEN}),
        write.scaled_floats(1, 0, "weight_scale"),
        "#qt.float<f8E4M3FN, channel>",
        "#qt.float<f8E4M3FN, token>",
    ),
    "fp8-block": (
        BLOCKS,
        write.scaled_floats(48, 40, "weight_scale_inv"),
        "#qt.float<f8E4M3FN, block = 48x40>",
        "#qt.float<f8E4M3FN, group = 40>",
    ),
    "fp8-static": (
        {"quant_method": "fp8", "activation_scheme": "static"},
        write.scaled_floats(0, 0, "weight_scale", static=True),
        "#qt.float<f8E4M3FN, tensor>",
        "#qt.float<f8E4M3FN, tensor> static",
    ),
    "nvfp4": (
        write.compressed({"num_bits": 4, "type": "float", "group_size": 16}),
        write.nvfp4,
        "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>",
        "#qt.int<8, group = 32>",
    ),
    "mxfp4": (
        write.compressed({"num_bits": 4, "type": "float", "group_size": 32}),
        write.mxfp4,
        "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>",
        "#qt.int<8, group = 32>",
    ),
    "gptq": (GPTQ, write.gptq(4), "#qt.int<4, group = 32, scale = f16>", "#qt.int<8, group = 32>"),
    "gptq-v2": (
        {**GPTQ, "bits": 3, "checkpoint_format": "gptq_v2"},
        write.gptq(3, 2, asymmetric=True),
        "#qt.int<3, group = 32, scale = f16, zero = i3>",
        "#qt.int<8, group = 32>",
    ),
    "gptq-rows": (
        {**GPTQ, "bits": 8, "group_size": -1},
        write.gptq(8, group=1000),
        "#qt.int<8, channel, scale = f16>",
        "#qt.int<8, group = 32>",
    ),
    "gptq-act-order": (
        {**GPTQ, "desc_act": True},
        write.gptq(4, asymmetric=True, order=True),
        "#qt.int<4, group = 32, scale = f16, zero = i4>",
        "#qt.int<8, group = 32>",
    ),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"},
        write.awq,
        "#qt.int<4, group = 32, scale = f16, zero = i4>",
        "#qt.int<8, group = 32>",
    ),
    "nf4": (BNB, write.four_bit("nf4", write.NF4), "#qt.codebook<nf4, group = 64>", "float"),
    "fp4-nested": (
        BNB,
        write.four_bit("fp4", write.FP4, nested=True),
        "#qt.codebook<fp4, group = 64, nested = 256>",
        "float",
    ),
    "llm-int8": (
        BNB,
        write.llm_int8,
        "#qt.int<8, channel>",
        "#qt.int<8, token>, outliers float",
    ),
}
KEEP = """
config_groups:
  all: {targets: [Linear, Embedding], weights: keep, input_activations: float}
"""


def encode(format, path, shards=1):
    """Writes the tiny llama as such a checkpoint; the values that its tensors have then."""
    config, writer = FORMATS[format][:2]
    files, values = [[] for _ in range(shards)], {}
    for tensor in tiny_models.llama_tensors():
        w = np.frombuffer(tensor.data, np.float32).reshape(tensor.shape)
        values[tensor.name] = w
        if "proj" not in tensor.name:
            files[0].append(tensor)
            continue
        parts, values[tensor.name] = writer(w)
        layer = tensor.name.removesuffix("weight")
        for at, (end, (kind, array)) in enumerate(parts.items()):
            data = np.ascontiguousarray(array).tobytes()
            part = tiny_models.Tensor(layer + end, list(array.shape), kind, data)
            files[at % shards].append(part)
    path.mkdir()
    settings = {**tiny_models.LLAMA_CONFIG, "quantization_config": config}
    (path / "config.json").write_text(json.dumps(settings))
    if shards == 1:
        (path / "model.safetensors").write_bytes(tiny_models.safetensors(files[0]))
        return values
    places = {}
    for at, tensors in enumerate(files):
        (path / f"{at}.safetensors").write_bytes(tiny_models.safetensors(tensors))
        places |= {tensor.name: f"{at}.safetensors" for tensor in tensors}
    index = path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    return values


def compile(model, folder, *flags):
    return run("quantc", model, "-o", folder, "--name", "model", *flags)


def run(name, *arguments, cwd=None):
    try:
        command = [tools.find(name), *map(str, arguments)]
    except InputError as error:
        pytest.skip(str(error))
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


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

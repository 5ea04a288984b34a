# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantized models as Hugging Face folders, and back."""

import json

import checkpoint_writers as write
import numpy as np
import pytest
import tiny_models
from compiling import compile, run
from failing import fails
from quant_mlir import load, safetensors
from quant_mlir.__main__ import main
from tiny_checkpoints import encode

TOKENS = np.random.default_rng(3).integers(0, tiny_models.VOCABULARY, 40, np.int32)
INT8, FP8 = {"num_bits": 8}, {"type": "float", "num_bits": 8}
STATIC = {"strategy": "tensor", "dynamic": False}
GROUPS = {"num_bits": 4, "group_size": 32, "scale_dtype": "float16"}
ASYMMETRIC = {"symmetric": False}

# name: (format, weights, input_activations)
CASES = {
    "packed": ("compressed-tensors", GROUPS, None),
    # The last group of rows of 64 and 96 is shorter, and codes straddle words.
    "packed-asymmetric": (
        "compressed-tensors",
        {"num_bits": 3, "group_size": 40, **ASYMMETRIC},
        None,
    ),
    "packed-rows": ("compressed-tensors", {**INT8, **ASYMMETRIC}, None),
    "w8a8": ("compressed-tensors", INT8, INT8),
    "w8a8-asymmetric": ("compressed-tensors", {**INT8, **ASYMMETRIC}, INT8),
    "w8a8-static": ("compressed-tensors", {**INT8, "strategy": "tensor"}, {**INT8, **STATIC}),
    "fp8": ("compressed-tensors", FP8, FP8),
    "fp8-static": ("compressed-tensors", {**FP8, "strategy": "tensor"}, {**FP8, **STATIC}),
    "fp8-block": (
        "compressed-tensors",
        {**FP8, "strategy": "block", "block_structure": [48, 40]},
        {**FP8, "strategy": "group", "group_size": 40},
    ),
    "nvfp4": ("compressed-tensors", "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>", None),
    "mxfp4": ("compressed-tensors", "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>", None),
    "mxfp8": ("compressed-tensors", "#qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU>", None),
    "gptq": ("gptq", GROUPS, None),
    "gptq-asymmetric": ("gptq", {**GROUPS, "num_bits": 2, **ASYMMETRIC}, None),
    "gptq-rows": ("gptq", {**INT8, "scale_dtype": "float16"}, None),
    "gptq_v2": ("gptq_v2", {**GROUPS, "num_bits": 3, **ASYMMETRIC}, None),
}


def write_recipe(path, weights, inputs=None, **more):
    group = {"targets": ["Linear"], "weights": weights}
    if inputs:
        group["input_activations"] = inputs
    # A table that is the head, too, is no linear.
    path.write_text(json.dumps({"config_groups": {"all": group}, "ignore": ["Embedding"], **more}))
    return path


def program(folder, name, options):
    """The program of a model, with its numbers as constants; without the line that names it."""
    run("quant-translate", "--import-hf", name, "-o", f"{name}.mlir", cwd=folder)
    passes = ["--qt-materialize-weights", "--canonicalize", "--cse"]
    made = ["-o", f"{name}.constants.mlir"]
    run("quant-opt", f"{name}.mlir", f"--quantize={options}", *passes, *made, cwd=folder)
    return (folder / f"{name}.constants.mlir").read_text().splitlines()[1:]


@pytest.mark.parametrize("case", CASES)
def test_the_same_program_comes_back(case, tmp_path):
    format, weights, inputs = CASES[case]
    tiny_models.llama_folder(tmp_path / "m")
    write_recipe(tmp_path / "r.yaml", weights, inputs)
    flags, options = ["--recipe", "r.yaml"], "recipe=r.yaml weights-out=q.safetensors"
    if inputs and "dynamic" in inputs:
        np.save(tmp_path / "t.npy", TOKENS)
        flags, options = [*flags, "--tokens", "t.npy"], options + " tokens=t.npy"
    run("quantc", "m", "--export", format, "-o", "hf", *flags, cwd=tmp_path)
    ours = program(tmp_path, "m", options)
    assert any("qt.assemble" in line for line in ours)
    assert program(tmp_path, "hf", "recipe=as-stored") == ours


def compare_logits(tmp_path, format, *flags):
    """Of the model as it is compiled and as it was exported."""
    direct = compile("m", "direct", *flags, cwd=tmp_path)
    run("quantc", "m", "--export", format, "-o", "hf", *flags, cwd=tmp_path)
    back = compile("hf", "back", cwd=tmp_path)
    assert back.replace("kept as ", "") == direct.replace("kept as ", "")
    logits = [load(tmp_path / name).logits(TOKENS) for name in ("direct", "back")]
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize("case", ["packed", "gptq-asymmetric"])
def test_logits(case, tmp_path):
    format, weights, inputs = CASES[case]
    tiny_models.llama_folder(tmp_path / "m")
    write_recipe(tmp_path / "r.yaml", weights, inputs)
    compare_logits(tmp_path, format, "--recipe", "r.yaml")


def test_smoothing_changes_norms(tmp_path):
    tiny_models.llama_folder(tmp_path / "m")
    smoothing = {"method": "smoothquant", "multiply": False}
    write_recipe(tmp_path / "r.yaml", INT8, INT8, smoothing=smoothing)
    np.save(tmp_path / "t.npy", TOKENS)
    compare_logits(tmp_path, "compressed-tensors", "--recipe", "r.yaml", "--tokens", "t.npy")
    source, _ = safetensors.read(tmp_path / "m" / "model.safetensors")
    made, _ = safetensors.read(tmp_path / "hf" / "model.safetensors")
    for name, same in (("norm", True), ("layers.0.input_layernorm", False)):
        name = f"model.{name}.weight"
        assert (made[name].tobytes() == source[name].tobytes()) == same


BYTES = {
    **{case: CASES[case] for case in ("packed-asymmetric", "packed-rows")},
    **{case: CASES[case] for case in ("gptq", "gptq-asymmetric")},
    "tensor": ("compressed-tensors", {**INT8, "strategy": "tensor", **ASYMMETRIC}, None),
}


@pytest.mark.parametrize("case", BYTES)
def test_the_bytes_are_those_of_numpy(case, tmp_path):
    format, weights, _ = BYTES[case]
    tiny_models.llama_folder(tmp_path / "m")
    write_recipe(tmp_path / "r.yaml", weights)
    run("quant-translate", "--import-hf", "m", "-o", "m.mlir", cwd=tmp_path)
    options = "--quantize=recipe=r.yaml weights-out=q.safetensors"
    run("quant-opt", "m.mlir", options, "-o", "q.mlir", cwd=tmp_path)
    run("quant-translate", "--export-hf", "q.mlir", "--format", format, "-o", "hf", cwd=tmp_path)
    quantized, _ = safetensors.read(tmp_path / "q.safetensors")
    made, _ = safetensors.read(tmp_path / "hf" / "model.safetensors")
    bits, length = weights["num_bits"], weights.get("group_size", 1000)
    for layer in ("model.layers.0.self_attn.k_proj", "model.layers.1.mlp.down_proj"):
        codes = np.array(quantized[f"{layer}.weight.codes"])
        scales = np.array(quantized[f"{layer}.weight.scales"])
        zeros = quantized.get(f"{layer}.weight.zeros")
        if zeros is None:
            codes = codes + 2 ** (bits - 1)
        if format == "gptq":
            middle = np.full(scales.shape, 2 ** (bits - 1))
            zeros = middle if zeros is None else np.array(zeros).astype(int)
            columns = np.arange(codes.shape[1]) // length
            expected = write.gptq_layer(codes, scales, zeros, bits, 1, columns)
        elif case == "tensor":  # the zero point of a whole tensor is not packed
            signed = {"weight": codes, "weight_zero_point": zeros}
            expected = {end: ("I8", (x - 128.0).astype(np.int8)) for end, x in signed.items()}
            expected["weight_scale"] = ("F32", scales)
        else:
            expected = write.pack_quantized(codes, scales, zeros, bits)
        assert {name for name in made if name.startswith(layer)} == {
            f"{layer}.{end}" for end in expected
        }
        for end, (_, array) in expected.items():
            np.testing.assert_array_equal(made[f"{layer}.{end}"], array)


def test_a_checkpoint_in_another_format(tmp_path):
    encode("awq", tmp_path / "m")
    run("quantc", "m", "--export", "gptq", "-o", "hf", cwd=tmp_path)
    ours = program(tmp_path, "m", "recipe=as-stored")
    assert program(tmp_path, "hf", "recipe=as-stored") == ours
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "gptq"
    made, _ = safetensors.read(tmp_path / "hf" / "model.safetensors")
    layer = "model.layers.0.mlp.up_proj."
    ends = {name[len(layer) :] for name in made if name.startswith(layer)}
    assert ends == {"qweight", "qzeros", "scales", "g_idx"}


def test_sorted_columns_stay_where_they_are(tmp_path):
    encode("gptq-act-order", tmp_path / "m")
    reason = r"q_proj': its columns are sorted by their group \(act order\)"
    fails(tmp_path, "quantc", "m", "--export", "gptq", "-o", "out", reason=reason)


@pytest.mark.parametrize(
    "flags, format",
    [([], "compressed-tensors"), (["--format", "gptq_v2"], "gptq_v2")],
)
def test_from_python(flags, format, tmp_path):
    tiny_models.llama_folder(tmp_path / "m")
    write_recipe(tmp_path / "r.yaml", {**GROUPS, **ASYMMETRIC})
    quantized = str(tmp_path / "q.mlir")
    assert main(["import", str(tmp_path / "m"), "-o", str(tmp_path / "m.mlir")]) == 0
    recipe = ["--recipe", str(tmp_path / "r.yaml")]
    assert main(["quantize", str(tmp_path / "m.mlir"), *recipe, "-o", quantized]) == 0
    assert main(["export", quantized, *flags, "-o", str(tmp_path / "hf")]) == 0
    run("quant-translate", "--export-hf", quantized, "--format", format, "-o", tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "hf" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()

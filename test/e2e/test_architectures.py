# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models of all architectures, from Hugging Face folders and GGUF files to logits."""

import pathlib
import subprocess

import numpy as np
import pytest
import tiny_decoders
import tiny_models
from failing import fails
from quant_mlir import InputError, load, tools
from tiny_checkpoints import FORMATS, write_files

REFERENCES = pathlib.Path(__file__).parent / "references" / "architectures.npz"


def run(name, *arguments):
    try:
        command = [tools.find(name), *map(str, arguments)]
    except InputError as error:
        pytest.skip(str(error))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def compile(model, folder, *flags):
    run("quantc", model, "-o", folder, "--name", "model", *flags)
    return load(folder)


def check(name, model):
    with np.load(REFERENCES) as references:
        expected = references[name]
    # Both are sums in f32: 2e-5 of the range is some hundred times their rounding.
    close = 2e-5 * np.ptp(expected)
    tokens = tiny_decoders.TOKENS
    assert np.abs(model.logits(tokens) - expected).max() < close


@pytest.mark.parametrize("name", tiny_decoders.CONFIGS)
def test_folder(name, tmp_path):
    folder = tiny_decoders.folder(tmp_path / "m", name)
    check(name, compile(folder, tmp_path / "out", "--recipe", "f32"))


@pytest.mark.parametrize(
    "name", [n for n in tiny_decoders.CONFIGS if n not in tiny_decoders.HF_ONLY]
)
def test_gguf(name, tmp_path):
    (tmp_path / "m.gguf").write_bytes(tiny_decoders.gguf(name).bytes())
    check(name, compile(tmp_path / "m.gguf", tmp_path / "out", "--recipe", "f32"))


# What the folder stores transposed, and without 1.
@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_sixteen_bits(name, tmp_path):
    rounded = {key: np.float32(np.float16(w)) for key, w in tiny_decoders.weights(name).items()}
    logits = []
    for type in ("F32", "F16"):
        folder = tiny_decoders.folder(tmp_path / type, name, rounded, type)
        model = compile(folder, tmp_path / f"{type}.out", "--recipe", "f32")
        logits.append(model.logits(tiny_decoders.TOKENS))
    # The same numbers and the same program.
    assert np.array_equal(*logits)


# Weights are written anew, in the form that they are used in; smoothing scales them, too.
@pytest.mark.parametrize(
    "name, recipe",
    [
        ("gpt2", "w8a8"),
        ("qwen3moe", "w8a8"),
        ("qwen3moe", "w8a8-smoothquant"),
        *((name, "w8a8-smoothquant") for name in ("gemma3", "qwen2", "qwen3", "phi3", "gpt2")),
    ],
)
def test_eight_bits(name, recipe, tmp_path):
    folder = tiny_decoders.folder(tmp_path / "m", name)
    texts = np.random.default_rng(6).integers(0, tiny_decoders.VOCABULARY, (16, 32), np.int32)
    np.save(tmp_path / "tokens.npy", texts)
    flags = ("--recipe", recipe, "--tokens", tmp_path / "tokens.npy")
    model = compile(folder, tmp_path / "out", *flags)
    with np.load(REFERENCES) as references:
        expected = references[name]
    error = model.logits(tiny_decoders.TOKENS) - expected
    # 8 bits cost 1 to 3 percent here; a gain or a matrix that is wrong, ten times that.
    assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 0.1


def as_experts(dense, folder, count):
    """A dense qwen3 as a mixture of equal experts: wherever rows go, the model is the same."""
    arrays = {}
    for name, values in dense.items():
        if ".mlp." not in name:
            arrays[name] = values
            continue
        for expert in range(count):
            arrays[name.replace(".mlp.", f".mlp.experts.{expert}.")] = values
        arrays[name.split(".mlp.")[0] + ".mlp.gate.weight"] = np.random.default_rng(
            7
        ).standard_normal((count, tiny_decoders.HIDDEN), np.float32)
    sizes = {"num_experts": count, "moe_intermediate_size": tiny_decoders.FEED_FORWARD}
    return tiny_decoders.folder(folder, "qwen3moe", arrays, num_experts_per_tok=2, **sizes)


# A kernel each, packed in panels with and without scales of groups.
@pytest.mark.parametrize(
    "recipe",
    [
        *("f32", "f16", "bf16-a16", "fp8", "nf4", "nf4-a8"),
        *("w8a8", "int8-llm", "int4-g32", "int3-asym", "q5_1"),
    ],
)
def test_equal_experts(recipe, tmp_path):
    dense = tiny_decoders.weights("qwen3")
    tiny_decoders.folder(tmp_path / "dense", "qwen3", rope_theta=5000.0)
    as_experts(dense, tmp_path / "mixture", 5)
    models = [
        compile(tmp_path / name, tmp_path / f"{name}.out", "--recipe", recipe)
        for name in ("dense", "mixture")
    ]
    expected, got = (model.logits(tiny_decoders.TOKENS) for model in models)
    # The sum of shares is 1 but for rounding, which 8 bits may see.
    close = (1e-5 if recipe in ("f32", "f16", "nf4") else 0.02) * np.ptp(expected)
    assert np.abs(got - expected).max() < close


def test_experts_out_and_in_again(tmp_path):
    """A GGUF file with experts, quantized; the same tokens one by one."""
    (tmp_path / "m.gguf").write_bytes(tiny_decoders.gguf("mixtral").bytes())
    run("quant-translate", "--import-gguf", tmp_path / "m.gguf", "-o", tmp_path / "m.mlir")
    weights, quantized = tmp_path / "w.safetensors", tmp_path / "q.mlir"
    quantize = f"--quantize=recipe=Q8_0 weights-out='{weights}'"
    run("quant-opt", tmp_path / "m.mlir", quantize, "-o", quantized)
    run("quant-translate", "--export-gguf", quantized, "-o", tmp_path / "q.gguf")
    direct = compile(quantized, tmp_path / "direct")
    back = compile(tmp_path / "q.gguf", tmp_path / "back")
    logits = direct.logits(tiny_decoders.TOKENS)
    np.testing.assert_array_equal(back.logits(tiny_decoders.TOKENS), logits)
    check("mixtral", compile(tmp_path / "m.gguf", tmp_path / "f32", "--recipe", "f32"))
    with direct.session() as session:
        rows = [session.feed(tiny_decoders.TOKENS[i : i + 1]) for i in range(8)]
    assert np.abs(np.concatenate(rows) - logits[:8]).max() < 1e-4 * np.ptp(logits)


def test_experts_of_a_checkpoint(tmp_path):
    """Each expert is stored quantized by itself, in one of two files."""
    arrays, files = tiny_decoders.weights("qwen3moe"), [[], []]
    config, writer = FORMATS["packed"][:2]
    for at, (name, values) in enumerate(arrays.items()):
        if ".experts." not in name:
            files[0] += tiny_decoders.tensors({name: values})
            continue
        parts, arrays[name] = writer(values)
        for end, (kind, array) in parts.items():
            data = np.ascontiguousarray(array).tobytes()
            layer = name.removesuffix("weight")
            files[at % 2].append(tiny_models.Tensor(layer + end, list(array.shape), kind, data))
    folder = tiny_decoders.folder(tmp_path / "m", "qwen3moe", {}, quantization_config=config)
    (folder / "model.safetensors").unlink()
    write_files(folder, files)
    tiny_decoders.folder(tmp_path / "floats", "qwen3moe", arrays)
    models = [
        compile(path, tmp_path / f"{path.name}.out", "--recipe", "f32")
        for path in (folder, tmp_path / "floats")
    ]
    np.testing.assert_array_equal(*(model.logits(tiny_decoders.TOKENS) for model in models))


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lambda w: w.pop("model.layers.1.mlp.experts.3.up_proj.weight"), "'.*3.up_proj.*missing"),
        (
            lambda w: w.update({"model.layers.0.mlp.experts.2.down_proj.weight": np.ones((2, 2))}),
            "has shape .2, 2., expected .64, 48.",
        ),
    ],
)
def test_bad_experts(damage, reason, tmp_path):
    arrays = tiny_decoders.weights("qwen3moe")
    damage(arrays)
    tiny_decoders.folder(tmp_path / "m", "qwen3moe", arrays)
    fails(tmp_path, "quantc", "m", "-o", "out", reason=reason)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"num_experts_per_tok": 7}, "experts of a token = 7 is not between 1 and 6"),
        ({"moe_intermediate_size": 0}, "feed-forward size of experts = 0"),
        ({"mlp_only_layers": [2]}, "mlp_only_layers names no layer"),
        ({"num_experts": None}, "num_experts"),
    ],
)
def test_bad_numbers_of_experts(changes, reason, tmp_path):
    tiny_decoders.folder(tmp_path / "m", "qwen3moe", **changes)
    fails(tmp_path, "quantc", "m", "-o", "out", reason=reason)


@pytest.mark.parametrize("name, form", [("gpt2", "less_one"), ("gemma3", "transposed")])
def test_a_form_that_cannot_be(name, form, tmp_path):
    folder = tiny_decoders.folder(tmp_path / "m", name)
    run("quant-translate", "--import-hf", folder, "-o", tmp_path / "m.mlir")
    text = (tmp_path / "m.mlir").read_text()
    for known in ("less_one", "transposed"):
        text = text.replace(f'qt.form = "{known}"', f'qt.form = "{form}"')
    (tmp_path / "m.mlir").write_text(text)
    fails(tmp_path, "quantc", "m.mlir", "-o", "out", reason="cannot have the form")

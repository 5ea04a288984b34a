# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""SmolLM2-135M against transformers, which ran the same dequantized weights in float32."""

import pathlib

import numpy as np
import pytest
import quant_mlir
from quant_mlir.evaluation import evaluate_language_model

pytestmark = pytest.mark.slow

DEMO_TEXT = pathlib.Path(quant_mlir.__file__).parent / "data" / "demo.txt"


@pytest.fixture(scope="module")
def float_model(compiled, smollm2_gguf):
    with quant_mlir.load(compiled(smollm2_gguf, "f32")) as model:
        yield model


def pieces_of(lengths):
    """[3, 2] -> [slice(0, 3), slice(3, 5)]."""
    ends = np.cumsum(lengths)
    return [slice(int(end) - length, int(end)) for end, length in zip(ends, lengths)]


# A piece of one, of a register tile and one more, past a block of 64, and the rest.
@pytest.mark.parametrize(
    "lengths",
    [[200], [1, 9, 64, 65, 61], [1] * 200],
    ids=["one piece", "pieces", "token by token"],
)
def test_logits_are_those_of_transformers(float_model, smollm2_reference, lengths):
    expected = smollm2_reference
    tokens = expected["tokens"].astype(np.int32)
    with float_model.session(context=256) as session:
        logits = np.concatenate(
            [session.feed(tokens[piece], all=True) for piece in pieces_of(lengths)]
        )
    assert logits.shape == (200, 49152)
    span = expected["range"][:, None]
    tops = np.take_along_axis(logits, expected["top_ids"].astype(np.int64), 1)
    errors = {
        "the likeliest 32": np.abs(tops - expected["top_logits"]) / span,
        "64 columns": np.abs(logits[:, expected["column_ids"]] - expected["columns"]) / span,
        "range": np.abs(np.ptp(logits, axis=1)[:, None] - span) / span,
    }
    for name, error in errors.items():
        position = int(error.max(axis=1).argmax())
        assert error.max() <= 1e-3, f"{name}: off by {error.max():.2e} at position {position}"


@pytest.mark.parametrize("number", range(5))
def test_greedy_continuations_are_those_of_transformers(float_model, smollm2_reference, number):
    prompt = smollm2_reference["prompts"][number]
    prompt = prompt[prompt >= 0]
    with float_model.session(context=256) as session:
        logits, said = session.feed(prompt), []
        for _ in range(64):
            said.append(int(logits[-1].argmax()))
            logits = session.feed(said[-1:])
    assert said == smollm2_reference["greedy"][number].tolist()


def test_the_session_can_go_back(float_model, smollm2_reference):
    tokens = smollm2_reference["tokens"].astype(np.int32)
    with float_model.session(context=64) as session:
        session.feed(tokens[:20])
        first = session.feed(tokens[20:24], all=True)
        session.rewind(20)
        assert session.position == 20
        assert np.array_equal(session.feed(tokens[20:24], all=True), first)


def test_the_number_of_threads_changes_nothing(compiled, smollm2_gguf, smollm2_reference):
    # Work is split by rows and heads, and along a sum in the same places, so not even the
    # rounding may differ.
    tokens = smollm2_reference["tokens"][:40].astype(np.int32)
    results = []
    for threads in (1, 2, 3):
        with quant_mlir.load(compiled(smollm2_gguf, "as-stored"), threads=threads) as model:
            results.append(model.logits(tokens))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


# The divergence from float over the shipped text. The bound of q4_1 is the issue's. The same
# roundings in PyTorch (scales in f16) have 0.002 with activations in blocks of 32, and 0.0029,
# 0.029 and 0.36 for the recipes below.
@pytest.mark.parametrize(
    "recipe, bound", [("as-stored", 0.01), ("int8", 0.006), ("w8a8", 0.05), ("int4-g32", 0.5)]
)
def test_divergence_of_quantized_paths(float_model, compiled, smollm2_gguf, recipe, bound):
    with quant_mlir.load(compiled(smollm2_gguf, recipe)) as model:
        tokens = model.tokenizer.encode(DEMO_TEXT.read_text(encoding="utf-8"), special=False)
        result = evaluate_language_model(model, tokens, float_model)
    print(recipe, result)
    # Zero would mean that the float path ran.
    assert 0 < result["kl"] < bound


# What was measured over the shipped text: float16 adds 0.00001, int8 0.0006.
@pytest.mark.parametrize("cache, bound", [("float16", 1e-4), ("int8", 2e-3)])
def test_divergence_of_caches(float_model, compiled, smollm2_gguf, cache, bound):
    with quant_mlir.load(compiled(smollm2_gguf, "f32", "--cache", cache)) as model:
        tokens = model.tokenizer.encode(DEMO_TEXT.read_text(encoding="utf-8"), special=False)
        result = evaluate_language_model(model, tokens, float_model)
    print(cache, result)
    assert 0 < result["kl"] < bound


def test_compiling_needs_little_memory(compiled, smollm2_gguf):
    for recipe in ("as-stored", "f32"):
        memory = compiled.peaks[compiled(smollm2_gguf, recipe)]
        assert memory < 2 << 30, (recipe, memory)


def test_weights_on_disk_are_as_small_as_the_format_says(compiled, smollm2_gguf):
    import json

    for recipe, bits in {"as-stored": 5.8, "w8a8": 8.2, "int8": 8.2, "f32": 32.1}.items():
        folder = compiled(smollm2_gguf, recipe)
        info = json.loads((folder / "model.json").read_text())
        size = (folder / info["weights"]).stat().st_size
        assert size == info["weights_bytes"]
        assert size * 8 / 134515008 <= bits * 1.05, recipe


def test_text_in_text_out(compiled, smollm2_gguf):
    with quant_mlir.load(compiled(smollm2_gguf, "as-stored")) as model:
        text = model.generate("The capital of France is", max_tokens=4)
        assert text.startswith(" Paris")
        assert (
            "".join(model.generate("The capital of France is", max_tokens=4, stream=True)) == text
        )
        sampled = [
            model.generate("Once", max_tokens=8, temperature=1.0, seed=seed) for seed in (1, 1, 2)
        ]
        assert sampled[0] == sampled[1] != sampled[2]


def test_statistics_are_those_of_numpy(smollm2_gguf, compiled, tmp_path):
    """Two windows of 64 tokens through all 30 layers."""
    import subprocess

    import numpy_models
    from quant_mlir import safetensors, statistics, tools

    text = DEMO_TEXT.read_text(encoding="utf-8")
    folder = compiled(smollm2_gguf, "f32")
    tokens = np.asarray(quant_mlir.load(folder).tokenizer.encode(text, special=False), np.int32)
    np.save(tmp_path / "t.npy", tokens)
    out = tmp_path / "s.safetensors"
    command = [tools.find("quant-calibrate"), smollm2_gguf, "--tokens", tmp_path / "t.npy"]
    subprocess.run([*command, "-o", out, "--windows=2", "--window-length=64"], check=True)
    sites, _ = statistics.read(out)
    assert len(sites) == 4 * 30 + 1

    # The reference needs the weights as floats.
    module, floats = tmp_path / "m.mlir", tmp_path / "f32.safetensors"
    subprocess.run(
        [tools.find("quant-translate"), "--import-gguf", smollm2_gguf, "-o", module], check=True
    )
    recipe = f"--quantize=recipe=f32 weights-out={floats}"
    subprocess.run([tools.find("quant-opt"), module, recipe, "-o", tmp_path / "q.mlir"], check=True)
    weights = dict(safetensors.read(floats)[0])
    for name, packed in safetensors.read(next(folder.glob("*.weights.safetensors")))[0].items():
        if "norm" in name:
            weights[name] = packed.view(np.float32)
    config = {"layers": 30, "heads": 9, "kv_heads": 3, "eps": 1e-5, "base": 100000.0}
    found = [
        numpy_models.llama(
            weights, tokens[start : start + 64], config, numpy_models.GGUF_NAMES, True
        )[0]
        for start in (0, len(tokens) - 64)
    ]
    for site in sites:
        x = np.concatenate([one[site.name] for one in found])
        hessian = x.T @ x / len(x)
        assert np.abs(site.hessian - hessian).max() < 1e-4 * np.abs(hessian).max(), site.name
        assert np.abs(site.max - x.max(0)).max() < 1e-4 * np.abs(x).max(), site.name

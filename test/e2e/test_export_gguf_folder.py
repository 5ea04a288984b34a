# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Hugging Face folders as GGUF files: what conversion for llama.cpp would write."""

import json
import subprocess

import gguf_metadata
import numpy as np
import pytest
import quant_mlir
import tiny_decoders
from compiling import compile
from failing import fails
from quant_mlir import tools
from tiny_decoders import TOKENS, VOCABULARY

CASES = ["qwen2", "qwen3", "mistral", "llama-linear", "llama-llama3", "llama-yarn"]
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def run(folder, tool, *arguments):
    command = [tools.find(tool), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def words(use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}


def split(expression):
    cut = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"}
    return {"type": "Sequence", "pretokenizers": [{**cut, "invert": False}, words(False)]}


DIGITS = {"type": "Digits", "individual_digits": True}


def tokenizer(pre=None):
    """Letters, two merges, and behind them a token that is special and one that is not."""
    tokens = [chr(ord("a") + i) for i in range(26)] + ["ab", "abc"]
    return {
        "model": {
            "type": "BPE",
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [["a", "b"], "ab c"],
        },
        "pre_tokenizer": pre or words(),
        "added_tokens": [
            {"id": 28, "content": "<end>", "special": True},
            {"id": 29, "content": "<tool>", "special": False},
        ],
    }


def make(path, name, pre=None, **changes):
    """The folder of a case with a tokenizer, and its module."""
    folder = tiny_decoders.folder(path / "hf", name, **changes)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(pre)))
    settings = {"eos_token": {"content": "<end>"}, "add_bos_token": False, "chat_template": "{{x}}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    run(path, "quant-translate", "--import-hf", "hf", "-o", "model.mlir")
    return folder


def export(path, module="model.mlir"):
    run(path, "quant-translate", "--export-gguf", module, "-o", "out.gguf")
    return path / "out.gguf"


@pytest.mark.parametrize("name", CASES)
def test_tensors(tmp_path, name):
    make(tmp_path, name)
    (tmp_path / "expected.gguf").write_bytes(tiny_decoders.gguf(name).bytes())
    expected = gguf_metadata.read_tensors(tmp_path / "expected.gguf")
    tensors = gguf_metadata.read_tensors(export(tmp_path))
    # Of yarn it is what becomes of the angles, as for llama3.
    if name == "llama-yarn":
        assert tensors.pop("rope_freqs.weight").shape == (8,)
    assert tensors.keys() == expected.keys()
    for tensor, (shape, type, data) in expected.items():
        assert tensors[tensor].shape == shape, tensor
        assert tensors[tensor].type == type, tensor
        if tensor == "rope_freqs.weight":
            numbers = [np.frombuffer(raw, np.float32) for raw in (tensors[tensor].data, data)]
            np.testing.assert_allclose(*numbers, rtol=1e-6)
        else:
            assert tensors[tensor].data == data, tensor


@pytest.mark.parametrize("name", CASES)
def test_keys(tmp_path, name):
    make(tmp_path, name)
    (tmp_path / "expected.gguf").write_bytes(tiny_decoders.gguf(name).bytes())
    expected = gguf_metadata.read(tmp_path / "expected.gguf")
    keys = gguf_metadata.read(export(tmp_path))
    for key, value in expected.items():
        if not key.startswith(("general.name", "tokenizer.")) and "yarn" not in name:
            assert keys[key] == pytest.approx(value), key
    assert keys["general.file_type"] == 0


def logits(model, recipe, program):
    compile(model, program, "--recipe", recipe)
    with quant_mlir.load(program) as loaded:
        return loaded.logits(TOKENS)


@pytest.mark.parametrize("name", CASES)
def test_the_file_computes_what_the_folder_does(tmp_path, name):
    folder = make(tmp_path, name)
    results = [
        logits(folder, "as-stored", tmp_path / "of_folder"),
        logits(export(tmp_path), "as-stored", tmp_path / "of_file"),
    ]
    # The elements of heads that are multiplied come in another order.
    np.testing.assert_allclose(*results, atol=2e-5 * np.abs(results[0]).max())


def test_tokenizer(tmp_path):
    make(tmp_path, "qwen2", bos_token_id=3, eos_token_id=[4, 5])
    keys = gguf_metadata.read(export(tmp_path))
    at = "tokenizer.ggml."
    assert (keys[at + "model"], keys[at + "pre"]) == ("gpt2", "gpt-2")
    tokens, types = keys[at + "tokens"], keys[at + "token_type"]
    assert len(tokens) == len(types) == VOCABULARY
    assert tokens[25:31] == ["z", "ab", "abc", "<end>", "<tool>", "[PAD30]"]
    assert types == [1] * 28 + [3, 4] + [5] * (VOCABULARY - 30)
    assert keys[at + "merges"] == ["a b", "ab c"]
    assert (keys[at + "bos_token_id"], keys[at + "eos_token_id"]) == (3, 28)
    assert keys[at + "add_bos_token"] is False
    assert keys["tokenizer.chat_template"] == "{{x}}"


@pytest.mark.parametrize(
    "pre, name",
    [
        ({"type": "Sequence", "pretokenizers": [DIGITS, words()]}, "smollm"),
        (split(LLAMA3_SPLIT), "llama-bpe"),
        (split(LLAMA3_SPLIT.replace("{1,3}", "")), "qwen2"),
    ],
)
def test_how_words_are_cut(tmp_path, pre, name):
    make(tmp_path, "qwen2", pre)
    assert gguf_metadata.read(export(tmp_path))["tokenizer.ggml.pre"] == name


def test_quantized(tmp_path):
    """Rows of blocks are put into the other order as those of floats are."""
    folder = make(tmp_path, "llama-llama3")
    flag = "--quantize=recipe=Q8_0 weights-out=w.safetensors"
    run(tmp_path, "quant-opt", "model.mlir", flag, "-o", "quantized.mlir")
    out = export(tmp_path, "quantized.mlir")
    assert gguf_metadata.read(out)["general.file_type"] == 7
    # Rounded activations would not be comparable: the elements of heads come in another order.
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "config_groups:\n  all: {targets: [Linear, Embedding], weights: '#qt.q8_0',"
        " input_activations: float}\n"
    )
    results = [
        logits(folder, str(recipe), tmp_path / "of_folder"),
        logits(out, str(recipe), tmp_path / "of_file"),
    ]
    np.testing.assert_allclose(*results, atol=2e-5 * np.abs(results[0]).max())


def refused(path, reason):
    arguments = ("--export-gguf", "model.mlir", "-o", "out.gguf")
    fails(path, "quant-translate", *arguments, reason=reason)


def test_what_has_no_place(tmp_path):
    make(tmp_path, "qwen2-window")
    refused(tmp_path, "config.json: its sliding windows have no place in GGUF files of qwen2")


def test_other_architectures(tmp_path):
    make(tmp_path, "gemma2")
    refused(tmp_path, "models of type 'gemma2' cannot be written as GGUF files yet")


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"pre_tokenizer": {"type": "Whitespace"}}, "cuts text into words in a way that"),
        ({"pre_tokenizer": split(r"\w+")}, "cuts text into words in a way that"),
        ({"model": {"type": "WordPiece", "vocab": {}}}, "is no byte-level BPE"),
        ({"added_tokens": [{"id": 96, "content": "x"}]}, "'x' has the number 96, but the model"),
    ],
)
def test_other_tokenizers(tmp_path, change, reason):
    folder = make(tmp_path, "qwen2")
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer(), **change}))
    refused(tmp_path, f"tokenizer.json: .*{reason}")


def test_no_tokenizer(tmp_path):
    folder = make(tmp_path, "qwen2")
    (folder / "tokenizer.json").unlink()
    refused(tmp_path, "tokenizer.json: cannot be read")

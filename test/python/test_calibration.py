# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calibration from end to end on tiny models: statistics against numpy; files, flags, errors."""

import json
import re
import subprocess

import numpy as np
import numpy_models
import pytest
import tiny_models
from quant_mlir import InputError, __main__, safetensors, statistics, tools

CONFIG = {
    "layers": tiny_models.LAYERS,
    "heads": tiny_models.HEADS,
    "kv_heads": tiny_models.KV_HEADS,
    "eps": 1e-5,
    "base": 10000.0,
}
# A register tile and one more, a short one, one token.
LENGTHS = (33, 7, 1)


@pytest.fixture(scope="module")
def tool():
    try:
        return tools.find("quant-calibrate")
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_models.llama_folder(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def texts():
    random = np.random.default_rng(5)
    return [random.integers(0, tiny_models.VOCABULARY, n) for n in LENGTHS]


def as_rows(texts):
    rows = np.full((len(texts), max(map(len, texts))), -1, np.int32)
    for row, text in zip(rows, texts):
        row[: len(text)] = text
    return rows


def run(tool, *arguments):
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)


def calibrate(tool, model, tokens, path, *flags):
    np.save(path.with_suffix(".npy"), tokens)
    done = run(tool, model, "--tokens", path.with_suffix(".npy"), "-o", path, *flags)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return statistics.read(path)


@pytest.fixture(scope="module")
def all_texts(tool, llama, texts, tmp_path_factory):
    """A file with everything of all texts."""
    path = tmp_path_factory.mktemp("all") / "s.safetensors"
    calibrate(tool, llama, as_rows(texts), path, "-j=2")
    return path


def inputs_of(model, tokens_of_texts):
    """What each weight of the llama reads, all texts one after the other."""
    weights = safetensors.read(model / "model.safetensors")[0]
    found = [
        numpy_models.llama(weights, text, CONFIG, numpy_models.HF_NAMES, interleaved=False)[0]
        for text in tokens_of_texts
    ]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def check_site(site, x):
    """Against x [rows, K] in float64. Activations are off by what a few f32 layers round."""
    scale = np.abs(x).max()
    assert site.tokens == len(x) and site.channels == x.shape[1]
    assert np.abs(site.min - x.min(0)).max() < 1e-5 * scale
    assert np.abs(site.max - x.max(0)).max() < 1e-5 * scale
    assert np.abs(site.mean_abs - np.abs(x).mean(0)).max() < 1e-5 * scale
    hessian = x.T @ x / len(x)
    assert np.abs(site.hessian - hessian).max() < 1e-5 * np.abs(hessian).max()
    assert np.array_equal(site.hessian, site.hessian.T)
    assert site.histogram.sum() == x.size
    for share in (0.1, 0.5, 0.9):
        exact = np.quantile(np.abs(x), share, method="inverted_cdf")
        assert exact * (1 - 1e-4) <= site.percentile(share) <= exact * (1 + 1e-4) * 33 / 32


def test_llama(all_texts, llama, texts):
    sites, metadata = statistics.read(all_texts)
    inputs = inputs_of(llama, texts)
    # Four activations a layer, and the head's.
    assert len(sites) == 4 * tiny_models.LAYERS + 1
    readers = [reader for site in sites for reader in site.readers]
    assert sorted(readers) == sorted(inputs)
    for site in sites:
        assert site.readers[0] == site.name
        for reader in site.readers:
            check_site(site, inputs[reader])
    layer = "model.layers.0."
    assert sites[0].readers == [f"{layer}self_attn.{name}_proj.weight" for name in "qkv"]
    assert metadata["tokens"].endswith("s.npy") and len(metadata["model"]) == 16


def test_threads_change_nothing(tool, llama, texts, all_texts, tmp_path):
    two, _ = statistics.read(all_texts)
    three, _ = calibrate(tool, llama, as_rows(texts), tmp_path / "3.safetensors", "-j=3")
    for a, b in zip(two, three):
        assert np.array_equal(a.hessian, b.hessian) and np.array_equal(a.min, b.min)


def test_gguf_weights_are_dequantized(tool, texts, tmp_path):
    model = tmp_path / "tiny.gguf"
    model.write_bytes(tiny_models.llama_gguf("Q8_0").bytes())
    sites, _ = calibrate(tool, model, as_rows(texts), tmp_path / "s.safetensors")
    assert len(sites) == 4 * tiny_models.LAYERS + 1 and sites[0].tokens == sum(LENGTHS)


def test_bert(tool, tmp_path):
    model = tiny_models.bert_folder(tmp_path / "bert")
    weights = safetensors.read(model / "model.safetensors")[0]
    random = np.random.default_rng(6)
    texts = [random.integers(0, tiny_models.VOCABULARY, n) for n in (20, 5)]
    sites, _ = calibrate(tool, model, as_rows(texts), tmp_path / "s.safetensors")
    found = [numpy_models.bert(weights, text, tiny_models.BERT_CONFIG)[0] for text in texts]
    assert len(sites) == 4 * tiny_models.LAYERS
    for site in sites:
        check_site(site, np.concatenate([one[site.name] for one in found]))


def test_windows_of_one_long_text_are_spread_evenly(tool, llama, tmp_path):
    tokens = np.arange(100) % tiny_models.VOCABULARY
    flags = ("--windows=3", "--window-length=20")
    sites, _ = calibrate(tool, llama, tokens, tmp_path / "s.safetensors", *flags)
    cut = [tokens[start : start + 20] for start in (0, 40, 80)]
    check_site(sites[0], inputs_of(llama, cut)[sites[0].name])
    # More windows than there are: those that do not overlap.
    sites, _ = calibrate(tool, llama, tokens, tmp_path / "t.safetensors", "--window-length=30")
    cut = [tokens[start : start + 30] for start in (0, 35, 70)]
    check_site(sites[0], inputs_of(llama, cut)[sites[0].name])


def test_some_statistics(tool, llama, texts, tmp_path):
    path = tmp_path / "s.safetensors"
    sites, _ = calibrate(tool, llama, as_rows(texts), path, "--statistics=mean_abs,histogram")
    for site in sites:
        assert site.min is None and site.hessian is None
        assert site.mean_abs is not None and site.histogram is not None


def test_merging_is_running_over_both(tool, llama, texts, all_texts, tmp_path):
    both, _ = statistics.read(all_texts)
    calibrate(tool, llama, as_rows(texts[:1]), tmp_path / "a.safetensors")
    calibrate(tool, llama, as_rows(texts[1:]), tmp_path / "b.safetensors")
    parts = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    arguments = ["calibrate", "--merge", *map(str, parts), "-o", str(tmp_path / "m.safetensors")]
    assert __main__.main(arguments) == 0
    merged, metadata = statistics.read(tmp_path / "m.safetensors")
    assert "a.npy; " in metadata["tokens"]
    for a, b in zip(merged, both):
        assert a.name == b.name and a.readers == b.readers and a.tokens == b.tokens
        assert np.array_equal(a.min, b.min) and np.array_equal(a.histogram, b.histogram)
        assert np.abs(a.hessian - b.hessian).max() < 1e-6 * np.abs(b.hessian).max()


def test_merging_refuses_another_model(tool, texts, all_texts, tmp_path):
    other = tiny_models.llama_folder(tmp_path / "other")
    tensors, metadata = safetensors.read(other / "model.safetensors")
    tensors = {name: np.array(array) * np.float32(1.5) for name, array in tensors.items()}
    safetensors.write(other / "model.safetensors", tensors, metadata)
    calibrate(tool, other, as_rows(texts), tmp_path / "b.safetensors")
    files = [all_texts, tmp_path / "b.safetensors"]
    done = run(tool, "--merge", *files, "-o", tmp_path / "m.safetensors")
    assert done.returncode == 1 and "b.safetensors: statistics of another model" in done.stderr
    assert not (tmp_path / "m.safetensors").exists()


def test_show(all_texts, capsys):
    sites, _ = statistics.read(all_texts)
    assert __main__.main(["calibrate", "--show", "--json", str(all_texts)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["site"] for row in rows] == [site.name for site in sites]
    assert rows[0]["absmax"] == pytest.approx(float(sites[0].absmax.max()))
    assert rows[0]["outlier_ratio"] >= 1 and rows[0]["p99.9"] <= rows[0]["absmax"]
    assert __main__.main(["calibrate", "--show", str(all_texts)]) == 0
    text = capsys.readouterr().out
    assert "outlier ratio" in text and sites[-1].name in text


def test_text_needs_a_tokenizer(tool, llama, tmp_path, capsys):
    (tmp_path / "t.txt").write_text("some text")
    arguments = ["calibrate", str(llama), "--text", str(tmp_path / "t.txt"), "-o", "s"]
    assert __main__.main(arguments) == 1
    assert "has no tokenizer; pass --tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["m.gguf"], ["m.gguf", "-o", "s"], ["a", "b", "--text", "t", "-o", "s"]],
)
def test_usage(arguments):
    with pytest.raises(SystemExit) as exit:
        __main__.main(["calibrate", *arguments])
    assert exit.value.code == 2


@pytest.mark.parametrize(
    "tokens, message",
    [
        (np.array([1, 2, 500]), "text 0 of the calibration tokens has token 500, outside"),
        (np.array([1, -1]), "has a negative token"),
        (np.array([[3, -1, 4]]), "row 0 has tokens behind a -1"),
        (np.array([[3, 4], [-1, -1]]), "row 1 has no tokens"),
        (np.zeros((0, 4), np.int64), "has no tokens"),
        (np.zeros(0, np.int32), "has no tokens"),
        (np.zeros((1, 2, 3), np.int32), "expected one or two dimensions"),
        (np.zeros(3), "expected int32 or int64 numbers"),
        (np.asfortranarray(np.zeros((4, 3), np.int32)), "C order"),
    ],
)
def test_bad_tokens(tool, llama, tmp_path, tokens, message):
    np.save(tmp_path / "t.npy", tokens)
    out = tmp_path / "s.safetensors"
    done = run(tool, llama, "--tokens", tmp_path / "t.npy", "-o", out)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and [f.name for f in tmp_path.iterdir()] == ["t.npy"]


def test_numbers_that_are_not_finite_are_named(tool, tmp_path, texts):
    np.save(tmp_path / "t.npy", as_rows(texts))
    model = tiny_models.llama_folder(tmp_path / "m")
    tensors, metadata = safetensors.read(model / "model.safetensors")
    tensors = {name: np.array(array) for name, array in tensors.items()}
    out = tmp_path / "s.safetensors"

    def fails():
        safetensors.write(model / "model.safetensors", tensors, metadata)
        done = run(tool, model, "--tokens", tmp_path / "t.npy", "-o", out)
        assert done.returncode == 1 and not out.exists()
        return done.stderr

    # A gain that overflows f32 in the second layer.
    name = "model.layers.1.post_attention_layernorm.weight"
    good = tensors[name].copy()
    tensors[name][3] = np.float32(3e38)
    assert re.search(r"weight 'model.layers.1.mlp.\w+_proj.weight' reads has NaN or inf", fails())
    tensors[name] = good
    tensors["model.layers.1.mlp.up_proj.weight"][5, 6] = np.nan
    assert "tensor 'model.layers.1.mlp.up_proj.weight': has NaN or infinity in row" in fails()


def test_not_statistics(llama, capsys):
    assert __main__.main(["calibrate", "--show", str(llama / "model.safetensors")]) == 1
    assert "is not a file of calibration statistics" in capsys.readouterr().err

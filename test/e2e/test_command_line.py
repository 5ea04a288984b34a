# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""python -m quant_mlir on real models."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import quant_mlir

pytestmark = pytest.mark.slow

PACKAGE = pathlib.Path(__file__).parents[2] / "python"


def run(*arguments, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "quant_mlir", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        input=stdin,
    )


@pytest.fixture(scope="module")
def smollm2(compiled, smollm2_gguf):
    return compiled(smollm2_gguf, "as-stored")


@pytest.fixture(scope="module")
def minilm(compiled, minilm_folder):
    return compiled(minilm_folder, "f32")


def test_generate(smollm2):
    done = run("generate", smollm2, "The capital of France is", "--raw", "--max-tokens", 4)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(" Paris")


def test_generate_from_stdin_by_the_chat_template(smollm2):
    question = "What is the capital of France?"
    done = run("generate", smollm2, "--max-tokens", 6, stdin=question)
    assert done.returncode == 0, done.stderr
    with quant_mlir.load(smollm2) as model:
        chat = model.tokenizer.encode_chat([{"role": "user", "content": question}])
        assert done.stdout == model.generate(chat, max_tokens=6) + "\n"
        assert done.stdout != model.generate(question, max_tokens=6) + "\n"


def test_embed(minilm, tmp_path):
    done = run("embed", minilm, "--npy", tmp_path / "e.npy", stdin="one line\nanother line\n")
    assert done.returncode == 0, done.stderr
    rows = np.load(tmp_path / "e.npy")
    printed = run("embed", minilm, "one line", "another line").stdout
    assert rows.shape == (2, 384)
    assert np.allclose(np.loadtxt(printed.splitlines()), rows, atol=1e-6)


def test_eval(smollm2, compiled, smollm2_gguf, tmp_path):
    text = tmp_path / "text"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 20)
    arguments = ["eval", smollm2, "--text", text, "--windows", 2, "--window", 64]
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    alone = json.loads(done.stdout)
    assert set(alone) == {"perplexity", "tokens"} and alone["tokens"] == 126
    reference = compiled(smollm2_gguf, "f32")
    both = json.loads(run(*arguments, "--reference", reference, "--json").stdout)
    assert both["perplexity"] == alone["perplexity"]
    assert 0 < both["kl"] < 0.05 and both["top1"] > 0.9
    assert f"{both['perplexity']:.6g}" in run(*arguments).stdout


def test_one_line_for_what_does_not_fit(smollm2, minilm, tmp_path):
    text = tmp_path / "text"
    text.write_text("Some text that is long enough to be one paragraph.\n\n" * 2)
    for arguments, reason in [
        (["embed", smollm2, "text"], "causal-lm"),
        (["generate", minilm, "text"], "encoder"),
        (["eval", minilm, "--text", text], "--reference"),
        (["generate", smollm2, "word " * 9000, "--raw"], "8192"),
    ]:
        done = run(*arguments)
        assert done.returncode == 1 and done.stdout == "", done
        assert done.stderr.count("\n") == 1 and reason in done.stderr, done.stderr


def test_import_prints_the_graph(smollm2_gguf, tmp_path):
    done = run("import", smollm2_gguf, "-o", tmp_path / "m.mlir")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.mlir").read_text().count("lm.linear") == 30 * 7 + 1


def test_quantize_prints_the_graph_and_writes_its_weights(smollm2_gguf, tmp_path):
    floats, out = tmp_path / "m.mlir", tmp_path / "a folder" / "q.mlir"
    out.parent.mkdir()
    assert run("import", smollm2_gguf, "-o", floats).returncode == 0
    done = run("quantize", floats, "--recipe", "int8", "-o", out)
    assert done.returncode == 0, done.stderr
    assert out.read_text().count("qt.matmul") >= 30 * 7
    assert (tmp_path / "a folder" / "q.weights.safetensors").stat().st_size > 100e6
    done = run("quantize", floats, "--recipe", "no-such-recipe", "-o", tmp_path / "n.mlir")
    assert done.returncode == 1 and "no-such-recipe" in done.stderr
    assert not (tmp_path / "n.mlir").exists()

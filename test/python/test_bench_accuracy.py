# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/accuracy.py: its table, its verdicts, what it does about recipes it cannot have."""

import importlib.util
import io
import json
import pathlib
import re
import stat
import sys

import pytest
from quant_mlir import InputError
from rich.console import Console

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_accuracy", ROOT / "bench" / "accuracy.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_accuracy"] = module  # dataclasses look there
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def subject(bench, name="smollm2", source=None, rows=()):
    figures = ("perplexity", "kl", "top1") if name == "smollm2" else ("distance", "top1")
    return bench.Subject(name, source, list(rows), figures)


def test_the_table_is_well_formed(bench):
    for rows, length in ((bench.table.SMOLLM2, 5), (bench.table.MINILM, 4)):
        assert len({row[1] for row in rows}) == len(rows)
        for recipe, peer, *figures in rows:
            assert len(figures) == length - 2 and all(f > 0 for f in figures)
            assert re.fullmatch(r"[A-Za-z0-9_-]+", recipe) and peer
    for model, _, recipes, limits in bench.table.GOALS:
        assert model in ("smollm2", "minilm") and recipes and limits


def test_two_percent_of_the_increase(bench):
    base = {"perplexity": 30.41}
    peer = (31.41, 0.03, 90.0)

    def passes(perplexity, kl):
        return bench.judge(subject(bench), {"perplexity": perplexity, "kl": kl}, base, peer)

    assert passes(31.42, 0.0305) and not passes(31.44, 0.0305) and not passes(31.42, 0.031)
    near = subject(bench, "minilm")
    assert bench.judge(near, {"distance": 0.0102}, {}, (0.01, 90))
    assert not bench.judge(near, {"distance": 0.0103}, {}, (0.01, 90))


def test_patterns(bench):
    assert bench.chosen([], "smollm2", "w8a8")
    assert bench.chosen(["w8*"], "smollm2", "w8a8")
    assert bench.chosen(["minilm/*"], "minilm", "w8a8")
    assert not bench.chosen(["minilm/*"], "smollm2", "w8a8")


def test_the_texts_must_be_named(bench, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("DATA", raising=False)
    assert bench.main(["--work", str(tmp_path)]) == 1
    assert "DATA=FOLDER" in capsys.readouterr().err
    assert bench.main(["--work", str(tmp_path), "--data", str(tmp_path)]) == 1
    assert "evaluation.txt: No such file" in capsys.readouterr().err


@pytest.fixture
def made(bench, tmp_path, monkeypatch):
    """A bench with a compiler that knows w8a8 and gptq, which needs tokens, and fails on bad."""
    tool = tmp_path / "bin" / "quantc"
    tool.parent.mkdir()
    tool.write_text(
        """#!/bin/bash
echo "$@" >> "$(dirname "$0")/log"
case "$*" in
*bad*) echo "quantc: error: no kernel" >&2; exit 1;;
*gptq*--tokens*|*w8a8*) while [ "$1" != -o ]; do shift; done; mkdir -p "$2";;
*gptq*) echo "quantc: error: recipe 'gptq' needs calibration: --tokens" >&2; exit 1;;
*) echo "quantc: error: recipe 'x' is neither a file nor one of w8a8" >&2; exit 1;;
esac
"""
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("QUANT_MLIR_TOOLS", str(tool.parent))
    for name in ("evaluation.txt", "calibration.txt", "model.gguf"):
        (tmp_path / name).write_text(name)
    work = tmp_path / "work"
    work.mkdir()
    options = bench.parse(["--data", str(tmp_path), "--work", str(work)])
    one = bench.Bench(options, Console(file=io.StringIO()))
    monkeypatch.setattr(one, "tokens", lambda subject: "t.npy")
    return one, subject(bench, source=tmp_path / "model.gguf"), tool.parent / "log"


def test_a_folder_is_made_once(bench, made):
    one, model, log = made
    key = one.compile(model, "w8a8")
    assert one.compile(model, "w8a8") == key
    assert log.read_text().count("\n") == 1
    one.compiler = "another compiler"
    assert one.compile(model, "w8a8") != key
    assert log.read_text().count("\n") == 2


def test_calibration_where_the_compiler_asks_for_it(bench, made):
    one, model, log = made
    one.compile(model, "gptq")
    first, second = log.read_text().splitlines()
    assert "--tokens" not in first and "--tokens t.npy --windows 32" in second


def test_recipes_that_the_compiler_does_not_know(bench, made):
    one, model, _ = made
    with pytest.raises(InputError, match=r"^not available$"):
        one.compile(model, "fp3")
    with pytest.raises(InputError, match="no kernel"):
        one.compile(model, "bad")


def test_verdicts_and_history(bench, made, monkeypatch):
    one, model, _ = made
    model.rows = [("w8a8", "A", 31.4, 0.03, 90.0), ("fp3", "B", 31.4, 0.03, 90.0)]
    figures = {"f32": 30.41, "w8a8": 31.5}

    def evaluate(subject, recipe):
        if recipe not in figures:
            raise InputError(bench.NOT_AVAILABLE)
        return {"key": "k", "perplexity": figures[recipe], "kl": 0.01, "top1": 0.9}

    monkeypatch.setattr(one, "evaluate", evaluate)
    monkeypatch.setattr(bench.table, "UNCOMPARED", {"smollm2": [], "minilm": []})
    monkeypatch.setattr(bench.table, "GOALS", [("smollm2", "low", ["w8a8"], {"perplexity": 32})])
    found, missing = bench.run(one, model)
    assert missing == {"fp3": "not available"}
    rows = bench.compare(one.console, model, found, missing)
    assert [row["passed"] for row in rows] == [False, None]
    reached = bench.goals(one.console, {"smollm2": (found, missing)})
    assert [goal["passed"] for goal in reached] == [True]
    for _ in range(2):  # the second run measures the same: nothing new to remember
        one.remember({"smollm2/w8a8": found["w8a8"]}, {"peers": rows, "goals": reached})
    history = json.loads(one.store.read_text())["history"]
    assert len(history) == 1 and history[0]["figures"]["smollm2/w8a8"]["perplexity"] == 31.5

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""eval and report on a tiny model that is really compiled, and the page in a browser."""

import contextlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import types

import numpy as np
import pytest
import tiny_models
from quant_mlir import report, safetensors
from quant_mlir.__main__ import main

WORDS = [f"w{n}" for n in range(tiny_models.VOCABULARY)]
RULE = ["--windows", 4, "--window-length", 32]


def run(*arguments):
    """The command line in this process: starting Python each time takes longer than the rest."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as exit:
            code = exit.code
    return types.SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=errors.getvalue())


def succeeds(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(*arguments, reason):
    done = run(*arguments)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert re.search(reason, done.stderr), done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The tiny llama with a tokenizer of 128 words."""
    folder = tiny_models.llama_folder(tmp_path_factory.mktemp("source") / "tiny")
    write_tokenizer(folder, WORDS)
    return folder


def write_tokenizer(folder, words):
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: n for n, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def folders(source, compiled):
    return {recipe: compiled(source, recipe) for recipe in ("f32", "int8", "int4-g32")}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = np.random.default_rng(0).integers(0, len(WORDS), 200)
    path.write_text(" ".join(f"w{n}" for n in words))
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    path = tmp_path_factory.mktemp("task") / "mine.jsonl"
    items = [
        {"prompt": f"w{n} w{n + 1}", "choices": [f" w{n + 2}", " w7 w9"], "answer": n % 2}
        for n in range(20, 40)
    ]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


@pytest.fixture(scope="module")
def statistics(tmp_path_factory):
    path = tmp_path_factory.mktemp("statistics") / "statistics.safetensors"
    tensors = {}
    for layer in (10, 2):
        peaks = np.array([1, -2, 64, 2], np.float32)
        tensors[f"blk.{layer}.attn_q.min"] = np.minimum(peaks, 0)
        tensors[f"blk.{layer}.attn_q.max"] = np.maximum(peaks, 0)
        tensors[f"blk.{layer}.attn_q.mean_abs"] = np.abs(peaks) / 4
    safetensors.write(path, tensors)
    return path


@pytest.fixture(scope="module")
def made(folders, text, task, statistics, tmp_path_factory):
    """(the data, the path of the page) of a report with everything in it."""
    out = tmp_path_factory.mktemp("report")
    page, data = out / "report.html", out / "report.json"
    arguments = [folders["int8"], folders["int4-g32"], "--reference", folders["f32"], *RULE]
    arguments += ["--text", text, "--task", task, "--task", "arithmetic", "--task-items", 10]
    succeeds("report", *arguments, "--statistics", statistics, "-o", page, "--json", data)
    return json.loads(data.read_text()), page


def test_eval_prints_one_object(folders, text, task):
    arguments = ["--reference", folders["f32"], "--text", text, *RULE, "--task", task, "--json"]
    result = json.loads(succeeds("eval", folders["int8"], *arguments))
    assert list(result) == ["perplexity", "kl", "top1", "tokens", "tasks"]
    assert result["tokens"] == 4 * 31
    assert 0 < result["kl"] < 0.1 and result["top1"] > 0.8
    assert result["tasks"]["mine"]["items"] == len(result["tasks"]["mine"]["results"]) == 20


def test_a_cache_gives_the_same_figures(folders, text, tmp_path):
    def evaluate(recipe, *more):
        arguments = ["--reference", folders["f32"], "--text", text, *RULE, "--json", *more]
        return json.loads(succeeds("eval", folders[recipe], *arguments))

    cache = tmp_path / "cache.safetensors"
    live = evaluate("int8")
    assert evaluate("int8", "--reference-cache", cache) == live
    written = cache.stat().st_mtime_ns
    assert evaluate("int8", "--reference-cache", cache) == live
    assert evaluate("int4-g32", "--reference-cache", cache) == evaluate("int4-g32")
    assert cache.stat().st_mtime_ns == written
    # Another rule: what was kept does not fit and is replaced.
    assert evaluate("int8", "--reference-cache", cache, "--windows", 2)["tokens"] == 2 * 31
    assert cache.stat().st_mtime_ns != written
    assert os.listdir(tmp_path) == [cache.name]


def test_a_file_that_is_no_cache_is_left_alone(folders, text, statistics):
    before = statistics.read_bytes()
    arguments = ["--reference", folders["f32"], "--text", text, "--reference-cache", statistics]
    fails("eval", folders["int8"], *arguments, *RULE, reason="not a cache of a reference")
    assert statistics.read_bytes() == before


def test_report_says_what_eval_says(made, folders, text):
    data, _ = made
    labels = [model["label"] for model in data["models"]]
    assert labels == [folders[recipe].name for recipe in ("f32", "int8", "int4-g32")]
    arguments = ["--reference", folders["f32"], "--text", text, *RULE, "--json"]
    result = json.loads(succeeds("eval", folders["int4-g32"], *arguments))
    assert {key: data["models"][2][key] for key in result} == pytest.approx(result)
    base = data["models"][0]
    assert base["reference"] and base["kl"] == 0 and base["top1"] == 1
    change = data["models"][2]["perplexity"] / base["perplexity"] - 1
    assert data["models"][2]["perplexity_change"] == pytest.approx(change)
    assert data["models"][1]["speed"]["decode_tokens_per_s"] > 0


def test_the_loudest_channel(made):
    data, _ = made
    first = data["outliers"]["sites"][0]
    # In the order of the layers; 64 over the median of 1, 2, 2, 64.
    assert [site["name"] for site in data["outliers"]["sites"]] == ["blk.2.attn_q", "blk.10.attn_q"]
    assert first["largest"] == 64 and first["loudest_channel"] == 2 and first["ratio"] == 32


def test_the_page_needs_nothing_else(made):
    _, page = made
    html = page.read_text()
    assert not re.search(r"""(src|href)=["'](?!#)""", html)
    assert "http" not in re.sub(r"xmlns(:\w+)?=\"[^\"]*\"|http-equiv", "", html)
    assert html.count("<svg") >= 8
    # No color of matplotlib's is left: they would be right in one of light and dark only.
    assert "#000" not in re.sub(r"<style>.*?</style>", "", html, count=1, flags=re.DOTALL)


def test_everything_in_the_table_is_in_the_data(made):
    data, page = made
    for model in data["models"]:
        for shown in (
            f"{model['perplexity']:.2f}",
            f"{model['kl']:.4f}",
            f"{100 * model['tasks']['mine']['accuracy']:.1f}",
            f"{model['bits_per_weight']:.2f}",
        ):
            assert f">{shown}<" in page.read_text()


def test_names_are_text_not_markup(made, tmp_path):
    data, _ = made
    data = json.loads(json.dumps(data))
    data["models"][1]["label"] = data["title"] = "<script>alert(1)</script>"
    assert "<script>alert" not in report.page(data)


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


def dump(browser, page, tmp_path, script=""):
    """The document after a script ran in it; errors of scripts are in its title."""
    watch = "<script>window.onerror = (m) => { document.title = 'failed: ' + m; };</script>"
    html = page.read_text().replace("<style>", watch + "<style>", 1)
    html = html.replace("</body>", f"<script>{script}</script></body>")
    (tmp_path / "page.html").write_text(html)
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000"]
    command += ["--dump-dom", f"file://{tmp_path / 'page.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "<title>failed" not in done.stdout
    return done.stdout


def column(html, title):
    """(the labels of the rows, the cells of a column) of the table as the browser has it."""
    table = re.search(r'<table id="summary">.*?</table>', html, re.DOTALL)[0]
    head, body = table.split("<tbody>")
    titles = [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<th.*?</th>", head)]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    cells = [
        [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in rows
    ]
    return [row[0] for row in cells], [row[titles.index(title)] for row in cells]


@pytest.mark.parametrize("clicks, down", [(1, False), (2, True)])
def test_a_click_sorts(made, browser, tmp_path, clicks, down):
    click = (
        "const b = [...document.querySelectorAll('#summary button')]"
        ".find((b) => b.textContent === 'KL');" + "b.click();" * clicks
    )
    html = dump(browser, made[1], tmp_path, click)
    labels, shown = column(html, "KL")
    assert [float(value) for value in shown] == sorted(map(float, shown), reverse=down)
    assert labels != column(made[1].read_text(), "KL")[0] or not down
    assert f'aria-sort="{"descending" if down else "ascending"}"' in html


def test_nothing_is_wider_than_a_phone(made, browser, tmp_path):
    measure = (
        "document.title = 'width ' + document.documentElement.scrollWidth"
        " + ' of ' + document.documentElement.clientWidth;"
        "const hidden = [...document.querySelectorAll('figure svg')]"
        ".filter((s) => s.getBoundingClientRect().height < 50).length;"
        "document.title += ', hidden ' + hidden;"
    )
    html = dump(browser, made[1], tmp_path, measure)
    found = re.search(r"<title>width (\d+) of (\d+), hidden (\d+)<", html)
    assert found[1] == found[2] and found[3] == "0"


def test_without_a_reference_and_a_text(folders, tmp_path):
    page = tmp_path / "page.html"
    succeeds("report", folders["int8"], "--no-speed", "-o", page)
    assert "No reference was given" in page.read_text()
    assert "perplexity" not in re.search("<table.*?</table>", page.read_text(), re.DOTALL)[0]


def nan_weights(path):
    """Makes every float32 weight of a packed file NaN."""
    raw = bytearray(path.read_bytes())
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    raw[start:] = struct.pack("<f", float("nan")) * ((len(raw) - start) // 4)
    path.write_bytes(raw)


def test_what_is_wrong_is_named(folders, source, compiled, text, task, tmp_path):
    f32, int8 = folders["f32"], folders["int8"]
    evaluate = ["eval", int8, "--reference", f32]
    (tmp_path / "short").write_text("w1")
    fails(*evaluate, "--text", tmp_path / "short", *RULE, reason="short: the text is too short")
    fails(*evaluate, "--text", text, reason="--window-length is 512, .* takes 64 tokens")
    bad = tmp_path / "bad.jsonl"
    bad.write_text(task.read_text() + '{"prompt": 1}\n')
    fails("eval", int8, "--task", bad, reason=r"bad\.jsonl:21: ")
    fails("eval", int8, "--task", "chess", reason="neither a file nor one of the tasks")
    fails("eval", int8, "--task", "recall", reason="the task recall needs a context")
    fails("report", tmp_path, "-o", tmp_path / "r.html", reason="no compiled model in it")
    fails("report", int8, int8, "-o", tmp_path / "r.html", reason="named twice")
    fails("report", int8, "-o", tmp_path / "no" / "r.html", reason="there is no folder")
    fails(
        *("report", int8, "--statistics", text, "-o", tmp_path / "r.html"),
        reason="text.txt: not a safetensors file",
    )
    assert not (tmp_path / "r.html").exists()

    other = tmp_path / "other"
    shutil.copytree(int8, other)
    write_tokenizer(other, WORDS[::-1])
    fails("eval", other, "--reference", f32, "--text", text, *RULE, reason="tokenize .* different")

    broken = shutil.copytree(f32, tmp_path / "broken")
    nan_weights(broken / "model.weights.safetensors")
    fails(
        *("eval", broken, "--text", text, *RULE),
        reason="broken: its logits at position 0 of window 0 are not numbers",
    )
    fails("eval", broken, "--task", task, reason="broken: its logits for .*mine.jsonl:1 are NaN")


def test_wrong_usage(folders):
    for arguments in (["eval", "d"], ["eval", "d", "--text", "t", "--reference-cache", "c"]):
        assert run(*arguments).returncode == 2

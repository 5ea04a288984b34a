# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the language model of a bundle: are its tokens those of the CPU, and how fast is it?

    python run_model.py [FOLDER] [--out model.json]

FOLDER is what bundle.py made, with --model: needs the CUDA driver and numpy, nothing else.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import numpy as np

ROUNDS = 5


def open_model(folder, name):
    sys.path.insert(0, str(folder))
    from quant_mlir import abi

    inside = folder / name
    return abi.Library(inside / "model.so", "model", inside / "model.weights.safetensors")


def feed(session, tokens, outputs=1):
    session.feed(np.ascontiguousarray(tokens, np.int32), outputs)


def check(library, expected) -> dict:
    """What the model says next, each time the likeliest token."""
    prompt, want = expected["prompt"], expected["tokens"]
    session, found = library.session(len(prompt) + len(want), 1), []
    fed = prompt
    for _ in want:
        feed(session, fed)
        if fed is prompt:
            logits = session.logits(1)[0]
        found.append(int(session.top(1)[0][0]))
        fed = found[-1:]
    session.close()
    # Of the logits that the CPU has found largest.
    error = np.abs(logits[expected["ids"]] - np.float32(expected["logits"])).max()
    same = next((i for i, pair in enumerate(zip(found, want)) if pair[0] != pair[1]), len(want))
    # Rounded activations differ by a code here and there, of long prompts so many that sooner or
    # later, or at once, another token is the likeliest.
    least = len(want) if len(prompt) < 100 else 0
    return {
        "prompt": len(prompt),
        "expected": want,
        "found": found,
        "same_tokens": same,
        "logit_error": float(error),
        "passed": same >= least and bool(error < 0.05 * np.ptp(logits)),
    }


def measure(library, prefill, decode) -> dict:
    """Tokens per second: of a prompt, and one by one behind it. Medians."""
    tokens = np.arange(prefill) % library.vocab_size
    session = library.session(prefill + decode, 1)
    rates = []
    for _ in range(ROUNDS):
        session.rewind(0)
        start = time.perf_counter()
        feed(session, tokens)
        between = time.perf_counter()
        for token in range(decode):
            feed(session, [token])
        end = time.perf_counter()
        rates.append((prefill / (between - start), decode / (end - between)))
    session.close()
    prefills, decodes = zip(*rates)
    return {
        "prefill": prefill,
        "decode": decode,
        "prefill_tokens_per_s": statistics.median(prefills),
        "decode_tokens_per_s": statistics.median(decodes),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path())
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("model.json"))
    parser.add_argument("--prefill", type=int, nargs="+", default=[512, 2000])
    parser.add_argument("--decode", type=int, default=64)
    options = parser.parse_args()
    folder = options.folder.resolve()
    expected = json.loads((folder / "model-expected.json").read_text())
    library = open_model(folder, expected["folder"])
    checks = [check(library, said) for said in expected["said"]]
    for one in checks:
        print(
            f"prompt of {one['prompt']}: {one['same_tokens']} of the CPU's tokens"
            if one["passed"]
            else f"FAILED {json.dumps(one)}"
        )
    rates = []
    for prefill in options.prefill:
        if prefill + options.decode > library.context_length:
            continue
        rates.append(measure(library, prefill, options.decode))
        print(
            f"{library.target}: {rates[-1]['prefill_tokens_per_s']:.0f} tokens/s of a prompt of "
            f"{prefill}, {rates[-1]['decode_tokens_per_s']:.0f} one by one"
        )
    result = {"target": library.target, "checks": checks, "rates": rates}
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    return int(not all(one["passed"] for one in checks))


if __name__ == "__main__":
    sys.exit(main())

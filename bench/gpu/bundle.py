# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a folder with all that is needed to check and time our GPU kernels elsewhere.

    python bench/gpu/bundle.py -o FOLDER [--targets sm_90a,sm_80] [--model MODEL]

The machine with the GPU needs neither quant-mlir nor a CUDA toolkit, only the driver, torch and
numpy: python FOLDER/run.py FOLDER. Needs ptxas here (requirements-tools.txt). With a model, which
is compiled for the first target: python FOLDER/run_model.py FOLDER, without torch.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("python", "test/python", "test/e2e/kernels")]

import numpy as np  # noqa: E402
import quant_mlir  # noqa: E402
from cases import modules  # noqa: E402
from quant_mlir import InputError, safetensors  # noqa: E402
from test_gpu import MANY_TOKENS, TOKENS, many_cases, missing, run_quantc  # noqa: E402
from test_matmul import activations, write_module  # noqa: E402

CASES_OF_A_MODULE = 4
TOKEN, FLOAT = "#qt.int<8, token>", "float"
GROUP = "#qt.int<8, group = 32>"
# (weights, activations): timed in all shapes.
TIMED = {
    "int4g128_a16": ("#qt.int<4, group = 128, scale = f16>", FLOAT),
    "int4g128_a8": ("#qt.int<4, group = 128, scale = f16>", TOKEN),
    "q4_0_a8": ("#qt.q4_0", GROUP),
    "q4_K_a8": ("#qt.q4_K", GROUP),
    "nf4_a16": ("#qt.codebook<nf4, group = 64>", FLOAT),
    "int8_a8": ("#qt.int<8, channel>", TOKEN),
    "int8_a16": ("#qt.int<8, channel>", FLOAT),
    "fp8_a16": ("#qt.float<f8E4M3FN, channel>", FLOAT),
    "fp8_a8": ("#qt.float<f8E4M3FN, channel>", "#qt.float<f8E4M3FN, token>"),
    "bf16_a16": ("#qt.float<bf16>", FLOAT),
}
# (n, k): those of TIMED that are timed in it.
FEW_ROWS = ("int4g128_a16", "q4_0_a8", "nf4_a16", "int8_a16")
SHAPES = {(4096, 4096): TIMED, (8192, 8192): TIMED, (16384, 16384): FEW_ROWS}
ROWS = (1, 4, 8, 16, 32, 64, 128, 256, 512, 4096)


def quantc(*arguments):
    done = run_quantc(*arguments)
    if done.returncode:
        raise InputError(done.stderr.strip())


def chosen() -> list:
    cases = []
    for module in modules().values():
        usable = [case for case in module if not missing(case)]
        step = max(1, len(usable) // CASES_OF_A_MODULE)
        cases += [dataclasses.replace(case, gathers=False) for case in usable[::step]]
    return cases


def write_checks(folder, work, cases) -> tuple:
    """Inputs, packed weights and what the emulator makes of them, for each case and the rows of its
    calls; entries of list and bundle."""
    module = write_module(work, "checks", [case for case, _ in cases])
    most = max(max(calls) for _, calls in cases)
    flags = ("--target", "cuda-emulated:sm_80", "--batch", -(-most // 16) * 16)
    quantc(module, *flags, "--name", "model", "-o", work / "out")
    packed, _ = safetensors.read(work / "out" / "model.weights.safetensors")
    lines, sizes = [], {}
    with quant_mlir.load(work / "out", 1) as model:
        for case, calls in cases:
            x = activations(case, max(calls))
            data = {"x": x, "weights": np.array(packed[f"{case.name}.w"])}
            if case.bias:
                data["bias"] = case.bias_values
            if case.residual:
                random = np.random.default_rng(9).integers(-100, 100, (len(x), case.n))
                data["residual"] = random.astype(np.float32)
            for rows in calls:
                inputs = [x[-rows:], *([data["residual"][-rows:]] if case.residual else [])]
                data[f"expected{rows}"] = model.run(*inputs, function=case.name)
            np.savez_compressed(folder / f"{case.name}.npz", **data)
            sizes[case.name] = {
                "what": f"{case.scheme.text} x {case.activation or FLOAT}",
                "weights": True,
                "rows": list(calls),
                # Products of integers are exact, groups are added in another order by each form.
                "close": 1e-5 if case.is_integer else 2e-3,
            }
            lines.append(
                f"  {case.name}: {{op: matmul, n: {case.n}, k: {case.k}, "
                f"bias: {str(case.bias).lower()}, residual: {str(case.residual).lower()}, "
                f'weights: "{case.scheme.text}", activations: "{case.activation or FLOAT}"}}'
            )
    return lines, sizes


def timed() -> tuple:
    lines, sizes = [], {}
    for (n, k), names in SHAPES.items():
        for name in names:
            weights, inputs = TIMED[name]
            lines.append(
                f'  {name}_{n}: {{op: matmul, n: {n}, k: {k}, weights: "{weights}", '
                f'activations: "{inputs}"}}'
            )
            sizes[f"{name}_{n}"] = {
                "what": f"{weights} x {inputs}",
                "n": n,
                "k": k,
                "rows": [*ROWS, *([k] if k == 8192 else [])],
                "kind": name,
            }
    return lines, sizes


# The last is so long that attention of a token is split over positions.
PROMPTS = (20, 200, 1100)


def say(model, prompt, count) -> dict:
    """What the model says behind a prompt, each time the likeliest token."""
    with model.session(len(prompt) + count) as session:
        ids, logits = session.best(prompt, 16)
        tokens = [int(ids[0])]
        while len(tokens) < count:
            tokens.append(int(session.best(tokens[-1:], 1)[0][0]))
    return {"prompt": prompt, "tokens": tokens, "ids": ids.tolist(), "logits": logits.tolist()}


def write_model(folder, source, target, count=24):
    """A model for the GPU, what of the package opens it, and what it must say."""
    folder.mkdir(parents=True, exist_ok=True)
    name = pathlib.Path(source).stem
    quantc(source, "--target", target, "--name", "model", "-o", folder / name)
    with tempfile.TemporaryDirectory() as work:
        quantc(source, "--name", "model", "-o", work)
        with quant_mlir.load(work) as model:
            said = [
                say(model, [token % model.vocab_size for token in range(100, 100 + length)], count)
                for length in PROMPTS
                if length + count <= model.context_length
            ]
    expected = {"folder": name, "said": said}
    (folder / "model-expected.json").write_text(json.dumps(expected) + "\n")
    package = folder / "quant_mlir"
    package.mkdir(exist_ok=True)
    for module in ("__init__", "abi", "errors"):
        shutil.copy(ROOT / "python" / "quant_mlir" / f"{module}.py", package)
    for script in ("run_model.py", "run_transformers.py"):
        shutil.copy(pathlib.Path(__file__).with_name(script), folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", dest="output", required=True, type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--targets", default="sm_90a")
    parser.add_argument("--model", type=pathlib.Path, help="a .gguf file, or what quantc takes")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            cases = [(case, TOKENS) for case in chosen()]
            cases += [(case, MANY_TOKENS) for case in many_cases()]
            lines, sizes = write_checks(options.output, work, cases)
            more, timed_sizes = timed()
            (work / "list.yaml").write_text("\n".join(["kernels:", *lines, *more]) + "\n")
            for target in options.targets.split(","):
                flags = ("--target", f"cuda:{target}", "--name", target, "-o", work / "kernels")
                quantc("--kernels", work / "list.yaml", *flags)
                if not (work / "kernels" / f"{target}.cubin").exists():
                    raise InputError("there is no ptxas (requirements-tools.txt)")
                for suffix in ("cubin", "json"):  # of a C library there is no use
                    shutil.copy(work / "kernels" / f"{target}.{suffix}", options.output)
                made = json.loads((options.output / f"{target}.json").read_text())["kernels"]
            for name, size in timed_sizes.items():
                size["bytes"] = made[name]["weight"]["bytes"]
        if options.model:
            write_model(options.output, options.model, f"cuda:{options.targets.split(',')[0]}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    (options.output / "bundle.json").write_text(json.dumps({**sizes, **timed_sizes}, indent=1))
    shutil.copy(pathlib.Path(__file__).with_name("run.py"), options.output)
    total = sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file())
    print(f"{options.output}: {len(sizes)} kernels to check, {total >> 20} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

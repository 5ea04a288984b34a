# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What our GPU kernels can reach at most, from their machine code alone.

    python bench/gpu/roofline.py FOLDER [--name NAME] [--rows M...] [--json FILE]

FOLDER is what `quantc --kernels --target cuda:...` wrote where there was a ptxas. For each matmul
and number of rows, of the form that would be launched:

    bytes     weights, activations and results once, at the memory's rate
    math      the products that its blocks do, those past the last row, too, at the rate of their
              instruction
    issue     the instructions of its innermost loop, four a clock and multiprocessor
    resident  warps of a multiprocessor, which registers and shared memory leave room for

The limit is the larger of bytes and math of the rows that there are, at the rate of the fastest
instruction for these operands. What a kernel is predicted to reach of it is what the largest of
the three leaves, if all multiprocessors have work; else their part of it. Waiting is not foreseen:
for few rows and small weights it is what counts. Needs nvdisasm (requirements-tools.txt).
"""

import argparse
import json
import pathlib
import re
import sys
from typing import NamedTuple

import sass

ROWS = (1, 4, 16, 64, 128, 512, 4096)
WARP = 32


class GPU(NamedTuple):
    """Of NVIDIA's data sheets and the CUDA C++ Programming Guide (compute capabilities)."""

    name: str
    processors: int
    hertz: float
    bytes_per_s: float
    products: dict  # multiply-adds a clock and multiprocessor, by operands
    warps: int  # of a multiprocessor, at most
    shared: int  # bytes of it


GPUS = {
    "sm_80": GPU("A100 80GB", 108, 1.41e9, 2.04e12, {"f16": 1024, "int8": 2048}, 64, 164 << 10),
    "sm_89": GPU(
        "L40S", 142, 2.52e9, 0.864e12, {"f16": 512, "int8": 1024, "fp8": 1024}, 48, 100 << 10
    ),
    "sm_90a": GPU(
        "H200", 132, 1.83e9, 4.8e12, {"f16": 2048, "int8": 4096, "fp8": 4096}, 64, 228 << 10
    ),
}
SCALAR = {"f32": 128, "dp4a": 256}  # the same on all of them


def products(instruction: str):
    """Multiply-adds that an instruction of a warp does, and of what; None if it does none."""
    name = sass.opcode(instruction)
    if found := re.match(r"([HIQ])GMMA\.64x(\d+)x(\d+)", name):
        of = {"H": "f16", "I": "int8", "Q": "fp8"}[found[1]]
        return 64 * int(found[2]) * int(found[3]) // 4, of
    if found := re.match(r"([HIQ])MMA\.(?:SP\.)?16(8)(16|32)", name):
        of = {"H": "f16", "I": "int8", "Q": "fp8"}[found[1]]
        return 16 * 8 * int(found[3]), of
    if name.startswith("IDP.4A"):
        return 4 * WARP, "dp4a"
    if name.startswith("FFMA"):
        return WARP, "f32"
    return None


class Loop(NamedTuple):
    """The innermost loop of a function."""

    instructions: int
    products: int
    of: str


def loop_of(lines) -> Loop:
    """The loop that counts: on tensor cores, or by dp4a, before floats, which scales take, too."""
    bodies = sass.loops(lines) or [[text for _, text in lines if text]]
    found = []
    for body in bodies:
        done = [each for each in map(products, body) if each]
        for of in ("fp8", "int8", "f16", "dp4a", "f32"):
            total = sum(count for count, kind in done if kind == of)
            if total:
                found.append(Loop(len(body), total, of))
                break
    order = ("f32", "dp4a", "f16", "int8", "fp8")
    return max(
        found,
        key=lambda loop: (order.index(loop.of), loop.products / loop.instructions),
        default=None,
    )


def resident_warps(gpu: GPU, form: dict, used: dict) -> int:
    """Warps of whole blocks that a multiprocessor has room for."""
    warps = form["threads"] // WARP
    # Registers come by 256 to a warp, shared memory to a block with 1 KiB of the driver's.
    registers = -(-used["registers"] * WARP // 256) * 256
    blocks = min(gpu.warps // warps, (64 << 10) // (registers * warps))
    shared = form.get("shared_bytes", 0) + used["shared_bytes"] + 1024
    return min(blocks, gpu.shared // shared) * warps


class Prediction(NamedTuple):
    form: str
    bytes_us: float
    math_us: float
    issue_us: float
    resident: int
    share: float  # of the limit


def form_for(step: list, rows: int) -> dict:
    return next((form for form in step if rows <= form["most_rows"]), step[-1])


def predict(gpu: GPU, kernel: dict, loops: dict, functions: dict, rows: int) -> Prediction:
    weight, step = kernel["weight"], kernel["steps"][-1]
    n, k = weight["n"], weight["k"]
    form = form_for(step, rows)
    loop = loops[form["function"]]
    moved = weight["bytes"] + rows * sum(one.get("row_bytes", 0) for one in form["arguments"])
    blocks_y = -(-rows // form["rows_per_block"])
    blocks = form["blocks"] * blocks_y
    busy = min(1.0, blocks / gpu.processors)
    clocks = gpu.hertz * gpu.processors
    done = blocks_y * form["rows_per_block"] * n * k
    rate = gpu.products.get(loop.of) or SCALAR[loop.of]
    bytes_s = moved / gpu.bytes_per_s
    math_s = done / (rate * clocks * busy)
    issue_s = done / loop.products * loop.instructions / (4 * clocks * busy)
    # Operands of eight bits may be multiplied as such.
    of = {"dp4a": "int8", "f32": "f16"}.get(loop.of, loop.of)
    limit = max(bytes_s, rows * n * k / (gpu.products[of] * clocks))
    return Prediction(
        re.sub(r"^kernel_matmul_\w+?_\d+_", "", form["function"]),
        bytes_s * 1e6,
        math_s * 1e6,
        issue_s * 1e6,
        resident_warps(gpu, form, functions[form["function"]]),
        limit / max(bytes_s, math_s, issue_s),
    )


def predictions(folder, name: str, rows, env=None) -> tuple:
    """(GPU, {kernel: {rows: Prediction}})"""
    folder = pathlib.Path(folder)
    made = json.loads((folder / f"{name}.json").read_text())
    gpu = GPUS[made["target"].split(":")[-1]]
    lines = sass.functions(folder / f"{name}.cubin", env)
    loops = {function: loop_of(body) for function, body in lines.items()}
    kernels = {key: one for key, one in made["kernels"].items() if "weight" in one}
    return gpu, {
        key: {count: predict(gpu, kernel, loops, made["functions"], count) for count in rows}
        for key, kernel in kernels.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--name", default="kernels", help="what quantc --name was given")
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--json", type=pathlib.Path, help="write all of it there, too")
    options = parser.parse_args()
    try:
        gpu, found = predictions(options.folder, options.name, options.rows)
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {options.folder}: no kernels with machine code: {error}", file=sys.stderr)
        return 1
    print(f"{gpu.name}: form, microseconds of bytes / math / issue, resident warps, share of limit")
    for kernel, by_rows in found.items():
        print(kernel)
        for rows, one in by_rows.items():
            times = f"{one.bytes_us:8.1f} /{one.math_us:8.1f} /{one.issue_us:8.1f}"
            print(f"  M={rows:<5} {one.form:14}{times} {one.resident:4} {one.share:6.2f}")
    if options.json:
        table = {
            kernel: {rows: one._asdict() for rows, one in by_rows.items()}
            for kernel, by_rows in found.items()
        }
        options.json.write_text(json.dumps({"gpu": gpu.name, "kernels": table}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

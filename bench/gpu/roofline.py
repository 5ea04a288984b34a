# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What our GPU kernels can reach at most, from their machine code alone.

    python bench/gpu/roofline.py [--targets sm_80,sm_89,sm_90a] [--record FILE]
    python bench/gpu/roofline.py FOLDER [--name NAME]

FOLDER is what `quantc --kernels --target cuda:...` wrote where there was a ptxas; without it, the
kernels that bundle.py has timed, 4096 x 4096, are compiled. For each matmul and number of rows, of
the form that would be launched, microseconds of

    bytes     weights, activations and results once, at the memory's rate
    cache     what its blocks read, at the rate of the second cache
    math      the products that its blocks do, those past the last row, too, at the rate of their
              instruction
    issue     the instructions of its innermost loop, four a clock and multiprocessor

and the warps of a multiprocessor that registers and shared memory leave room for. The limit is the
larger of bytes and math of the rows that there are, at the rate of the fastest instruction for
these operands. What a kernel is predicted to reach of it is what the largest of the four leaves,
if all multiprocessors have work; else their part of it. Waiting is not foreseen: for few rows and
small weights it is what counts. Needs nvdisasm and ptxas (requirements-tools.txt).

test/e2e/kernels/gpu_budget.json is what --record wrote: a test fails if a kernel has fallen behind.
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("python", "test/python", "test/e2e/kernels")]

import bundle  # noqa: E402
import sass  # noqa: E402
from compiling import with_ptxas  # noqa: E402
from quant_mlir import InputError  # noqa: E402

ROWS = (1, 4, 16, 64, 128, 512, 4096)
WARP = 32


class GPU(NamedTuple):
    """By NVIDIA's data sheets and the CUDA programming guide; the caches: the H200's as its
    profiler has it (59 % at 6.6 TB/s), the L40S's as others have seen it on a card of its
    generation, the A100's by its white paper."""

    name: str
    processors: int
    hertz: float
    bytes_per_s: float
    cache: float  # bytes a clock and multiprocessor
    products: dict  # multiply-adds a clock and multiprocessor, by operands
    alone: float  # part of that rate which a warp's own products reach
    warps: int  # of a multiprocessor, at most
    shared: int  # bytes of it


GPUS = {
    "sm_80": GPU(
        name="A100 80GB",
        processors=108,
        hertz=1.41e9,
        bytes_per_s=2.04e12,
        cache=47,
        products={"f16": 1024, "int8": 2048},
        alone=1,
        warps=64,
        shared=164 << 10,
    ),
    "sm_89": GPU(
        name="L40S",
        processors=142,
        hertz=2.52e9,
        bytes_per_s=0.864e12,
        cache=15,
        products={"f16": 512, "int8": 1024, "fp8": 1024},
        alone=1,
        warps=48,
        shared=100 << 10,
    ),
    "sm_90a": GPU(
        name="H200",
        processors=132,
        hertz=1.83e9,
        bytes_per_s=4.8e12,
        cache=46,
        products={"f16": 2048, "int8": 4096, "fp8": 4096},
        alone=0.62,
        warps=64,
        shared=228 << 10,
    ),
}
SCALAR = {"f32": 128, "dp4a": 256}  # the same on all of them


class Products(NamedTuple):
    """Multiply-adds that an instruction of a warp does."""

    count: int
    of: str
    alone: bool = False  # by a warp for itself, not by four together


def products(instruction: str):
    """Those of one instruction of machine code; None if it does none."""
    name = sass.opcode(instruction)
    kinds = {"H": "f16", "I": "int8", "Q": "fp8"}
    if found := re.match(r"([HIQ])GMMA\.64x(\d+)x(\d+)", name):
        return Products(64 * int(found[2]) * int(found[3]) // 4, kinds[found[1]])
    if found := re.match(r"([HIQ])MMA\.168(16|32)", name):
        return Products(16 * 8 * int(found[2]), kinds[found[1]], alone=True)
    if name.startswith("IDP.4A"):
        return Products(4 * WARP, "dp4a")
    if name.startswith("FFMA"):
        return Products(WARP, "f32")
    return None


class Loop(NamedTuple):
    """The innermost loop of a function."""

    instructions: int
    products: int
    of: str
    alone: bool


def loop_of(lines) -> Loop:
    """The loop that counts: on tensor cores, or by dp4a, before floats, which scales take, too."""
    order = ("f32", "dp4a", "f16", "int8", "fp8")
    found = []
    for body in sass.loops(lines) or [[text for _, text in lines if text]]:
        done = [each for each in map(products, body) if each]
        if done:
            most = max(done, key=lambda each: order.index(each.of))
            total = sum(each.count for each in done if each.of == most.of)
            found.append(Loop(len(body), total, most.of, most.alone))
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
    cache_us: float
    math_us: float
    issue_us: float
    resident: int
    share: float  # of the limit


def form_for(step: list, rows: int) -> dict:
    return next((form for form in step if rows <= form["most_rows"]), step[-1])


def predict(gpu: GPU, kernel: dict, loops: dict, functions: dict, rows: int) -> Prediction:
    weight, step = kernel["weight"], kernel["steps"][-1]
    form = form_for(step, rows)
    loop = loops[form["function"]]
    of_a_row = {one["name"]: one.get("row_bytes", 0) for one in form["arguments"]}
    written = of_a_row.pop("out")
    read = sum(of_a_row.values())
    blocks_y = -(-rows // form["rows_per_block"])
    busy = min(1.0, form["blocks"] * blocks_y / gpu.processors)
    clocks = gpu.hertz * gpu.processors
    area = weight["n"] * weight["k"]
    done = blocks_y * form["rows_per_block"] * area
    rate = gpu.products.get(loop.of) or SCALAR[loop.of]
    rate *= gpu.alone if loop.alone else 1
    bytes_s = (weight["bytes"] + rows * (read + written)) / gpu.bytes_per_s
    cached = blocks_y * weight["bytes"] + form["blocks"] * rows * read
    parts = {
        "bytes_us": bytes_s,
        "cache_us": cached / (gpu.cache * clocks * busy),
        "math_us": done / (rate * clocks * busy),
        "issue_us": done / loop.products * loop.instructions / (4 * clocks * busy),
    }
    # Without tensor cores it is another form that would reach the limit.
    fastest = gpu.products[{"dp4a": "int8", "f32": "f16"}.get(loop.of, loop.of)]
    limit = max(bytes_s, rows * area / (fastest * clocks))
    return Prediction(
        re.sub(r"^kernel_matmul_\w+?_\d+_", "", form["function"]),
        **{name: round(seconds * 1e6, 1) for name, seconds in parts.items()},
        resident=resident_warps(gpu, form, functions[form["function"]]),
        share=round(limit / max(parts.values()), 2),
    )


def predictions(folder, name: str, env=None) -> tuple:
    """(GPU, {kernel: {rows: Prediction}})"""
    folder = pathlib.Path(folder)
    made = json.loads((folder / f"{name}.json").read_text())
    gpu = GPUS[made["target"].split(":")[-1]]
    lines = sass.functions(folder / f"{name}.cubin", env)
    loops = {function: loop_of(body) for function, body in lines.items()}
    kernels = {key: one for key, one in made["kernels"].items() if "weight" in one}
    return gpu, {
        key: {str(rows): predict(gpu, kernel, loops, made["functions"], rows) for rows in ROWS}
        for key, kernel in kernels.items()
    }


def of_timed(target: str, env=None) -> tuple:
    """The same of what bundle.py has timed."""
    lines = [
        f'  {name}: {{op: matmul, n: 4096, k: 4096, weights: "{weights}", activations: "{inputs}"}}'
        for name, (weights, inputs) in bundle.TIMED.items()
    ]
    with tempfile.TemporaryDirectory() as work:
        kernels = pathlib.Path(work, "list.yaml")
        kernels.write_text("\n".join(["kernels:", *lines]) + "\n")
        bundle.quantc("--kernels", kernels, "--target", f"cuda:{target}", "-o", work)
        return predictions(work, "kernels", env)


def as_text(record: dict) -> str:
    """JSON with a line for each kernel and number of rows."""

    def inner(item, indent: str) -> str:
        if "share" in item:
            return json.dumps(item)
        lines = [f"{indent} {json.dumps(key)}: {inner(item[key], indent + ' ')}" for key in item]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"

    return inner(record, "") + "\n"


def show(gpu: GPU, found: dict) -> None:
    parts = ("bytes", "cache", "math", "issue")
    print(f"{gpu.name}{'':19}" + "".join(f"{part:>9}" for part in (*parts, "warps", "share")))
    for kernel, by_rows in found.items():
        print(kernel)
        for rows, one in by_rows.items():
            times = "".join(f"{getattr(one, part + '_us'):9.1f}" for part in parts)
            print(f"  M = {rows:<6}{one.form:16}{times}{one.resident:9}{one.share:9.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--name", default="kernels", help="what quantc --name was given")
    parser.add_argument("--targets", default=",".join(GPUS))
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE", help="write it as JSON")
    options = parser.parse_args()
    env, record = with_ptxas(), {}
    try:
        if options.folder:
            show(*predictions(options.folder, options.name, env))
            return 0
        for target in options.targets.split(","):
            gpu, found = of_timed(target, env)
            show(gpu, found)
            record[target] = {
                kernel: {rows: one._asdict() for rows, one in by_rows.items()}
                for kernel, by_rows in found.items()
            }
    except (InputError, OSError, ValueError, KeyError) as error:
        print(f"error: no kernels with machine code: {error}", file=sys.stderr)
        return 1
    if options.record:
        options.record.write_text(as_text(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())

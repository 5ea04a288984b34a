# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a bundle of GPU kernels: are they right, and how fast are they beside PyTorch's?

    python run.py [FOLDER] [--target cuda:sm_90a] [--out results.json]

FOLDER is what bundle.py made: needs the CUDA driver, torch and numpy, nothing of quant-mlir. The
numbers that kernels must give are those of the emulator, which ran the very same functions.

Times are those of a captured graph of calls, each with weights of its own that are not in the
cache; medians of replays, ours and the peer's in turns.
"""

import argparse
import ctypes
import functools
import json
import pathlib
import re
import statistics
import sys

import numpy as np
import torch

REPLAYS = 20
# More than the level-2 caches of today, four times.
COLD_BYTES = 256 << 20
# Of a graph: starting one takes time, too.
FEWEST_CALLS = 8
# How many blocks along the rows a form has at most, to be timed by itself.
FORM_BLOCKS = 64


class Driver:
    """The calls of the CUDA driver that are needed."""

    def __init__(self):
        self.lib = ctypes.CDLL("libcuda.so.1")
        # Of a function: the most shared memory that the launch may ask for.
        self.most_shared = 8

    def check(self, status, what):
        if status:
            text = ctypes.c_char_p()
            self.lib.cuGetErrorString(status, ctypes.byref(text))
            raise RuntimeError(f"{what}: {(text.value or b'error').decode()} ({status})")

    def load(self, code: bytes):
        module = ctypes.c_void_p()
        self.check(self.lib.cuModuleLoadData(ctypes.byref(module), code), "cuModuleLoadData")
        return module

    def function(self, module, name):
        function = ctypes.c_void_p()
        found = self.lib.cuModuleGetFunction(ctypes.byref(function), module, name.encode())
        self.check(found, f"cuModuleGetFunction of {name}")
        return function

    def allow(self, function, shared):
        if shared > 48 << 10:
            done = self.lib.cuFuncSetAttribute(function, self.most_shared, shared)
            self.check(done, "cuFuncSetAttribute")

    def launch(self, function, grid, threads, shared, pointers, rows):
        values = [ctypes.c_uint64(pointer) for pointer in pointers] + [ctypes.c_uint64(rows)]
        arguments = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        done = self.lib.cuLaunchKernel(
            function, *grid, 1, threads, 1, 1, shared, stream, arguments, None
        )
        self.check(done, "cuLaunchKernel")


class Kernel:
    """A matmul of the bundle: quantizes rows if it multiplies 8 bits, then multiplies."""

    def __init__(self, driver, module, description):
        self.driver, self.steps = driver, description["steps"]
        self.functions = {
            form["function"]: driver.function(module, form["function"])
            for step in self.steps
            for form in step
        }
        for step in self.steps:
            for form in step:
                driver.allow(self.functions[form["function"]], form["shared_bytes"])
        self.n = description["weight"]["n"]

    @staticmethod
    def choose(forms, rows):
        """The form for so many rows: the first that is for them, else the last."""
        return next((form for form in forms if rows <= form["most_rows"]), forms[-1])

    def launch(self, form, tensors, rows):
        # What kernel.round leaves is the x of the product.
        if form in self.steps[-1] and "rounded" in tensors:
            tensors = {**tensors, "x": tensors["rounded"]}
        pointers = [tensors[argument["name"]].data_ptr() for argument in form["arguments"]]
        grid = (form["blocks"], -(-rows // form["rows_per_block"]))
        function = self.functions[form["function"]]
        shared = form["shared_bytes"]
        self.driver.launch(function, grid, form["threads"], shared, pointers, rows)

    def workspace(self, rows) -> dict:
        """What the first of two steps makes for the second."""
        if len(self.steps) == 1:
            return {}
        return {
            argument["name"]: torch.empty(
                rows * argument["row_bytes"], dtype=torch.uint8, device="cuda"
            )
            for argument in self.steps[0][0]["arguments"]
            if argument["name"] not in ("x", "multiplier", "scale")
        }

    def prepare(self, tensors):
        """What comes before the product, if anything does."""
        if len(self.steps) > 1:
            self.quantize(tensors)

    def quantize(self, tensors):
        rows = tensors["x"].shape[0]
        self.launch(self.choose(self.steps[0], rows), tensors, rows)

    def run(self, tensors):
        """`tensors` by the names of arguments, those of the workspace among them."""
        rows = tensors["x"].shape[0]
        for forms in self.steps:
            self.launch(self.choose(forms, rows), tensors, rows)

    def multiply(self, form, tensors):
        """The product alone, by a form of its step."""
        self.launch(form, tensors, tensors["x"].shape[0])


def load(folder, target):
    description = json.loads((folder / f"{target.removeprefix('cuda:')}.json").read_text())
    code = (folder / f"{target.removeprefix('cuda:')}.cubin").read_bytes()
    driver = Driver()
    torch.cuda.init()
    torch.zeros(1, device="cuda")  # makes the context
    module = driver.load(code)
    sizes = json.loads((folder / "bundle.json").read_text())
    kernels = {}
    for name, kernel in description["kernels"].items():
        kernels[name] = Kernel(driver, module, kernel)
    return kernels, sizes


def to_gpu(array):
    return torch.from_numpy(np.ascontiguousarray(array)).cuda()


def check(kernels, sizes, folder, only) -> list:
    """[{case, rows, form, worst error as a share of the range, exact share, passed}], of each form
    for any number of rows."""
    results = []
    for name, size in sizes.items():
        if "weights" not in size or not only.search(name):
            continue
        kernel = kernels[name]
        data = np.load(folder / f"{name}.npz")
        whole = {part: to_gpu(data[part]) for part in ("weights", "bias") if part in data}
        for rows in size["rows"]:
            expected = data[f"expected{rows}"]
            out = torch.full((rows, kernel.n), float("nan"), device="cuda")
            tensors = {**whole, **kernel.workspace(rows), "out": out}
            for part in ("x", "residual"):
                if part in data:
                    tensors[part] = to_gpu(data[part][-rows:])
            for form in kernel.steps[-1]:
                result = {"case": name, "what": size["what"], "rows": rows}
                result["form"] = form["function"]
                out.fill_(float("nan"))
                try:
                    kernel.prepare(tensors)
                    kernel.multiply(form, tensors)
                    torch.cuda.synchronize()
                except RuntimeError as error:
                    results.append({**result, "passed": False, "error": str(error)})
                    continue
                result.update(judge(out.cpu().numpy(), expected, size["close"]))
                results.append(result)
    return results


def judge(got, expected, close) -> dict:
    error = np.abs(got - expected).max() / max(np.ptp(expected), 1e-30)
    wrong = ~(np.abs(got - expected) <= close * np.ptp(expected))
    result = {
        "error": float(error),
        "equal": float((got == expected).mean()),
        "passed": not wrong.any(),
    }
    if wrong.any():
        place = np.argwhere(wrong)[0]
        result["first_wrong"] = [*map(int, place), float(got[tuple(place)])]
        result["expected"] = float(expected[tuple(place)])
    return result


def graph_of(calls):
    """A graph of all calls, warm."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for call in calls[:2]:
            call()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for call in calls:
                call()
    return graph


def time_of(graph, calls) -> float:
    """Microseconds of a call."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    graph.replay()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1000 / calls


def same_products(kind, x, half) -> tuple:
    """(name, calls) of PyTorch's product of the same numbers, without quantizing; or nothing."""
    rows, k = x.shape
    if kind == "int8_a8" and rows > 16:  # fewer it does not take
        codes = torch.randint(-127, 128, (rows, k), dtype=torch.int8, device="cuda")
        weights = [torch.randint(-127, 128, h.shape, dtype=torch.int8, device="cuda") for h in half]
        return "torch._int_mm", [functools.partial(torch._int_mm, codes, w.t()) for w in weights]
    if kind == "fp8_a8":
        kind8, ones = torch.float8_e4m3fn, functools.partial(torch.ones, device="cuda")
        codes, n = x.to(kind8), half[0].shape[0]
        multiply = functools.partial(
            torch._scaled_mm,
            scale_a=ones(rows, 1),
            scale_b=ones(1, n),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        weights = [h.to(kind8) for h in half]
        return "torch._scaled_mm", [functools.partial(multiply, codes, w.t()) for w in weights]
    return "", []


def time_same_products(kind, x, half) -> dict:
    """{name: microseconds}"""
    name, calls = same_products(kind, x, half)
    if not calls:
        return {}
    try:
        graph = graph_of(calls)
        return {name: statistics.median(time_of(graph, len(calls)) for _ in range(REPLAYS))}
    except (RuntimeError, TypeError) as error:  # of another version, or for other GPUs
        print(f"{name}: {str(error).splitlines()[0]}")
        return {}


def compare(kernel, rows, weights, half, kind) -> tuple:
    """Microseconds of our product, of PyTorch's in f16, of what quantizing has of ours; of the
    product alone by each form that could do it; and of PyTorch's product of the same numbers."""
    x = torch.randn(rows, half[0].shape[1], device="cuda")
    in_half = x.half()
    out = torch.empty(rows, kernel.n, device="cuda")
    tensors = {**kernel.workspace(rows), "x": x, "out": out}
    ours = [functools.partial(kernel.run, {**tensors, "weights": w}) for w in weights]
    peer = [functools.partial(torch.mm, in_half, w.t()) for w in half]
    compared = [ours, peer]
    if len(kernel.steps) > 1:
        compared.append([functools.partial(kernel.quantize, tensors)] * len(weights))
    graphs = [(graph_of(calls), len(calls)) for calls in compared]
    times = [[] for _ in graphs]
    for _ in range(REPLAYS):
        for (graph, calls), into in zip(graphs, times):
            into.append(time_of(graph, calls))
    mine, theirs, *quantizing = map(statistics.median, times)
    forms = {}
    for form in kernel.steps[-1]:
        if rows > FORM_BLOCKS * form["rows_per_block"]:
            continue
        kernel.prepare(tensors)
        calls = [functools.partial(kernel.multiply, form, call.args[0]) for call in ours]
        graph = graph_of(calls)
        samples = [time_of(graph, len(calls)) for _ in range(REPLAYS)]
        forms[form["function"]] = statistics.median(samples)
    same = time_same_products(kind, x, half)
    return mine, theirs, quantizing[0] if quantizing else 0.0, forms, same


def once(kernels, sizes, only, rows):
    """Launches every form once, for a profiler to look at."""
    for name, size in sizes.items():
        if "weights" in size or not only.search(name):
            continue
        kernel = kernels[name]
        weights = torch.randint(0, 100, (size["bytes"],), dtype=torch.uint8, device="cuda")
        for count in rows or size["rows"]:
            x = torch.randn(count, size["k"], device="cuda")
            out = torch.empty(count, kernel.n, device="cuda")
            tensors = {**kernel.workspace(count), "x": x, "out": out, "weights": weights}
            kernel.prepare(tensors)
            for form in kernel.steps[-1]:
                kernel.multiply(form, tensors)
    torch.cuda.synchronize()


def measure(kernels, sizes, only, rows):
    for name, size in sizes.items():
        if "weights" in size or not only.search(name):
            continue
        n, k, stored = size["n"], size["k"], size["bytes"]
        weights = [
            torch.randint(0, 100, (stored,), dtype=torch.uint8, device="cuda")
            for _ in range(max(FEWEST_CALLS, -(-COLD_BYTES // stored)))
        ]
        half = [
            torch.randn(n, k, device="cuda", dtype=torch.float16)
            for _ in range(max(FEWEST_CALLS, -(-COLD_BYTES // (2 * n * k))))
        ]
        for count in [count for count in size["rows"] if not rows or count in rows]:
            compared = compare(kernels[name], count, weights, half, size["kind"])
            mine, theirs, quantizing, forms, same = compared
            yield {
                **{"case": name, "what": size["what"], "n": n, "k": k, "rows": count},
                **{"us": mine, "fp16_us": theirs, "ratio": theirs / mine},
                "quantize_us": quantizing,
                "forms_us": forms,
                "same_us": same,
                "weight_gb_per_s": stored / mine / 1000,
                "tera_per_s": 2 * count * n * k / mine / 1e6,
            }


def say(result):
    print(
        f"{result['what']:45} {result['n']}x{result['k']} M={result['rows']:<4}"
        f"{result['us']:9.1f} us ({result['quantize_us']:.1f} quantizing)  "
        f"fp16 {result['fp16_us']:9.1f} us  "
        f"{result['ratio']:5.2f}x {result['weight_gb_per_s']:7.0f} GB/s "
        f"{result['tera_per_s']:7.2f} T/s",
        flush=True,
    )
    for form, time in {**result["forms_us"], **result["same_us"]}.items():
        print(f"    {form:60}{time:9.1f} us")


def measure_copy() -> float:
    """GB/s, read and written."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    rates = []
    for _ in range(5):
        start.record()
        target.copy_(source)
        end.record()
        end.synchronize()
        rates.append(2 * source.numel() / start.elapsed_time(end) / 1e6)
    return statistics.median(rates)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path())
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("results.json"))
    parser.add_argument("--check-only", action="store_true")
    parser.add_argument("--time-only", action="store_true")
    parser.add_argument("--once", action="store_true", help="launch each form once, and stop")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), help="names of kernels")
    parser.add_argument("--rows", type=int, nargs="+", help="of these alone")
    options = parser.parse_args()
    kernels, sizes = load(options.folder, options.target)
    if options.once:
        once(kernels, sizes, options.only, options.rows)
        return 0
    checked = [] if options.time_only else check(kernels, sizes, options.folder, options.only)
    for result in checked:
        if not result["passed"]:
            print("FAILED", json.dumps(result))
    passed = sum(result["passed"] for result in checked)
    print(f"{passed} of {len(checked)} checks passed on {torch.cuda.get_device_name()}")
    timed, copy = [], None
    if not options.check_only:
        for result in measure(kernels, sizes, options.only, options.rows):
            say(result)
            timed.append(result)
        copy = measure_copy()
    content = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "target": options.target,
        "checks": checked,
        "times": timed,
        "copy_gb_per_s": copy,
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    return int(passed != len(checked))


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The node tests that ship in the package onnx: which of them we claim, and how they are run.

    python test/e2e/onnx_graphs/node_cases.py      the list in docs/onnx.md

A test goes from import through the reference lowering to upstream's JIT. Inputs that decide
the shape of a result are constants in the graphs that exporters write; they are made so here.
"""

import collections
import importlib.util
import pathlib
import re
import subprocess
import textwrap
import warnings

import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases
from quant_mlir import tools

# (operator, input): what decides a shape, or which axis is meant.
DECIDE_SHAPES = {
    *(("Reshape", 1), ("Expand", 1), ("Tile", 1), ("ConstantOfShape", 0), ("OneHot", 1)),
    *(("Pad", 1), ("Pad", 3), ("Slice", 1), ("Slice", 2), ("Slice", 3), ("Slice", 4)),
    *(("Squeeze", 1), ("Unsqueeze", 1), ("Split", 1), ("CumSum", 1), ("Trilu", 1)),
    *(("Range", 0), ("Range", 1), ("Range", 2), ("Dropout", 2), ("TopK", 1)),
    *((f"Reduce{name}", 1) for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min")),
    *((f"Reduce{name}", 1) for name in ("Prod", "Sum", "SumSquare")),
}
# Types that tensors of a graph may have.
TYPES = {
    onnx.TensorProto.FLOAT: "f32",
    onnx.TensorProto.DOUBLE: "f64",
    onnx.TensorProto.FLOAT16: "f16",
    onnx.TensorProto.BFLOAT16: "bf16",
    onnx.TensorProto.BOOL: "i8",
    onnx.TensorProto.INT8: "i8",
    onnx.TensorProto.UINT8: "i8",
    onnx.TensorProto.INT16: "i16",
    onnx.TensorProto.UINT16: "i16",
    onnx.TensorProto.INT32: "i32",
    onnx.TensorProto.UINT32: "i32",
    onnx.TensorProto.INT64: "i64",
    onnx.TensorProto.UINT64: "i64",
}
UNSIGNED = {"uint8", "uint16", "uint32", "uint64", "bool"}
# What we do not do of an operator that we claim: a pattern of names, and the reason.
NOT_SUPPORTED = {
    "training": "training",
    "^test_(blackman|hamming|hann)window": "the length of a Range is computed from floats",
    "^test_center_crop_pad": "pads are computed",
    "^test_l2normalization_axis_0": "divides 0 by 0; a row of zeros stays one, as from opset 25 on",
    "^test_qlinearmatmul_.*_int8": "its input 255 - 127 is no int8",
}

LIBRARIES = ("mlir_runner_utils", "mlir_c_runner_utils", "mlir_float16_utils")
LOWER = [
    *("--convert-elementwise-to-linalg", "--one-shot-bufferize=bufferize-function-boundaries"),
    *("--convert-linalg-to-loops", "--expand-strided-metadata", "--lower-affine"),
    *("--convert-scf-to-cf", "--convert-math-to-libm", "--convert-math-to-llvm"),
    *("--convert-arith-to-llvm", "--convert-index-to-llvm", "--finalize-memref-to-llvm"),
    *("--convert-cf-to-llvm", "--convert-func-to-llvm", "--reconcile-unrealized-casts"),
]


def operators():
    """The operators that quant-translate lists, those of ONNX's own domain."""
    listed = subprocess.run(
        [tools.find("quant-translate"), "--onnx-operators"], stdout=subprocess.PIPE, check=True
    )
    return {name for name in listed.stdout.decode().split() if "." not in name}


def is_plain(value):
    """Whether a value of a test is one tensor of a type that we have."""
    kind = value.type.tensor_type
    return value.type.HasField("tensor_type") and kind.elem_type in TYPES


def why_not(case):
    """The reason for which a test is not supported, None if it is."""
    for pattern, reason in NOT_SUPPORTED.items():
        if re.search(pattern, case.name):
            return reason
    return None


def claimed():
    """The tests of which all operators are claimed, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    ours = operators()
    found = {}
    for case in cases:
        graph = case.model.graph
        domains = {each.domain: each.version for each in case.model.opset_import}
        if (
            all(node.op_type in ours and not node.domain for node in graph.node)
            and 13 <= domains.get("", 0) <= 24
            and all(is_plain(value) for value in [*graph.input, *graph.output])
            and not case.model.functions
        ):
            found[case.name] = case
    return found


def frozen(case, inputs):
    """The model with the inputs that decide shapes as constants, and the inputs that are left."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph, given = model.graph, dict(zip([value.name for value in case.model.graph.input], inputs))
    for node in graph.node:
        for place, name in enumerate(node.input):
            if (node.op_type, place) in DECIDE_SHAPES and name in given:
                graph.initializer.append(onnx.numpy_helper.from_array(given.pop(name), name))
    for value in [value for value in graph.input if value.name not in given]:
        graph.input.remove(value)
    return model, list(given.values())


def as_array(value):
    return onnx.numpy_helper.to_array(value) if hasattr(value, "raw_data") else np.asarray(value)


def dense(array, type_):
    """An array as an MLIR constant of an element type."""
    shape = "".join(f"{size}x" for size in array.shape)
    if array.size == 0:
        text = ""
    else:
        text = f'"0x{array.tobytes().hex().upper()}"'
    return f"arith.constant dense<{text}> : tensor<{shape}{type_}>"


def caller(number, text, model, inputs):
    """The imported function as one of a module of many, and code that calls and prints it."""
    text = re.sub(r"#map(\d*)", rf"#t{number}map\1", text)
    aliases, _, module = text.partition("module {")
    body = module.rstrip()[:-1].replace("@forward", f"@test{number}")
    signature = re.search(rf"func\.func @test{number}\((.*)\) -> (.*) \{{\n", body)
    takes = re.findall(r"tensor<[^>]*>", signature[1])
    gives = re.findall(r"tensor<[^>]*>", signature[2])
    lines, arguments, kinds = [], [], []
    for place, (array, type_) in enumerate(zip(inputs, takes)):
        element = type_[len("tensor<") : -1].split("x")[-1]
        source = f"%t{number}c{place}"
        lines.append(f"{source} = {dense(np.asarray(array), element)}")
        given = "tensor<" + "".join(f"{n}x" for n in np.shape(array)) + element + ">"
        lines.append(f"%t{number}a{place} = tensor.cast {source} : {given} to {type_}")
        arguments.append(f"%t{number}a{place}")
    result = f"%t{number}r" + (f":{len(gives)}" if len(gives) > 1 else "")
    lines.append(
        f"{result} = call @test{number}({', '.join(arguments)}) : "
        f"({', '.join(takes)}) -> ({', '.join(gives)})"
    )
    for place, (type_, value) in enumerate(zip(gives, model.graph.output)):
        name = f"%t{number}r" + (f"#{place}" if len(gives) > 1 else "")
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        element = type_[len("tensor<") : -1].split("x")[-1]
        wide = {"f64": "f64", "i64": "i64"}.get(element, "f32" if "f" in element else "i32")
        if wide != element:
            how = "extf" if "f" in element else "extui" if kind.name in UNSIGNED else "extsi"
            to = type_.replace(f"{element}>", f"{wide}>")
            lines.append(f"%t{number}w{place} = arith.{how} {name} : {type_} to {to}")
            name, type_ = f"%t{number}w{place}", to
        lines.append(f"%t{number}u{place} = tensor.cast {name} : {type_} to tensor<*x{wide}>")
        lines.append(
            f"call @printMemref{wide.upper()}(%t{number}u{place}) : (tensor<*x{wide}>) -> ()"
        )
        kinds.append(kind)
    return aliases, body, lines, kinds


def run_module(text):
    """The arrays that a module's @main prints, or what went wrong."""
    lowered = subprocess.run(
        [tools.find("quant-opt"), "--lm-to-linalg", "--qt-to-linalg"],
        input=text.encode(),
        capture_output=True,
    )
    folder = pathlib.Path(importlib.util.find_spec("mlir").submodule_search_locations[0])
    for command in (
        [tools.find("quant-opt"), *LOWER],
        [folder / "bin" / "mlir-runner", "-e", "main", "-entry-point-result=void"]
        + [f"-shared-libs={folder}/lib/lib{name}.so" for name in LIBRARIES],
    ):
        if lowered.returncode:
            break
        lowered = subprocess.run(command, input=lowered.stdout, capture_output=True)
    if lowered.returncode:
        return lowered.stderr.decode()[:2000] or f"ended with {lowered.returncode}"
    arrays = []
    for part in lowered.stdout.decode().split("Unranked Memref")[1:]:
        shape = [int(size) for size in re.search(r"sizes = \[(.*?)\]", part)[1].split(",") if size]
        numbers = re.findall(r"-?nan|-?inf|-?\d[\d.]*(?:e[-+]\d+)?", part.partition("data =")[2])
        numbers = numbers if 0 not in shape else []
        arrays.append((shape, numbers))
    return arrays


def imported(case, folder):
    """The text of a test's module with its inputs, or what the importer said."""
    model, inputs = frozen(case, [as_array(value) for value in case.data_sets[0][0]])
    path = folder / f"{case.name}.onnx"
    onnx.save(model, path)
    done = subprocess.run(
        [tools.find("quant-translate"), "--import-onnx", path], capture_output=True
    )
    return (model, inputs, done.stdout.decode()) if done.returncode == 0 else done.stderr.decode()


def compare(case, kinds, arrays):
    """What is wrong with the results of a test; None if nothing is."""
    for kind, (shape, numbers), expected in zip(kinds, arrays, case.data_sets[0][1]):
        expected = as_array(expected)
        if list(expected.shape) != shape:
            return f"has the shape {shape}, expected {list(expected.shape)}"
        # numpy reads no integers as floats, which lose digits.
        if kind.kind in "iub":
            result = np.array([int(number) for number in numbers], np.int64).reshape(shape)
            wanted = (
                expected.astype(np.uint64).view(np.int64) if kind.name == "uint64" else expected
            )
            if not (result == wanted).all():
                return f"is {result.ravel()[:8]}, expected {expected.ravel()[:8]}"
            continue
        result = np.array(numbers, np.float64).reshape(shape)
        wanted = expected.astype(np.float64)
        # Six digits are printed; the tests' own bound, and a step of a 16-bit float.
        near = max(case.rtol, 2.0**-7 if kind.itemsize == 2 else 0)
        if not np.allclose(result, wanted, rtol=near, atol=max(case.atol, 1e-6), equal_nan=True):
            return f"is {result.ravel()[:8]}, expected {wanted.ravel()[:8]}"
    return None


def run(cases, folder):
    """{name: what is wrong} of some tests, which are called from one module."""
    wrong, ready = {}, []
    for case in cases:
        text = imported(case, folder)
        if isinstance(text, str):
            wrong[case.name] = text.strip()
        else:
            ready.append((case, *text))
    wrong.update(call(ready))
    return wrong


def call(ready):
    if not ready:
        return {}
    aliases, functions, lines, kinds = "", "", "", []
    for number, (_, model, inputs, text) in enumerate(ready):
        alias, function, calls, results = caller(number, text, model, inputs)
        aliases, functions = aliases + alias, functions + function
        lines += "".join(f"    {line}\n" for line in calls)
        kinds.append(results)
    prints = "".join(
        f"  func.func private @printMemref{type_.upper()}(tensor<*x{type_}>)\n"
        for type_ in ("f32", "f64", "i32", "i64")
    )
    main = f"  func.func @main() {{\n{lines}    return\n  }}\n"
    arrays = run_module(f"{aliases}module {{\n{functions}{prints}{main}}}\n")
    if isinstance(arrays, str):
        if len(ready) == 1:
            return {ready[0][0].name: arrays}
        half = len(ready) // 2
        return {**call(ready[:half]), **call(ready[half:])}
    wrong = {}
    for (case, *_), results in zip(ready, kinds):
        own, arrays = arrays[: len(results)], arrays[len(results) :]
        reason = compare(case, results, own)
        if reason is not None:
            wrong[case.name] = reason
    return wrong


def listing():
    """The operators, and how many of the tests have each, in lines of docs/onnx.md."""
    cases = [case for case in claimed().values() if why_not(case) is None]
    counts = collections.Counter()
    for case in cases:
        counts.update({node.op_type for node in case.model.graph.node})
    items = ", ".join(f"{name} {counts[name]}" for name in sorted(operators()))
    head = f"{len(counts)} operators in {len(cases)} node tests of onnx {onnx.__version__}:"
    return "\n".join([head, "", *textwrap.wrap(items, 118, break_on_hyphens=False)])


if __name__ == "__main__":
    print(listing())

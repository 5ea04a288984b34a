# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a program that calls a raised PyTorch module on the inputs of expected.npz, or
compares what it printed with what PyTorch computed.

run_raised.py FOLDER NAME RAISED.mlir      the program, on standard output
run_raised.py FOLDER NAME < PRINTED        the largest difference, an error if it is large
"""

import pathlib
import re
import sys

import numpy

MAIN = """
  func.func private @printMemrefF32(tensor<*xf32>)
  func.func @main() {{
    {arguments}
    %result = call @{name}({values}) : ({types}) -> {type}
    %any = tensor.cast %result : {type} to tensor<*xf32>
    call @printMemrefF32(%any) : (tensor<*xf32>) -> ()
    return
  }}
"""


def program(expected, name, text):
    signature = re.search(rf"func\.func @{name}\((.*)\) -> (tensor<[^>]*>)", text)
    types = re.findall(r"tensor<[^>]*>", signature[1])
    arguments = []
    for number, type_ in enumerate(types):
        data = expected[f"{name}.input{number}"]
        own = "x".join(map(str, data.shape)) + ("xf32" if data.dtype.kind == "f" else "xi64")
        dense = re.sub(r"\s", "", str(data.tolist()))
        arguments.append(f"%c{number} = arith.constant dense<{dense}> : tensor<{own}>")
        arguments.append(f"%a{number} = tensor.cast %c{number} : tensor<{own}> to {type_}")
    main = MAIN.format(
        arguments="\n    ".join(arguments),
        name=name,
        values=", ".join(f"%a{number}" for number in range(len(types))),
        types=", ".join(types),
        type=signature[2],
    )
    before, module, after = text.partition("module {")
    return before + module + main + after


def difference(expected, name, printed):
    numbers = re.findall(r"nan|-?inf|-?\d[\d.]*(?:e[-+]\d+)?", printed.partition("data =")[2])
    result = expected[f"{name}.result"]
    return numpy.abs(numpy.array(numbers, float).reshape(result.shape) - result).max()


def main():
    folder, name = sys.argv[1:3]
    expected = numpy.load(pathlib.Path(folder) / "expected.npz")
    if len(sys.argv) == 4:
        print(program(expected, name, pathlib.Path(sys.argv[3]).read_text()))
        return
    found = difference(expected, name, sys.stdin.read())
    # Six digits are printed, of numbers below 8: half a unit of the last is 5e-6. What
    # remains is for the sums, of at most 24 terms of magnitude 1: 24 * 6e-8.
    # torch-mlir's own constant in gelu_tanh is not what PyTorch computes, ours is.
    if not found <= 8e-6:
        sys.exit(f"{name}: differs from PyTorch by {found}")
    print(name, "is as in PyTorch")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a safetensors file of what is given as NAME:TYPE:ROWSxCOLUMNS:NUMBER,NUMBER,...

NUMBER*COUNT is that number so many times. Numbers are repeated until the tensor is full. KEY=VALUE
goes to the metadata.
"""

import itertools
import json
import math
import struct
import sys

header, data = {}, b""
for argument in sys.argv[2:]:
    if "=" in argument:
        key, value = argument.split("=", 1)
        header.setdefault("__metadata__", {})[key] = value
        continue
    name, dtype, shape, numbers = argument.split(":")
    shape = [int(size) for size in shape.split("x")]
    code = {"F32": "f", "F16": "e", "I8": "b", "I64": "q"}[dtype]
    convert = int if code in "bq" else float
    values = []
    for number in numbers.split(","):
        number, _, count = number.partition("*")
        values += [convert(number)] * int(count or 1)
    values = itertools.cycle(values)
    raw = b"".join(struct.pack(f"<{code}", next(values)) for _ in range(math.prod(shape)))
    header[name] = {
        "dtype": dtype,
        "shape": shape,
        "data_offsets": [len(data), len(data) + len(raw)],
    }
    data += raw
text = json.dumps(header).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)

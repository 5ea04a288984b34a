# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tensors of a safetensors file, one a line: name, type, shape, numbers."""

import json
import struct
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
(length,) = struct.unpack_from("<Q", data)
header = json.loads(data[8 : 8 + length])
header.pop("__metadata__", None)
for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
    begin, end = info["data_offsets"]
    code = {"F64": "d", "F32": "f", "F16": "e", "I8": "b", "U8": "B", "I64": "q"}[info["dtype"]]
    size = struct.calcsize(code)
    numbers = struct.unpack_from(f"<{(end - begin) // size}{code}", data, 8 + length + begin)
    print(name, info["dtype"], info["shape"], list(numbers))

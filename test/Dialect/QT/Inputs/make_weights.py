"""Writes the safetensors file that materialize-weights.mlir reads."""

import json
import struct
import sys

TENSORS = {
    "gain": ("F32", [3], struct.pack("<3f", 1.0, 2.5, -3.0)),
    # 0x3C00 is 1, 0xC100 is -2.5.
    "model.half": ("F16", [1, 2], struct.pack("<2H", 0x3C00, 0xC100)),
    "w.codes": ("I8", [2, 3], struct.pack("<6b", 1, 2, 3, -4, -5, -6)),
    "w.scales": ("F32", [2, 1], struct.pack("<2f", 10.0, 100.0)),
    "large": ("F32", [512], struct.pack("<512f", *range(512))),
}

header, data = {}, b""
for name, (dtype, shape, raw) in TENSORS.items():
    header[name] = {
        "dtype": dtype,
        "shape": shape,
        "data_offsets": [len(data), len(data) + len(raw)],
    }
    data += raw
text = json.dumps(header).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)

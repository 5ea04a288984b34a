# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts the weights back into a skeleton that `export.py --skeleton` wrote.

python test/e2e/torch/assemble.py HF_DIR [minilm_eager] OUT.mlir
"""

import json
import lzma
import pathlib
import re
import struct
import sys

HERE = pathlib.Path(__file__).parent


def read_safetensors(path):
    """name -> bytes, as they lie in the file."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    base = 8 + length
    return {
        name: memoryview(data)[base + info["data_offsets"][0] : base + info["data_offsets"][1]]
        for name, info in header.items()
        if name != "__metadata__"
    }


def assemble(hf_dir, out, name="minilm"):
    """Writes the whole module, in pieces, since it is as text twice as big as the weights."""
    weights = read_safetensors(pathlib.Path(hf_dir) / "model.safetensors")
    text = lzma.decompress((HERE / f"{name}.mlir.xz").read_bytes()).decode()
    with open(out, "w") as file:
        done = 0
        for match in re.finditer(r'(torch_tensor_[\w.]+): "([^"]+)"', text):
            file.write(text[done : match.start()])
            file.write(f'{match[1]}: "0x04000000')
            file.write(weights[match[2]].hex().upper())
            file.write('"')
            done = match.end()
        file.write(text[done:])


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    assemble(sys.argv[1], sys.argv[-1], *(sys.argv[2:-1]))

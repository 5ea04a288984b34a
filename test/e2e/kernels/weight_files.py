# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The smallest writers of weight files: whatever bytes a test wants to see in them."""

import dataclasses
import json
import struct

import numpy as np
from block_formats import BLOCK_FORMATS

# numpy has no bfloat16: such values are held as their bits, uint16 with the name given here.
SAFETENSORS_NAMES = {"int8": "I8", "uint8": "U8", "float16": "F16", "float32": "F32"}


@dataclasses.dataclass
class Tagged:
    """Bytes with the name of a type that numpy does not have."""

    name: str
    bytes: np.ndarray


GGUF_TYPES = {block.mnemonic: block.id for block in BLOCK_FORMATS.values()}


def write_safetensors(path, tensors) -> None:
    """tensors: name -> array, uint16 standing for bfloat16, or Tagged."""
    header, blobs, offset = {}, [], 0
    for name, array in tensors.items():
        dtype = None
        if isinstance(array, Tagged):
            dtype, array = array.name, array.bytes
        blob = array.tobytes()
        if dtype is None:
            bfloat16 = array.dtype == "uint16"
            dtype = "BF16" if bfloat16 else SAFETENSORS_NAMES[str(array.dtype)]
        span = [offset, offset + len(blob)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": span}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_gguf(path, tensors) -> None:
    """tensors: name -> (GGUF type, logical shape, bytes)."""
    infos, blobs, offset = b"", b"", 0
    for name, (kind, shape, data) in tensors.items():
        infos += struct.pack("<Q", len(name)) + name.encode()
        infos += struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *reversed(shape))  # innermost first
        infos += struct.pack("<IQ", GGUF_TYPES[kind], offset)
        blobs += data + b"\0" * (-len(data) % 32)
        offset = len(blobs)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 0) + infos
    path.write_bytes(head + b"\0" * (-len(head) % 32) + blobs)

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Safetensors files by numpy alone: tensors are mapped, not read."""

import json
import pathlib
import struct
from typing import Dict, Mapping, Tuple, Union

import numpy as np

from .errors import InputError

_TYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"},
}
_LONGEST_HEADER = 100 << 20  # what the format's own library allows


def read(path: Union[str, pathlib.Path]) -> Tuple[Dict[str, np.ndarray], dict]:
    """(tensors by name, metadata). InputError names file and tensor. BF16 is not read."""
    path = pathlib.Path(path)
    header, start, size = read_header(path)
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        try:
            dtype = np.dtype(_TYPES[entry["dtype"]])
            shape = tuple(int(n) for n in entry["shape"])
            begin, end = (int(n) for n in entry["data_offsets"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: {name}: an unknown type, or no shape and offsets") from None
        count = 1
        for n in shape:
            count *= n
        fits = 0 <= begin <= end <= size - start and min(shape, default=0) >= 0
        if not fits or end - begin != count * dtype.itemsize:
            raise InputError(f"{path}: {name}: its offsets do not fit its shape and the file")
        if count == 0:
            tensors[name] = np.empty(shape, dtype)
        else:
            tensors[name] = np.memmap(path, dtype, "r", start + begin, shape)
    return tensors, metadata


def read_header(path: pathlib.Path) -> Tuple[dict, int, int]:
    """(the header, where the data starts, the size of the file)."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise InputError(f"{path}: not a safetensors file")
            header = json.loads(file.read(length))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path}: its header is not JSON") from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: its header is not a JSON object")
    return header, 8 + length, size


def header_bytes(shapes: Mapping[str, Tuple[str, tuple]], metadata: Mapping[str, str]) -> bytes:
    """The front of a file whose tensors (name: (type, shape)) follow in this order."""
    header, offset = {"__metadata__": dict(metadata)}, 0
    for name, (kind, shape) in shapes.items():
        end = offset + int(np.prod(shape, dtype=np.int64)) * np.dtype(_TYPES[kind]).itemsize
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write(
    path: Union[str, pathlib.Path],
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] = {},
) -> None:
    names = {np.dtype(value): key for key, value in _TYPES.items()}
    shapes = {name: (names[array.dtype], array.shape) for name, array in tensors.items()}
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in tensors.values())
    pathlib.Path(path).write_bytes(header_bytes(shapes, metadata) + data)

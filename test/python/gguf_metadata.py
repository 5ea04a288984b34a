# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF files, read independently of the compiler, for tests only."""

import math
import struct
from typing import NamedTuple

from block_formats import BLOCK_FORMATS

_FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
_FORMATS.update({10: "<Q", 11: "<q", 12: "<d"})
# (values, bytes) of a block, by the type's id.
_BLOCKS = {0: (1, 4), 1: (1, 2), 30: (1, 2)}
_BLOCKS.update({block.id: (block.values, block.bytes) for block in BLOCK_FORMATS.values()})


class StoredTensor(NamedTuple):
    shape: tuple  # outermost first
    type: int
    data: bytes


def read(path):
    """The keys: {name: value}."""
    return _read(path)[0]


def read_tensors(path):
    """{name: StoredTensor} in the file's order."""
    return _read(path)[1]


def _read(path):
    with open(path, "rb") as file:

        def number(form):
            return struct.unpack(form, file.read(struct.calcsize(form)))[0]

        def string():
            return file.read(number("<Q")).decode("utf-8")

        def value(kind):
            if kind == 8:
                return string()
            if kind == 9:
                inner, count = number("<I"), number("<Q")
                return [value(inner) for _ in range(count)]
            return number(_FORMATS[kind])

        def description():
            name, rank = string(), number("<I")
            shape = tuple(number("<Q") for _ in range(rank))[::-1]
            return name, shape, number("<I"), number("<Q")

        assert file.read(4) == b"GGUF"
        assert number("<I") in (2, 3)
        count = number("<Q")
        keys = {string(): value(number("<I")) for _ in range(number("<Q"))}
        descriptions = [description() for _ in range(count)]
        alignment = keys.get("general.alignment", 32)
        start = -(-file.tell() // alignment) * alignment
        tensors = {}
        for name, shape, kind, offset in descriptions:
            assert offset % alignment == 0
            values, size = _BLOCKS[kind]
            file.seek(start + offset)
            data = file.read(math.prod(shape) // values * size)
            tensors[name] = StoredTensor(shape, kind, data)
        return keys, tensors

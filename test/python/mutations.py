# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files and JSON that are almost right, the same ones for the same random numbers."""

import copy
import struct

WORDS = ["", "x", "llama", "bert", "gptq", "linear", "U8", "F16", "model.norm.weight", "%n\n\x7f"]
NUMBERS = [-1, 0, 1, 2, 3, 31, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 64, 0.5, 1e300]
VALUES = [None, True, False, *NUMBERS, *WORDS, [], {}, [0], [1 << 40] * 3, {"type": "yarn"}]


def places(value, path=()):
    """Where something can be changed in what JSON says."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*path, key))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from places(child, (*path, number))


def mutate(value, random):
    """A copy with one thing changed, left out, or said under another name."""
    value = copy.deepcopy(value)
    paths = list(places(value))
    *way, last = paths[random.integers(len(paths))]
    parent = value
    for key in way:
        parent = parent[key]
    kind = random.integers(8)
    if kind == 0:
        del parent[last]
    elif kind == 1 and isinstance(parent, dict):
        parent[WORDS[random.integers(len(WORDS))]] = parent.pop(last)
    elif kind == 2 and isinstance(parent[last], (int, float)):
        parent[last] = parent[last] * 2 + int(random.integers(-1, 2))
    else:
        parent[last] = VALUES[random.integers(len(VALUES))]
    return value


def damaged(whole: bytes, random, header: int) -> bytes:
    """Cut off, or with a byte or a number of the header changed."""
    kind = random.integers(4)
    if kind == 0:
        return whole[: random.integers(len(whole))]
    changed = bytearray(whole)
    place = random.integers(header)
    if kind == 1:
        changed[place] ^= 1 << random.integers(8)
    elif kind == 2:
        changed[place] = random.choice([0x00, 0x7F, 0x80, 0xFF])
    else:
        number = NUMBERS[random.integers(10)]
        changed[place : place + 8] = struct.pack("<q", max(number, -1))
    return bytes(changed)

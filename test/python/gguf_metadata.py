# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The metadata of a GGUF file, read independently of the compiler, for tests only."""

import struct

_FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
_FORMATS.update({10: "<Q", 11: "<q", 12: "<d"})


def read(path):
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

        assert file.read(4) == b"GGUF"
        number("<I"), number("<Q")
        keys = number("<Q")
        return {string(): value(number("<I")) for _ in range(keys)}

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a new number format made of blocks: its folder, its line in Schemes.def, its test.

    scripts/new_scheme.py NAME [--bits 4] [--values 32]
    scripts/new_scheme.py Toy4

NAME is that of the folder; the attribute is #qt.toy4. What comes out is a format that works: a
block is an f16 scale and symmetric codes. Change its Block struct to what the format is.
"""

import argparse
import pathlib
import re
import sys

from new_pass import TEMPLATES, insert_before_last, template, write_new


def code_expression(bits: int) -> str:
    if bits == 8:
        return "block.byte(2 + j)"
    per_byte = 8 // bits
    return f"(block.byte(2 + j / {per_byte}) >> (j % {per_byte} * {bits})) & {(1 << bits) - 1}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of the folder, such as Toy4")
    parser.add_argument("--bits", default=4, type=int, choices=[1, 2, 4, 8], help="of a code")
    parser.add_argument("--values", default=32, type=int, help="of a block")
    parser.add_argument(
        "--root", default=TEMPLATES.parents[1], type=pathlib.Path, help="the repository"
    )
    options = parser.parse_args()
    name, bits, values = options.name, options.bits, options.values
    if not re.fullmatch(r"[A-Z]\w*", name):
        parser.error(f"{name} is not a name like Toy4")
    if values < 8 or values % 8 != 0:
        parser.error("a block holds a multiple of 8 values")
    mnemonic = name.lower()
    fields = {
        "name": name,
        "mnemonic": mnemonic,
        "bits": bits,
        "values": values,
        "bytes": 2 + values * bits // 8,
        "offset": 1 << (bits - 1),
        "code": code_expression(bits),
        "twice": 2 * values,
        "short": values + values // 2,
    }
    schemes = options.root / "include/quant-mlir/Dialect/QT/Schemes/Schemes.def"
    if f"QT_SCHEME({name})" in schemes.read_text():
        sys.exit(f"error: {schemes} has {name} already")
    folder = options.root / "lib/Dialect/QT/Schemes" / name
    write_new(folder / f"{name}.td", template("scheme.td.in", fields))
    write_new(folder / f"{name}.cpp", template("scheme.cpp.in", fields))
    test = options.root / "test/Dialect/QT" / f"scheme-{mnemonic}.mlir"
    write_new(test, template("scheme.mlir.in", fields))
    insert_before_last(schemes, "\n#undef QT_SCHEME", f"QT_SCHEME({name})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

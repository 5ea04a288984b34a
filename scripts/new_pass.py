# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a new pass: its entry in Passes.td, its source, its test.

    scripts/new_pass.py GROUP NAME "Summary in one line"
    scripts/new_pass.py QT FoldScales "Fold scales of one into their neighbours"

GROUP is QT, LM or CPU. The pass gets the flag --qt-fold-scales, the file FoldScales.cpp and the
test fold-scales.mlir. It builds and passes its test, and changes nothing yet.
"""

import argparse
import pathlib
import re
import string
import sys

TEMPLATES = pathlib.Path(__file__).parent / "templates"
# Folder below include/quant-mlir and lib; folder below test; namespace.
GROUPS = {
    "QT": ("Dialect/QT/Transforms", "Dialect/QT", "quantmlir::qt"),
    "LM": ("Dialect/LM/Transforms", "Dialect/LM", "quantmlir::lm"),
    "CPU": ("CodeGen/CPU", "CodeGen/CPU", "quantmlir::cpu"),
}


def template(name: str, values: dict) -> str:
    return string.Template((TEMPLATES / name).read_text()).substitute(values)


def write_new(path: pathlib.Path, text: str) -> None:
    if path.exists():
        sys.exit(f"error: {path} exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(path)


def insert_before_last(path: pathlib.Path, mark: str, text: str) -> None:
    before, found, after = path.read_text().rpartition(mark)
    if not found:
        sys.exit(f"error: {path} has no line {mark!r}")
    path.write_text(before + text + found + after)
    print(path)


def add_source(path: pathlib.Path, source: str) -> None:
    """Into the sources of add_quant_library(NAME A.cpp B.cpp LINK ...), in order."""
    text = path.read_text()
    call = re.search(r"add_quant_library\(\w+\s*((?:[\w/]+\.cpp\s+)*)", text)
    if not call:
        sys.exit(f"error: {path} has no add_quant_library")
    sources = sorted([*call[1].split(), source])
    lines = "".join(f"  {name}\n" for name in sources).lstrip() + "  "
    path.write_text(text[: call.start(1)] + lines + text[call.end(1) :])
    print(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("group", choices=sorted(GROUPS))
    parser.add_argument("name", help="in CamelCase, without Pass")
    parser.add_argument("summary")
    parser.add_argument(
        "--root", default=TEMPLATES.parents[1], type=pathlib.Path, help="the repository"
    )
    options = parser.parse_args()
    name, root = options.name, options.root
    if not re.fullmatch(r"([A-Z][a-z0-9]*)+", name) or name.endswith("Pass"):
        parser.error(f"{name} is not a name like FoldScales")
    folder, test_folder, namespace = GROUPS[options.group]
    dashed = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
    test = f"test/{test_folder}/{dashed}.mlir"
    values = {
        "name": name,
        "flag": f"{options.group.lower()}-{dashed}",
        "summary": options.summary.replace('"', '\\"'),
        "macro": f"{name.upper()}PASS",
        "header": f"{folder}/Passes.h",
        "namespace": namespace,
        "test": test,
    }
    passes = root / "include/quant-mlir" / folder / "Passes.td"
    if f'Pass<"{values["flag"]}"' in passes.read_text():
        sys.exit(f"error: {passes} has --{values['flag']} already")
    write_new(root / "lib" / folder / f"{name}.cpp", template("pass.cpp.in", values))
    write_new(root / test, template("pass.mlir.in", values))
    insert_before_last(passes, "#endif", template("pass.td.in", values))
    add_source(root / "lib" / folder / "CMakeLists.txt", f"{name}.cpp")
    return 0


if __name__ == "__main__":
    sys.exit(main())

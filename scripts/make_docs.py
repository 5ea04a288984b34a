# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts the documentation together in BUILD/docs: the pages of docs/ beside those that
`quant-docs` generated from the .td files, an index of the generated ones, and dead links shown.

    scripts/make_docs.py [--build build]
"""

import argparse
import pathlib
import re
import shutil
import sys

import check_links

ROOT = pathlib.Path(__file__).resolve().parents[1]


def generated_pages(folder: pathlib.Path) -> list:
    """The pages that quant-docs wrote: all that docs/ does not have."""
    return sorted(page for page in folder.glob("*.md") if not (ROOT / "docs" / page.name).exists())


def entries_of(page: pathlib.Path) -> list:
    """(heading, summary) of what a generated page describes: dialect, passes or attribute."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^(#+) (.+)\n+(?:Syntax:.*\n+)?(?:_(.+)_\n)?", text, re.MULTILINE)
    top = min((len(marks) for marks, _, _ in found), default=0)
    return [(title, summary) for marks, title, summary in found if len(marks) == top]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path)
    out = parser.parse_args().build / "docs"
    out.mkdir(parents=True, exist_ok=True)
    generated = [page for page in generated_pages(out) if page.name != "reference.md"]

    shutil.copytree(ROOT / "docs", out, dirs_exist_ok=True)
    lines = ["# Reference, generated from the .td files", ""]
    for page in generated:
        lines.append(f"- [{page.stem}]({page.name})")
        lines += [f"  - {title}: {summary}" for title, summary in entries_of(page) if summary]
    (out / "reference.md").write_text("\n".join(lines) + "\n", encoding="utf-8")

    # In the sources, links may leave docs/; they are checked where they are right.
    dead = check_links.main([])
    dead |= check_links.main([str(page) for page in [*generated, out / "reference.md"]])
    print(f"{len(generated)} generated pages, {out}/reference.md lists them")
    return dead


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that relative links in Markdown pages lead somewhere.

    scripts/check_links.py [FILE.md | DIR]...        default: the pages of the repository

A link into a page (page.md#some-heading, #some-heading) needs that heading. A link with a
scheme (https:, mailto:) is not looked at. Prints one line per dead link; exit code 1 if any.
"""

import pathlib
import re
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
DEFINITION = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+(\S+)")
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")


def prose_of(text: str):
    """(line number, line) outside of code: a link inside a sample is not a link."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        opening = re.match(r"\s*(```+|~~~+)", line)
        if opening and (fence is None or opening[1].startswith(fence)):
            fence = None if fence else opening[1]
        elif fence is None and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`", "", line)


def anchors_of(text: str) -> set:
    """The names that GitHub gives to headings, and explicit ones."""
    names, fence = set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text)), False
    for line in text.splitlines():
        if re.match(r"\s*(```|~~~)", line):
            fence = not fence
        heading = None if fence else re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if heading:
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            count, unique = 0, name
            while unique in names:
                count += 1
                unique = f"{name}-{count}"
            names.add(unique)
    return names


def dead_links(page: pathlib.Path):
    """(line number, link, reason) of each dead link."""
    text = page.read_text(encoding="utf-8")
    for number, line in prose_of(text):
        links = LINK.findall(line) + DEFINITION.findall(line)
        for link in links:
            if SCHEME.match(link) or link.startswith("//"):
                continue
            path, _, anchor = urllib.parse.unquote(link).partition("#")
            target = page.parent / path if path else page
            if not target.exists():
                yield number, link, "no such file"
            elif anchor and target.suffix == ".md":
                if anchor not in anchors_of(target.read_text(encoding="utf-8")):
                    yield number, link, "no such heading"


def pages_of(arguments: list) -> list:
    if not arguments:
        command = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if listed.returncode:
            sys.exit("check_links: not a git checkout: name the pages to check")
        return [ROOT / name for name in listed.stdout.split("\n") if (ROOT / name).is_file()]
    pages = []
    for argument in map(pathlib.Path, arguments):
        pages += sorted(argument.rglob("*.md")) if argument.is_dir() else [argument]
    return pages


def main(arguments: list) -> int:
    dead = 0
    for page in pages_of(arguments):
        for number, link, reason in dead_links(page):
            print(f"{page}:{number}: {link}: {reason}", file=sys.stderr)
            dead += 1
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

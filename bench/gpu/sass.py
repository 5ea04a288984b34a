# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the GPU executes in the loop that counts: instructions of each function's innermost loop.

    python bench/gpu/sass.py FILE.cubin [--functions PATTERN]

Of the loops of a function it is the one with most products on tensor cores, or else the longest.
Needs nvdisasm on the PATH (the package nvidia-cuda-nvdisasm).
"""

import argparse
import collections
import re
import subprocess
import sys

# What is counted by itself; all else is "other".
KINDS = {
    "tensor": r"[HIQBD]?G?MMA\.",
    "copies": r"LDGSTS",
    "global": r"LDG|STG",
    "shared": r"LDS|STS|LDSM",
    "local": r"LDL|STL",
    "bytes": r"PRMT|LOP3|SHF|IDP",
    "convert": r"I2F|F2F|F2FP|F2I|HADD2|I2FP",
    "float": r"FADD|FMUL|FFMA|FMNMX|HFMA2|HMUL2",
    "integer": r"IADD|IMAD|ISETP|LEA|UIADD|UIMAD|ULEA|SEL|UMOV|MOV|R2UR",
}


def functions(cubin, env=None) -> dict:
    """{function: [(label or None, instruction)]}"""
    text = subprocess.run(
        ["nvdisasm", "-c", str(cubin)], capture_output=True, text=True, check=True, env=env
    ).stdout
    result, lines = {}, None
    for line in text.splitlines():
        if named := re.match(r"\.text\.(\S+):", line):
            lines = result.setdefault(named[1], [])
        elif lines is None:
            continue
        elif label := re.match(r"(\.L_\S+):", line):
            lines.append((label[1], ""))
        elif found := re.match(r"\s+/\*[0-9a-f]+\*/\s+(.*?)\s*;", line):
            lines.append((None, found[1]))
    return result


def loops(lines) -> list:
    """Instructions of each loop: from a label to a branch back to it."""
    labels, found = {}, []
    for i, (label, instruction) in enumerate(lines):
        if label:
            labels[label] = i
        target = re.search(r"\bBRA.*`\((\S+)\)", instruction)
        if target and target[1] in labels:
            body = [text for _, text in lines[labels[target[1]] : i + 1] if text]
            found.append(body)
    return found


def opcode(instruction) -> str:
    return re.sub(r"^@!?U?P\w+\s+", "", instruction).split()[0]


def count(body) -> dict:
    counts = collections.Counter()
    for instruction in body:
        name = opcode(instruction)
        kind = next((kind for kind, match in KINDS.items() if re.match(match, name)), "other")
        counts[kind] += 1
    return {"all": len(body), **counts}


def written(instruction) -> set:
    """The registers that an instruction writes, as far as vectors of known width go."""
    found = re.match(r"(?:@!?U?P\w+\s+)?([A-Z]\S*)\s+R(\d+)\b(?!\S*\])", instruction)
    if not found or re.match(r"ST|RED|ATOMS?\.|BAR", found[1]):
        return set()
    first, width = int(found[2]), 1
    if "GMMA" in found[1] or ".128" in found[1]:
        width = 4
    elif ".64" in found[1] or ".WIDE" in found[1] or found[1].startswith("CS2R"):
        width = 2
    return set(range(first, first + width))


def overwritten(lines) -> list:
    """Writes to registers that a product of four warps, which was not waited for, still reads."""
    labels = {label: i for i, (label, _) in enumerate(lines) if label}
    faults = []

    def follow(start, read):
        seen, places = set(), [start]
        while places:
            at = places.pop()
            while at < len(lines) and at not in seen:
                seen.add(at)
                text = lines[at][1]
                at += 1
                if text.startswith("WARPGROUP.DEPBAR") or re.match(r"EXIT|RET", text):
                    break
                if "GMMA" not in text and written(text) & read:
                    faults.append(text)
                if target := re.search(r"\bBRA.*`\((\S+)\)", text):
                    places.append(labels.get(target[1], len(lines)))
                    if not text.startswith("@"):
                        break

    for i, (_, text) in enumerate(lines):
        if found := re.match(r"\S*[HIQ]GMMA\S*\s+R\d+, R(\d+), gdesc", text):
            follow(i + 1, set(range(int(found[1]), int(found[1]) + 4)))
    return faults


def inner_loop(lines) -> dict:
    """Counts of the loop that counts; of the whole function if it has none."""
    bodies = [count(body) for body in loops(lines)] or [count([t for _, t in lines if t])]
    most = max(body.get("tensor", 0) for body in bodies)
    return min(
        (body for body in bodies if body.get("tensor", 0) == most),
        key=lambda body: body["all"] if most else -body["all"],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cubin")
    parser.add_argument("--functions", default="", help="a regular expression")
    options = parser.parse_args()
    print(f"{'':50}" + "".join(f"{kind:>9}" for kind in ("all", *KINDS, "other")))
    for name, lines in functions(options.cubin).items():
        if re.search(options.functions, name):
            counts = inner_loop(lines)
            row = "".join(f"{counts.get(kind, 0):9}" for kind in ("all", *KINDS, "other"))
            print(f"{name:50}{row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

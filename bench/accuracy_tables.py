# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tables of docs/accuracy.md, from what bench/accuracy.py measured.

python bench/accuracy_tables.py [build/bench/accuracy/accuracy.json]
"""

import json
import pathlib
import sys

import accuracy_table as table

ROOT = pathlib.Path(__file__).resolve().parents[1]
FAMILIES = (
    "int8",
    "w8a8",
    "fp8",
    "mx",
    "nv",
    "nf4",
    "fp4",
    "int4",
    "w4a16",
    "int3",
    "w3a16",
    "q",
    "iq",
    "Q",
    "IQ",
)


def recipes(subject: str, rows: list, figures: dict) -> list:
    """Those with figures, the closest relatives together."""
    names = [row[0] for row in rows] + table.UNCOMPARED[subject]
    names += [name for goal in table.GOALS if goal[0] == subject for name in goal[2]]
    known = [name for name in dict.fromkeys(names) if f"{subject}/{name}" in figures]
    return sorted(
        known, key=lambda name: [name.startswith(family) for family in FAMILIES].index(True)
    )


def smollm2(figures: dict) -> None:
    print("| recipe | perplexity | KL | top-1 | elsewhere (perplexity / KL) |")
    print("|---|---:|---:|---:|---|")
    for name in recipes("smollm2", table.SMOLLM2, figures):
        ours = figures[f"smollm2/{name}"]
        peers = sorted(
            (ppl, kl, peer) for recipe, peer, ppl, kl, _ in table.SMOLLM2 if recipe == name
        )
        best = "{:.2f} / {:.4f}, {}".format(*peers[0]) if peers else ""
        print(
            f"| `{name}` | {ours['perplexity']:.2f} | {ours['kl']:.4f} "
            f"| {100 * ours['top1']:.1f} % | {best} |"
        )


def minilm(figures: dict) -> None:
    print("| recipe | 1 - cosine | elsewhere |")
    print("|---|---:|---|")
    for name in recipes("minilm", table.MINILM, figures):
        peers = sorted((far, peer) for recipe, peer, far, _ in table.MINILM if recipe == name)
        best = "{:.5f}, {}".format(*peers[0]) if peers else ""
        print(f"| `{name}` | {figures[f'minilm/{name}']['distance']:.5f} | {best} |")


def main() -> None:
    default = ROOT / "build" / "bench" / "accuracy" / "accuracy.json"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    smollm2(figures)
    print()
    minilm(figures)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws docs/stages.svg: the stages, what leaves each, and the flag that runs it.

scripts/draw_stages.py > docs/stages.svg
"""

# Name, what it answers, what comes out, how to run it alone.
STAGES = [
    ("import", "what is computed", "lm on tensors, float", "quant-translate --import-…"),
    ("quantize", "in which numbers", "lm + qt, schemes chosen", "quant-opt --quantize"),
    ("pack", "lying how in memory", "qt, layouts chosen", "quant-opt --pack"),
    ("codegen", "in which instructions", "kernels → vector → LLVM", "quant-opt --codegen-cpu"),
    ("target", "as which files", ".o .a .so .h + weights", "quantc"),
]
WIDTH, GAP, TOP, HEIGHT = 194, 24, 52, 128


def text(x: int, y: int, words: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{words}</text>'


def main() -> None:
    total = len(STAGES) * (WIDTH + GAP) + GAP
    bottom = TOP + HEIGHT + 54
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {bottom}" '
        'font-family="sans-serif" text-anchor="middle">',
        "<title>The stages of quant-mlir</title>",
        f'<rect width="{total}" height="{bottom}" fill="#ffffff"/>',
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker>',
    ]
    first, last = GAP + WIDTH // 2, total - GAP - WIDTH // 2
    grey, mono = 'font-size="13" fill="#57606a"', 'font-size="11" font-family="monospace"'
    line = 'stroke="#57606a" stroke-width="1.5" marker-end="url(#tip)"'
    out.append(text(first, 20, ".gguf, HF folder, torch-mlir", grey))
    out.append(f'<path d="M{first} 28V{TOP - 3}" {line}/>')
    for i, (name, question, result, command) in enumerate(STAGES):
        x = GAP + i * (WIDTH + GAP)
        middle = x + WIDTH // 2
        out.append(
            f'<rect x="{x}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" rx="8" '
            'fill="#eef4fb" stroke="#3b6ea5"/>'
        )
        out.append(text(middle, TOP + 30, name, 'font-size="18" font-weight="bold"'))
        out.append(text(middle, TOP + 52, question, 'font-size="13" font-style="italic"'))
        out.append(text(middle, TOP + 82, result, 'font-size="13"'))
        out.append(text(middle, TOP + 110, command, f'{mono} fill="#3b6ea5"'))
        if i:
            y = TOP + HEIGHT // 2
            out.append(f'<path d="M{x - GAP + 1} {y}H{x - 2}" {line}/>')
    out.append(f'<path d="M{last} {TOP + HEIGHT}V{bottom - 26}" {line}/>')
    out.append(text(last, bottom - 10, "C, C++ or Python program", grey))
    out.append(
        text(
            first + (last - first) // 2,
            bottom - 10,
            "between stages: MLIR text, to be printed, edited, fed back in",
            grey,
        )
    )
    out.append("</svg>")
    print("\n".join(out))


if __name__ == "__main__":
    main()

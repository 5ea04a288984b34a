# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where a loss passes what is usually accepted."""

import math
from typing import List, Optional, Sequence

# Relative losses. Models of the class "8-bit" are held to int8, narrower ones to int4.
THRESHOLDS = {"int8": 0.01, "int4": 0.03, "task": 0.10}
_NARROW = 6.5  # bits per weight, scales counted: between the two classes


def class_of(row: dict) -> Optional[str]:
    """int8, int4, or None for floats: by the bits of the weights that recipes change."""
    matrices = [s for s in row["schemes"] if s["scheme"].startswith("#")]
    values = sum(s["values"] for s in matrices)
    if not values:
        return None
    # The format that most of the values have: tables may be kept wider, or be wider themselves.
    most = max(matrices, key=lambda s: s["tensors"])
    bits = 8 * most["bytes"] / most["values"]
    return "int4" if bits < _NARROW else "int8"


def warnings_of(rows: Sequence[dict]) -> List[dict]:
    """rows: of a report, the reference first."""
    found = []

    def warn(row, measure, loss, threshold, text):
        found.append(
            {
                "label": row["label"],
                "measure": measure,
                "loss": loss,
                "threshold": threshold,
                "text": f"{row['label']}: {text}",
            }
        )

    base = rows[0]
    for row in rows[1:]:
        kind = class_of(row)
        change, limit = row.get("perplexity_change"), THRESHOLDS.get(kind, THRESHOLDS["int8"])
        name = {"int8": "8 bits", "int4": "4 bits"}.get(kind, "floats")
        if change is not None and not change <= limit:  # also where it is not a number
            text = f"perplexity is up {change:.1%}, beyond {limit:.0%} for {name}"
            if not math.isfinite(change):
                text = "perplexity is infinite"
            warn(row, "perplexity", change, limit, text)
        loss = row.get("one_minus_cosine")
        if loss is not None and not loss <= limit:
            text = f"embeddings are {loss:.1%} off (one minus cosine), beyond {limit:.0%}"
            warn(row, "one_minus_cosine", loss, limit, f"{text} for {name}")
        for task, result in row["tasks"].items():
            before, after = base["tasks"][task]["accuracy"], result["accuracy"]
            loss = 1 - after / before if before else 0.0
            if loss > THRESHOLDS["task"] + 1e-9:  # 9 of 10 is not beyond
                p = result["against_reference"]["p"]
                chance = f"; may be chance, p = {p:.2f}" if p > 0.05 else ""
                text = (
                    f"{task} fell from {before:.0%} to {after:.0%} "
                    f"({loss:.0%} of what was right, beyond {THRESHOLDS['task']:.0%}{chance})"
                )
                warn(row, task, loss, THRESHOLDS["task"], text)
    return found

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Statistics of a model's activations: what `calibrate` wrote, and the texts it runs on.

The file's format is described in docs/calibration.md. Arrays are mapped: a Hessian that nobody
looks at is not read.
"""

import dataclasses
import json
from typing import Optional

import numpy as np

from . import safetensors
from .errors import InputError
from .evaluation import paragraphs

FORMAT = "quant-mlir statistics 1"
# Histograms have 32 bins to an octave, from 2^-40 on.
OCTAVE, LOWEST = 32, -40


@dataclasses.dataclass
class Site:
    """An activation; arrays that were not collected are None."""

    name: str
    readers: list  # the weights that it is multiplied with
    tokens: int
    min: Optional[np.ndarray] = None
    max: Optional[np.ndarray] = None
    mean: Optional[np.ndarray] = None
    mean_abs: Optional[np.ndarray] = None
    hessian: Optional[np.ndarray] = None
    histogram: Optional[np.ndarray] = None

    @property
    def channels(self) -> int:
        arrays = (self.min, self.mean, self.mean_abs, self.hessian)
        return next((len(a) for a in arrays if a is not None), 0)

    @property
    def absmax(self) -> Optional[np.ndarray]:
        """Of each channel."""
        return None if self.min is None else np.maximum(np.abs(self.min), np.abs(self.max))

    def percentile(self, share: float) -> Optional[float]:
        """A bound, no wider than a bin (3 %), for `share` of all magnitudes."""
        if self.histogram is None:
            return None
        seen = np.cumsum(self.histogram)
        bin = int(np.searchsorted(seen, share * seen[-1])) + 1
        bound = float(2.0 ** (bin // OCTAVE + LOWEST) * (1 + bin % OCTAVE / OCTAVE))
        return bound if self.min is None else min(bound, float(self.absmax.max()))

    @property
    def outlier_ratio(self) -> Optional[float]:
        """The loudest channel over the median channel."""
        if self.min is None:
            return None
        median = float(np.sort(self.absmax)[self.channels // 2])
        return float(self.absmax.max()) / median if median > 0 else 1.0


def read(path) -> tuple:
    """([Site, in the program's order], metadata)"""
    arrays, metadata = safetensors.read(path)
    try:
        if metadata["format"] != FORMAT:
            raise KeyError("format")
        weights = dict(json.loads(metadata["weights"]))
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{path}: is not a file of calibration statistics") from None
    sites = []
    for name in arrays:
        if not name.endswith(".tokens"):
            continue
        site = name.removesuffix(".tokens")
        readers = sorted((w for w, s in weights.items() if s == site), key=lambda w: w != site)
        parts = ("min", "max", "mean", "mean_abs", "hessian", "histogram")
        found = {part: arrays.get(f"{site}.{part}") for part in parts}
        sites.append(Site(site, readers, int(arrays[name][0]), **found))
    return sites, metadata


def summary(site: Site) -> dict:
    """What --show prints of a site."""
    absmax = site.absmax
    return {
        "site": site.name,
        "readers": site.readers,
        "channels": site.channels,
        "tokens": site.tokens,
        "absmax": None if absmax is None else float(absmax.max()),
        "p99.9": site.percentile(0.999),
        "outlier_ratio": site.outlier_ratio,
    }


def show(path) -> None:
    """Prints a table of all sites."""
    from rich.console import Console
    from rich.table import Table

    sites, metadata = read(path)
    table = Table(title=f"{path}: {metadata['tokens']}", title_justify="left")
    table.add_column("activation", no_wrap=True)
    for name in ("weights", "channels", "tokens", "absmax", "99.9 %", "outlier ratio"):
        table.add_column(name, justify="right")

    def text(value):
        return "" if value is None else f"{value:.4g}"

    for site in sites:
        row = summary(site)
        table.add_row(
            row["site"],
            str(len(row["readers"])),
            str(row["channels"]),
            str(row["tokens"]),
            text(row["absmax"]),
            text(row["p99.9"]),
            text(row["outlier_ratio"]),
        )
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(table)


def tokens_of_text(text: str, tokenizer, encoder: bool, count: int, length: int) -> np.ndarray:
    """A language model's text is one array. A sentence encoder gets a paragraph a row (the first
    `count` of at least 40 characters), cut at `length` and filled with -1."""
    if not encoder:
        return np.asarray(tokenizer.encode(text, special=False), np.int32)
    rows = [tokenizer.encode(part)[:length] for part in paragraphs(text, count)]
    if not rows:
        raise InputError("the text has no paragraph of 40 characters")
    array = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for row, ids in zip(array, rows):
        row[: len(ids)] = ids
    return array

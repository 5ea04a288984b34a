# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What kernels.py measured as a picture: a panel for each format, the share of the machine's
limit over the number of rows, ours and the peers'."""

import math

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

OURS = "#c8102e"
PEERS = ["#1f77b4", "#2ca02c", "#9467bd", "#8c564b"]


def mean_by_rows(cells, figures_of):
    """Rows -> geometric mean of the shares of the limit over shapes."""
    shares = {}
    for cell in cells:
        figures = figures_of(cell)
        if figures:
            shares.setdefault(cell["M"], []).append(figures["limit"])
    return {m: math.exp(sum(map(math.log, s)) / len(s)) for m, s in sorted(shares.items())}


def draw(cells, path):
    """Writes a picture of the cells with the most threads; the ending of `path` is the format."""
    threads = max(cell["threads"] for cell in cells)
    cells = [cell for cell in cells if cell["threads"] == threads]
    formats = list(dict.fromkeys(cell["format"] for cell in cells))
    columns = min(5, len(formats))
    lines = math.ceil(len(formats) / columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3 * columns, 2.6 * lines), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(formats) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, formats):
        own = [cell for cell in cells if cell["format"] == name]
        series = [("quant-mlir", OURS, mean_by_rows(own, lambda c: c["ours"]))]
        peers = list(dict.fromkeys(peer for cell in own for peer in cell["peers"]))
        for color, peer in zip(PEERS, peers):
            shares = mean_by_rows(own, lambda c, peer=peer: c["peers"].get(peer))
            series.append((peer.split()[0], color, shares))
        rows = sorted({m for _, _, shares in series for m in shares})
        for label, color, shares in series:
            places = [rows.index(m) for m in shares]
            axis.plot(places, list(shares.values()), "o-", color=color, label=label, markersize=4)
        axis.set_xticks(range(len(rows)), rows)
        axis.set_ylim(bottom=0)
        axis.axhline(1, color="#bbbbbb", linewidth=0.8, zorder=0)
        axis.set_title(name, fontsize=10)
        axis.legend(fontsize=7, frameon=False)
    for axis in axes[:, 0]:
        axis.set_ylabel("share of the limit")
    for axis in axes[-1, :]:
        axis.set_xlabel("rows (M)")
    title = f"Matmuls with {threads} threads: 1 is what memory or the dot products allow"
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The charts of a report: matplotlib draws them, as SVG that takes its colors from the page.

matplotlib knows colors, not CSS variables. So it is given colors that stand for names (#00010N
is series N), and the SVG gets `var(--…)` in their place: the same drawing is right on light and
on dark, and a recipe has one color everywhere on the page.
"""

import contextlib
import io
import re
from html import escape
from typing import Callable, List, Optional

from ..errors import InputError

SERIES = 8  # colors; from the ninth on they come again, with another marker and dash
_INK, _FAINT, _GRID = "#000201", "#000202", "#000203"
_NAMES = {_INK: "--ink", _FAINT: "--faint", _GRID: "--grid"}
_MARKERS = ["o", "s", "^", "D"]
_DASHES = ["-", "--", ":", "-."]
_WIDE, _HALF = (9.2, 3.6), (4.5, 3.4)


class Chart(dict):
    """title, caption, svg, wide, for the template."""


def draw(data: dict) -> List[Chart]:
    """All charts that the data has numbers for."""
    check_matplotlib()
    rows = data["models"]
    with _settings():
        found = [
            _size(rows),
            _divergence(rows),
            _agreement(rows),
            _confidence(rows),
            _places(rows),
            *_tasks(rows),
            _layers(rows),
            _outliers(data["outliers"]),
        ]
    return [chart for chart in found if chart]


def check_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("charts need matplotlib: pip install matplotlib") from None


def style_of(number: int) -> dict:
    """Color, marker and dash of the model of that number; the reference is number 0."""
    turn, color = divmod(number - 1, SERIES)
    turn = max(turn, 0)
    return {
        "color": _INK if number == 0 else f"#0001{color + 1:02d}",
        "marker": _MARKERS[turn % len(_MARKERS)],
        "linestyle": _DASHES[turn % len(_DASHES)],
    }


class _Drawing:
    """A figure with one set of axes; `tip` gives a mark the text that appears over it."""

    def __init__(self, size):
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=size, layout="constrained")
        self.axes = self.figure.add_subplot()
        self.tips: List[str] = []
        for side in ("top", "right"):
            self.axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            self.axes.spines[side].set_color(_GRID)
        self.axes.tick_params(colors=_FAINT, length=3, which="both")
        self.axes.grid(True, color=_GRID, linewidth=0.6)
        self.axes.set_axisbelow(True)

    def label(self, x: str, y: str) -> None:
        self.axes.set_xlabel(x, color=_FAINT)
        self.axes.set_ylabel(y, color=_FAINT)

    def tip(self, artist, text: str) -> None:
        artist.set_gid(f"tip{len(self.tips)}")
        self.tips.append(text)

    def point(self, x, y, style, text, size=7.0) -> None:
        (mark,) = self.axes.plot(
            [x], [y], linestyle="none", marker=style["marker"], markersize=size,
            color=style["color"], markeredgewidth=0,
        )  # fmt: skip
        self.tip(mark, text)

    def line(self, xs, ys, style, text, marks=False) -> None:
        (line,) = self.axes.plot(
            xs,
            ys,
            color=style["color"],
            linestyle=style["linestyle"],
            marker=style["marker"] if marks else None,
            markersize=4,
            linewidth=1.7,
        )
        self.tip(line, text)

    def svg(self) -> str:
        out = io.StringIO()
        self.figure.savefig(out, format="svg", transparent=True, metadata=_NO_METADATA)
        return _adapt(out.getvalue(), self.tips)


_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextlib.contextmanager
def _settings():
    import matplotlib

    settings = {"svg.fonttype": "none", "svg.hashsalt": "quant-mlir", "font.size": 9}
    with matplotlib.rc_context(settings):
        yield


def _adapt(svg: str, tips: List[str]) -> str:
    """Into a page: no XML head, no fixed size, colors by name, tips as titles."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'^<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg)
    svg = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    for number, tip in enumerate(tips):
        svg = svg.replace(
            f'<g id="tip{number}">', f'<g class="tip"><title>{escape(tip)}</title>', 1
        )
    # Ids of clip paths and markers are hashes of what they are: where two are equal, so is
    # what they name. Ids of groups are of no use, and the same in all charts.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"#0001(\d\d)", lambda m: f"var(--s{int(m[1])})", svg)
    for color, name in _NAMES.items():
        svg = svg.replace(color, f"var({name})")
    # The page's own font.
    return re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)


def _chart(drawing: _Drawing, title: str, caption: str, wide: bool = False) -> Chart:
    return Chart(title=title, caption=caption, svg=drawing.svg(), wide=wide)


def _with(rows: list, *keys) -> list:
    """(number, row) of those that have all keys."""
    return [
        (number, row)
        for number, row in _numbered(rows)
        if all(row.get(key) is not None for key in keys)
    ]


def _numbered(rows: list) -> list:
    """0 is the reference, whether or not there is one."""
    first = 0 if rows[0]["reference"] else 1
    return list(enumerate(rows, first))


def _size(rows) -> Optional[Chart]:
    key, title = "perplexity", "Perplexity by size"
    if not _with(rows, key):
        key, title = "one_minus_cosine", "Distance from the reference by size"
    found = _with(rows, key, "size_bytes")
    if len(found) < 2:
        return None
    drawing = _Drawing(_HALF)
    what = "perplexity" if key == "perplexity" else "1 − cosine"
    for number, row in found:
        size = row["size_bytes"] / 1e6
        tip = f"{row['label']}: {size:.1f} MB, {what} {row[key]:.4g}"
        drawing.point(size, row[key], style_of(number), tip)
    sizes = [row["size_bytes"] for _, row in found]
    if max(sizes) > 2.5 * min(sizes):
        _log_axis(drawing.axes, "x", [s / 1e6 for s in sizes])
    values = [row[key] for _, row in found]
    if min(values) > 0 and max(values) > 3 * min(values):
        _log_axis(drawing.axes, "y", values)
    drawing.axes.margins(0.16, 0.12)
    drawing.label("packed weights, MB", what)
    _name_points(drawing, [(row["size_bytes"] / 1e6, row[key], row["label"]) for _, row in found])
    return _chart(drawing, title, "Lower left is better.")


def _name_points(drawing: _Drawing, points: list) -> None:
    """Writes each name beside its point: on the first side where nothing is in the way."""
    drawing.figure.draw_without_rendering()  # the layout, which the places below depend on
    places = [drawing.axes.transData.transform(point[:2]) for point in points]
    scale = drawing.figure.dpi / 72
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    for (x, y, name), (px, py) in zip(points, places):
        wide, high = 4.6 * scale * len(name), 9 * scale
        sides = [(6, -3, 0), (-6, -3, -wide), (0, 6, -wide / 2), (0, -13, -wide / 2)]
        boxes = [
            (px + dx * scale + shift, py + dy * scale, px + dx * scale + shift + wide,
             py + dy * scale + high)
            for dx, dy, shift in sides
        ]  # fmt: skip
        free = [all(not _overlap(box, other) for other in taken) for box in boxes]
        best = free.index(True) if True in free else 0
        taken.append(boxes[best])
        dx, dy, shift = sides[best]
        drawing.axes.annotate(
            name,
            (x, y),
            (dx, dy),
            textcoords="offset points",
            ha={0: "left", -wide: "right"}.get(shift, "center"),
            fontsize=7.5,
            color=_INK,
        )


def _overlap(a: tuple, b: tuple) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _log_axis(axes, which: str, values: list) -> None:
    """Logarithmic, with labels as plain numbers, a handful of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    few = max(values) < 30 * min(values)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _distributions(rows, key: str) -> list:
    return [
        (number, row, row["distributions"][key])
        for number, row in _with(rows, "distributions")
        if row["distributions"].get(key)
    ]


def _divergence(rows) -> Optional[Chart]:
    found = _distributions(rows, "kl_above")
    if not found:
        return None
    drawing = _Drawing(_HALF)
    for number, row, points in found:
        shown = [p for p in points if p["share"] > 0]
        percentiles = row["distributions"]["kl_percentiles"]
        tip = f"{row['label']}: median {percentiles['50']:.2g}, 99 % below {percentiles['99']:.2g}"
        drawing.line(
            [p["kl"] for p in shown], [100 * p["share"] for p in shown], style_of(number), tip
        )
    drawing.axes.set_xscale("log")
    drawing.axes.set_yscale("log")
    from matplotlib.ticker import FuncFormatter

    drawing.axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    drawing.axes.set_xlim(1e-5, None)
    drawing.label("KL divergence, nats", "tokens above it, %")
    return _chart(
        drawing,
        "How the divergence is spread",
        "A tail to the right: few tokens that are predicted quite differently.",
    )


def _agreement(rows) -> Optional[Chart]:
    found = [(n, row) for n, row in _with(rows, "top1") if not row["reference"]]
    return found and _bars(
        found,
        lambda row: 100 * row["top1"],
        "share, %",
        "Agreement with the reference",
        "How often both think the same token likeliest."
        if "kl" in found[0][1]
        else "How many sentences keep their nearest neighbor.",
    )


def _bars(found, value: Callable, label: str, title: str, caption: str) -> Chart:
    drawing = _Drawing(_HALF)
    names = [row["label"] for _, row in found]
    for place, (number, row) in enumerate(found):
        height = value(row)
        (bar,) = drawing.axes.barh([place], [height], 0.62, color=style_of(number)["color"])
        drawing.tip(bar, f"{row['label']}: {height:.1f} %")
        drawing.axes.annotate(
            f"{height:.1f}", (height, place), (4, 0), textcoords="offset points", va="center",
            fontsize=8, color=_INK,
        )  # fmt: skip
    drawing.axes.set_yticks(range(len(names)), names)
    drawing.axes.invert_yaxis()
    drawing.axes.grid(False, axis="y")
    drawing.axes.set_xlim(0, 108)
    drawing.label(label, "")
    return _chart(drawing, title, caption)


def _confidence(rows) -> Optional[Chart]:
    found = _distributions(rows, "agreement_by_confidence")
    if not found:
        return None
    drawing = _Drawing(_HALF)
    for number, row, bins in found:
        drawing.line(
            [50 * (b["from"] + b["to"]) for b in bins],
            [100 * b["agreement"] for b in bins],
            style_of(number),
            row["label"],
            marks=True,
        )
    drawing.axes.set_xlim(0, 100)
    drawing.label("how sure the reference was, %", "same token, %")
    return _chart(
        drawing,
        "Agreement by certainty",
        "Formats disagree where the reference hesitates; a drop on the right is a real loss.",
    )


def _places(rows) -> Optional[Chart]:
    found = _distributions(rows, "kl_by_place")
    if not found:
        return None
    drawing = _Drawing(_HALF)
    for number, row, parts in found:
        shown = [p for p in parts if p["kl"] > 0]
        drawing.line(
            [p["from"] for p in shown], [p["kl"] for p in shown], style_of(number), row["label"]
        )
    drawing.axes.set_yscale("log")
    drawing.label("place in the window, tokens", "mean KL, nats")
    return _chart(
        drawing,
        "Divergence along the context",
        "Level: errors do not build up as the context grows.",
    )


def _tasks(rows) -> list:
    names = list(rows[0]["tasks"])
    return [_task(rows, name) for name in names]


def _task(rows, name: str) -> Chart:
    drawing = _Drawing(_HALF)
    labels = []
    for place, (number, row) in enumerate(_numbered(rows)):
        result, style = row["tasks"][name], style_of(number)
        low, middle, high = (100 * result[key] for key in ("low", "accuracy", "high"))
        drawing.axes.plot([low, high], [place, place], color=style["color"], linewidth=1.7)
        tip = f"{row['label']}: {middle:.1f} %, 95 %: {low:.1f} to {high:.1f}"
        drawing.point(middle, place, style, tip)
        labels.append(row["label"])
    drawing.axes.set_yticks(range(len(labels)), labels)
    drawing.axes.set_ylim(len(labels) - 0.5, -0.5)
    drawing.axes.grid(False, axis="y")
    drawing.axes.set_xlim(0, 100)
    drawing.label("right, %", "")
    items = rows[0]["tasks"][name]["items"]
    caption = f"Of {items} items; the lines are 95 % intervals of each model by itself."
    return _chart(drawing, f"Task: {name}", caption)


def _layers(rows) -> Optional[Chart]:
    found = _with(rows, "layers")
    drawing = _Drawing(_WIDE)
    drawn = 0
    for number, row in found:
        errors = [layer["error"] for layer in row["layers"]]
        shown = [(n, e) for n, e in enumerate(errors) if e]
        if not shown:
            continue
        drawn += 1
        style = style_of(number)
        drawing.line(*zip(*shown), style, row["label"])
        for place, error in shown:
            layer = row["layers"][place]
            tip = f"{row['label']}, {layer['name']}: {error:.3%}, {layer['scheme']}"
            drawing.point(place, error, style, tip, 3.2)
    if not drawn:
        return None
    drawing.axes.set_yscale("log")
    drawing.label("weights, in the order of the model", "relative error")
    return _chart(
        drawing,
        "Error of each weight",
        "Norm of the difference from the float weight over the norm of that.",
        wide=True,
    )


def _outliers(outliers) -> Optional[Chart]:
    if outliers is None:
        return None
    drawing = _Drawing(_WIDE)
    sites = outliers["sites"]
    for key, number, what in [("largest", 2, "largest |x|"), ("mean", 1, "mean |x|")]:
        style = style_of(number)
        shown = [(n, site[key]) for n, site in enumerate(sites) if site[key] > 0]
        if not shown:
            continue
        drawing.axes.plot(
            *zip(*shown), color=style["color"], linewidth=0.8, alpha=0.6, solid_capstyle="round"
        )
        for place, value in shown:
            site = sites[place]
            tip = f"{site['name']}: {what} {value:.4g}, channel {site['loudest_channel']}"
            drawing.point(place, value, style, tip, 4)
        last, value = shown[-1]
        drawing.axes.annotate(
            what, (last, value), (8, 0), textcoords="offset points", va="center", fontsize=9,
            color=_INK,
        )  # fmt: skip
    drawing.axes.set_yscale("log")
    drawing.axes.margins(x=0.02)
    drawing.axes.set_xlim(None, (len(sites) - 1) * 1.12 + 0.5)
    drawing.label("activations, in the order of the model", "|x|")
    return _chart(
        drawing,
        "Outliers of activations",
        "One scale for a tensor must reach the largest value; the mean is what it has to resolve.",
        wide=True,
    )

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `search`: a recipe of mixed precision within a budget of bits."""

import argparse
import math
import pathlib
import re
import tempfile

from . import tools
from .calibration_commands import add_texts, text_flags
from .errors import InputError

# Texts that tell how much a layer matters.
PROBE_WINDOWS = 2

# The comments in which qt-allocate-bits says what it reached.
REACHED = re.compile(r"# reached: (\S+) bits")
LOSS = re.compile(r"# predicted loss: ([^\s,]+)")
GROUP = re.compile(r"  '(.*)': # (\d+) weights, (\S+) bits per weight, loss (\S+)")
KEPT = re.compile(r"# kept as stored: (\d+) weights, (\S+) bits per weight")


def bits(text: str) -> float:
    number = float(text)
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def add_search(p: argparse.ArgumentParser) -> None:
    p.epilog = "Compile with it: python -m quant_mlir compile MODEL --recipe R.yaml …"
    p.add_argument("model", metavar="MODEL", help="a .gguf or .mlir file or a Hugging Face folder")
    p.add_argument(
        "--calibration", required=True, metavar="S.safetensors", help="what calibrate wrote"
    )
    p.add_argument(
        "--bits",
        required=True,
        type=bits,
        metavar="B",
        help="bits per weight of linears, scales and zero points counted",
    )
    p.add_argument(
        "--recipes", metavar="NAME,NAME,…", help="formats to choose from; default: 2 to 8 bits"
    )
    p.add_argument(
        "--measure",
        choices=["nearest", "gptq"],
        default="nearest",
        help="how weights are rounded to see what is lost; default nearest, which is faster",
    )
    add_texts(p, PROBE_WINDOWS, "what to measure with how much each layer matters to the output")
    p.add_argument(
        "--effects",
        metavar="E.json",
        help="where to keep what was measured; without a text: what an earlier search kept",
    )
    p.add_argument("-o", dest="output", required=True, metavar="R.yaml")
    p.set_defaults(command=run_search)


def run_search(options) -> int:
    model = pathlib.Path(options.model)
    with tempfile.TemporaryDirectory() as folder:
        effects = options.effects
        if options.text or options.tokens:
            effects = effects or pathlib.Path(folder) / "effects.json"
            texts = text_flags(options, model, folder)
            texts.append(f"--source={options.text or options.tokens}")
            code = tools.run("quant-calibrate", "--probe", model, "-o", effects, *texts)
            if code != 0:
                return code
        if model.suffix != ".mlir":
            imported = pathlib.Path(folder) / "model.mlir"
            code = tools.import_model(model.resolve(), imported)
            if code != 0:
                return code
            model = imported
        flags = [
            f"budget={options.bits!r}",
            f"calibration='{options.calibration}'",
            f"out='{options.output}'",
            f"measure={options.measure}",
        ]
        if options.recipes:
            flags.append(f"recipes={options.recipes}")
        if effects:
            flags.append(f"effects='{effects}'")
        flag = f"--qt-allocate-bits={' '.join(flags)}"
        tools.run_opt(model, flag, "-o", pathlib.Path(folder) / "unchanged.mlir")
    show(options.output)
    return 0


def read_summary(path) -> tuple:
    """([(recipe, weights, bits per weight, loss)], bits per weight of all, loss of all)"""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    reached, loss = REACHED.search(text), LOSS.search(text)
    if reached is None or loss is None:
        raise InputError(f"{path}: was not written by a search")
    rows = [(n, int(c), float(b), float(e)) for n, c, b, e in GROUP.findall(text)]
    kept = KEPT.search(text)
    if kept:
        rows.append(("as stored", int(kept[1]), float(kept[2]), 0.0))
    return rows, float(reached[1]), float(loss[1])


def show(path) -> None:
    from rich.console import Console
    from rich.table import Table

    rows, reached, loss = read_summary(path)
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("recipe", footer="all", no_wrap=True)
    table.add_column("weights", footer=str(sum(row[1] for row in rows)), justify="right")
    table.add_column("bits per weight", footer=f"{reached:.3f}", justify="right")
    table.add_column("predicted loss", footer=f"{loss:.4g}", justify="right")
    for name, count, width, lost in rows:
        table.add_row(name, str(count), f"{width:.3f}", f"{lost:.4g}")
    Console().print(table)

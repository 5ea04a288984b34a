# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `calibrate`: its flags, and the tool behind it."""

import argparse
import json
import pathlib
import subprocess
import tempfile

from . import tools
from .errors import InputError
from .evaluation_commands import positive


def add_calibrate(p: argparse.ArgumentParser) -> None:
    p.epilog = (
        "With --merge, the MODELs are statistics files of one model, which become one; with "
        "--show, they are printed."
    )
    p.add_argument(
        "models", metavar="MODEL", nargs="+", help="a .gguf or .mlir file or a Hugging Face folder"
    )
    add_texts(p)
    p.add_argument("-o", dest="output", metavar="S.safetensors")
    p.add_argument(
        "--statistics",
        metavar="LIST",
        help="some of range,mean,mean_abs,hessian,histogram; default all",
    )
    p.add_argument("--merge", action="store_true", help="join statistics files")
    p.add_argument("--show", action="store_true", help="print statistics files")
    p.add_argument("--json", action="store_true", help="with --show: one JSON list")
    p.add_argument(
        "--threads", type=positive, metavar="N", help="default: the cores of this machine"
    )
    p.set_defaults(command=run_calibrate, parser=p)


def add_texts(
    p: argparse.ArgumentParser, windows: int = 128, purpose: str = "what to calibrate with"
) -> None:
    """What a model is run over."""
    p.add_argument("--text", metavar="FILE", help=purpose)
    p.add_argument("--tokens", metavar="T.npy", help="instead: token ids, one text or one a row")
    p.add_argument(
        "--windows", type=positive, default=windows, metavar="N", help=f"default {windows}"
    )
    p.add_argument(
        "--window-length",
        "--window",
        dest="window",
        type=positive,
        metavar="TOKENS",
        help="most tokens of a text; default 512, for sentence encoders 128",
    )


def text_flags(options, model, folder) -> list:
    """The same as flags of a tool that runs `model`; a text's tokens are kept in `folder`."""
    tokens, length = options.tokens, options.window or 512
    if tokens is None:
        tokens, length = tokenize(options, model, folder)
    return ["--tokens", tokens, f"--windows={options.windows}", f"--window-length={length}"]


def run_calibrate(options) -> int:
    if options.show:
        return show(options)
    if options.output is None:
        options.parser.error("-o S.safetensors is needed")
    if options.merge:
        return tools.run("quant-calibrate", "--merge", *options.models, "-o", options.output)
    if len(options.models) != 1 or (options.text is None) == (options.tokens is None):
        options.parser.error("one MODEL and one of --text and --tokens are needed")
    with tempfile.TemporaryDirectory() as folder:
        flags = text_flags(options, options.models[0], folder)
        if options.statistics:
            flags.append(f"--statistics={options.statistics}")
        if options.threads:
            flags.append(f"-j={options.threads}")
        flags.append(f"--source={options.text or options.tokens}")
        return tools.run("quant-calibrate", options.models[0], "-o", options.output, *flags)


def show(options) -> int:
    from . import statistics

    for path in options.models:
        if options.json:
            print(json.dumps([statistics.summary(site) for site in statistics.read(path)[0]]))
        else:
            statistics.show(path)
    return 0


def tokenize(options, model, folder) -> tuple:
    """The text as a .npy file in `folder`, and how much of it is run at once."""
    import numpy as np

    from . import statistics
    from .tokenizer import Tokenizer

    try:
        text = pathlib.Path(options.text).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{options.text}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{options.text}: not UTF-8 text") from None
    command = [tools.find("quant-calibrate"), model, "--tokenizer", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise InputError(done.stderr.strip().split("error: ", 1)[-1])
    encoder = done.stdout.strip() == "encoder"
    length = options.window or (128 if encoder else 512)
    tokenizer = Tokenizer.load(folder)
    tokens = statistics.tokens_of_text(text, tokenizer, encoder, options.windows, length)
    path = pathlib.Path(folder) / "tokens.npy"
    np.save(path, tokens)
    return path, length

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""python -m quant_mlir: the compiler with text in and text out.

Exit codes: 0 done; 1 the input is at fault, with one line on stderr; 2 wrong usage.
"""

import argparse
import pathlib
import sys
import tempfile
from typing import Optional

from .calibration_commands import add_calibrate, add_texts, text_flags
from .errors import InputError
from .evaluation_commands import add_eval, add_report, positive
from .search_command import add_search


def main(arguments: Optional[list] = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output had enough, as `| head` has
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m quant_mlir",
        description="Quantize and compile language models, and run what was compiled.",
    )
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name, function, help):
        one = commands.add_parser(name, help=help, description=help)
        one.set_defaults(command=function)
        return one

    p = command(
        "import", run_import, "a model file to MLIR: what is computed, weights left in place"
    )
    p.add_argument("model", metavar="MODEL", help="a .gguf or .onnx file or a Hugging Face folder")
    p.add_argument("-o", dest="output", required=True, metavar="FILE.mlir")

    add_calibrate(
        command("calibrate", None, "run the float model over a text: statistics for quantizing")
    )

    add_search(command("search", None, "mixed precision: find a recipe within a budget of bits"))

    p = command("quantize", run_quantize, "choose the numbers of an imported model by a recipe")
    p.epilog = "Weights that change are written beside FILE.mlir, as FILE.weights.safetensors."
    p.add_argument("model", metavar="MODEL.mlir")
    p.add_argument(
        "--recipe", required=True, help="a name (w8a8, int8, int4-g32, …) or a YAML file"
    )
    add_imatrix(p)
    p.add_argument("-o", dest="output", required=True, metavar="FILE.mlir")

    p = command("export", run_export, "a quantized module as a file or folder for other programs")
    p.epilog = "All formats but GGUF only from what was a Hugging Face folder."
    p.add_argument("model", metavar="MODEL.mlir", help="a module that import or quantize wrote")
    p.add_argument(
        "--format",
        choices=["gguf", "compressed-tensors", "gptq", "gptq_v2"],
        help="default: gguf if the output is named so, else compressed-tensors",
    )
    p.add_argument("-o", dest="output", required=True, metavar="FILE.gguf|DIR")

    p = command(
        "compile", run_compile, "a model to an object, a library, a header and packed weights"
    )
    p.add_argument("model", metavar="MODEL", help="a .gguf or .mlir file or a Hugging Face folder")
    p.add_argument("--recipe", help="a name (as-stored, f32, w8a8, int4-g32, …) or a YAML file")
    p.add_argument(
        "--target", help="cpu:native (default), cpu:x86-64-v3, cpu:x86-64-v3,x86-64-v4, …"
    )
    p.add_argument("--name", help="the name of the files and of the C functions")
    p.add_argument("--batch", type=positive, help="the most tokens that one call takes")
    p.add_argument(
        "--calibration", metavar="S", help="statistics that calibrate wrote, for recipes that ask"
    )
    add_imatrix(p)
    add_texts(p)
    p.add_argument("-o", dest="output", required=True, metavar="DIR")

    p = command("generate", run_generate, "continue a text, or answer it")
    p.add_argument("model", metavar="DIR", help="a folder that compile wrote")
    p.add_argument("prompt", nargs="?", help="the text; without it, stdin")
    p.add_argument("--max-tokens", type=positive, default=256, metavar="N")
    p.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 (default): greedy"
    )
    p.add_argument("--top-p", type=float, default=1.0, metavar="P")
    p.add_argument("--top-k", type=positive, metavar="K", help="of the likeliest K tokens only")
    p.add_argument("--seed", type=int)
    p.add_argument("--raw", action="store_true", help="continue the text: no chat template")
    p.add_argument("--system", metavar="TEXT", help="a system message before the prompt")
    add_threads(p)

    p = command("embed", run_embed, "a vector for each line of text, by a sentence encoder")
    p.add_argument("model", metavar="DIR", help="a folder that compile wrote")
    p.add_argument("text", nargs="*", help="the texts; without them, the lines of stdin")
    p.add_argument("--npy", metavar="FILE", help="write one array [texts, width] instead of text")
    add_threads(p)

    add_eval(
        command("eval", None, "perplexity, distance from a reference model, accuracy at a task")
    )
    add_report(command("report", None, "compare compiled models: one HTML page with charts"))
    return top


def add_imatrix(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--imatrix",
        metavar="FILE",
        help="how much columns of weights count, for GGUF's types: an importance matrix of "
        "llama.cpp, or statistics that calibrate wrote",
    )


def add_threads(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--threads", type=positive, metavar="N", help="default: the cores of this machine"
    )


def run_import(options) -> int:
    from . import tools

    return tools.import_model(options.model, options.output)


def run_quantize(options) -> int:
    from . import tools

    # Weights that the recipe changes go into a file beside the module. Quoted for pass options.
    weights = pathlib.Path(options.output).with_suffix(".weights.safetensors")
    flag = f"--quantize=recipe='{options.recipe}' weights-out='{weights}'"
    if options.imatrix is not None:
        flag += f" imatrix='{options.imatrix}'"
    return tools.run_opt(options.model, flag, "-o", options.output)


def run_export(options) -> int:
    from . import tools

    is_gguf = pathlib.Path(options.output).suffix == ".gguf"
    format = options.format or ("gguf" if is_gguf else "compressed-tensors")
    flags = ["--export-gguf"] if format == "gguf" else [f"--format={format}", "--export-hf"]
    return tools.run("quant-translate", *flags, options.model, "-o", options.output)


def run_compile(options) -> int:
    from . import tools

    flags = []
    for name in ("recipe", "target", "name", "batch", "calibration", "imatrix"):
        value = getattr(options, name)
        if value is not None:
            flags += [f"--{name}", value]
    with tempfile.TemporaryDirectory() as folder:
        if options.text is not None or options.tokens is not None:
            flags += text_flags(options, options.model, folder)
        return tools.run("quantc", options.model, *flags, "-o", options.output)


def run_generate(options) -> None:
    from .runtime import load

    if options.temperature < 0 or not 0 < options.top_p <= 1:
        raise InputError("--temperature must not be negative, --top-p must be in (0, 1]")
    prompt = sys.stdin.read() if options.prompt is None else options.prompt
    with load(options.model, threads=options.threads) as model:
        if options.raw or model.tokenizer.chat_template is None:
            if options.system is not None:
                raise InputError("--system needs a chat template, so not --raw")
            tokens = model.tokenizer.encode(prompt)
        else:
            messages = [{"role": "user", "content": prompt}]
            if options.system is not None:
                messages.insert(0, {"role": "system", "content": options.system})
            tokens = model.tokenizer.encode_chat(messages)
        pieces = model.generate(
            tokens,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            top_p=options.top_p,
            top_k=options.top_k,
            seed=options.seed,
            stream=True,
        )
        for piece in pieces:
            print(piece, end="", flush=True)
        print()


def run_embed(options) -> None:
    import numpy as np

    from .runtime import load

    texts = options.text or [line.rstrip("\n") for line in sys.stdin]
    if not texts:
        raise InputError("no text to embed: pass texts, or lines on stdin")
    with load(options.model, threads=options.threads) as model:
        rows = model.embed(texts)
    if options.npy:
        try:
            with open(options.npy, "wb") as file:
                np.save(file, rows)
        except OSError as error:
            raise InputError(f"{options.npy}: {error.strerror}") from None
        return
    for row in rows:
        print(" ".join(f"{value:.6f}" for value in row))


def _version() -> str:
    from . import __version__

    return __version__


if __name__ == "__main__":
    sys.exit(main())

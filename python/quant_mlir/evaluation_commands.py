# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The commands `eval` and `report`: their flags, and what they print.

numpy and everything that needs it is imported when a command runs.
"""

import argparse
import json
import pathlib
import sys

from .errors import InputError


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def add_eval(p: argparse.ArgumentParser) -> None:
    p.epilog = "Without --json, what is printed of a task is its accuracy, not its items."
    p.add_argument("model", metavar="DIR", help="a folder that compile wrote")
    p.add_argument("--text", metavar="FILE", help="score this text")
    p.add_argument("--reference", metavar="DIR0", help="compiled from the same model, in float")
    p.add_argument(
        "--reference-cache",
        metavar="FILE",
        help="keep the reference's log probabilities (large), for the next model",
    )
    add_rules(p)
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(command=run_eval, parser=p)


def add_report(p: argparse.ArgumentParser) -> None:
    p.add_argument("models", metavar="DIR", nargs="+", help="folders that compile wrote")
    p.add_argument("--reference", metavar="DIR0", help="compiled from the same model, in float")
    p.add_argument("--text", metavar="FILE", help="score this text")
    p.add_argument("--reference-cache", metavar="FILE", help="as for eval")
    add_rules(p)
    p.add_argument("--statistics", metavar="FILE", help="what calibration wrote: plots of outliers")
    p.add_argument("--no-speed", action="store_true", help="measure no speed")
    p.add_argument("--title", help="default: the model's name")
    p.add_argument("-o", dest="output", required=True, metavar="FILE.html")
    p.add_argument("--json", metavar="FILE", help="the same as data")
    p.set_defaults(command=run_report, parser=p)


def add_rules(p: argparse.ArgumentParser) -> None:
    p.add_argument("--windows", type=positive, default=24, metavar="N", help="default 24")
    p.add_argument(
        "--window-length",
        "--window",
        dest="window",
        type=positive,
        default=512,
        metavar="TOKENS",
        help="default 512",
    )
    p.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="FILE|NAME",
        help="prompts with choices or expected answers (JSONL), or arithmetic, recall, "
        "next-sentence (from the text); may be repeated",
    )
    p.add_argument("--task-items", type=positive, default=60, metavar="N", help="default 60")
    p.add_argument("--task-seed", type=int, default=0, metavar="SEED", help="default 0")
    p.add_argument(
        "--normalize",
        choices=["none", "tokens", "bytes"],
        default="none",
        help="divide the log likelihood of a choice by its length; default none",
    )
    p.add_argument(
        "--match",
        choices=["contains", "equals", "likelihood"],
        default="contains",
        help="when an expected answer counts; default contains",
    )
    p.add_argument("--max-tokens", type=positive, default=32, metavar="N", help="of an answer")
    p.add_argument("--chat", action="store_true", help="prompts are a user's messages")
    p.add_argument(
        "--threads", type=positive, metavar="N", help="default: the cores of this machine"
    )


def rules_of(options):
    from .tasks import Rules

    return Rules(options.normalize, options.match, options.max_tokens, options.chat)


def check_usage(options) -> None:
    if options.reference_cache and not options.reference:
        options.parser.error("--reference-cache needs --reference")
    if options.window < 2:
        options.parser.error("--window-length must be at least 2")


def run_eval(options) -> None:
    check_usage(options)
    if options.text is None and not options.task:
        options.parser.error("one of --text and --task is needed")
    from . import measuring

    text = None if options.text is None else measuring.Text.read(options.text)
    shown = not options.json
    folders = [options.model, *([options.reference] if options.reference else [])]
    with measuring.opened(folders, options.threads) as models:
        model, reference = models[0], models[1] if options.reference else None
        made = measuring.make_tasks(
            options.task, model, text, options.task_items, options.task_seed
        )
        result = {}
        if text is not None and model.task == "encoder":
            if reference is None:
                raise InputError(f"{options.model} is an encoder: it is judged by --reference DIR0")
            result = measuring.compare_encoders({"": model}, reference, text, shown)[""]
        elif text is not None:
            scores = measuring.score_text(
                {"": model},
                reference,
                text,
                options.window,
                options.windows,
                options.reference_cache,
                shown,
            )
            result = scores[""].result()
        tasks = measuring.score_tasks(model, made, rules_of(options), shown)
    if options.json:
        print(json.dumps({**result, **({"tasks": tasks} if tasks else {})}))
        return
    for key, value in result.items():
        print(f"{key:16} {value if isinstance(value, int) else format(value, '.6g')}")
    for name, task in tasks.items():
        for label, row in [(name, task), *task.get("groups", {}).items()]:
            indent = "" if row is task else "  "
            print(
                f"{indent + label:16} {row['accuracy']:.1%}, {row['correct']} of {row['items']} "
                f"(95 %: {row['low']:.1%} to {row['high']:.1%})"
            )


def run_report(options) -> None:
    check_usage(options)
    from . import measuring, report

    text = None if options.text is None else measuring.Text.read(options.text)
    for path in [options.output, *([options.json] if options.json else [])]:
        folder = pathlib.Path(path).parent
        if not folder.is_dir():
            raise InputError(f"{path}: there is no folder {folder}")
    data = report.measure(
        options.models,
        reference=options.reference,
        text=text,
        task_names=options.task,
        rules=rules_of(options),
        size=options.window,
        count=options.windows,
        cache=options.reference_cache,
        task_items=options.task_items,
        task_seed=options.task_seed,
        statistics=options.statistics,
        speed=not options.no_speed,
        threads=options.threads,
        title=options.title,
    )
    if options.json:
        report.write(options.json, json.dumps(data, indent=1, allow_nan=False) + "\n")
    report.write(options.output, report.page(data))
    for warning in data["warnings"]:
        print(f"warning: {warning['text']}", file=sys.stderr)
    print(options.output)

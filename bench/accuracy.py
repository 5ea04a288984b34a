# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What each recipe loses, beside what the best packages lose.

    python bench/accuracy.py --data FOLDER [--only PATTERN] [--list]

FOLDER has evaluation.txt and calibration.txt. Every recipe that accuracy_table.py names is
compiled, the generated code is evaluated by the rule of docs/evaluation.md, and each figure is
printed beside the peer's and the goal. A peer is matched if the increase of the perplexity, the
divergence, and for MiniLM one minus the cosine are at most 2 % above the peer's.

Folders and figures are kept in --work while the compiler, the model, the texts and the recipe
stay the same; accuracy.json there has all figures, and those of earlier runs.
"""

import argparse
import dataclasses
import datetime
import fnmatch
import functools
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Optional

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench")]

import accuracy_table as table  # noqa: E402
import numpy as np  # noqa: E402
import sources  # noqa: E402
from quant_mlir import evaluation, load, measuring, tools  # noqa: E402
from quant_mlir.errors import InputError  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

SLACK = 1.02
# Calibration texts: 512-token windows of one text, or paragraphs of at most 128 tokens.
GPTQ_WINDOWS, WINDOWS, PARAGRAPHS = 32, 64, 128
NOT_AVAILABLE = "not available"


@dataclasses.dataclass
class Subject:
    """A model that recipes are tried on."""

    name: str
    source: pathlib.Path
    rows: list
    figures: tuple  # the columns of a row after recipe and peer

    @functools.cached_property
    def digest(self) -> str:
        return digest_of_files(self.source)


class Bench:
    def __init__(self, options, console: Console):
        self.options, self.console = options, console
        self.work = options.work
        self.text = measuring.Text.read(str(options.data / "evaluation.txt"))
        self.calibration = measuring.Text.read(str(options.data / "calibration.txt"))
        self.quantc = pathlib.Path(tools.find("quantc"))
        self.store = self.work / "accuracy.json"
        kept = json.loads(self.store.read_text()) if self.store.is_file() else {}
        self.figures, self.history = kept.get("figures", {}), kept.get("history", [])
        self.compiler = digest_of_files(
            self.quantc, self.quantc.parents[1] / "lib" / "libquant_runtime.a"
        )

    def tokens(self, subject: Subject) -> pathlib.Path:
        """The calibration texts as token ids, for quantc --tokens."""
        path = self.work / subject.name / "calibration.npy"
        with load(self.folder(subject, "f32")) as model:
            if subject.name == "minilm":
                parts = evaluation.paragraphs(self.calibration.content, PARAGRAPHS)
                ids = [model.tokenizer.encode(part) for part in parts]
                cut = [row if len(row) <= 128 else [*row[:127], row[-1]] for row in ids]
                array = np.full((len(cut), 128), -1, np.int32)
                for row, values in zip(array, cut):
                    row[: len(values)] = values
            else:
                ids = model.tokenizer.encode(self.calibration.content, special=False)
                array = np.asarray(ids, np.int32)
        np.save(path, array)
        return path

    def folder(self, subject: Subject, recipe: str) -> pathlib.Path:
        return self.work / subject.name / recipe.replace("/", "_")

    def compile(self, subject: Subject, recipe: str) -> str:
        """Compiles what is not up to date; returns a key of what the folder was made from."""
        folder = self.folder(subject, recipe)
        is_gptq = "gptq" in recipe or "gptaq" in recipe
        count = GPTQ_WINDOWS if is_gptq else WINDOWS
        count = PARAGRAPHS if subject.name == "minilm" else count
        made_from = [self.compiler, subject.digest, recipe, count, self.calibration.content]
        key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
        stamp = folder / "bench.stamp"
        if stamp.is_file() and stamp.read_text() == key:
            return key
        stamp.unlink(missing_ok=True)
        start = time.monotonic()
        command = [self.quantc, subject.source, "--recipe", recipe, "--name", "model", "-o", folder]
        with self.console.status(f"compiling {subject.name} as {recipe}"):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode and "needs calibration" in done.stderr:
                command += ["--tokens", self.tokens(subject), "--windows", str(count)]
                done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            # A crash writes a page; its first line says the most.
            said = done.stderr.strip().partition("\n")[0][:300]
            if "is neither a file nor one of" in said:
                raise InputError(NOT_AVAILABLE)
            raise InputError(said or f"quantc failed with {done.returncode}")
        self.console.print(f"  compiled in {time.monotonic() - start:.0f} s", style="dim")
        stamp.write_text(key)
        return key

    def evaluate(self, subject: Subject, recipe: str) -> dict:
        """The figures of a recipe; kept ones if nothing changed."""
        rule = pathlib.Path(evaluation.__file__).read_text() + self.text.content
        keys = [self.compile(subject, r) for r in dict.fromkeys(["f32", recipe])]
        key = hashlib.sha256("\0".join([*keys, rule]).encode()).hexdigest()
        name = f"{subject.name}/{recipe}"
        if self.figures.get(name, {}).get("key") == key:
            return self.figures[name]
        folders = [self.folder(subject, r) for r in (recipe, "f32")]
        with measuring.opened(folders, self.options.threads) as (model, reference):
            if subject.name == "minilm":
                result = measuring.compare_encoders({"": model}, reference, self.text)[""]
                result["distance"] = result["one_minus_cosine"]
            else:
                cache = self.work / subject.name / "reference.safetensors"
                models = {} if recipe == "f32" else {"": model}
                scores = measuring.score_text(models, reference, self.text, cache=str(cache))
                result = scores["" if models else None].result()
            result.update(
                bits_per_weight=model.info.get("bits_per_weight"),
                size_bytes=model.info.get("weights_bytes"),
            )
        self.figures[name] = {"key": key, **result}
        self.save()
        return self.figures[name]

    def save(self) -> None:
        temporary = self.store.with_suffix(".tmp")
        content = {"figures": self.figures, "history": self.history}
        temporary.write_text(json.dumps(content, indent=1) + "\n")
        temporary.replace(self.store)

    def remember(self, measured: dict, verdicts: dict) -> None:
        """One entry of the history for this run."""
        commit = subprocess.run(
            ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True
        )
        figures = {
            name: {key: value for key, value in result.items() if key != "key"}
            for name, result in measured.items()
        }
        entry = {"commit": commit.stdout.strip(), "figures": figures, **verdicts}
        if self.history and all(self.history[-1].get(key) == entry[key] for key in entry):
            return
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self.history.append({"date": now, **entry})
        self.save()


def digest_of_files(*paths: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if not file.is_file():
                continue
            with file.open("rb") as opened:
                while chunk := opened.read(1 << 24):
                    digest.update(chunk)
    return digest.hexdigest()


def judge(subject: Subject, ours: dict, base: dict, peer: tuple) -> bool:
    """Whether a recipe is at most 2 % worse than a peer."""
    theirs = dict(zip(subject.figures, peer))
    if subject.name == "minilm":
        return ours["distance"] <= SLACK * theirs["distance"]
    rise = ours["perplexity"] - base["perplexity"]
    allowed = SLACK * (theirs["perplexity"] - table.SMOLLM2_FLOAT)
    return rise <= allowed and ours["kl"] <= SLACK * theirs["kl"]


def shown(subject: Subject, values: dict) -> list:
    if subject.name == "minilm":
        return [f"{values['distance']:.5f}", f"{percent(values['top1']):.1f} %"]
    return [
        f"{values['perplexity']:.2f}",
        f"{values['kl']:.4f}",
        f"{percent(values['top1']):.1f} %",
    ]


def percent(share: float) -> float:
    return 100 * share if share <= 1 else share


def mark(passed: Optional[bool]) -> str:
    return {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "[dim]–[/dim]"}[passed]


def run(bench: Bench, subject: Subject) -> tuple:
    """(figures by recipe, why others have none)."""
    wanted = list(dict.fromkeys(row[0] for row in subject.rows))
    wanted += table.UNCOMPARED[subject.name]
    wanted += [r for g in table.GOALS if g[0] == subject.name for r in g[2] if r not in wanted]
    wanted = [r for r in wanted if chosen(bench.options.only, subject.name, r)]
    if not wanted:
        return {}, {}
    bench.console.print(f"{subject.name} f32: the reference")
    try:
        found, missing = {"f32": bench.evaluate(subject, "f32")}, {}
    except InputError as error:
        bench.console.print(f"  {error}", style="yellow", highlight=False, markup=False)
        return {}, dict.fromkeys(wanted, f"no reference: {error}")
    for number, recipe in enumerate(wanted, 1):
        bench.console.print(f"{subject.name} {recipe} ({number} of {len(wanted)})")
        try:
            found[recipe] = bench.evaluate(subject, recipe)
        except InputError as error:
            missing[recipe] = str(error)
            bench.console.print(f"  {error}", style="yellow", highlight=False, markup=False)
        except KeyboardInterrupt:
            missing.update(dict.fromkeys(wanted[number - 1 :], "interrupted"))
            break
    return found, missing


def chosen(patterns: list, subject: str, recipe: str) -> bool:
    names = (recipe, f"{subject}/{recipe}")
    return not patterns or any(fnmatch.fnmatch(n, p) for n in names for p in patterns)


def compare(console: Console, subject: Subject, found: dict, missing: dict) -> list:
    """Prints ours beside the peers'; returns [{recipe, peer, passed}]."""
    columns = {"perplexity": "ppl", "kl": "KL", "top1": "top-1", "distance": "1 - cos"}
    grid = Table(title=f"{subject.name}: ours | the peer's; ✓ at most 2 % worse")
    grid.add_column("recipe", overflow="fold")
    for _ in range(2):
        for figure in subject.figures:
            grid.add_column(columns[figure], justify="right")
        if _ == 0:
            grid.add_column("")
    grid.add_column("peer", overflow="fold")
    verdicts = []
    for recipe in table.UNCOMPARED[subject.name]:
        if recipe in found:
            grid.add_row(recipe, *shown(subject, found[recipe]), mark(None))
    for recipe, peer, *figures in subject.rows:
        theirs = shown(subject, dict(zip(subject.figures, figures)))
        if recipe in found:
            passed = judge(subject, found[recipe], found["f32"], figures)
            ours = shown(subject, found[recipe])
        elif recipe in missing:
            reason = missing[recipe]
            passed = None if reason == NOT_AVAILABLE else False
            label = reason if reason in (NOT_AVAILABLE, "interrupted") else "failed"
            ours = [f"[yellow]{label}[/yellow]", *[""] * (len(theirs) - 1)]
        else:
            continue
        grid.add_row(recipe, *ours, mark(passed), *theirs, peer)
        verdicts.append({"model": subject.name, "recipe": recipe, "peer": peer, "passed": passed})
    if verdicts:
        console.print(grid)
    return verdicts


def goals(console: Console, results: dict) -> list:
    grid = Table(title="goals beyond the peers: the best of the recipes named")
    for title in ("model", "goal", "at most", "ours", "", "recipe"):
        grid.add_column(title, overflow="fold")
    verdicts = []
    for subject, what, recipes, limits in table.GOALS:
        found, missing = results.get(subject, ({}, {}))
        have = [(r, found[r]) for r in recipes if r in found]
        if not have and not any(r in missing for r in recipes):
            continue  # not asked for
        first = next(iter(limits))
        limit = ", ".join(f"{key} {value:g}" for key, value in limits.items())
        passed, ours, name = None, NOT_AVAILABLE, ", ".join(recipes)
        if have:
            name, best = min(have, key=lambda entry: entry[1][first])
            passed = all(best[key] <= value for key, value in limits.items())
            ours = ", ".join(f"{key} {best[key]:.4g}" for key in limits)
        grid.add_row(subject, what, limit, ours, mark(passed), name)
        verdicts.append({"model": subject, "goal": what, "recipe": name, "passed": passed})
    if verdicts:
        console.print(grid)
    return verdicts


def subjects(work: pathlib.Path) -> list:
    return [
        Subject(
            "smollm2",
            sources.smollm2(),
            table.SMOLLM2,
            ("perplexity", "kl", "top1"),
        ),
        Subject("minilm", sources.minilm(work), table.MINILM, ("distance", "top1")),
    ]


def parse(arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        default=os.environ.get("DATA"),
        metavar="FOLDER",
        help="with evaluation.txt and calibration.txt; default: $DATA",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="recipes, or model/recipe; * and ? as in a shell; may be repeated",
    )
    parser.add_argument(
        "--work", type=pathlib.Path, default=ROOT / "build" / "bench" / "accuracy", metavar="DIR"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--strict", action="store_true", help="exit with 1 unless all pass")
    parser.add_argument("--list", action="store_true", help="print the recipes, run nothing")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    options = parse(arguments)
    # A pipe has no width; the tables need one that they fit in.
    console = Console(width=None if sys.stdout.isatty() else 130)
    if options.list:
        for name, rows in (("smollm2", table.SMOLLM2), ("minilm", table.MINILM)):
            for recipe in dict.fromkeys(row[0] for row in rows):
                print(f"{name}/{recipe}")
        return 0
    try:
        if options.data is None:
            raise InputError(
                "where are evaluation.txt and calibration.txt? "
                "make bench-accuracy DATA=FOLDER, or --data FOLDER"
            )
        options.work.mkdir(parents=True, exist_ok=True)
        bench = Bench(options, console)
        tried = subjects(options.work)
        results = {}
        for subject in tried:
            (options.work / subject.name).mkdir(exist_ok=True)
            results[subject.name] = run(bench, subject)
        if not any(found or missing for found, missing in results.values()):
            raise InputError(f"no recipe matches {', '.join(options.only)}; --list has their names")
        rows = [v for s in tried for v in compare(console, s, *results[s.name])]
        reached = goals(console, results)
        measured = {
            f"{name}/{recipe}": figures
            for name, (found, _) in results.items()
            for recipe, figures in found.items()
        }
        bench.remember(measured, {"peers": rows, "goals": reached})
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    verdicts = [verdict["passed"] for verdict in [*rows, *reached]]
    console.print(
        f"{verdicts.count(True)} passed, {verdicts.count(False)} failed, "
        f"{verdicts.count(None)} not available; figures in {bench.store}",
        soft_wrap=True,
    )
    return int(options.strict and not all(verdicts))


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The numbers of a report.

title, model, kind, created, rule    what was measured, and how
models      one object for each folder, the reference first: label, recipe, size_bytes,
            bits_per_weight, schemes, and what was asked for: perplexity, kl, top1, tokens,
            perplexity_change (relative), distributions, tasks, speed, layers
outliers    from the statistics file: per site the largest and the mean |x|
warnings    losses beyond `thresholds`
notes       what is not in the report, and why
"""

import contextlib
import datetime
import json
import math
import subprocess
import time
from typing import List, Optional, Sequence

import numpy as np

from .. import measuring, tasks, tools
from ..errors import InputError
from ..progress import Progress
from ..runtime import Model
from .charts import check_matplotlib
from .outliers import read_outliers
from .warnings import THRESHOLDS, warnings_of

# Nats, a factor of 10^(1/4) apart: what the curves of divergences are drawn through.
KL_STEPS = [10 ** (n / 4) for n in range(-24, 9)]
CONFIDENCE_STEPS = [n / 10 for n in range(11)]
PLACES = 16  # parts that a window is cut into


def measure(
    folders: Sequence[str],
    reference: Optional[str] = None,
    text: Optional[measuring.Text] = None,
    task_names: Sequence[str] = (),
    rules: Optional[tasks.Rules] = None,
    size: int = 512,
    count: int = 24,
    cache: Optional[str] = None,
    task_items: int = 60,
    task_seed: int = 0,
    statistics: Optional[str] = None,
    speed: bool = True,
    threads: Optional[int] = None,
    title: Optional[str] = None,
    shown: bool = True,
) -> dict:
    check_matplotlib()  # now, not after minutes of measuring
    rules = rules or tasks.Rules()
    notes: List[str] = []
    outliers = None if statistics is None else read_outliers(statistics)
    same = [f for f in folders if reference and measuring.same_folder(f, reference)]
    folders = [*([reference] if reference else []), *(f for f in folders if f not in same)]
    labels = measuring.labels(folders)
    if len(set(labels)) != len(labels):
        raise InputError("a folder is named twice")
    with measuring.opened(folders, threads) as opened:
        rows = [describe(model, label) for model, label in zip(opened, labels)]
        base = opened[0] if reference else None
        models = dict(list(zip(labels, opened))[1 if reference else 0 :])
        for model in opened[1:]:
            measuring.check_comparable(model, opened[0])
        if reference:
            rows[0]["reference"] = True
        else:
            notes.append("No reference was given: no divergence, no agreement, no warnings.")
        kind = opened[0].task
        made = measuring.make_tasks(task_names, opened[0], text, task_items, task_seed)
        if text is None:
            notes.append("No text was given: nothing was scored.")
        elif kind == "encoder":
            _encoders(rows, models, base, text, shown, notes)
        else:
            _language_models(rows, models, base, text, size, count, cache, shown, notes)
        for row, model in zip(rows, opened):
            row["tasks"] = measuring.score_tasks(
                model, made, rules, shown, f"{row['label']}: " if len(rows) > 1 else ""
            )
        name = opened[0].info.get("model") or opened[0].info["name"]
        used_threads = opened[0].threads
        context = opened[0].context_length
    if reference:
        for row in rows[1:]:
            for task, result in row["tasks"].items():
                theirs = rows[0]["tasks"][task]["results"]
                result["against_reference"] = tasks.compare(result["results"], theirs)
    if speed and kind == "causal-lm":
        speeds = {"prefill": min(128, context // 2), "decode": min(64, context // 4)}
        _speeds(rows, folders, speeds, used_threads, shown, notes)
    if not any("layers" in row for row in rows):
        notes.append("No error per layer: the compiler recorded none for these models.")
    if outliers is None:
        notes.append("No plot of outliers: it needs --statistics, a file that calibration wrote.")
    data = {
        "quant_mlir_report": 1,
        "title": title or name,
        "model": name,
        "kind": kind,
        "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "rule": _rule(kind, text, rows, size, made, rules, used_threads),
        "models": rows,
        "outliers": outliers,
        "thresholds": THRESHOLDS,
        "warnings": warnings_of(rows) if reference else [],
        "notes": notes,
    }
    return finite(data)


def describe(model: Model, label: str) -> dict:
    """What the manifest says."""
    info = model.info
    row = {
        "label": label,
        "recipe": info.get("recipe"),
        "target": info.get("target"),
        "reference": False,
        "size_bytes": info.get("weights_bytes"),
        "bits_per_weight": info.get("bits_per_weight"),
        "schemes": schemes_of(info.get("tensors", [])),
    }
    rounded = [tensor for tensor in info.get("tensors", []) if tensor.get("error") is not None]
    if rounded:
        row["layers"] = [
            {
                "name": tensor["name"],
                "scheme": tensor["scheme"],
                "bits_per_weight": 8 * tensor["bytes"] / math.prod(tensor["shape"]),
                "error": tensor["error"],
            }
            for tensor in rounded
        ]
    return row


def schemes_of(tensors: Sequence[dict]) -> list:
    """Which number formats a model is made of: [{scheme, tensors, values, bytes}], large first."""
    found: dict = {}
    for tensor in tensors:
        entry = found.setdefault(tensor["scheme"], {"tensors": 0, "values": 0, "bytes": 0})
        entry["tensors"] += 1
        entry["values"] += math.prod(tensor["shape"])
        entry["bytes"] += tensor["bytes"]
    rows = [{"scheme": scheme, **entry} for scheme, entry in found.items()]
    return sorted(rows, key=lambda row: -row["values"])


def _language_models(rows, models, base, text, size, count, cache, shown, notes) -> None:
    scores = measuring.score_text(models, base, text, size, count, cache, shown)
    for row in rows:
        score = scores[None if row["reference"] else row["label"]]
        row.update(score.result())
        if score.divergences:
            row["distributions"] = distributions(score)
    if base is not None:
        rows[0].update(kl=0.0, top1=1.0)
        for row in rows:
            row["perplexity_change"] = row["perplexity"] / rows[0]["perplexity"] - 1
    if rows[0]["tokens"] < (size - 1) * count:
        notes.append(
            f"The text is short: {rows[0]['tokens']} tokens are scored, the rule wants "
            f"{(size - 1) * count}."
        )


def distributions(score) -> dict:
    """How the loss is spread: over positions, over the window, over what was easy and hard."""
    divergences = np.concatenate(score.divergences)
    places = np.concatenate(score.places)
    confidences = np.concatenate(score.confidences)
    agreements = np.concatenate(score.agreements)
    width = max(1, math.ceil((int(places.max()) + 1) / PLACES))
    by_place = [
        (int(start), divergences[(places >= start) & (places < start + width)])
        for start in range(0, int(places.max()) + 1, width)
    ]
    by_confidence = []
    for low, high in zip(CONFIDENCE_STEPS, CONFIDENCE_STEPS[1:]):
        inside = (confidences >= low) & (confidences < (high if high < 1 else 2))
        if inside.any():
            share = float(agreements[inside].mean())
            by_confidence.append(
                {"from": low, "to": high, "agreement": share, "tokens": int(inside.sum())}
            )
    return {
        "kl_above": [{"kl": x, "share": float((divergences > x).mean())} for x in KL_STEPS],
        "kl_percentiles": {
            str(p): float(np.percentile(divergences, p)) for p in (50, 90, 99, 99.9)
        },
        "kl_by_place": [
            {"from": start, "kl": float(part.mean()), "tokens": len(part)}
            for start, part in by_place
            if len(part)
        ],
        "agreement_by_confidence": by_confidence,
    }


def _encoders(rows, models, base, text, shown, notes) -> None:
    if base is None:
        notes.append("An encoder is judged by a reference: nothing was scored.")
        return
    seconds = {}

    @contextlib.contextmanager
    def timed(label, sentences):
        start = time.perf_counter()
        yield
        seconds[label] = sentences / (time.perf_counter() - start)

    results = measuring.compare_encoders({**models, None: base}, base, text, shown, timed)
    for row in rows:
        label = None if row["reference"] else row["label"]
        row.update(results[label])
        row["speed"] = {"sentences_per_s": seconds[label]}


def _speeds(rows, folders, tokens, threads, shown, notes) -> None:
    try:
        tool = tools.find("quant-run")
    except InputError as error:
        notes.append(f"No speeds: {error}")
        return
    bench = f"pp={tokens['prefill']},tg={tokens['decode']}"
    flags = ["--bench", bench, "--threads", str(threads), "--json"]
    with Progress("measuring speed", shown) as progress:
        for number, (row, folder) in enumerate(zip(rows, folders)):
            done = subprocess.run([tool, str(folder), *flags], capture_output=True, text=True)
            if done.returncode:
                notes.append(f"No speed of {row['label']}: {' '.join(done.stderr.split())}")
            else:
                measured = json.loads(done.stdout)
                keys = ("prefill_tokens_per_s", "decode_tokens_per_s")
                row["speed"] = {**{key: measured[key] for key in keys}, "tokens": tokens}
            progress(number + 1, len(rows))


def _rule(kind, text, rows, size, made, rules, threads) -> dict:
    rule = {"text": None if text is None else text.path.rsplit("/", 1)[-1], "threads": threads}
    rule["window_length"] = size if kind == "causal-lm" else None
    rule["tokens"], rule["sentences"] = rows[0].get("tokens"), rows[0].get("sentences")
    rule["tasks"] = [{"name": task.name, "items": len(task.items)} for task in made]
    rule["normalize"], rule["match"] = rules.normalize, rules.match
    return rule


def finite(value):
    """JSON has no infinity and no NaN: they become null."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

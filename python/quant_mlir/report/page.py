# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The page: one HTML file that needs nothing but itself."""

import pathlib

import jinja2

from .charts import SERIES, draw

_FOLDER = pathlib.Path(__file__).parent


def page(data: dict) -> str:
    """HTML of what measure() returned, or of the JSON file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(
        data=data,
        columns=columns(data),
        models=models(data),
        charts=draw(data),
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(_FOLDER / "page.js").read_text(encoding="utf-8"),
    )


def models(data: dict) -> list:
    """(its row, its color) of each model."""
    first = 0 if data["models"][0]["reference"] else 1
    return [
        (row, "--ink" if number == 0 else f"--s{(number - 1) % SERIES + 1}")
        for number, row in enumerate(data["models"], first)
    ]


def columns(data: dict) -> list:
    """Of the table: {title, hint, cells: [{text, value, warned}]}, those with a number in them."""
    warned = {(w["label"], w["measure"]): w["text"] for w in data["warnings"]}
    made = []

    def add(title, get, show, hint="", measure=None):
        cells = []
        for row in data["models"]:
            value = get(row)
            cells.append(
                {
                    "text": "–" if value is None else show(value),
                    "value": value,
                    "warning": warned.get((row["label"], measure)),
                }
            )
        if any(cell["value"] is not None for cell in cells):
            made.append({"title": title, "hint": hint, "cells": cells})

    def key(name, scale=1):
        return lambda row: None if row.get(name) is None else scale * row[name]

    def speed(name):
        return lambda row: row.get("speed", {}).get(name)

    add("MB", key("size_bytes", 1e-6), "{:.1f}".format, "packed weights")
    add("bits/weight", key("bits_per_weight"), "{:.2f}".format, "of the whole model, with scales")
    add("perplexity", key("perplexity"), "{:.2f}".format)
    hint = "change of the perplexity against the reference"
    add("Δ %", key("perplexity_change", 100), "{:+.2f}".format, hint, "perplexity")
    add("KL", key("kl"), "{:.4f}".format, "mean divergence from the reference, nats")
    hint = "one minus the mean cosine to the reference's embedding"
    add("1 − cos", key("one_minus_cosine"), "{:.5f}".format, hint, "one_minus_cosine")
    add("top-1 %", key("top1", 100), "{:.1f}".format, "agreement with the reference")
    for task in data["models"][0]["tasks"]:

        def accuracy(row, task=task):
            return 100 * row["tasks"][task]["accuracy"]

        add(f"{task} %", accuracy, "{:.1f}".format, "items that are right", task)
    lengths = next((r["speed"].get("tokens") for r in data["models"] if r.get("speed")), None)
    lengths = lengths or {"prefill": 0, "decode": 0}
    hint = f"a prompt of {lengths['prefill']} tokens, tokens a second"
    add("prefill t/s", speed("prefill_tokens_per_s"), "{:.0f}".format, hint)
    hint = f"{lengths['decode']} tokens one by one, tokens a second"
    add("decode t/s", speed("decode_tokens_per_s"), "{:.0f}".format, hint)
    add("sentences/s", speed("sentences_per_s"), "{:.0f}".format)
    return made

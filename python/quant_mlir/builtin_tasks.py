# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tasks made by code: what quantization loses is not the same everywhere.

    arithmetic      two-digit sums and differences, the right one of four numbers
    recall          a number named once, 512, 1024 and 1536 tokens before it is asked for
    next-sentence   the sentence that follows in a text, among four from it

Equal seeds give equal items, on every machine and for every Python: only random.Random's
random(), whose sequence is guaranteed, is drawn from.
"""

import random
import re
from typing import Optional, Sequence

from .errors import InputError
from .tasks import Item, Task

NAMES = ("arithmetic", "recall", "next-sentence")
COUNT = 60
DISTANCES = (512, 1024, 1536)


class Draw:
    """Numbers that depend on the seed alone."""

    def __init__(self, name: str, seed: int):
        self.source = random.Random(f"{name} {seed}")

    def below(self, n: int) -> int:
        return int(self.source.random() * n)

    def pick(self, values: Sequence):
        return values[self.below(len(values))]

    def sample(self, values: Sequence, count: int) -> list:
        pool = list(values)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]


def make(
    name: str, tokenizer, context: int, text: Optional[str], count: int = COUNT, seed: int = 0
) -> Task:
    """A task by name. text: what next-sentence asks about; the others need none."""
    if name == "arithmetic":
        return arithmetic(count, seed)
    if name == "recall":
        return recall(tokenizer, context, count, seed)
    if name == "next-sentence":
        if text is None:
            raise InputError("the task next-sentence needs a text: --text FILE")
        return next_sentence(text, count, seed)
    raise InputError(f"there is no task {name}; there is: {', '.join(NAMES)}")


def _item(task: str, number: int, draw: Draw, prompt, right, wrong, group=None) -> Item:
    choices = draw.sample([right, *wrong], 1 + len(wrong))
    return Item(prompt, choices, choices.index(right), group=group, where=f"{task}:{number + 1}")


def arithmetic(count: int = COUNT, seed: int = 0) -> Task:
    """Two worked examples, then the question. Wrong are near misses: a digit or a carry off."""
    draw, items = Draw("arithmetic", seed), []

    def problem():
        a, b = 10 + draw.below(90), 10 + draw.below(90)
        if draw.below(2):
            return f"{a} + {b} =", a + b
        return f"{max(a, b)} - {min(a, b)} =", abs(a - b)

    while len(items) < count:
        shown = [problem() for _ in range(2)]
        question, right = problem()
        if question in [text for text, _ in shown]:
            continue
        prompt = "".join(f"{text} {value}\n" for text, value in shown) + question
        near = [right + d for d in (-11, -10, -9, -2, -1, 1, 2, 9, 10, 11) if right + d >= 0]
        wrong = [f" {value}" for value in draw.sample(near, 3)]
        items.append(_item("arithmetic", len(items), draw, prompt, f" {right}", wrong))
    return Task("arithmetic", items)


_PEOPLE = ["Anna", "Boris", "Clara", "David", "Emma", "Felix", "Grace", "Henry"]
_PLACES = ["garden", "kitchen", "library", "harbor", "market", "station", "bakery", "museum"]
_THINGS = ["lamp", "chair", "letter", "basket", "bottle", "ladder", "mirror", "blanket"]
_COLORS = ["red", "green", "blue", "yellow", "white", "black", "brown", "gray"]
_ACTS = ["moved", "painted", "cleaned", "found", "sold", "bought", "repaired", "forgot"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def recall(tokenizer, context: int, count: int = COUNT, seed: int = 0) -> Task:
    """Three people have a number each, then comes talk; at the end one of them is asked for.

    All their numbers are choices, so knowing that a number was there is not enough. The three
    are asked for one after the other: what they have in common is computed once.
    """
    draw, items = Draw("recall", seed), []
    distances = [n for n in DISTANCES if n + 200 <= context]
    if not distances:
        raise InputError(
            f"the task recall needs a context of {DISTANCES[0] + 200} tokens, "
            f"the model takes {context}"
        )
    asked = 3
    while len(items) < count:
        distance = distances[len(items) // asked % len(distances)]
        people = draw.sample(_PEOPLE, asked)
        codes = []
        while len(codes) <= asked:
            code = str(1000 + draw.below(9000))
            if code not in codes:
                codes.append(code)
        facts = "".join(f"The number of {p} is {code}. " for p, code in zip(people, codes))
        talk, tokens = [], 0
        while tokens < distance:
            sentence = (
                f"On {draw.pick(_DAYS)} {draw.pick(_PEOPLE)} {draw.pick(_ACTS)} the "
                f"{draw.pick(_COLORS)} {draw.pick(_THINGS)} in the {draw.pick(_PLACES)}. "
            )
            talk.append(sentence)
            tokens += len(tokenizer.encode(sentence, special=False))
        for person, right in zip(people, codes):
            prompt = f"{facts}{''.join(talk)}The number of {person} is"
            wrong = [f" {code}" for code in codes if code != right]
            group = f"{distance} tokens"
            items.append(_item("recall", len(items), draw, prompt, f" {right}", wrong, group))
    return Task("recall", items[:count])


def next_sentence(text: str, count: int = COUNT, seed: int = 0) -> Task:
    """Of a paragraph with at least three sentences all but the last are shown."""
    draw, items = Draw("next-sentence", seed), []
    paragraphs = [sentences(" ".join(part.split())) for part in text.split("\n\n")]
    usable = [p for p in paragraphs if len(p) >= 3 and all(20 <= len(s) <= 300 for s in p)]
    if len(usable) < count + 3:
        raise InputError(
            f"the text is too short for the task next-sentence: {count} questions need "
            f"{count + 3} paragraphs of three sentences, it has {len(usable)}"
        )
    for paragraph in draw.sample(usable, count):
        *shown, right = paragraph
        # Of about the same length, so that the length does not decide.
        others = [p[-1] for p in usable if p is not paragraph and p[-1] != right]
        others.sort(key=lambda sentence: abs(len(sentence) - len(right)))
        wrong = [f" {sentence}" for sentence in draw.sample(others[:40], 3)]
        prompt = " ".join(shown[-4:])
        items.append(_item("next-sentence", len(items), draw, prompt, f" {right}", wrong))
    return Task("next-sentence", items)


def sentences(paragraph: str) -> list:
    """Cut where a sentence seems to end: a mark, a space, a capital letter."""
    return [s for s in re.split(r"(?<=[a-z0-9)”\"][.!?]) (?=[A-Z“\"])", paragraph) if s]

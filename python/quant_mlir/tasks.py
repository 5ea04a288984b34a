# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Your own task: a JSONL file of prompts, and how many of them a model gets right.

A line is one of

    {"prompt": "2 + 2 =", "choices": [" 4", " 5"], "answer": 0}
    {"prompt": "The capital of France is", "expected": "Paris"}         or a list: any of them

Choices are judged by the log likelihood that the model gives them as continuations; nothing is
generated. An expected answer is judged by `match`: "contains" (default) or "equals" look at what
the model says greedily in `max_tokens` tokens, "likelihood" asks whether the answer's own tokens
are the likeliest, each after those before it. A line may have `match`, `max_tokens`, and `group`,
by which the result is split; other keys are ignored.
"""

import dataclasses
import json
import math
import pathlib
from typing import Callable, List, Optional, Sequence, Union

import numpy as np

from .errors import InputError
from .evaluation import log_softmax

NORMALIZATIONS = ("none", "tokens", "bytes")
MATCHES = ("contains", "equals", "likelihood")


@dataclasses.dataclass(frozen=True)
class Item:
    """One question. `where` (file:line) names it in errors; `group` splits the result."""

    prompt: str
    choices: Sequence[str] = ()
    answer: int = -1
    expected: Sequence[str] = ()
    match: Optional[str] = None
    max_tokens: Optional[int] = None
    group: Optional[str] = None
    where: str = ""


@dataclasses.dataclass(frozen=True)
class Rules:
    """How items are scored where they do not say it themselves."""

    normalize: str = "none"  # a choice's log likelihood is divided by its tokens, bytes, or not
    match: str = "contains"
    max_tokens: int = 32
    chat: bool = False  # prompts are messages of a user: the model's chat template goes around


@dataclasses.dataclass(frozen=True)
class Task:
    name: str
    items: List[Item]


def read(path: Union[str, pathlib.Path]) -> Task:
    """A JSONL file; InputError names file and line."""
    path = pathlib.Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    items = [
        parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not items:
        raise InputError(f"{path}: no task in it; a line is a JSON object with a prompt")
    return Task(path.stem, items)


def parse(line: str, where: str) -> Item:
    def wrong(reason):
        return InputError(f"{where}: {reason}")

    try:
        fields = json.loads(line)
    except ValueError as error:
        raise wrong(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise wrong("not a JSON object")
    known = {field.name for field in dataclasses.fields(Item)} - {"where"}
    has_choices, has_expected = "choices" in fields, "expected" in fields
    if has_choices == has_expected:
        raise wrong('one of "choices" and "expected" is needed')
    if not isinstance(fields.get("prompt"), str) or not fields["prompt"]:
        raise wrong('"prompt" is not a text')
    if has_choices:
        choices, answer = fields["choices"], fields.get("answer")
        if not _are_texts(choices) or len(choices) < 2:
            raise wrong('"choices" is not a list of at least two texts')
        if not isinstance(answer, int) or isinstance(answer, bool):
            raise wrong('"answer" is not the number of a choice')
        if not 0 <= answer < len(choices):
            raise wrong(f'"answer" is {answer}, the choices are 0 to {len(choices) - 1}')
    else:
        if isinstance(fields["expected"], str):
            fields["expected"] = [fields["expected"]]
        if not _are_texts(fields["expected"]):
            raise wrong('"expected" is neither a text nor a list of texts')
    if fields.get("match", MATCHES[0]) not in MATCHES:
        raise wrong(f'"match" is none of {", ".join(MATCHES)}')
    limit = fields.get("max_tokens", 1)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise wrong('"max_tokens" is not a positive number')
    if not isinstance(fields.get("group"), (str, type(None))):
        raise wrong('"group" is not a text')
    return Item(**{key: fields[key] for key in known & set(fields)}, where=where)


def _are_texts(value) -> bool:
    return isinstance(value, list) and value and all(isinstance(t, str) and t for t in value)


def score(
    model,
    task: Task,
    rules: Rules = Rules(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """accuracy with its 95 % interval [low, high], items, and of every item what came out."""
    results = []
    with _Context(model) as context:
        for number, item in enumerate(task.items):
            results.append(score_item(model, item, rules, context))
            progress(number + 1, len(task.items))
    summary = summarize([result["correct"] for result in results])
    groups = {}
    for item, result in zip(task.items, results):
        if item.group is not None:
            groups.setdefault(item.group, []).append(result["correct"])
    if groups:
        summary["groups"] = {name: summarize(group) for name, group in groups.items()}
    return {**summary, "results": results}


def summarize(correct: Sequence[bool]) -> dict:
    low, high = interval(sum(correct), len(correct))
    return {
        "accuracy": sum(correct) / len(correct),
        "low": low,
        "high": high,
        "correct": sum(correct),
        "items": len(correct),
    }


def interval(correct: int, items: int) -> tuple:
    """Wilson's interval of a binomial share at 95 %: right also near 0 and 1, and for few."""
    z = 1.959964
    share, weight = correct / items, z * z / items
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / items + weight / 4 / items)
    return max(0.0, middle - half), min(1.0, middle + half)


def compare(ours: Sequence[dict], theirs: Sequence[dict]) -> dict:
    """Item by item against a reference: how many were lost and gained, and whether by chance.

    `p` is the two-sided sign test (McNemar, exact): how often losses and gains so uneven come
    about if the two models are equally good.
    """
    lost = sum(t["correct"] and not o["correct"] for o, t in zip(ours, theirs))
    gained = sum(o["correct"] and not t["correct"] for o, t in zip(ours, theirs))
    changed = lost + gained
    tail = sum(math.comb(changed, n) for n in range(min(lost, gained) + 1)) / 2**changed
    return {"lost": lost, "gained": gained, "p": min(1.0, 2 * tail)}


def score_item(model, item: Item, rules: Rules, context: "Optional[_Context]" = None) -> dict:
    if not item.choices and (item.match or rules.match) != "likelihood":
        return _score_generation(model, item, rules)
    context = context or _Context(model)
    if item.choices:
        return _score_choices(context, item, rules)
    return _score_likelihood(context, item, rules)


def _prompt_ids(model, item: Item, rules: Rules) -> list:
    if rules.chat:
        return model.tokenizer.encode_chat([{"role": "user", "content": item.prompt}])
    return _without_end(model, item.prompt)


def _continued(model, item: Item, rules: Rules, texts: Sequence[str]) -> tuple:
    """(ids that all continuations share, [ids of each after those]).

    A text is tokenized with its prompt, as it would be met. Where the border falls inside a
    token, more than the continuation is scored; then it is for all of them, from one position.
    """
    prompt = _prompt_ids(model, item, rules)
    if rules.chat:
        wholes = [prompt + model.tokenizer.encode(text, special=False) for text in texts]
    else:
        wholes = [_without_end(model, item.prompt + text) for text in texts]
    shared = min(_common(prompt, whole) for whole in wholes)
    # One token is needed before what is scored, and one to score.
    shared = min(shared, *(len(whole) - 1 for whole in wholes))
    if shared < 1:
        raise InputError(f"{item.where}: the prompt has no token before the answer")
    longest = max(map(len, wholes))
    if longest > model.context_length:
        raise InputError(
            f"{item.where}: prompt and answer have {longest} tokens, "
            f"the model takes {model.context_length}"
        )
    return prompt[:shared], [whole[shared:] for whole in wholes]


def _without_end(model, text: str) -> list:
    """Some tokenizers close a text with a token that ends it; what follows a prompt is open."""
    ids = model.tokenizer.encode(text)
    bare = model.tokenizer.encode(text, special=False)
    return ids[:-1] if ids[-1:] != bare[-1:] else ids


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


class _Context:
    """A session that knows what it holds: the next item may begin as the last one did."""

    def __init__(self, model):
        self.model, self.session, self.room, self.ids = model, None, 0, []

    def __enter__(self) -> "_Context":
        return self

    def __exit__(self, *_) -> None:
        if self.session is not None:
            self.session.close()

    def feed(self, ids: list, room: int) -> np.ndarray:
        """Logits [1, vocabulary] after `ids`; `room` tokens will fit in all."""
        if room > self.room:
            self.__exit__()
            self.room = min(2 * room, self.model.context_length)
            self.session, self.ids = self.model.session(self.room), []
        kept = min(_common(self.ids, ids), len(ids) - 1)
        self.session.rewind(kept)
        self.ids = list(ids)
        return self.session.feed(ids[kept:])

    def log_likelihoods(self, item: Item, shared: list, tails: list) -> list:
        """Of each tail: (log probability of every token, whether each was the likeliest)."""
        found = []
        first = self.feed(shared, len(shared) + max(map(len, tails)))
        for tail in tails:
            logits = first
            if len(tail) > 1:
                logits = np.concatenate([first, self.session.feed(tail[:-1], all=True)])
                self.session.rewind(len(shared))
            logs = log_softmax(logits)
            if np.isnan(logs[:, 0]).any():
                raise InputError(f"{self.model.folder}: its logits for {item.where} are NaN")
            picked = logs[np.arange(len(tail)), tail]
            found.append((picked.astype(np.float64), logs.argmax(1) == tail))
        return found


def _score_choices(context, item: Item, rules: Rules) -> dict:
    shared, tails = _continued(context.model, item, rules, item.choices)
    scores = []
    found = context.log_likelihoods(item, shared, tails)
    for choice, tail, (logs, _) in zip(item.choices, tails, found):
        lengths = {"none": 1, "tokens": len(tail), "bytes": len(choice.encode())}
        scores.append(float(logs.sum()) / lengths[rules.normalize])
    chosen = int(np.argmax(scores))
    return {"correct": chosen == item.answer, "chosen": chosen, "scores": scores}


def _score_likelihood(context, item: Item, rules: Rules) -> dict:
    shared, tails = _continued(context.model, item, rules, item.expected)
    found = context.log_likelihoods(item, shared, tails)
    return {
        "correct": any(bool(likeliest.all()) for _, likeliest in found),
        "scores": [float(logs.sum()) for logs, _ in found],
    }


def _score_generation(model, item: Item, rules: Rules) -> dict:
    ids = _prompt_ids(model, item, rules)
    if len(ids) > model.context_length:
        raise InputError(
            f"{item.where}: the prompt has {len(ids)} tokens, "
            f"the model takes {model.context_length}"
        )
    said = model.generate(ids, max_tokens=item.max_tokens or rules.max_tokens)
    if (item.match or rules.match) == "equals":
        correct = said.strip() in [text.strip() for text in item.expected]
    else:
        correct = any(text in said for text in item.expected)
    return {"correct": correct, "said": said}

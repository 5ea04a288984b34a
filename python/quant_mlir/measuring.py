# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `eval` and `report` have in common: models opened and compared, texts and tasks."""

import contextlib
import dataclasses
import pathlib
from typing import Callable, Iterator, List, Mapping, Optional, Sequence

import numpy as np

from . import builtin_tasks, evaluation, tasks
from .errors import InputError
from .progress import Progress
from .reference_cache import CachedReference
from .runtime import Model, load


@dataclasses.dataclass(frozen=True)
class Text:
    path: str
    content: str

    @classmethod
    def read(cls, path: str) -> "Text":
        try:
            return cls(path, pathlib.Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not UTF-8 text") from None


@contextlib.contextmanager
def opened(folders: Sequence[str], threads: Optional[int]) -> Iterator[List[Model]]:
    """All models of some folders at once: they are mapped, so that costs little."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(load(folder, threads=threads)) for folder in folders]


def labels(folders: Sequence[str]) -> List[str]:
    """Short names for folders, all different: as many of the last parts as that takes."""
    paths = [pathlib.Path(folder).resolve() for folder in folders]
    depth = 1
    while True:
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)) or depth >= max(len(p.parts) for p in paths):
            return names
        depth += 1


def check_comparable(model: Model, reference: Model) -> None:
    if model.task != reference.task:
        raise InputError(
            f"{model.folder} is of the kind {model.task}, {reference.folder} {reference.task}"
        )
    if model.vocab_size != reference.vocab_size:
        raise InputError(
            f"{reference.folder}: its vocabulary has {reference.vocab_size} tokens, "
            f"that of {model.folder} {model.vocab_size}; they are different models"
        )


def tokens_of(text: Text, models: Sequence[Model]) -> list:
    """The ids of a text; InputError if the models do not agree about them."""
    ids = models[0].tokenizer.encode(text.content, special=False)
    for model in models[1:]:
        if model.tokenizer.encode(text.content, special=False) != ids:
            raise InputError(
                f"{models[0].folder} and {model.folder} tokenize {text.path} differently; "
                "they are different models"
            )
    if len(ids) < 2:
        raise InputError(f"{text.path}: the text is too short, it has {len(ids)} tokens")
    return ids


def score_text(
    models: Mapping[str, Model],
    reference: Optional[Model],
    text: Text,
    size: int = 512,
    count: int = 24,
    cache: Optional[str] = None,
    shown: bool = True,
) -> dict:
    """{label: evaluation.Score}, None for the reference's own. cache: see reference_cache.py."""
    compared = [*models.values(), *([] if reference is None else [reference])]
    for model in compared:
        if model.context_length < size:
            raise InputError(
                f"--window-length is {size}, {model.folder} takes {model.context_length} tokens"
            )
    if reference is not None:
        for model in models.values():
            check_comparable(model, reference)
    tokens = tokens_of(text, compared)
    with contextlib.ExitStack() as stack:
        theirs = None if reference is None else evaluation.LiveReference(reference)
        if cache is not None:
            theirs = stack.enter_context(CachedReference(cache, reference, tokens, size, count))
        progress = stack.enter_context(Progress("scoring windows", shown))
        return evaluation.compare_language_models(models, tokens, theirs, size, count, progress)


def compare_encoders(
    models: Mapping[str, Model],
    reference: Model,
    text: Text,
    shown: bool = True,
    timed: Callable[[str, int], contextlib.AbstractContextManager] = (
        lambda label, sentences: contextlib.nullcontext()
    ),
) -> dict:
    """{label: cosine, one_minus_cosine, worst_cosine, top1, sentences}."""
    parts = evaluation.paragraphs(text.content)
    if len(parts) < 2:
        raise InputError(f"{text.path}: fewer than 2 paragraphs of 40 characters")
    for model in models.values():
        check_comparable(model, reference)
    # A row at a time, so that the bar moves.
    total = len(parts) * (len(models) + 1)
    with Progress("embedding paragraphs", shown) as progress:

        def embed(model, before):
            rows = []
            for number, part in enumerate(parts):
                (row,) = model.embed([part], max_tokens=128)
                if not (row == row).all():
                    raise InputError(f"{model.folder}: its embedding of paragraph {number} is NaN")
                rows.append(row)
                progress(before + number + 1, total)
            return np.stack(rows)

        theirs = embed(reference, 0)
        results = {}
        for number, (label, model) in enumerate(models.items(), 1):
            with timed(label, len(parts)):
                ours = embed(model, number * len(parts))
            results[label] = evaluation.compare_embeddings(ours, theirs)
    return results


def make_tasks(
    names: Sequence[str], model: Model, text: Optional[Text], count: int, seed: int
) -> List[tasks.Task]:
    """Files, and names of built-in tasks. The items are the same for all models of a tokenizer."""
    made = []
    for name in names:
        if name in builtin_tasks.NAMES:
            content = None if text is None else text.content
            task = builtin_tasks.make(
                name, model.tokenizer, model.context_length, content, count, seed
            )
        elif not pathlib.Path(name).exists() and not name.endswith(".jsonl"):
            raise InputError(
                f"{name}: neither a file nor one of the tasks {', '.join(builtin_tasks.NAMES)}"
            )
        else:
            task = tasks.read(name)
        if task.name in [other.name for other in made]:
            raise InputError(f"two tasks are called {task.name}")
        made.append(task)
    return made


def score_tasks(
    model: Model, made: Sequence[tasks.Task], rules: tasks.Rules, shown: bool, title: str = ""
) -> dict:
    """{task: what tasks.score returns}."""
    if made and model.task != "causal-lm":
        raise InputError(f"{model.folder}: tasks are for language models, this is {model.task}")
    results = {}
    for task in made:
        with Progress(f"{title}{task.name}", shown) as progress:
            results[task.name] = tasks.score(model, task, rules, progress)
    return results


def same_folder(a: str, b: str) -> bool:
    return pathlib.Path(a).resolve() == pathlib.Path(b).resolve()

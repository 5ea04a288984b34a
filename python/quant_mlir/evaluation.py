# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How much worse a quantized model is: perplexity, divergence, agreement.

The rule for language models. The text is tokenized as one string, without BOS and special
tokens, and cut into windows that do not overlap. Each window is its own context from position
0; all its tokens but the first are scored.

    perplexity   exp of the mean negative log likelihood
    kl           mean KL divergence of the model from the reference, in nats
    top1         share of positions where both think the same token likeliest
    tokens       how many tokens were scored

The rule for sentence encoders. The first 400 paragraphs of at least 40 characters, cut at 128
tokens, mean pooling, L2 norm: the mean cosine to the reference's embedding, and the share of
nearest neighbours inside the set that stay.

Several models are scored side by side, window by window, so that one set of the reference's
log probabilities (100 MB for 512 tokens of a vocabulary of 49152) does for all of them, and
memory does not grow with the text.
"""

import concurrent.futures
import dataclasses
import os
from typing import Callable, Iterator, List, Mapping, Optional, Protocol

import numpy as np

from .errors import InputError

ROWS = 16  # positions worked on at a time by one thread: 3 MB of a vocabulary of 49152


class LanguageModel(Protocol):
    def logits(self, tokens, all: bool = True) -> np.ndarray: ...


class Reference(Protocol):
    def log_probabilities(self, number: int, window: list) -> np.ndarray:
        """[len(window) - 1, vocabulary] of what followed, for the window of that number."""


class LiveReference:
    """A reference that is asked when it is needed. Cached on disk: reference_cache.py."""

    def __init__(self, model: LanguageModel, name: str = ""):
        self.model, self.name = model, name or name_of(model, "the reference")

    def log_probabilities(self, number: int, window: list) -> np.ndarray:
        logits = self.model.logits(window[:-1])

        def chunk(part):
            logits[part] = log_softmax(logits[part])

        for_chunks(chunk, len(logits))
        check_numbers(logits, self.name, number)
        return logits


def name_of(model, default: str) -> str:
    """The folder of a compiled model: how errors name it."""
    return str(getattr(model, "folder", default))


def windows(tokens: list, size: int, count: int) -> Iterator[list]:
    """The first `count` windows; the last one may be shorter if the text ends, not below 2."""
    for start in range(0, min(len(tokens), size * count), size):
        window = tokens[start : start + size]
        if len(window) >= 2:
            yield window


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, without overflow. A row with a NaN or an infinity is all NaN."""
    with np.errstate(invalid="ignore"):
        shifted = logits - logits.max(axis=-1, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def check_numbers(logs: np.ndarray, name: str, number: int, first: int = 0) -> None:
    """InputError if a row is not a distribution. A NaN or an infinite logit makes all NaN."""
    bad = np.isnan(logs[:, 0])
    if bad.any():
        position = first + int(bad.argmax())
        raise InputError(
            f"{name}: its logits at position {position} of window {number} are not numbers (NaN)"
        )


def for_chunks(work: Callable[[slice], object], count: int) -> list:
    """work(slice) for all slices of `count` rows, on all cores; the results in order."""
    parts = [slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS)]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(work, parts))


@dataclasses.dataclass
class Score:
    """What one model did at the scored positions; windows add up.

    Of every position: its place in the window, and with a reference the divergence, whether both
    think the same token likeliest, and how likely the reference thinks that token.
    """

    tokens: int = 0
    negative_log_likelihood: float = 0.0
    places: List[np.ndarray] = dataclasses.field(default_factory=list)
    divergences: List[np.ndarray] = dataclasses.field(default_factory=list)
    agreements: List[np.ndarray] = dataclasses.field(default_factory=list)
    confidences: List[np.ndarray] = dataclasses.field(default_factory=list)

    def add(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        reference: Optional[np.ndarray],
        name: str = "the model",
        number: int = 0,
    ) -> None:
        """One window. logits, reference (log probabilities): [n, vocabulary]; targets: [n]."""

        def chunk(part):
            ours = log_softmax(logits[part])
            check_numbers(ours, name, number, part.start)
            picked = np.take_along_axis(ours, targets[part, None], 1).sum(dtype=np.float64)
            if reference is None:
                return (picked,)
            theirs = reference[part]
            likely = np.exp(theirs)
            best = theirs.argmax(1)
            agreed = ours.argmax(1) == best
            confidence = np.take_along_axis(likely, best[:, None], 1)[:, 0]
            # In place: p (log p - log q). A token that the reference rules out adds nothing.
            possible = likely > 0
            np.subtract(theirs, ours, out=ours, where=possible)
            np.multiply(likely, ours, out=likely, where=possible)
            return picked, likely.sum(1, where=possible, dtype=np.float64), agreed, confidence

        results = for_chunks(chunk, len(targets))
        self.tokens += len(targets)
        self.negative_log_likelihood -= float(sum(part[0] for part in results))
        self.places.append(np.arange(1, len(targets) + 1))
        if reference is not None:
            _, *columns = zip(*results)
            kept = (self.divergences, self.agreements, self.confidences)
            for store, column in zip(kept, columns):
                store.append(np.concatenate(column))

    def add_log_probabilities(self, logs: np.ndarray, targets: np.ndarray) -> None:
        """One window of the reference itself."""
        picked = np.take_along_axis(logs, targets[:, None], 1)
        self.tokens += len(targets)
        self.negative_log_likelihood -= float(picked.sum(dtype=np.float64))

    def result(self) -> dict:
        with np.errstate(over="ignore"):
            perplexity = float(np.exp(self.negative_log_likelihood / self.tokens))
        result = {"perplexity": perplexity}
        if self.divergences:
            result["kl"] = float(np.concatenate(self.divergences).mean())
            result["top1"] = float(np.concatenate(self.agreements).mean())
        result["tokens"] = self.tokens
        return result


def compare_language_models(
    models: Mapping[str, LanguageModel],
    tokens: list,
    reference: Optional[Reference] = None,
    size: int = 512,
    count: int = 24,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """{name: Score}, and under None the reference's own; see the top of this file."""
    pieces = list(windows(tokens, size, count))
    if not pieces:
        raise InputError("the text is too short to score: it has fewer than 2 tokens")
    scores = {name: Score() for name in models}
    if reference is not None:
        scores[None] = Score()
    done, total = 0, len(pieces) * len(scores)

    def step():
        nonlocal done
        done += 1
        progress(done, total)

    for number, window in enumerate(pieces):
        targets = np.asarray(window[1:])
        theirs = None
        if reference is not None:
            theirs = reference.log_probabilities(number, window)
            scores[None].add_log_probabilities(theirs, targets)
            step()
        for name, model in models.items():
            where = name_of(model, name)
            scores[name].add(model.logits(window[:-1]), targets, theirs, where, number)
            step()
    return scores


def evaluate_language_model(
    model: LanguageModel,
    tokens: list,
    reference: Optional[LanguageModel] = None,
    size: int = 512,
    count: int = 24,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """perplexity and tokens, and with a reference kl and top1, of one model."""
    live = None if reference is None else LiveReference(reference)
    scores = compare_language_models({"the model": model}, tokens, live, size, count, progress)
    return scores["the model"].result()


def paragraphs(text: str, count: int = 400, shortest: int = 40) -> list:
    """The first paragraphs (parted by blank lines) of at least `shortest` characters."""
    found = (" ".join(part.split()) for part in text.split("\n\n"))
    return [p for p in found if len(p) >= shortest][:count]


def compare_embeddings(ours: np.ndarray, theirs: np.ndarray) -> dict:
    """ours, theirs: [n, width], rows of length 1."""

    def nearest(rows):
        likeness = rows @ rows.T
        np.fill_diagonal(likeness, -np.inf)
        return likeness.argmax(1)

    cosines = (ours * theirs).sum(1, dtype=np.float64)
    return {
        "cosine": float(cosines.mean()),
        "one_minus_cosine": max(0.0, float(1 - cosines.mean())),
        "worst_cosine": float(cosines.min()),
        "top1": float((nearest(ours) == nearest(theirs)).mean()),
        "sentences": len(ours),
    }

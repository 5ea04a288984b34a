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
tokens, mean pooling, L2 norm: one minus the mean cosine to the reference's embedding, and the
share of nearest neighbours inside the set that stay.
"""

import dataclasses
from typing import Callable, Iterator, Optional, Protocol

import numpy as np

from .errors import InputError


class LanguageModel(Protocol):
    def logits(self, tokens, all: bool = True) -> np.ndarray: ...


def windows(tokens: list, size: int, count: int) -> Iterator[list]:
    """The first `count` windows; the last one may be shorter if the text ends, not below 2."""
    for start in range(0, min(len(tokens), size * count), size):
        window = tokens[start : start + size]
        if len(window) >= 2:
            yield window


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@dataclasses.dataclass
class Score:
    """Sums over scored positions, so that windows and chunks add up."""

    tokens: int = 0
    negative_log_likelihood: float = 0.0
    divergence: float = 0.0
    agreements: int = 0

    def add(self, logits: np.ndarray, targets: np.ndarray, reference: Optional[np.ndarray]):
        """logits, reference: [n, vocabulary]; targets: [n], the tokens that followed."""
        rows = 64  # a window's float logits are 100 MB; this many rows stay near the cache
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            ours = log_softmax(logits[part])
            picked = np.take_along_axis(ours, targets[part, None], 1)
            self.negative_log_likelihood -= float(picked.sum(dtype=np.float64))
            self.tokens += len(ours)
            if reference is not None:
                theirs = log_softmax(reference[part])
                terms = np.exp(theirs) * (theirs - ours)
                self.divergence += float(terms.sum(dtype=np.float64))
                self.agreements += int((ours.argmax(1) == theirs.argmax(1)).sum())

    def result(self, with_reference: bool) -> dict:
        result = {"perplexity": float(np.exp(self.negative_log_likelihood / self.tokens))}
        if with_reference:
            result["kl"] = self.divergence / self.tokens
            result["top1"] = self.agreements / self.tokens
        result["tokens"] = self.tokens
        return result


def evaluate_language_model(
    model: LanguageModel,
    tokens: list,
    reference: Optional[LanguageModel] = None,
    size: int = 512,
    count: int = 24,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """perplexity and tokens, and with a reference kl and top1; see the top of this file."""
    pieces = list(windows(tokens, size, count))
    if not pieces:
        raise InputError("the text is too short to score: it has fewer than 2 tokens")
    score = Score()
    for number, window in enumerate(pieces):
        targets = np.asarray(window[1:])
        theirs = reference.logits(window[:-1]) if reference is not None else None
        score.add(model.logits(window[:-1]), targets, theirs)
        progress(number + 1, len(pieces))
    return score.result(reference is not None)


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

    return {
        "one_minus_cosine": float(1 - (ours * theirs).sum(1).mean()),
        "worst_cosine": float((ours * theirs).sum(1).min()),
        "top1": float((nearest(ours) == nearest(theirs)).mean()),
        "sentences": len(ours),
    }

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From logits to the next token."""

from typing import Optional

import numpy as np


class Sampler:
    """Picks tokens from logits; with temperature 0 the likeliest (the first one if tied).

    temperature: the logits are divided by it; 0 is greedy.
    top_k: only the likeliest k tokens may be picked; None: any.
    top_p: only the likeliest tokens that together have this probability may be picked.
    seed: equal seeds give equal picks for equal logits.

    A logit that is NaN counts as less than all others.
    """

    def __init__(
        self,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: Optional[int] = None,
        top_k: Optional[int] = None,
    ):
        if temperature < 0:
            raise ValueError(f"temperature is {temperature}, it must not be negative")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p is {top_p}, it must be above 0 and at most 1")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}, it must be at least 1")
        self.temperature, self.top_p, self.top_k = temperature, top_p, top_k
        self.random = np.random.default_rng(seed)

    @property
    def enough(self) -> Optional[int]:
        """How many of the likeliest tokens it needs to know; None: all."""
        return 1 if self.temperature == 0 else self.top_k

    def __call__(self, logits: np.ndarray) -> int:
        """logits: [vocabulary], any float type."""
        if self.enough is None:
            return self.pick(np.arange(logits.size), logits)
        # A stable sort leaves equal ones in order, and NaN at the end.
        best = np.argsort(-logits, kind="stable")[: self.enough]
        return self.pick(best, logits[best])

    def pick(self, ids: np.ndarray, logits: np.ndarray) -> int:
        """One of the ids, of these logits: of the `enough` likeliest, the likeliest first."""
        if self.temperature == 0:
            return int(ids[0])
        scaled = logits.astype(np.float64) / self.temperature
        likely = np.exp(scaled - np.nanmax(scaled))
        likely = np.where(np.isnan(likely), 0, likely)
        likely /= likely.sum()
        if self.top_p == 1:
            return int(ids[self.random.choice(likely.size, p=likely)])
        order = np.argsort(-likely, kind="stable")
        total = np.cumsum(likely[order])
        # The token that crosses the line is still in, so at least one is.
        kept = order[: int(np.searchsorted(total, self.top_p)) + 1]
        return int(ids[self.random.choice(kept, p=likely[kept] / likely[kept].sum())])

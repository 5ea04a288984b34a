# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From logits to the next token."""

from typing import Optional

import numpy as np


class Sampler:
    """Picks tokens from logits; with temperature 0 the likeliest (the first one if tied).

    temperature: the logits are divided by it; 0 is greedy.
    top_p: only the likeliest tokens that together have this probability may be picked.
    seed: equal seeds give equal picks for equal logits.
    """

    def __init__(self, temperature: float = 0.0, top_p: float = 1.0, seed: Optional[int] = None):
        if temperature < 0:
            raise ValueError(f"temperature is {temperature}, it must not be negative")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p is {top_p}, it must be above 0 and at most 1")
        self.temperature, self.top_p = temperature, top_p
        self.random = np.random.default_rng(seed)

    def __call__(self, logits: np.ndarray) -> int:
        """logits: [vocabulary], any float type."""
        if self.temperature == 0:
            return int(np.argmax(logits))
        scaled = logits.astype(np.float64) / self.temperature
        likely = np.exp(scaled - scaled.max())
        likely /= likely.sum()
        if self.top_p == 1:
            return int(self.random.choice(likely.size, p=likely))
        order = np.argsort(-likely, kind="stable")
        total = np.cumsum(likely[order])
        # The token that crosses the line is still in, so at least one is.
        kept = order[: int(np.searchsorted(total, self.top_p)) + 1]
        return int(self.random.choice(kept, p=likely[kept] / likely[kept].sum()))

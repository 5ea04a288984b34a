# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Number formats as numpy sees them: random weights, the bytes they are stored as, their values.

Even rows get scales that are powers of two and small whole offsets, so that every product and
sum of them with whole numbers is exact in float32; odd rows get arbitrary ones. Row 0 and row 1
hold the highest and the lowest code only: sums that overflow do it there first.
"""

import dataclasses
from typing import Dict, Optional, Tuple

import numpy as np


@dataclasses.dataclass
class Weight:
    """A matrix [N, K]: value = scale * code + minimum, or `floats` for a plain one.

    `scales` and `minimums` are [N, groups], float64 and exact.
    """

    text: str  # the scheme in MLIR
    codes: np.ndarray
    scales: np.ndarray
    minimums: np.ndarray
    group: int
    parts: Dict[str, np.ndarray]  # suffix of the name -> array of a safetensors file
    blocks: Optional[Tuple[str, bytes]] = None  # or: GGUF type and bytes
    floats: Optional[np.ndarray] = None

    def spread(self, per_group: np.ndarray) -> np.ndarray:
        """Values per group as values per column."""
        return np.repeat(per_group, self.group, axis=1)[:, : self.codes.shape[1]]

    def values(self) -> np.ndarray:
        if self.floats is not None:
            return self.floats
        return self.spread(self.scales) * self.codes + self.spread(self.minimums)

    def float32_values(self) -> np.ndarray:
        """With one rounding for each operation, as qt.dequantize promises."""
        if self.floats is not None:
            return self.floats.astype(np.float32)
        scales = self.spread(self.scales).astype(np.float32)
        products = scales * self.codes.astype(np.float32)
        return products + self.spread(self.minimums.astype(np.float32))


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The bits, rounded to nearest even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def store_floats(values: np.ndarray, kind: str) -> Tuple[np.ndarray, np.ndarray]:
    """The array of a file, and the values in it as float64."""
    if kind == "bf16":
        bits = to_bfloat16(values)
        return bits, (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    stored = values.astype({"f32": np.float32, "f16": np.float16}[kind])
    return stored, stored.astype(np.float64)


def random_scales(rng, n: int, groups: int) -> np.ndarray:
    scales = rng.uniform(0.3, 3.0, (n, groups)) * rng.choice([-1, 1], (n, groups), p=[0.1, 0.9])
    scales[::2] = rng.choice([0.5, 1.0, -1.0], scales[::2].shape)
    return scales


def random_codes(rng, n: int, k: int, low: int, high: int) -> np.ndarray:
    codes = rng.integers(low, high, (n, k), endpoint=True)
    codes[0], codes[1:2] = high, low
    return codes


@dataclasses.dataclass(frozen=True)
class Int:
    bits: int
    asymmetric: bool
    granularity: str  # "tensor", "channel", or "group = G"
    scale: str

    @property
    def text(self) -> str:
        zero = f", zero = i{self.bits}" if self.asymmetric else ""
        return f"#qt.int<{self.bits}, {self.granularity}, scale = {self.scale}{zero}>"

    def make(self, rng, n: int, k: int) -> Weight:
        group = min(int(self.granularity.split()[-1]), k) if "group" in self.granularity else k
        groups = -(-k // group)
        low = 0 if self.asymmetric else -(1 << (self.bits - 1))
        high = low + (1 << self.bits) - 1
        codes = random_codes(rng, n, k, low, high)
        shape = (1, 1) if self.granularity == "tensor" else (n, groups)
        stored, scales = store_floats(random_scales(rng, *shape), self.scale)
        parts = {".codes": codes.astype(np.uint8 if self.asymmetric else np.int8)}
        parts[".scales"] = stored.reshape(-1) if self.granularity == "tensor" else stored
        minimums = np.zeros((n, groups))
        if self.asymmetric:
            zeros = rng.integers(0, high, shape, endpoint=True)
            flat = zeros.reshape(-1) if self.granularity == "tensor" else zeros
            parts[".zeros"] = flat.astype(np.uint8)
            minimums = np.broadcast_to(-scales * zeros, (n, groups))
        scales = np.broadcast_to(scales, (n, groups))
        return Weight(self.text, codes, scales, minimums, group, parts)


@dataclasses.dataclass(frozen=True)
class Block:
    """GGUF's blocks of 32 values."""

    kind: str

    @property
    def text(self) -> str:
        return f"#qt.{self.kind}"

    def make(self, rng, n: int, k: int) -> Weight:
        groups = k // 32
        low, high = {"q4_0": (-8, 7), "q4_1": (0, 15), "q8_0": (-128, 127)}[self.kind]
        codes = random_codes(rng, n, k, low, high)
        stored, scales = store_floats(random_scales(rng, n, groups), "f16")
        fields = [stored[..., None].view(np.uint8)]
        minimums = np.zeros((n, groups))
        if self.kind == "q4_1":
            minimums = rng.uniform(-9, 9, (n, groups))
            minimums[::2] = minimums[::2].round()
            stored, minimums = store_floats(minimums, "f16")
            fields.append(stored[..., None].view(np.uint8))
        split = codes.reshape(n, groups, 32)
        if self.kind == "q8_0":
            fields.append(split.astype(np.int8).view(np.uint8))
        else:  # a byte holds values j and j + 16
            nibbles = (split - low).astype(np.uint8)
            fields.append(nibbles[..., :16] | nibbles[..., 16:] << 4)
        blocks = np.concatenate(fields, axis=-1).tobytes()
        return Weight(self.text, codes, scales, minimums, 32, {}, (self.kind, blocks))


@dataclasses.dataclass(frozen=True)
class Float:
    kind: str

    @property
    def text(self) -> str:
        return f"#qt.float<{self.kind}>"

    def make(self, rng, n: int, k: int) -> Weight:
        stored, values = store_floats(rng.standard_normal((n, k)), self.kind)
        none = np.zeros((n, 1))
        return Weight(self.text, none, none, none, k, {"": stored}, floats=values)

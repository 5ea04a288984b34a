# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF's other blocks: random bytes, and the numbers that ggml reads from them.

A reader of each format that is independent of the compiler's: it returns whole numbers (lanes)
and the scales that they are multiplied with, for every value.
"""

import dataclasses
import pathlib

import numpy as np
from block_formats import BLOCK_FORMATS, put_factors
from schemes import IQ4_NL, Weight, random_scales

GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
J = np.arange(256)
E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])  # doubled


def grid(name):
    points = np.fromfile(GOLDEN / f"gguf_codebooks.{name}.bin", np.int8).astype(np.int64)
    return points.reshape(-1, 4 if name.startswith("IQ3") else 8)


def field(data, byte, shift, width):
    """Bits of a byte each: [..., len(byte)]."""
    return data[..., byte].astype(np.int64) >> shift & (1 << width) - 1


def words(data, start, stop, kind):
    return np.ascontiguousarray(data[..., start:stop]).view(kind).astype(np.int64)


def signs(bits, is_stored_even=False):
    """-1 where bit j % 8 of bits[..., j] is set; of seven bits the eighth makes them even."""
    if is_stored_even:
        ones = sum(bits >> i & 1 for i in range(7))
        bits = bits | ones % 2 << 7
    return 1 - 2 * (bits >> J % 8 & 1)


def iq2_xxs(data):
    word = words(data, 2, 66, "<u4")
    index, second = data[..., 2 + J // 32 * 8 + J // 8 % 4], word[..., J // 32 * 2 + 1]
    values = grid("IQ2_XXS")[index, J % 8]
    return values * signs(second >> J // 8 % 4 * 7 & 127, True), second >> 28


def iq2_xs(data):
    word = words(data, 2, 66, "<u2")[..., J // 8]
    values = grid("IQ2_XS")[word & 511, J % 8] * signs(word >> 9, True)
    return values, field(data, 66 + J // 32, J // 16 % 2 * 4, 4)


def iq2_s(data):
    index = data[..., 2 + J // 8] + 256 * field(data, 66 + J // 32, J // 8 % 4 * 2, 2)
    values = grid("IQ2_S")[index, J % 8] * signs(field(data, 34 + J // 8, 0, 8))
    return values, field(data, 74 + J // 32, J // 16 % 2 * 4, 4)


def iq3_xxs(data):
    word = words(data, 66, 98, "<u4")[..., J // 32]
    values = grid("IQ3_XXS")[data[..., 2 + J // 4], J % 4]
    return values * signs(word >> J // 8 % 4 * 7 & 127, True), word >> 28


def iq3_s(data):
    index = data[..., 2 + J // 4] + 256 * field(data, 66 + J // 32, J // 4 % 8, 1)
    values = grid("IQ3_S")[index, J % 4] * signs(field(data, 74 + J // 8, 0, 8))
    return values, field(data, 106 + J // 64, J // 32 % 2 * 4, 4)


def iq1_s(data):
    word = words(data, 34, 50, "<u2")[..., J // 32]
    index = data[..., 2 + J // 8] + 256 * (word >> J // 8 % 4 * 3 & 7)
    return 8 * grid("IQ1_S")[index, J % 8] + 1 - 2 * (word >> 15), word >> 12 & 7


def iq1_m(data):
    nibble = field(data, 32 + J // 16, J // 8 % 2 * 4, 4)
    index = data[..., J // 8] + 256 * (nibble & 7)
    word = words(data, 48, 56, "<u2")[..., J // 64]
    return 8 * grid("IQ1_S")[index, J % 8] + 1 - 2 * (nibble >> 3), word >> J // 16 % 4 * 3 & 7


def iq4_xs(data):
    scales = field(data, 4 + J // 64, J // 32 % 2 * 4, 4)
    scales = scales + 16 * (words(data, 2, 4, "<u2") >> J // 32 * 2 & 3) - 32
    return IQ4_NL[field(data, 8 + J // 32 * 16 + J % 16, J // 16 % 2 * 4, 4)], scales


def tq1_0(data):
    place = np.select([J < 160, J < 240], [J % 32, 32 + J % 16], 48 + J % 4)
    digit = np.select([J < 160, J < 240], [J // 32, J // 16 - 10], J // 4 - 60)
    return (data[..., place] * 3**digit % 256 * 3 >> 8) - 1, None


def tq2_0(data):
    return field(data, J // 128 * 32 + J % 32, J // 32 % 4 * 2, 2) - 1, None


def q1_0(data):
    return 2 * field(data, 2 + J[:128] // 8, J[:128] % 8, 1) - 1, None


def q2_0(data):
    return field(data, 2 + J[:64] // 4, J[:64] % 4 * 2, 2) - 1, None


def mxfp4(data):
    return E2M1[field(data, 1 + J[:32] % 16, J[:32] // 16 * 4, 4)], None


def nvfp4(data):
    j = J[:64]
    return E2M1[field(data, 4 + j // 16 * 8 + j % 8, j // 8 % 2 * 4, 4)], None


# The reader; values that share a scale; what a lane is multiplied with, of S and d, is
# d * (a * S + b) * c; bits to clear that make S small: (bytes, mask).
READERS = {
    "iq2_xxs": (iq2_xxs, 32, (2, 1, 1 / 8), (slice(9, 66, 8), 0x0F)),
    "iq2_xs": (iq2_xs, 16, (2, 1, 1 / 8), (slice(66, 74), 0x11)),
    "iq2_s": (iq2_s, 16, (2, 1, 1 / 8), (slice(74, 82), 0x11)),
    "iq3_xxs": (iq3_xxs, 32, (2, 1, 1 / 4), (slice(69, 98, 4), 0x1F)),
    "iq3_s": (iq3_s, 32, (2, 1, 1), (slice(106, 110), 0x11)),
    "iq1_s": (iq1_s, 32, (2, 1, 1 / 8), (slice(35, 50, 2), 0x8F)),
    "iq1_m": (iq1_m, 16, (2, 1, 1 / 8), (slice(48, 56), 0)),
    "iq4_xs": (iq4_xs, 32, (1, 0, 1), None),
    "tq1_0": (tq1_0, 256, (0, 1, 1), None),
    "tq2_0": (tq2_0, 256, (0, 1, 1), None),
    "q1_0": (q1_0, 128, (0, 1, 1), None),
    "q2_0": (q2_0, 64, (0, 1, 1), None),
    "mxfp4": (mxfp4, 32, (0, 1, 1 / 2), None),
    "nvfp4": (nvfp4, 16, (0, 1, 1 / 2), None),
}


@dataclasses.dataclass(frozen=True)
class PackedBlock:
    """A format of READERS."""

    kind: str

    @property
    def text(self) -> str:
        return f"#qt.{self.kind}"

    def make(self, rng, n: int, k: int) -> Weight:
        read, group, formula, small = READERS[self.kind]
        block = BLOCK_FORMATS[self.kind.upper()]
        count = k // block.values
        data = rng.integers(0, 256, (n, count, block.bytes), np.uint8)
        if small:
            data[::2, :, small[0]] &= small[1]
        if self.kind == "iq4_xs":  # 33 and 31 mean 1 and -1
            data[::2, :, 2:8] = [0xAA, 0xAA, *[0x11] * 4]
            data[1, 0, 2:8] = 0  # the loudest
            data[0, :, 8:], data[1, :, 8:] = 0xFF, 0  # the highest code, the lowest
        scale, offset, unit = formula
        factors = random_scales(rng, n, count)
        if self.kind.endswith("fp4"):
            factors = 2.0 ** rng.integers(-3, 3, (n, count))
            factors[::2] = 1
        elif unit < 1:  # as eighths they are exact
            factors[::2] /= unit
        put_factors(self.kind.upper(), data, factors)
        if not self.kind.endswith("fp4"):
            factors = factors.astype(np.float16).astype(np.float64)
        lanes, stored = read(data)
        scales = np.full(lanes.shape, offset) if stored is None else scale * stored + offset
        scales = scales * factors[..., None] * unit
        return Weight(
            self.text,
            lanes.reshape(n, k),
            scales[..., ::group].reshape(n, -1),
            np.zeros((n, k // group)),
            group,
            {},
            (self.kind, data.tobytes()),
        )

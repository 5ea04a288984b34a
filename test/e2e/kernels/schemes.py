# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Number formats as numpy sees them: random weights, the bytes they are stored as, their values.

Even rows get scales that are powers of two and small whole offsets, so that every product and
sum of them with whole numbers is exact in float32; odd rows get arbitrary ones. Row 0 and row 1
hold the highest and the lowest code only: sums that overflow do it there first.
"""

import dataclasses
from typing import Dict, Optional, Tuple

import numpy as np
from weight_files import Tagged


@dataclasses.dataclass
class Weight:
    """A matrix [N, K]: value = scale * code + minimum, or `scale` * `floats`.

    `scales` and `minimums` are [N, groups], float64 and exact. A codebook has both: numbers,
    and the codes that integer kernels use for them.
    """

    text: str  # the scheme in MLIR
    codes: np.ndarray
    scales: np.ndarray
    minimums: np.ndarray
    group: int
    parts: Dict[str, np.ndarray]  # suffix of the name -> array of a safetensors file
    blocks: Optional[Tuple[str, bytes]] = None  # or: GGUF type and bytes
    floats: Optional[np.ndarray] = None
    float_scales: Optional[np.ndarray] = None  # of `floats`, [N, groups]
    lanes_are_exact: bool = True

    def spread(self, per_group: np.ndarray) -> np.ndarray:
        """Values per group as values per column."""
        columns = (self.codes if self.floats is None else self.floats).shape[1]
        return np.repeat(per_group, self.group, axis=1)[:, :columns]

    def values(self) -> np.ndarray:
        if self.float_scales is not None:
            return self.floats * self.spread(self.float_scales)
        if self.floats is not None:
            return self.floats
        return self.spread(self.scales) * self.codes + self.spread(self.minimums)

    def magnitude(self) -> np.ndarray:
        """What the roundings on the way to a value are relative to."""
        if self.floats is not None:
            return np.abs(self.values())
        return np.abs(self.spread(self.scales) * self.codes) + np.abs(self.spread(self.minimums))

    def float32_values(self) -> np.ndarray:
        """With one rounding for each operation, as qt.dequantize promises."""
        if self.float_scales is not None:
            scales = self.spread(self.float_scales).astype(np.float32)
            return self.floats.astype(np.float32) * scales
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


IQ4_NL = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])


@dataclasses.dataclass(frozen=True)
class Block:
    """GGUF's blocks of 32 values."""

    kind: str

    @property
    def text(self) -> str:
        return f"#qt.{self.kind}"

    def make(self, rng, n: int, k: int) -> Weight:
        groups = k // 32
        low, high = {
            "q4_0": (-8, 7),
            "q4_1": (0, 15),
            "q5_0": (-16, 15),
            "q5_1": (0, 31),
            "q8_0": (-128, 127),
            "iq4_nl": (0, 15),
        }[self.kind]
        codes = random_codes(rng, n, k, low, high)
        stored, scales = store_floats(random_scales(rng, n, groups), "f16")
        fields = [stored[..., None].view(np.uint8)]
        minimums = np.zeros((n, groups))
        if self.kind.endswith("_1"):
            minimums = rng.uniform(-9, 9, (n, groups))
            minimums[::2] = minimums[::2].round()
            stored, minimums = store_floats(minimums, "f16")
            fields.append(stored[..., None].view(np.uint8))
        split = codes.reshape(n, groups, 32)
        if self.kind == "q8_0":
            fields.append(split.astype(np.int8).view(np.uint8))
        else:  # a byte holds values j and j + 16
            bits = (split - low).astype(np.uint8)
            if self.kind.startswith("q5"):
                fields.append(np.packbits(bits >> 4, axis=-1, bitorder="little"))
            nibbles = bits & 15
            fields.append(nibbles[..., :16] | nibbles[..., 16:] << 4)
        blocks = np.concatenate(fields, axis=-1).tobytes()
        if self.kind == "iq4_nl":
            codes = IQ4_NL[codes]
        return Weight(self.text, codes, scales, minimums, 32, {}, (self.kind, blocks))


def put_bits(target: np.ndarray, byte, shift, bits: np.ndarray) -> None:
    """target[..., byte[j]] |= bits[..., j] << shift[j]"""
    for j, values in enumerate(np.moveaxis(bits, -1, 0)):
        target[..., byte[j]] |= (values << shift[j]).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class SuperBlock:
    """GGUF's blocks of 256 values, with integers for scales and minimums."""

    kind: str

    @property
    def text(self) -> str:
        return f"#qt.{self.kind}"

    def make(self, rng, n: int, k: int) -> Weight:
        bits = int(self.kind[1])
        offset = {3: 4, 6: 32}.get(bits, 0)
        group = 32 if bits in (4, 5) else 16
        lowest, highest = {2: (0, 15), 3: (-32, 31), 6: (-128, 127)}.get(bits, (0, 63))
        blocks, groups = k // 256, 256 // group
        codes = random_codes(rng, n, k, -offset, (1 << bits) - 1 - offset)
        scales = rng.integers(lowest, highest, (n, blocks, groups), endpoint=True)
        scales[::2] = rng.integers(1, 2, scales[::2].shape, endpoint=True)
        scales[1, 0, :2] = lowest, highest
        factor_bits, factors = store_floats(random_scales(rng, n, blocks), "f16")
        minimums, minimum_factors = np.zeros(scales.shape), np.zeros(factors.shape)
        if not offset:
            minimums = rng.integers(0, highest, scales.shape, endpoint=True)
            minimums[::2] %= 3
            minimum_bits, minimum_factors = store_floats(random_scales(rng, n, blocks), "f16")
        size = {2: 84, 3: 110, 4: 144, 5: 176, 6: 210}[bits]
        data = np.zeros((n, blocks, size), np.uint8)
        halves = {2: 80, 3: 108, 6: 208}.get(bits, 0)
        data[..., halves : halves + 2] = factor_bits[..., None].view(np.uint8)
        if not offset:
            data[..., halves + 2 : halves + 4] = minimum_bits[..., None].view(np.uint8)
        self.put_scales(bits, data, scales, minimums)
        self.put_codes(bits, data, codes.reshape(n, blocks, 256) + offset)
        exact = (factors[..., None] * scales).reshape(n, -1)
        low = -(minimum_factors[..., None] * minimums).reshape(n, -1)
        return Weight(self.text, codes, exact, low, group, {}, (self.kind, data.tobytes()))

    @staticmethod
    def put_scales(bits, data, scales, minimums) -> None:
        g = np.arange(16)
        if bits == 6:
            data[..., 192:208] = scales.astype(np.int8).view(np.uint8)
        elif bits == 3:
            put_bits(data, 96 + g % 8, g // 8 * 4, scales + 32 & 15)
            put_bits(data, 104 + g % 4, g // 4 * 2, scales + 32 >> 4)
        elif bits == 2:
            put_bits(data, g, 0 * g, scales | minimums << 4)
        else:
            for start, numbers in ((4, scales), (8, minimums)):
                put_bits(data, start + g[:4], 0 * g, numbers[..., :4])
                put_bits(data, start + g[:4], 0 * g + 6, numbers[..., 4:] >> 4)
            put_bits(data, 12 + g[:4], 0 * g, scales[..., 4:] & 15)
            put_bits(data, 12 + g[:4], 0 * g + 4, minimums[..., 4:] & 15)

    @staticmethod
    def put_codes(bits, data, codes) -> None:
        j = np.arange(256)
        nibble, pair = j // 64 * 32 + j % 32, j // 128 * 32 + j % 32
        if bits == 2:
            put_bits(data, 16 + pair, j // 32 % 4 * 2, codes)
        elif bits == 3:
            put_bits(data, 32 + pair, j // 32 % 4 * 2, codes & 3)
            put_bits(data, j % 32, j // 32, codes >> 2)
        elif bits == 6:
            put_bits(data, j // 128 * 64 + j % 64, j // 64 % 2 * 4, codes & 15)
            put_bits(data, 128 + pair, j // 32 % 4 * 2, codes >> 4)
        else:
            put_bits(data, (48 if bits == 5 else 16) + nibble, j // 32 % 2 * 4, codes & 15)
            if bits == 5:
                put_bits(data, 16 + j % 32, j // 32, codes >> 4)


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


# Of a float with a sign: exponent bits, mantissa bits, the code of the largest number.
SMALL = {"f8E4M3FN": (4, 3, 0x7E), "f8E5M2": (5, 2, 0x7B), "f4E2M1FN": (2, 1, 7)}
TAGS = {"f8E4M3FN": "F8_E4M3", "f8E5M2": "F8_E5M2", "f8E8M0FNU": "F8_E8M0"}


def small_values(kind: str) -> np.ndarray:
    """The numbers of the codes without a sign, up to the largest."""
    exponent_bits, mantissa_bits, largest = SMALL[kind]
    code = np.arange(largest + 1)
    exponent, mantissa = code >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
    mantissa = mantissa + (np.minimum(exponent, 1) << mantissa_bits)
    bias = (1 << (exponent_bits - 1)) - 1
    return mantissa * 2.0 ** (np.maximum(exponent, 1) - bias - mantissa_bits)


def round_to(kind: str, x: np.ndarray) -> np.ndarray:
    """The nearest number, halves to the even code, saturating."""
    table = small_values(kind)
    magnitude = np.abs(x.astype(np.float64))
    above = np.searchsorted(table, magnitude).clip(1, len(table) - 1)
    middle = (table[above - 1] + table[above]) / 2
    up = (magnitude > middle) | ((magnitude == middle) & (above % 2 == 0))
    return np.copysign(table[np.where(up, above, above - 1)], x)


@dataclasses.dataclass(frozen=True)
class SmallFloat:
    """Floats of 8 or 4 bits: "channel", "tensor", "group = G", "block = RxC"."""

    kind: str
    granularity: str
    scale: str = "f32"

    @property
    def text(self) -> str:
        return f"#qt.float<{self.kind}, {self.granularity}, scale = {self.scale}>"

    def make(self, rng, n: int, k: int) -> Weight:
        exponent_bits, mantissa_bits, largest = SMALL[self.kind]
        codes = rng.integers(0, largest, (n, k), endpoint=True)
        codes[0], codes[1:2] = largest, 0
        codes[:, 1:2] = 1  # subnormal
        negative = rng.integers(0, 2, (n, k))
        stored = (codes | negative << (exponent_bits + mantissa_bits)).astype(np.uint8)
        floats = small_values(self.kind)[codes] * (1 - 2 * negative)

        rows, columns = 1, k
        if "block" in self.granularity:
            rows, columns = map(int, self.granularity.split()[-1].split("x"))
        elif "group" in self.granularity:
            columns = int(self.granularity.split()[-1])
        elif self.granularity == "tensor":
            rows = n
        columns = min(columns, k)
        shape = -(-n // rows), -(-k // columns)
        is_four_bit = self.kind == "f4E2M1FN"
        parts = {".codes": stored if is_four_bit else Tagged(TAGS[self.kind], stored)}
        if self.scale in TAGS:  # floats of 8 bits
            if self.scale == "f8E8M0FNU":
                bits = rng.integers(120, 133, shape)
                bits[::2] = 127
                scales = 2.0 ** (bits - 127)
            else:
                bits = rng.integers(1, 0x7E, shape)
                bits[::2] = 0x38  # 1
                scales = small_values("f8E4M3FN")[bits] / 4
                parts[".global"] = np.array([4], np.float32)
            parts[".scales"] = Tagged(TAGS[self.scale], bits.astype(np.uint8))
        else:
            stored, scales = store_floats(np.abs(random_scales(rng, *shape)), self.scale)
            parts[".scales"] = stored.reshape(-1) if self.granularity == "tensor" else stored
        scales = np.repeat(scales, rows, axis=0)[:n]
        none = np.zeros(scales.shape)
        if not is_four_bit:
            return Weight(
                self.text, none, none, none, columns, parts, floats=floats, float_scales=scales
            )
        return Weight(self.text, np.rint(2 * floats), scales / 2, none, columns, parts)


# fmt: off
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
       0.7229568362236023, 1.0]
FP4 = [0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25]
# fmt: on


@dataclasses.dataclass(frozen=True)
class Codebook:
    kind: str
    group: int
    nested: int = 0

    @property
    def text(self) -> str:
        nested = f", nested = {self.nested}" if self.nested else ""
        return f"#qt.codebook<{self.kind}, group = {self.group}{nested}>"

    def make(self, rng, n: int, k: int) -> Weight:
        table = np.array(NF4 if self.kind == "nf4" else FP4 + [-x for x in FP4], np.float32)
        factor = 124 if self.kind == "nf4" else 120
        codes = rng.integers(0, 15, (n, k), endpoint=True)
        codes[0], codes[1:2] = 15, 0
        group = min(self.group, k)
        shape = n, -(-k // group)
        scales = rng.uniform(0.3, 3.0, shape).astype(np.float32)
        parts = {".codes": codes.astype(np.uint8), ".scales": scales}
        if self.nested:
            blocks = -(-scales.size // self.nested)
            parts[".scales"] = rng.integers(0, 255, shape, endpoint=True).astype(np.uint8)
            parts[".nested_map"] = np.linspace(-1, 1, 256).astype(np.float32)
            parts[".nested_scales"] = rng.uniform(0.3, 1.0, blocks).astype(np.float32)
            parts[".nested_offset"] = np.array([1.5], np.float32)
            which = np.arange(scales.size).reshape(shape) // self.nested
            scales = parts[".nested_map"][parts[".scales"]] * parts[".nested_scales"][which]
            scales = scales + parts[".nested_offset"]
        wide = scales.astype(np.float64)
        return Weight(
            self.text,
            np.rint(table.astype(np.float64)[codes] * factor),
            wide / factor,
            np.zeros(shape),
            group,
            parts,
            floats=table[codes].astype(np.float64),
            float_scales=wide,
            lanes_are_exact=False,
        )

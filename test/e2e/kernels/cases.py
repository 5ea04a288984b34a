# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The kernel matrix: scheme x shape x target x M, and which part of it is tested by default."""

import dataclasses
import functools
import itertools
import os
import pathlib
import random
from typing import Dict, List, Tuple, Union

import numpy as np
from packed_blocks import READERS, PackedBlock
from schemes import Block, Codebook, Float, Int, SmallFloat, SuperBlock, Weight

# What a CPU must have (as Linux names it) to run the code of a target.
TARGETS = {
    "cpu:x86-64-v3": ("avx2", "fma", "f16c"),
    "cpu:x86-64-v3+vnni": ("avx2", "fma", "f16c", "avx_vnni"),
    "cpu:x86-64-v4": ("avx512f", "avx512bw", "avx512vl", "avx512dq"),
    "cpu:x86-64-v4+vnni": ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"),
    "cpu:x86-64-v4+bf16": (
        *("avx512f", "avx512bw", "avx512vl", "avx512dq"),
        *("avx512_vnni", "avx512_bf16"),
    ),
    "cpu:native": (),
    # The first is run: it reads panels that are packed for the second.
    "cpu:x86-64-v3,x86-64-v4+bf16": ("avx2", "fma", "f16c"),
}
# Tokens per call: the matmul's tiles have 2 to 12 rows.
TOKENS = (
    1,  # decoding
    2,  # less than any tile
    7,  # a tile and a rest, or a part of one
    13,  # one past the largest tile
    33,  # several tiles and a rest
)
ROWS = (
    32,  # one panel of two AVX-512 registers
    48,  # three registers: panels of one
    33,  # a panel for one row: stores are masked
    576,  # many panels: a hidden size of SmolLM2
)
COLUMNS = (
    576,  # 4.5 groups of 128: the last one is short
    96,  # a group and a half of 64, shorter than one of 128
    32,  # one group: all schemes have one scale per row
    64,
)
BITS = range(2, 9)
GRANULARITIES = ("tensor", "channel", "group = 32", "group = 64", "group = 128")
FACTORS = {
    "scale": ("f16", "bf16", "f32"),
    "activation": ("#qt.int<8, token>", "#qt.int<8, group = 32>"),
    "n": ROWS,
    "k": COLUMNS,
    "bias": (False, True),
    "residual": (False, True),
}
BLOCKS = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl")
SUPER_BLOCKS = ("q2_K", "q3_K", "q4_K", "q5_K", "q6_K")
FULL = bool(os.environ.get("QUANT_MLIR_FULL_KERNEL_MATRIX"))


@dataclasses.dataclass(frozen=True)
class Case:
    scheme: Union[Int, Block, SuperBlock, PackedBlock, Float, SmallFloat, Codebook]
    activation: str  # a scheme, or "" for float activations
    n: int
    k: int
    bias: bool
    residual: bool
    name: str
    gathers: bool = True  # rows of the weight are looked up, too

    @property
    def xgroup(self) -> int:
        """Values of the activation that share a scale."""
        group = self.activation.split("group = ")[1:]
        return min(int(group[0].strip(">")), self.k) if group else self.k

    @property
    def is_integer(self) -> bool:
        """Whether products are summed as integers."""
        return self.activation.startswith("#qt.int")

    @functools.cached_property
    def weight(self) -> Weight:
        return self.scheme.make(np.random.default_rng(self.n * 1000 + self.k), self.n, self.k)

    @functools.cached_property
    def bias_values(self) -> np.ndarray:
        """Whole numbers, so that they do not spoil a sum that is exact."""
        rng = np.random.default_rng(5)
        return rng.integers(-100, 100, self.n).astype(np.float32)

    def mlir(self, weights: pathlib.Path) -> str:
        """Functions NAME (the product) and NAME_gather (a lookup in the same weight)."""
        n, k, name = self.n, self.k, self.name
        matrix = f"!qt.tensor<{n}x{k}xf32, {self.scheme.text}>"
        x, y = f"tensor<?x{k}xf32>", f"tensor<?x{n}xf32>"
        quantized = f"!qt.tensor<?x{k}xf32, {self.activation}>" if self.activation else x
        lines = [f'qt.weight @{name}.w : {matrix} in "{weights}"']
        if self.bias:
            file = weights.with_suffix(".safetensors")
            lines.append(f'qt.weight @{name}.b : tensor<{n}xf32> in "{file}"')
        residual = f", %r: {y}" if self.residual else ""
        lines.append(f"func.func @{name}(%x: {x}{residual}) -> {y} {{")
        lines.append(f"  %w = qt.load @{name}.w : {matrix}")
        factor = "%x"
        if self.activation:
            lines.append(f"  %q = qt.quantize %x : {x} -> {quantized}")
            factor = "%q"
        if self.bias:
            lines.append(f"  %b = qt.load @{name}.b : tensor<{n}xf32>")
        bias, type_ = (" bias %b", f", tensor<{n}xf32>") if self.bias else ("", "")
        lines.append(f"  %y = qt.matmul {factor}, %w{bias} : {quantized}, {matrix}{type_} -> {y}")
        result = "%y"
        if self.residual:
            lines.append(f"  %z = arith.addf %r, %y : {y}")
            result = "%z"
        lines += [f"  return {result} : {y}", "}"]
        if not self.gathers:
            return "\n".join(lines)
        lines.append(f"func.func @{name}_gather(%ids: tensor<?xi32>) -> {x} {{")
        lines.append(f"  %w = qt.load @{name}.w : {matrix}")
        lines.append(f"  %e = qt.gather %ids, %w : tensor<?xi32>, {matrix} -> {x}")
        lines += [f"  return %e : {x}", "}"]
        return "\n".join(lines)


def integer_cases(bits: int) -> List[Case]:
    rest = list(itertools.product(*FACTORS.values()))
    cases = []
    for asymmetric, granularity in itertools.product((False, True), GRANULARITIES):
        for scale, activation, n, k, bias, residual in (
            rest if FULL else [_cover(bits, asymmetric, granularity)]
        ):
            scheme = Int(bits, asymmetric, granularity, scale)
            name = f"i{bits}_{len(cases)}"
            cases.append(Case(scheme, activation, n, k, bias, residual, name))
    return cases


def _cover(*fixed) -> Tuple:
    return _covering_rows()[fixed]


@functools.lru_cache(None)
def _covering_rows() -> Dict[Tuple, Tuple]:
    """For each (bits, asymmetric, granularity) one choice of the other factors, so that every
    two values of any two factors meet somewhere: greedy, the best of 60 random choices."""
    generator, seen, rows = random.Random(1), set(), {}
    for fixed in itertools.product(BITS, (False, True), GRANULARITIES):

        def new_pairs(choice, fixed=fixed, seen=seen):
            return set(itertools.combinations(enumerate(fixed + choice), 2)) - seen

        choices = [tuple(map(generator.choice, FACTORS.values())) for _ in range(60)]
        best = max(choices, key=lambda choice: len(new_pairs(choice)))
        seen |= new_pairs(best)
        rows[fixed] = best
    return rows


def missing_pairs() -> set:
    """Pairs of factor values that the default choice leaves out."""
    factors = [BITS, (False, True), GRANULARITIES, *FACTORS.values()]
    have = set()
    for fixed, choice in _covering_rows().items():
        have |= set(itertools.combinations(enumerate(fixed + choice), 2))
    want = set()
    for a, b in itertools.combinations(range(len(factors)), 2):
        want |= {((a, x), (b, y)) for x in factors[a] for y in factors[b]}
    return want - have


def block_cases() -> List[Case]:
    shapes = list(itertools.product(ROWS, COLUMNS))
    cases = []
    for kind in BLOCKS:
        for index, activation in enumerate(FACTORS["activation"]):
            for n, k in shapes if FULL else shapes[4 * index + 1 :: 7]:
                flags = len(cases) % 2 == 0, len(cases) % 3 == 0
                cases.append(Case(Block(kind), activation, n, k, *flags, f"{kind}_{len(cases)}"))
    return cases


def super_block_cases() -> List[Case]:
    """Also with float activations; rows of one block, of several."""
    groups = ["#qt.int<8, group = 16>", "#qt.int<8, group = 128>"]
    activations = [*FACTORS["activation"], "", ROUNDED[0], *groups]
    cases = []
    for kind in SUPER_BLOCKS:
        for activation in activations:
            shapes = list(itertools.product(ROWS, (256, 512, 1024)))
            for n, k in shapes if FULL else [shapes[7 * len(cases) % len(shapes)]]:
                flags = len(cases) % 2 == 0, len(cases) % 3 == 0
                name = f"{kind}_{len(cases)}"
                cases.append(Case(SuperBlock(kind), activation, n, k, *flags, name))
    return cases


def packed_block_cases() -> List[Case]:
    """Each with activations of a token, of groups and of floats, in turns."""
    groups = ["#qt.int<8, group = 16>", "#qt.int<8, group = 128>"]
    activations = [*FACTORS["activation"], *groups, "", ROUNDED[0]]
    cases = []
    for index, kind in enumerate(READERS):
        for turn in range(len(activations)) if FULL else (0, 1, 3):
            shapes = list(itertools.product(ROWS, (256, 512, 1024)))
            for n, k in shapes if FULL else [shapes[7 * len(cases) % len(shapes)]]:
                flags = len(cases) % 2 == 0, len(cases) % 3 == 0
                activation = activations[(index + turn) % len(activations)]
                name = f"{kind}_{len(cases)}"
                cases.append(Case(PackedBlock(kind), activation, n, k, *flags, name))
    return cases


def odd_cases() -> List[Case]:
    """Shapes that no model has, but that are allowed."""
    token, group = FACTORS["activation"]
    rows = [
        (Int(4, False, "group = 32", "f16"), token, 1, 96),  # one row
        (Int(8, False, "channel", "f32"), token, 5, 100),  # K is padded to 128
        (Int(4, True, "channel", "bf16"), token, 40, 36),
        (Int(5, True, "group = 24", "f32"), token, 17, 100),  # groups are no power of two
        (Int(3, False, "group = 4", "f32"), token, 17, 64),  # the smallest group
        (Int(8, False, "channel", "f32"), group, 17, 100),  # a short group of activations
        (Int(7, True, "group = 64", "f32"), group, 17, 100),  # of both
        (Int(2, False, "tensor", "f32"), token, 19, 4),  # the shortest row
        (Float("bf16"), "", 1, 7),
        (Float("f16"), "", 19, 1),
        (Float("f32"), "", 130, 33),
        (Int(8, False, "channel", "f32"), "", 17, 97),  # words and vectors with a rest
        (Int(3, True, "group = 8", "f16"), "", 5, 30),
        (Codebook("nf4", 64), "", 17, 99),
        (SmallFloat("f8E4M3FN", "group = 32"), ROUNDED[0], 3, 70),
        (SmallFloat("f8E5M2", "channel"), "", 1, 1),
    ]
    return [Case(*row, i % 2 == 0, i % 3 == 0, f"odd_{i}") for i, row in enumerate(rows)]


def float_cases() -> List[Case]:
    shapes = list(itertools.product(ROWS, COLUMNS))
    cases = []
    for index, kind in enumerate(("f32", "f16", "bf16")):
        for n, k in shapes if FULL else shapes[index::5]:
            flags = len(cases) % 2 == 0, len(cases) % 3 == 0
            cases.append(Case(Float(kind), "", n, k, *flags, f"{kind}_{len(cases)}"))
    return cases


TOKEN, GROUP = FACTORS["activation"]
ROUNDED = (
    "#qt.float<f8E4M3FN, token>",
    "#qt.float<f8E4M3FN, group = 128>",
    "#qt.float<f8E5M2, token>",
)


def _small_cases(name: str, rows) -> List[Case]:
    """Each scheme with each activation, on shapes that take turns."""
    shapes = list(itertools.product(ROWS, COLUMNS))
    cases = []
    for scheme, activations in rows:
        for activation in activations:
            turns = shapes if FULL else [shapes[5 * len(cases) % len(shapes)]]
            for n, k in turns:
                flags = len(cases) % 2 == 0, len(cases) % 3 == 0
                cases.append(Case(scheme, activation, n, k, *flags, f"{name}_{len(cases)}"))
    return cases


def codebook_cases() -> List[Case]:
    schemes = [
        Codebook("nf4", 64),
        Codebook("fp4", 32),
        Codebook("nf4", 64, 256),
        Codebook("nf4", 4096),
        Codebook("fp4", 12, 7),
        SmallFloat("f4E2M1FN", "group = 32", "f8E8M0FNU"),
        SmallFloat("f4E2M1FN", "group = 16", "f8E4M3FN"),
        SmallFloat("f4E2M1FN", "channel"),
    ]
    activations = ["", TOKEN, GROUP, ROUNDED[0]]
    # Groups of 32 are no multiple of 12.
    return _small_cases(
        "cb", [(s, activations[:2] if "12" in s.text else activations) for s in schemes]
    )


def float8_cases() -> List[Case]:
    grains = ("channel", "tensor", "group = 32", "block = 16x32", "block = 128x128", "group = 7")
    schemes = [SmallFloat(k, g) for k in ("f8E4M3FN", "f8E5M2") for g in grains]
    schemes.append(SmallFloat("f8E4M3FN", "group = 32", "f8E8M0FNU"))
    schemes.append(SmallFloat("f8E4M3FN", "channel", "bf16"))
    schemes.append(SmallFloat("f8E5M2", "group = 64", "f16"))
    return _small_cases("f8", [(s, ["", ROUNDED[i % 3]]) for i, s in enumerate(schemes)])


def pair_cases() -> List[Case]:
    """Floats that some targets multiply in pairs of bf16, for which they are packed if nothing
    else reads them."""
    grains = ("channel", "tensor", "group = 64", "block = 16x32", "block = 128x128")
    rows = [
        (SmallFloat(kind, grain), [ROUNDED[i % 3], "#qt.float<bf16>"][: 1 + i % 2])
        for i, (kind, grain) in enumerate(itertools.product(("f8E4M3FN", "f8E5M2"), grains))
    ]
    rows.append((SmallFloat("f8E5M2", "group = 64", "f16"), ROUNDED[:2]))
    rows.append((Float("bf16"), ["#qt.float<bf16>", *ROUNDED]))
    cases = _small_cases("pairs", rows)
    # Groups longer than a chunk of decoded numbers, with a rest.
    cases.append(Case(SmallFloat("f8E4M3FN", "channel"), ROUNDED[0], 40, 2500, True, True, "long"))
    cases.append(Case(Float("bf16"), "#qt.float<bf16>", 17, 33, True, True, "odd"))
    grouped = SmallFloat("f8E4M3FN", "group = 1100")
    cases.append(Case(grouped, "#qt.float<f8E4M3FN, group = 1100>", 33, 2200, False, True, "cut"))
    # The last group is short: what follows a row must be zeros.
    block = SmallFloat("f8E4M3FN", "block = 128x128")
    cases.append(Case(block, ROUNDED[1], 48, 576, False, False, "short"))
    cases.append(Case(SmallFloat("f8E5M2", "channel"), ROUNDED[1], 48, 576, True, False, "shorter"))
    return [dataclasses.replace(case, gathers=False) for case in cases]


def weight_only_cases() -> List[Case]:
    """Integers that are multiplied with floats."""
    scales = FACTORS["scale"]
    schemes = [
        Int(bits, asymmetric, GRANULARITIES[(bits + asymmetric) % 5], scales[bits % 3])
        for bits in BITS
        for asymmetric in (False, True)
    ]
    schemes += [Block(kind) for kind in BLOCKS]
    return _small_cases("wo", [(s, ["", ROUNDED[0]][: 1 + i % 2]) for i, s in enumerate(schemes)])


@functools.lru_cache(None)
def modules() -> Dict[str, List[Case]]:
    """The cases by the module that holds them: few runs of the compiler, small modules."""
    result = {f"int{bits}": integer_cases(bits) for bits in BITS}
    result["blocks"] = block_cases()
    result["super_blocks"] = super_block_cases()
    result["packed_blocks"] = packed_block_cases()
    result["floats"] = float_cases()
    result["odd"] = odd_cases()
    result["codebooks"] = codebook_cases()
    result["float8"] = float8_cases()
    result["pairs"] = pair_cases()
    only = weight_only_cases()
    result["weight_only"] = [c for c in only if not isinstance(c.scheme, Block)]
    result["weight_only_blocks"] = [c for c in only if isinstance(c.scheme, Block)]
    split = {}
    for name, cases in result.items():
        for start in range(0, len(cases), 40):
            split[name + (f"_{start}" if start else "")] = cases[start : start + 40]
    return split


def cpu_flags() -> set:
    info = pathlib.Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("flags"):
            return set(line.split(":")[1].split())
    return set()

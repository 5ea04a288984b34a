# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ggml's block types: the compiler's list of them, and where blocks have scales."""

import pathlib
import re
from typing import Dict, NamedTuple

import numpy as np

LIST = pathlib.Path(__file__).parents[2] / "include/quant-mlir/Quantize/BlockFormats.def"


class BlockFormat(NamedTuple):
    mnemonic: str  # of the scheme
    values: int  # of a block
    bytes: int
    id: int  # in GGUF files


BLOCK_FORMATS: Dict[str, BlockFormat] = {
    name: BlockFormat(mnemonic, int(values), int(size), int(id))
    for name, mnemonic, values, size, id in re.findall(
        r"^QUANT_BLOCK\((\w+), (\w+), (\d+), (\d+), (\d+)\)$", LIST.read_text(), re.MULTILINE
    )
}

# Where the f16 factor of scales is, if not in front.
_FACTORS = {"Q2_K": 80, "Q3_K": 108, "Q6_K": 208, "TQ1_0": 52, "TQ2_0": 64}


def put_factors(name: str, blocks: np.ndarray, factors: np.ndarray) -> None:
    """Stores the scale of blocks, or the number by which integer scales are multiplied: an f16,
    but for MXFP4 and NVFP4, which get the powers of two next to them. blocks: [..., bytes];
    factors: [...]."""
    if name in ("MXFP4", "NVFP4"):
        exponents = np.round(np.log2(factors)).astype(int)[..., None]
        if name == "MXFP4":
            blocks[..., :1] = exponents + 127
        else:
            blocks[..., :4] = exponents + 7 << 3
        return
    half = factors.astype(np.float16)[..., None].view(np.uint8)
    if name == "IQ1_M":  # a nibble in the top of each of four words
        for word, nibble in enumerate((half & 15, half >> 4)):
            for byte in (0, 1):
                place = 49 + 4 * byte + 2 * word
                blocks[..., place] = blocks[..., place] & 15 | nibble[..., byte] << 4
        return
    at = _FACTORS.get(name, 0)
    blocks[..., at : at + 2] = half

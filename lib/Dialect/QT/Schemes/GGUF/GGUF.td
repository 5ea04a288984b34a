// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"
include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.td"

/// A type of BlockFormats.def. `layout` describes a block, in the order of its
/// bytes.
class QT_GGUFAttr<string type, string layout>
    : QT_BlocksAttr<type, !subst("_k", "_K", !tolower(type)),
                    "GGUFBlock<BlockFormat::" # type # ">",
                    [DeclareAttrInterfaceMethods<WeighedSchemeInterface>]> {
  let summary = "GGUF's " # type;
  let description = layout # [{
    Rows are whole numbers of blocks. One storage part: the blocks, i8 [N, blocks
    of a row, bytes of a block], as they stand in a GGUF file.
  }];
}

//===----------------------------------------------------------------------===//
// Blocks of one scale
//===----------------------------------------------------------------------===//

def QT_Q4_0Attr : QT_GGUFAttr<"Q4_0", [{
    32 values in 18 bytes: value = scale * (code - 8); f16 scale, then 16 bytes
    of codes, element j < 16 in the low nibble of byte j.
  }]>;

def QT_Q4_1Attr : QT_GGUFAttr<"Q4_1", [{
    32 values in 20 bytes: value = scale * code + minimum; f16 scale, f16
    minimum, then 16 bytes of codes in q4_0's order.
  }]>;

def QT_Q5_0Attr : QT_GGUFAttr<"Q5_0", [{
    32 values in 22 bytes: value = scale * (code - 16); f16 scale, the top bits
    of the codes (bit j of a u32), then 16 bytes with their low nibbles in
    q4_0's order.
  }]>;

def QT_Q5_1Attr : QT_GGUFAttr<"Q5_1", [{
    32 values in 24 bytes: value = scale * code + minimum; f16 scale, f16
    minimum, then codes as in q5_0.
  }]>;

def QT_Q8_0Attr : QT_GGUFAttr<"Q8_0", [{
    32 values in 34 bytes: value = scale * code; f16 scale, then 32 signed bytes.
  }]>;

def QT_IQ4_NLAttr : QT_GGUFAttr<"IQ4_NL", [{
    32 values in 18 bytes: value = scale * table[code]; f16 scale, then 16 bytes
    of codes in q4_0's order. The table has 16 integers from -127 to 113, which
    lie closer around 0.
  }]>;

def QT_Q1_0Attr : QT_GGUFAttr<"Q1_0", [{
    128 values in 18 bytes: value = scale or -scale; f16 scale, then a bit for
    each value, the first in the lowest, 0 for -scale.
  }]>;

def QT_Q2_0Attr : QT_GGUFAttr<"Q2_0", [{
    64 values in 18 bytes: value = scale * (code - 1); f16 scale, then two bits
    for each value, the first in the lowest ones.
  }]>;

def QT_TQ1_0Attr : QT_GGUFAttr<"TQ1_0", [{
    256 values in 54 bytes: value = scale * (code - 1), codes 0 to 2; 48 bytes of
    five codes each and 4 of four, as digits of base 3 of a fraction of 256, then
    f16 scale.
  }]>;

def QT_TQ2_0Attr : QT_GGUFAttr<"TQ2_0", [{
    256 values in 66 bytes: value = scale * (code - 1), codes 0 to 2; two bits
    for each value as in q2_K, then f16 scale.
  }]>;

def QT_MXFP4Attr : QT_GGUFAttr<"MXFP4", [{
    32 values in 17 bytes: value = 2^(e - 127) * f4E2M1FN; the byte e, then codes
    in q4_0's order. The numbers are those of
    `#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>`.
  }]>;

def QT_NVFP4Attr : QT_GGUFAttr<"NVFP4", [{
    64 values in 36 bytes: value = scale * f4E2M1FN, for each 16 values scale = a
    byte that is an f8E4M3FN without a sign; the 4 scales, then 8 bytes for each
    16 values, the first half of them in the low nibbles. There is no scale of
    the tensor.
  }]>;

//===----------------------------------------------------------------------===//
// Blocks of several groups, whose scales are integers
//===----------------------------------------------------------------------===//

def QT_Q2_KAttr : QT_GGUFAttr<"Q2_K", [{
    256 values in 84 bytes: value = scale * code - minimum, for each 16 values
    scale = d * 4 bits and minimum = dmin * 4 bits; 16 bytes with these pairs,
    the codes, those of 128 values in 32 bytes, then f16 d, f16 dmin.
  }]>;

def QT_Q3_KAttr : QT_GGUFAttr<"Q3_K", [{
    256 values in 110 bytes: value = scale * (code - 4), for each 16 values
    scale = d * (6 bits - 32); 32 bytes with the top bits of the codes, 64 bytes
    with the two low ones as in q2_K, 12 bytes with the 16 scales, then f16 d.
  }]>;

def QT_Q4_KAttr : QT_GGUFAttr<"Q4_K", [{
    256 values in 144 bytes: value = scale * code - minimum, for each 32 values
    scale = d * 6 bits and minimum = dmin * 6 bits; f16 d, f16 dmin, 12 bytes
    with the eight pairs of 6 bits, then the codes, those of 64 values in 32
    bytes: the first half of them in the low nibbles.
  }]>;

def QT_Q5_KAttr : QT_GGUFAttr<"Q5_K", [{
    256 values in 176 bytes. Scales and minimums are q4_K's; 32 bytes with the
    top bits of the codes, bit g of byte l that of value l of group g, then low
    nibbles like q4_K's codes.
  }]>;

def QT_Q6_KAttr : QT_GGUFAttr<"Q6_K", [{
    256 values in 210 bytes: value = scale * (code - 32), for each 16 values
    scale = d * a signed byte; for each 128 values low nibbles in 64 bytes, then
    for each 128 the two top bits in 32 bytes, then the 16 bytes of the scales,
    then f16 d.
  }]>;

def QT_IQ4_XSAttr : QT_GGUFAttr<"IQ4_XS", [{
    256 values in 136 bytes: value = scale * iq4_nl's table[code], for each 32
    values scale = d * (6 bits - 32); f16 d, a u16 with the two top bits of the
    scales, 4 bytes with the low ones, then for each 32 values 16 bytes of codes
    in q4_0's order.
  }]>;

//===----------------------------------------------------------------------===//
// Grids: several values have one index
//===----------------------------------------------------------------------===//

def QT_IQ2_XXSAttr : QT_GGUFAttr<"IQ2_XXS", [{
    256 values in 66 bytes: value = scale * sign * grid; f16 d, then for each 32
    values four bytes, each of which chooses one of 256 points of eight numbers
    (8, 25 or 43), and a u32 of four times seven signs (the eighth makes the
    number of negative ones even) and four bits S: scale = d * (2 S + 1) / 8.
  }]>;

def QT_IQ2_XSAttr : QT_GGUFAttr<"IQ2_XS", [{
    256 values in 74 bytes. As iq2_xxs; f16 d, a u16 for each 8 values (one of
    512 points, seven signs), then four bits S for each 16 values.
  }]>;

def QT_IQ2_SAttr : QT_GGUFAttr<"IQ2_S", [{
    256 values in 82 bytes. As iq2_xxs, with 1024 points and eight signs; f16 d,
    for each 8 values a byte of the index, for each 8 a byte of signs, two top
    bits of the index, then four bits S for each 16 values.
  }]>;

def QT_IQ3_XXSAttr : QT_GGUFAttr<"IQ3_XXS", [{
    256 values in 98 bytes: value = scale * sign * grid; f16 d, for each 4 values
    a byte that chooses one of 256 points of four numbers (4 to 62), then for
    each 32 values a u32 as in iq2_xxs: scale = d * (2 S + 1) / 4.
  }]>;

def QT_IQ3_SAttr : QT_GGUFAttr<"IQ3_S", [{
    256 values in 110 bytes: value = scale * sign * grid, with 512 points of four
    odd numbers from 1 to 15; f16 d, for each 4 values a byte of the index, then
    a bit of it; for each value its sign; four bits S for each 32 values:
    scale = d * (2 S + 1).
  }]>;

def QT_IQ1_SAttr : QT_GGUFAttr<"IQ1_S", [{
    256 values in 50 bytes: value = scale * (grid + 1/8 or - 1/8), with 2048
    points of eight numbers -1, 0 or 1; f16 d, for each 8 values a byte of the
    index, then for each 32 values a u16 with their four times three top bits,
    three bits S, and a bit that is set for -1/8: scale = d * (2 S + 1).
  }]>;

def QT_IQ1_MAttr : QT_GGUFAttr<"IQ1_M", [{
    256 values in 56 bytes. As iq1_s; for each 8 values a byte of the index, then
    three bits of it and the one for -1/8; four u16 with three bits S for each 16
    values, whose four top bits together are f16 d.
  }]>;

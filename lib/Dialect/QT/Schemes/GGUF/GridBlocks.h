// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_GRIDBLOCKS_H
#define QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_GRIDBLOCKS_H

// The IQ types whose values are points of a grid (Quantize/GridTables.h). An
// index of a grid is no code of one value, so blocks are taken apart to levels
// and signs: codes of 3 or 4 bits, which a table of 16 lanes decodes. Such a
// weight is larger in memory than in its file, and smaller than bytes.

#include "GGUFBlock.h"
#include "quant-mlir/Quantize/GridTables.h"

namespace quantmlir::qt {

/// Sign `i` of eight, of which seven are stored: the number of negative ones is
/// even.
template <typename Int> Int evenSign(Int sevenBits, Int i) {
  Int parity = sevenBits ^ (sevenBits >> 4);
  parity = parity ^ (parity >> 2);
  parity = (parity ^ (parity >> 1)) & 1;
  return ((sevenBits + parity * 128) >> i) & 1;
}

//===----------------------------------------------------------------------===//
// IQ2: eight values of a grid, and signs
//===----------------------------------------------------------------------===//

/// Codes: the level, 0 to 2, and 4 for a negative value.
template <BlockFormat format> struct IQ2Block : BlockOf<format> {
  static constexpr int64_t group = 16;
  static constexpr unsigned codeBits = 3, laneBits = 7;
  static constexpr int32_t offset = 43;
  static constexpr uint8_t table[16] = {51, 68, 86, 0, 35, 18, 0};
  // An eighth of f16 d.
  using ScaleType = mlir::Float32Type;
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(0) * 0.125f;
  }
  template <typename B>
  static auto level(B &block, llvm::ArrayRef<uint16_t> grid,
                    typename B::Int index, typename B::Int j) {
    return (block.entry(grid, index) >> (j % 8 * 2)) & 3;
  }
  /// Four bits for each 16 values.
  template <typename B>
  static auto oddScale(B &block, int64_t first, typename B::Int j) {
    return ((block.byte(first + j / 32) >> (j / 16 % 2 * 4)) & 15) * 2 + 1;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ2_XXS> : IQ2Block<BlockFormat::IQ2_XXS> {
  static constexpr int64_t group = 32;
  // Two u32 for each 32 values: four indexes; four times seven signs and the
  // scale.
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto index = block.byte(2 + j / 32 * 8 + j / 8 % 4);
    auto signs = (block.u32(6 + j / 32 * 8) >> (j / 8 % 4 * 7)) & 127;
    return level(block, iq2XXSGrid, index, j) + evenSign(signs, j % 8) * 4;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return (block.byte(9 + j / 32 * 8) >> 4) * 2 + 1;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ2_XS> : IQ2Block<BlockFormat::IQ2_XS> {
  // A u16 for each 8 values: nine bits of an index, seven signs.
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto word = block.u16(2 + j / 8 * 2);
    return level(block, iq2XSGrid, word & 511, j) +
           evenSign(word >> 9, j % 8) * 4;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return oddScale(block, 66, j);
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ2_S> : IQ2Block<BlockFormat::IQ2_S> {
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto i = j / 8;
    auto top = (block.byte(66 + i / 4) >> (i % 4 * 2)) & 3;
    auto sign = (block.byte(34 + i) >> (j % 8)) & 1;
    return level(block, iq2SGrid, block.byte(2 + i) + top * 256, j) + sign * 4;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return oddScale(block, 74, j);
  }
};

//===----------------------------------------------------------------------===//
// IQ3: four values of a grid, and signs
//===----------------------------------------------------------------------===//

/// Codes: the level, 0 to 7, and 8 for a negative value.
template <BlockFormat format> struct IQ3Block : BlockOf<format> {
  static constexpr int64_t group = 32;
  static constexpr unsigned codeBits = 4;
  template <typename B>
  static auto level(B &block, llvm::ArrayRef<uint16_t> grid,
                    typename B::Int index, typename B::Int j) {
    return (block.entry(grid, index) >> (j % 4 * 3)) & 7;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ3_XXS> : IQ3Block<BlockFormat::IQ3_XXS> {
  static constexpr unsigned laneBits = 7;
  static constexpr int32_t offset = 62;
  static constexpr uint8_t table[16] = {66, 74, 82, 90, 98, 106, 114, 124,
                                        58, 50, 42, 34, 26, 18,  10,  0};
  // A byte for each 4 values; behind them a u32 for each 32: four times seven
  // signs and the scale.
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto signs = (block.u32(66 + j / 32 * 4) >> (j / 8 % 4 * 7)) & 127;
    return level(block, iq3XXSGrid, block.byte(2 + j / 4), j) +
           evenSign(signs, j % 8) * 8;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return (block.byte(69 + j / 32 * 4) >> 4) * 2 + 1;
  }
  using ScaleType = mlir::Float32Type;
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(0) * 0.25f;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ3_S> : IQ3Block<BlockFormat::IQ3_S> {
  static constexpr unsigned laneBits = 5;
  static constexpr int32_t offset = 15;
  static constexpr uint8_t table[16] = {16, 18, 20, 22, 24, 26, 28, 30,
                                        14, 12, 10, 8,  6,  4,  2,  0};
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto i = j / 4;
    auto top = (block.byte(66 + i / 8) >> (i % 8)) & 1;
    auto sign = (block.byte(74 + j / 8) >> (j % 8)) & 1;
    return level(block, iq3SGrid, block.byte(2 + i) + top * 256, j) + sign * 8;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return ((block.byte(106 + j / 64) >> (j / 32 % 2 * 4)) & 15) * 2 + 1;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(0);
  }
};

//===----------------------------------------------------------------------===//
// IQ1: eight values of a grid, moved by an eighth
//===----------------------------------------------------------------------===//

/// Codes: the level, 0 to 2, and 4 where an eighth is subtracted, not added.
/// Lanes are eight times the value.
template <BlockFormat format> struct IQ1Block : BlockOf<format> {
  static constexpr unsigned codeBits = 3, laneBits = 5;
  static constexpr int32_t offset = 9;
  static constexpr uint8_t table[16] = {2, 10, 18, 0, 0, 8, 16};
  using ScaleType = mlir::Float32Type;
  template <typename B>
  static auto level(B &block, typename B::Int index, typename B::Int j) {
    return (block.entry(iq1Grid, index) >> (j % 8 * 2)) & 3;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ1_S> : IQ1Block<BlockFormat::IQ1_S> {
  static constexpr int64_t group = 32;
  // A u16 for each 32 values: four times three bits of an index, the scale, the
  // direction.
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto word = block.u16(34 + j / 32 * 2);
    auto top = (word >> (j / 8 % 4 * 3)) & 7;
    return level(block, block.byte(2 + j / 8) + top * 256, j) +
           (word >> 15) * 4;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return ((block.byte(35 + j / 32 * 2) >> 4) & 7) * 2 + 1;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(0) * 0.125f;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ1_M> : IQ1Block<BlockFormat::IQ1_M> {
  static constexpr int64_t group = 16;
  // Four bits for each 8 values: three of an index, the direction.
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto i = j / 8;
    auto bits = (block.byte(32 + i / 2) >> (i % 2 * 4)) & 15;
    return level(block, block.byte(i) + (bits & 7) * 256, j) + (bits >> 3) * 4;
  }
  // Four u16 of four scales each; their top bits together are f16 d.
  template <typename B> static auto scale(B &block, typename B::Int j) {
    auto word = block.u16(48 + j / 64 * 2);
    return ((word >> (j / 16 % 4 * 3)) & 7) * 2 + 1;
  }
  template <typename B> static auto scaleFactor(B &block) {
    auto bits = (block.byte(49) >> 4) + (block.byte(51) >> 4) * 16 +
                (block.byte(53) >> 4) * 256 + (block.byte(55) >> 4) * 4096;
    return block.f16OfBits(bits) * 0.125f;
  }
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_GRIDBLOCKS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_SUPERBLOCKS_H
#define QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_SUPERBLOCKS_H

// Blocks of several groups whose scales are integers: the K types and iq4_xs.

#include "GGUFBlock.h"

namespace quantmlir::qt {

template <> struct GGUFBlock<BlockFormat::Q2_K> : BlockOf<BlockFormat::Q2_K> {
  static constexpr int64_t group = 16;
  static constexpr unsigned codeBits = 2;
  static constexpr bool hasMinimum = true;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return twoBitsOf(block, 16, j);
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return block.byte(j / 16) & 15;
  }
  template <typename B> static auto minimum(B &block, typename B::Int j) {
    return block.byte(j / 16) >> 4;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(80);
  }
  template <typename B> static auto minimumFactor(B &block) {
    return -block.f16(82);
  }
};

template <> struct GGUFBlock<BlockFormat::Q3_K> : BlockOf<BlockFormat::Q3_K> {
  static constexpr int64_t group = 16;
  static constexpr unsigned codeBits = 3;
  static constexpr int32_t offset = 4;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return twoBitsOf(block, 32, j) + ((block.byte(j % 32) >> (j / 32)) & 1) * 4;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    auto g = j / 16;
    auto low = (block.byte(96 + g % 8) >> (g / 8 * 4)) & 15;
    auto top = (block.byte(104 + g % 4) >> (g / 4 * 2)) & 3;
    return low + top * 16 + -32;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(108);
  }
};

/// How blocks of q4_K and q5_K start: f16 d, f16 dmin, and 12 bytes of 6-bit
/// scales and minimums of 8 groups of 32 values.
template <BlockFormat format> struct SixBitScales : BlockOf<format> {
  static constexpr int64_t group = 32;
  static constexpr bool hasMinimum = true;
  // Groups 0 to 3 have bytes of their own, whose two top bits belong to groups
  // 4 to 7.
  template <typename B> static auto scale(B &block, typename B::Int j) {
    auto g = j / 32;
    auto top = (block.byte(4 + g % 4) >> 6) * 16;
    return block.select(g / 4, (block.byte(8 + g) & 15) + top,
                        block.byte(4 + g) & 63);
  }
  template <typename B> static auto minimum(B &block, typename B::Int j) {
    auto g = j / 32;
    auto top = (block.byte(8 + g % 4) >> 6) * 16;
    return block.select(g / 4, (block.byte(8 + g) >> 4) + top,
                        block.byte(8 + g) & 63);
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(0);
  }
  template <typename B> static auto minimumFactor(B &block) {
    return -block.f16(2);
  }
  /// Nibbles: 32 bytes for 64 values, the first half of them in the low ones.
  template <typename B>
  static auto nibble(B &block, int64_t first, typename B::Int j) {
    return (block.byte(first + j / 64 * 32 + j % 32) >> (j / 32 % 2 * 4)) & 15;
  }
};

template <>
struct GGUFBlock<BlockFormat::Q4_K> : SixBitScales<BlockFormat::Q4_K> {
  static constexpr unsigned codeBits = 4;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return nibble(block, 16, j);
  }
};

template <>
struct GGUFBlock<BlockFormat::Q5_K> : SixBitScales<BlockFormat::Q5_K> {
  static constexpr unsigned codeBits = 5;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return nibble(block, 48, j) +
           ((block.byte(16 + j % 32) >> (j / 32)) & 1) * 16;
  }
};

template <> struct GGUFBlock<BlockFormat::Q6_K> : BlockOf<BlockFormat::Q6_K> {
  static constexpr int64_t group = 16;
  static constexpr unsigned codeBits = 6;
  static constexpr int32_t offset = 32;
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto low = block.byte(j / 128 * 64 + j / 32 % 2 * 32 + j % 32);
    auto high = block.byte(128 + j / 128 * 32 + j % 32);
    return ((low >> (j / 64 % 2 * 4)) & 15) +
           ((high >> (j / 32 % 4 * 2)) & 3) * 16;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return (block.byte(192 + j / 16) ^ 0x80) + -128;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(208);
  }
};

/// Nibbles as in blocks of 32 values.
template <>
struct GGUFBlock<BlockFormat::IQ4_XS> : BlockOf<BlockFormat::IQ4_XS> {
  static constexpr int64_t group = 32;
  static constexpr unsigned codeBits = 4, laneBits = 8;
  static constexpr int32_t offset = 127;
  static constexpr const uint8_t *table = iq4Table;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(8 + j / 32 * 16 + j % 16) >> (j / 16 % 2 * 4)) & 15;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    auto g = j / 32;
    auto low = (block.byte(4 + g / 2) >> (g % 2 * 4)) & 15;
    auto top = (block.u16(2) >> (g * 2)) & 3;
    return low + top * 16 + -32;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(0);
  }
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_SUPERBLOCKS_H

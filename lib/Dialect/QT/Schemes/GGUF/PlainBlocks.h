// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_PLAINBLOCKS_H
#define QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_PLAINBLOCKS_H

// Blocks whose scales are floats.

#include "GGUFBlock.h"
#include "quant-mlir/Quantize/Codebook.h"

namespace quantmlir::qt {

/// The scale stands in front.
template <BlockFormat format> struct ScaleFirst : BlockOf<format> {
  template <typename B> static auto scale(B &block, typename B::Int) {
    return block.f16(0);
  }
};

/// The minimum behind it.
template <BlockFormat format> struct MinimumSecond : ScaleFirst<format> {
  static constexpr bool hasMinimum = true;
  template <typename B> static auto minimum(B &block, typename B::Int) {
    return block.f16(2);
  }
};

template <>
struct GGUFBlock<BlockFormat::Q4_0> : ScaleFirst<BlockFormat::Q4_0> {
  static constexpr unsigned codeBits = 4;
  static constexpr int32_t offset = 8;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return nibbleOf(block, 2, j);
  }
};

template <>
struct GGUFBlock<BlockFormat::Q4_1> : MinimumSecond<BlockFormat::Q4_1> {
  static constexpr unsigned codeBits = 4;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return nibbleOf(block, 4, j);
  }
};

/// Codes of 5 bits: a u32 with the top ones, then the nibbles.
template <typename B>
auto fiveBitsOf(B &block, int64_t first, typename B::Int j) {
  return nibbleOf(block, first + 4, j) +
         ((block.byte(first + j / 8) >> (j % 8)) & 1) * 16;
}

template <>
struct GGUFBlock<BlockFormat::Q5_0> : ScaleFirst<BlockFormat::Q5_0> {
  static constexpr unsigned codeBits = 5;
  static constexpr int32_t offset = 16;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return fiveBitsOf(block, 2, j);
  }
};

template <>
struct GGUFBlock<BlockFormat::Q5_1> : MinimumSecond<BlockFormat::Q5_1> {
  static constexpr unsigned codeBits = 5;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return fiveBitsOf(block, 4, j);
  }
};

template <>
struct GGUFBlock<BlockFormat::Q8_0> : ScaleFirst<BlockFormat::Q8_0> {
  static constexpr unsigned codeBits = 8;
  static constexpr int32_t offset = 128;
  // Signed bytes; kernels want them unsigned.
  template <typename B> static auto code(B &block, typename B::Int j) {
    return block.byte(2 + j) ^ 0x80;
  }
};

template <>
struct GGUFBlock<BlockFormat::IQ4_NL> : ScaleFirst<BlockFormat::IQ4_NL> {
  static constexpr unsigned codeBits = 4, laneBits = 8;
  static constexpr int32_t offset = 127;
  static constexpr const uint8_t *table = iq4Table;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return nibbleOf(block, 2, j);
  }
};

//===----------------------------------------------------------------------===//
// Signs and ternary numbers
//===----------------------------------------------------------------------===//

template <>
struct GGUFBlock<BlockFormat::Q1_0> : ScaleFirst<BlockFormat::Q1_0> {
  static constexpr unsigned codeBits = 1, laneBits = 2;
  static constexpr int32_t offset = 1;
  static constexpr uint8_t table[16] = {0, 2};
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(2 + j / 8) >> (j % 8)) & 1;
  }
};

template <>
struct GGUFBlock<BlockFormat::Q2_0> : ScaleFirst<BlockFormat::Q2_0> {
  static constexpr unsigned codeBits = 2;
  static constexpr int32_t offset = 1;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(2 + j / 4) >> (j % 4 * 2)) & 3;
  }
};

template <> struct GGUFBlock<BlockFormat::TQ1_0> : BlockOf<BlockFormat::TQ1_0> {
  static constexpr unsigned codeBits = 2;
  static constexpr int32_t offset = 1;
  // A byte holds five digits of base 3 as a fraction: those of values 32 apart
  // in 32 bytes, 16 apart in 16 bytes; four, 4 apart, in 4 bytes.
  template <typename B> static auto code(B &block, typename B::Int j) {
    static constexpr uint16_t powers[] = {1, 3, 9, 27, 81};
    auto last = j / 240, middle = j / 160;
    auto place = block.select(last, j % 4 + 48,
                              block.select(middle, j % 16 + 32, j % 32));
    auto digit = block.select(last, j % 16 / 4,
                              block.select(middle, j / 16 + -10, j / 32));
    auto rest = (block.byte(place) * block.entry(powers, digit)) & 255;
    return (rest * 3) >> 8;
  }
  template <typename B> static auto scale(B &block, typename B::Int) {
    return block.f16(52);
  }
};

template <> struct GGUFBlock<BlockFormat::TQ2_0> : BlockOf<BlockFormat::TQ2_0> {
  static constexpr unsigned codeBits = 2;
  static constexpr int32_t offset = 1;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return twoBitsOf(block, 0, j);
  }
  template <typename B> static auto scale(B &block, typename B::Int) {
    return block.f16(64);
  }
};

//===----------------------------------------------------------------------===//
// Floats of 4 bits
//===----------------------------------------------------------------------===//

/// Lanes are twice the number, scales half as large.
template <BlockFormat format> struct E2M1Block : BlockOf<format> {
  static constexpr unsigned codeBits = 4, laneBits = 5;
  static constexpr int32_t offset = 12;
  static constexpr const uint8_t *table = e2m1Lanes;
};

template <>
struct GGUFBlock<BlockFormat::MXFP4> : E2M1Block<BlockFormat::MXFP4> {
  template <typename B> static auto code(B &block, typename B::Int j) {
    return nibbleOf(block, 1, j);
  }
  // 2^(e - 128), of which the first two are subnormal.
  using ScaleType = mlir::BFloat16Type;
  template <typename B> static auto scale(B &block, typename B::Int) {
    auto e = block.byte(0);
    return block.bf16OfBits(block.select(e / 2, (e + -1) * 128, (e + 1) * 32));
  }
};

template <>
struct GGUFBlock<BlockFormat::NVFP4> : E2M1Block<BlockFormat::NVFP4> {
  static constexpr int64_t group = 16;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(4 + j / 16 * 8 + j % 8) >> (j / 8 % 2 * 4)) & 15;
  }
  // f8E4M3FN without a sign. An f16 with these bits is 2^8 too small. The NaN
  // is 0.
  template <typename B> static auto scale(B &block, typename B::Int j) {
    auto bits = block.byte(j / 16);
    return block.f16OfBits(
               block.select(bits ^ 127, (bits & 127) * 128, bits & 0)) *
           128.0f;
  }
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_PLAINBLOCKS_H

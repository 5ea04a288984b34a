// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_SIXBITSCALES_H
#define QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_SIXBITSCALES_H

#include "quant-mlir/Dialect/QT/Schemes/Blocks.h"

namespace quantmlir::qt {

/// How blocks of q4_K and q5_K start: f16 d, f16 dmin, and 12 bytes of 6-bit
/// scales and minimums of 8 groups of 32 values.
struct SixBitScales {
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
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_SIXBITSCALES_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_GGUFBLOCK_H
#define QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_GGUFBLOCK_H

#include "quant-mlir/Dialect/QT/Schemes/Blocks.h"
#include "quant-mlir/Quantize/BlockFormats.h"

namespace quantmlir::qt {

/// Where things are in a block, see Blocks.h.
template <BlockFormat format> struct GGUFBlock;

/// Its size. One scale, unless the format says otherwise.
template <BlockFormat format> struct BlockOf : BlockDefaults {
  static constexpr int64_t values = factsOf(format).values;
  static constexpr int64_t bytes = factsOf(format).bytes;
  static constexpr int64_t group = values;
};

/// Of blocks of 32 values: element j < 16 in the low nibble of byte j, those
/// behind them in the high ones.
template <typename B>
auto nibbleOf(B &block, int64_t first, typename B::Int j) {
  return (block.byte(first + j % 16) >> (j / 16 * 4)) & 15;
}

/// Of blocks of 256 values: 32 bytes hold 128 values, byte l the values l,
/// l + 32, l + 64 and l + 96 from the low bits on.
template <typename B>
auto twoBitsOf(B &block, int64_t first, typename B::Int j) {
  return (block.byte(first + j / 128 * 32 + j % 32) >> (j / 32 % 4 * 2)) & 3;
}

/// The numbers -127 -104 -83 ... 113 of iq4_nl and iq4_xs, plus 127.
inline constexpr uint8_t iq4Table[16] = {
    0, 23, 44, 62, 78, 92, 105, 117, 128, 140, 152, 165, 180, 196, 216, 240};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_SCHEMES_GGUF_GGUFBLOCK_H

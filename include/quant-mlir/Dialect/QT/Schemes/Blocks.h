// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_SCHEMES_BLOCKS_H
#define QUANT_MLIR_DIALECT_QT_SCHEMES_BLOCKS_H

// Formats that store a row as a sequence of blocks of bytes, as GGUF's do.
//
// A format says once where the code, the scale and the minimum of element j of
// a block are:
//
//   struct Q4_1Block {
//     static constexpr int64_t values = 32, bytes = 20; // of a block
//     static constexpr int64_t group = 32;              // values per scale
//     static constexpr bool hasMinimum = true;
//     template <typename B> static auto code(B &block, typename B::Int j) {
//       return (block.byte(4 + j % 16) >> (j / 16 * 4)) & 15;
//     }
//     template <typename B> static auto scale(B &block, typename B::Int j) {
//       return block.f16(0);
//     }
//     template <typename B> static auto minimum(B &block, typename B::Int j) {
//       return block.f16(2);
//     }
//   };
//
// With numbers for B that is `unpackRows`, which kernels' weights are packed
// from; with IR it is the reference lowering. So the two cannot disagree.

#include "mlir/IR/Builders.h"
#include "quant-mlir/Dialect/QT/IR/QTScheme.h"
#include "quant-mlir/Quantize/FloatConversion.h"

namespace quantmlir::qt {

/// A block whose bytes are here.
struct NumberBlock {
  using Int = int64_t;
  const uint8_t *bytes;

  Int byte(Int index) const { return bytes[index]; }
  float f16(Int index) const {
    return f16ToF32(uint16_t(bytes[index] | bytes[index + 1] << 8));
  }
};

/// A block whose bytes a program will read: part[row..., block, :].
class IRBlock {
public:
  /// An i32 value and the operators that descriptions of blocks use.
  struct Int {
    mlir::Value value;
    IRBlock *block;

    friend Int operator+(int64_t a, Int b) { return b + a; }
    Int operator+(int64_t b) const;
    Int operator/(int64_t b) const; ///< of non-negative numbers
    Int operator%(int64_t b) const; ///< of non-negative numbers
    Int operator*(int64_t b) const;
    Int operator&(int64_t b) const;
    Int operator^(int64_t b) const;
    Int operator>>(Int b) const;
  };

  /// `indices` are those of the logical element; `values` that share a block.
  IRBlock(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value part,
          mlir::ValueRange indices, int64_t values);

  /// The element's place in its block.
  Int getElement() { return element; }
  Int byte(Int index);
  Int byte(int64_t index) { return byte(constant(index)); }
  /// A little-endian f16 as f32.
  mlir::Value f16(int64_t index);

  Int constant(int64_t value);
  mlir::OpBuilder &builder;
  mlir::Location loc;

private:
  mlir::Value part;
  llvm::SmallVector<mlir::Value> indices;
  Int element;
};

/// `QuantSchemeInterface::unpackRows` of a format made of blocks.
template <typename Block>
void unpackBlocks(llvm::ArrayRef<uint8_t> part, int64_t k, int64_t first,
                  int64_t count, UnpackedRows &rows) {
  int64_t blocks = count * k / Block::values;
  constexpr int64_t groups = Block::values / Block::group;
  rows.codes.resize(count * k);
  rows.scales.resize(blocks * groups);
  if constexpr (Block::hasMinimum)
    rows.minimums.resize(blocks * groups);
  NumberBlock block{part.data() + first * k / Block::values * Block::bytes};
  uint8_t *codes = rows.codes.data();
  for (int64_t i = 0; i < blocks; ++i, block.bytes += Block::bytes) {
    for (int64_t j = 0; j < Block::values; ++j)
      *codes++ = uint8_t(Block::code(block, j));
    for (int64_t g = 0; g < groups; ++g) {
      rows.scales[i * groups + g] = Block::scale(block, g * Block::group);
      if constexpr (Block::hasMinimum)
        rows.minimums[i * groups + g] = Block::minimum(block, g * Block::group);
    }
  }
}

/// `QuantSchemeInterface::emitElement` of a format made of blocks.
template <typename Block>
Element emitBlockElement(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::ValueRange parts, mlir::ValueRange indices) {
  IRBlock block(builder, loc, parts.front(), indices, Block::values);
  IRBlock::Int j = block.getElement();
  Element element;
  element.code = Block::code(block, j).value;
  element.scale = Block::scale(block, j);
  if constexpr (Block::hasMinimum)
    element.minimum = Block::minimum(block, j);
  return element;
}

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_SCHEMES_BLOCKS_H

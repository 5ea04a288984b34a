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
// A block of several groups has integers for scales and minimums:
//
//     template <typename B> static auto scale(B &block, typename B::Int j) {
//       return block.byte(j / 16) & 15;
//     }
//     template <typename B> static auto scaleFactor(B &block) {
//       return block.f16(80); // the scale is the product
//     }
//
// and so minimum and minimumFactor.
//
// With numbers for B that is `unpackRows`, which kernels' weights are packed
// from; with IR it is the reference lowering. So the two cannot disagree.

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
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
  Int select(Int condition, Int ifSet, Int ifZero) const {
    return condition ? ifSet : ifZero;
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
    Int operator+(Int b) const;
    Int operator+(int64_t b) const;
    Int operator/(int64_t b) const; ///< of non-negative numbers
    Int operator%(int64_t b) const; ///< of non-negative numbers
    Int operator*(int64_t b) const;
    Int operator&(int64_t b) const;
    Int operator^(int64_t b) const;
    Int operator>>(Int b) const;
    Int operator>>(int64_t b) const;
  };

  /// An f32 value and its operators.
  struct Float {
    mlir::Value value;
    IRBlock *block;

    operator mlir::Value() const { return value; }
    Float operator*(Float b) const;
    Float operator-() const;
  };

  /// `indices` are those of the logical element; `values` that share a block.
  IRBlock(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value part,
          mlir::ValueRange indices, int64_t values);

  /// The element's place in its block.
  Int getElement() { return element; }
  Int byte(Int index);
  Int byte(int64_t index) { return byte(constant(index)); }
  /// A little-endian f16 as f32.
  Float f16(int64_t index);
  /// A signed integer as f32.
  Float number(Int value);
  Int select(Int condition, Int ifSet, Int ifZero);

  Int constant(int64_t value);
  mlir::OpBuilder &builder;
  mlir::Location loc;

private:
  mlir::Value part;
  llvm::SmallVector<mlir::Value> indices;
  Int element;
};

/// `QuantSchemeInterface::verifyTensor` of a format made of blocks.
template <typename Block>
llvm::LogicalResult
verifyBlocks(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
             llvm::StringRef mnemonic, llvm::ArrayRef<int64_t> shape) {
  if (!mlir::ShapedType::isDynamic(shape.back()) &&
      shape.back() % Block::values == 0)
    return llvm::success();
  return emitError() << "#qt." << mnemonic
                     << ": a row must be a whole number of blocks of "
                     << Block::values << " values, got " << shape.back();
}

/// `QuantSchemeInterface::getStorageParts` of a format made of blocks.
template <typename Block>
llvm::SmallVector<StoragePart> blockParts(mlir::MLIRContext *context,
                                          llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t> blocks(shape);
  blocks.back() /= Block::values;
  blocks.push_back(Block::bytes);
  return {{"", mlir::IntegerType::get(context, 8), blocks}};
}

/// `QuantSchemeInterface::unpackRows` of a format made of blocks.
template <typename Block>
void unpackBlocks(llvm::ArrayRef<uint8_t> part, int64_t k, int64_t first,
                  int64_t count, UnpackedRows &rows) {
  constexpr bool isNested = Block::values != Block::group;
  rows.codes.resize(count * k);
  uint8_t *codes = rows.codes.data();
  NumberBlock block{part.data() + first * k / Block::values * Block::bytes};
  for (int64_t row = 0; row < count; ++row) {
    llvm::SmallVector<float> factors, minimumFactors;
    for (int64_t i = 0; i < k / Block::values; ++i) {
      for (int64_t j = 0; j < Block::values; ++j)
        *codes++ = uint8_t(Block::code(block, j));
      for (int64_t j = 0; j < Block::values; j += Block::group) {
        rows.scales.push_back(float(Block::scale(block, j)));
        if constexpr (Block::hasMinimum)
          rows.minimums.push_back(float(Block::minimum(block, j)));
      }
      if constexpr (isNested)
        factors.push_back(Block::scaleFactor(block));
      if constexpr (isNested && Block::hasMinimum)
        minimumFactors.push_back(Block::minimumFactor(block));
      block.bytes += Block::bytes;
    }
    rows.scales.insert(rows.scales.end(), factors.begin(), factors.end());
    rows.minimums.insert(rows.minimums.end(), minimumFactors.begin(),
                         minimumFactors.end());
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
  if constexpr (Block::values == Block::group) {
    element.scale = Block::scale(block, j);
    if constexpr (Block::hasMinimum)
      element.minimum = Block::minimum(block, j);
  } else {
    element.scale =
        Block::scaleFactor(block) * block.number(Block::scale(block, j));
    if constexpr (Block::hasMinimum)
      element.minimum =
          Block::minimumFactor(block) * block.number(Block::minimum(block, j));
  }
  return element;
}

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_SCHEMES_BLOCKS_H

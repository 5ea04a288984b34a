// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_SCHEMES_BLOCKS_H
#define QUANT_MLIR_DIALECT_QT_SCHEMES_BLOCKS_H

// Formats that store a row as a sequence of blocks of bytes, as GGUF's do.
//
// A format says once where the code, the scale and the minimum of element j of
// a block are:
//
//   struct Toy4Block : BlockDefaults {
//     static constexpr int64_t values = 32, bytes = 20; // of a block
//     static constexpr int64_t group = 32;              // values per scale
//     static constexpr unsigned codeBits = 4;
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
// A block whose scales and minimums are integers has factors for them:
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
// from; with IR it is the reference lowering. So the two cannot disagree. The
// class of the attribute is made by QT_BlocksAttr (QTAttrBase.td).

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "quant-mlir/Dialect/QT/IR/QTScheme.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include <type_traits>
#include <utility>

namespace quantmlir::qt {

/// What most formats have in common. The others say what is different.
struct BlockDefaults {
  static constexpr int32_t offset = 0;
  /// Of lanes, if there is a table, and the 16 lanes of the codes.
  static constexpr unsigned laneBits = 0;
  static constexpr const uint8_t *table = nullptr;
  static constexpr bool hasMinimum = false;
  /// Holds scales, or their factors. Minimums are f16.
  using ScaleType = mlir::Float16Type;
};

/// A block whose bytes are here.
struct NumberBlock {
  using Int = int64_t;
  const uint8_t *bytes;

  Int byte(Int index) const { return bytes[index]; }
  Int u16(Int index) const { return byte(index) + byte(index + 1) * 256; }
  Int u32(Int index) const { return u16(index) + u16(index + 2) * 65536; }
  float f16(Int index) const { return f16OfBits(u16(index)); }
  float f16OfBits(Int bits) const { return f16ToF32(uint16_t(bits)); }
  float bf16OfBits(Int bits) const { return bf16ToF32(uint16_t(bits)); }
  Int entry(llvm::ArrayRef<uint16_t> table, Int index) const {
    return table[index];
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
    Int operator*(Int b) const;
    Int operator*(int64_t b) const;
    Int operator&(int64_t b) const;
    Int operator^(Int b) const;
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
    Float operator*(float b) const;
    Float operator-() const;
  };

  /// `indices` are those of the logical element; `values` that share a block.
  IRBlock(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value part,
          mlir::ValueRange indices, int64_t values);

  /// The element's place in its block.
  Int getElement() { return element; }
  Int byte(Int index);
  Int byte(int64_t index) { return byte(constant(index)); }
  /// Little-endian words.
  Int u16(Int index) { return byte(index) + byte(index + 1) * 256; }
  Int u16(int64_t index) { return u16(constant(index)); }
  Int u32(Int index) { return u16(index) + u16(index + 2) * 65536; }
  /// A little-endian f16 as f32.
  Float f16(int64_t index) { return f16OfBits(u16(index)); }
  /// The float with these bits as f32.
  Float f16OfBits(Int bits) { return floatOfBits(bits, builder.getF16Type()); }
  Float bf16OfBits(Int bits) {
    return floatOfBits(bits, builder.getBF16Type());
  }
  /// table[index]
  Int entry(llvm::ArrayRef<uint16_t> table, Int index);
  /// A signed integer as f32.
  Float number(Int value);
  Int select(Int condition, Int ifSet, Int ifZero);

  Int constant(int64_t value);
  mlir::OpBuilder &builder;
  mlir::Location loc;

private:
  Float floatOfBits(Int bits, mlir::FloatType type);

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

/// True if scales are integers times a factor.
template <typename Block>
inline constexpr bool hasFactors = std::is_same_v<
    decltype(Block::scale(std::declval<NumberBlock &>(), int64_t())), int64_t>;

/// `QuantSchemeInterface::getLaneForm` of a format made of blocks.
template <typename Block> LaneForm blockLaneForm(mlir::MLIRContext *context) {
  LaneForm form;
  form.codeBits = Block::codeBits;
  form.laneBits = Block::laneBits;
  form.group = Block::group;
  form.offset = Block::offset;
  form.scaleType = Block::ScaleType::get(context);
  form.hasMinimum = Block::hasMinimum;
  if (Block::hasMinimum)
    form.minimumType = mlir::Float16Type::get(context);
  if (hasFactors<Block>)
    form.scaleBlock = Block::values;
  return form;
}

/// `QuantSchemeInterface::decodeLane` of a format made of blocks.
template <typename Block>
Lane decodeBlockLane(LaneEvaluator &evaluator, Lane code) {
  if constexpr (Block::laneBits != 0)
    return evaluator.lookup(llvm::ArrayRef(Block::table, 16), code);
  return code;
}

/// `QuantSchemeInterface::unpackRows` of a format made of blocks.
template <typename Block>
void unpackBlocks(llvm::ArrayRef<uint8_t> part, int64_t k, int64_t first,
                  int64_t count, UnpackedRows &rows) {
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
      if constexpr (hasFactors<Block>)
        factors.push_back(Block::scaleFactor(block));
      if constexpr (hasFactors<Block> && Block::hasMinimum)
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
  if constexpr (!hasFactors<Block>) {
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

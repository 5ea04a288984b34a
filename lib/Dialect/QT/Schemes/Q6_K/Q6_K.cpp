// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Source of the format: ggml's block types, formats as in GGUF version 3.

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Schemes/Blocks.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

#define GET_ATTRDEF_CLASSES
#include "Q6_K.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q6_K.cpp.inc"

namespace quantmlir::qt {
void registerQ6_KScheme(QTDialect &dialect) {
  dialect.addAttribute<Q6_KAttr>();
}
} // namespace quantmlir::qt

namespace {
struct Q6_KBlock {
  static constexpr int64_t values = 256, bytes = 210, group = 16;
  static constexpr bool hasMinimum = false;
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
} // namespace

LogicalResult
Q6_KAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<Q6_KBlock>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
Q6_KAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<Q6_KBlock>(getContext(), shape);
}

LaneForm Q6_KAttr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 6;
  form.group = Q6_KBlock::group;
  form.offset = 32;
  form.scaleType = Float16Type::get(getContext());
  form.scaleBlock = Q6_KBlock::values;
  return form;
}

llvm::Error Q6_KAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                 int64_t k, int64_t first, int64_t count,
                                 UnpackedRows &rows) const {
  unpackBlocks<Q6_KBlock>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element Q6_KAttr::emitElement(OpBuilder &builder, Location loc,
                              ValueRange parts, ValueRange indices,
                              int64_t) const {
  return emitBlockElement<Q6_KBlock>(builder, loc, parts, indices);
}

llvm::Error
Q6_KAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                         MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q6_K, values, parts[0]);
}

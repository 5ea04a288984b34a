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
#include "Q3_K.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q3_K.cpp.inc"

namespace quantmlir::qt {
void registerQ3_KScheme(QTDialect &dialect) {
  dialect.addAttribute<Q3_KAttr>();
}
} // namespace quantmlir::qt

namespace {
struct Q3_KBlock {
  static constexpr int64_t values = 256, bytes = 110, group = 16;
  static constexpr bool hasMinimum = false;
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto low = (block.byte(32 + j / 128 * 32 + j % 32) >> (j / 32 % 4 * 2)) & 3;
    return low + ((block.byte(j % 32) >> (j / 32)) & 1) * 4;
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
} // namespace

LogicalResult
Q3_KAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<Q3_KBlock>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
Q3_KAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<Q3_KBlock>(getContext(), shape);
}

LaneForm Q3_KAttr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 3;
  form.group = Q3_KBlock::group;
  form.offset = 4;
  form.scaleType = Float16Type::get(getContext());
  form.scaleBlock = Q3_KBlock::values;
  return form;
}

llvm::Error Q3_KAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                 int64_t k, int64_t first, int64_t count,
                                 UnpackedRows &rows) const {
  unpackBlocks<Q3_KBlock>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element Q3_KAttr::emitElement(OpBuilder &builder, Location loc,
                              ValueRange parts, ValueRange indices,
                              int64_t) const {
  return emitBlockElement<Q3_KBlock>(builder, loc, parts, indices);
}

llvm::Error
Q3_KAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                         MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q3_K, values, parts[0]);
}

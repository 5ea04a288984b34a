// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Source of the format: ggml's block types, formats as in GGUF version 3.

#include "../SixBitScales.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

#define GET_ATTRDEF_CLASSES
#include "Q4_K.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q4_K.cpp.inc"

namespace quantmlir::qt {
void registerQ4_KScheme(QTDialect &dialect) {
  dialect.addAttribute<Q4_KAttr>();
}
} // namespace quantmlir::qt

namespace {
struct Q4_KBlock : SixBitScales {
  static constexpr int64_t values = 256, bytes = 144, group = 32;
  static constexpr bool hasMinimum = true;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(16 + j / 64 * 32 + j % 32) >> (j / 32 % 2 * 4)) & 15;
  }
};
} // namespace

LogicalResult
Q4_KAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<Q4_KBlock>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
Q4_KAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<Q4_KBlock>(getContext(), shape);
}

LaneForm Q4_KAttr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 4;
  form.group = Q4_KBlock::group;
  form.hasMinimum = true;
  form.minimumType = Float16Type::get(getContext());
  form.scaleType = Float16Type::get(getContext());
  form.scaleBlock = Q4_KBlock::values;
  return form;
}

llvm::Error Q4_KAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                 int64_t k, int64_t first, int64_t count,
                                 UnpackedRows &rows) const {
  unpackBlocks<Q4_KBlock>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element Q4_KAttr::emitElement(OpBuilder &builder, Location loc,
                              ValueRange parts, ValueRange indices,
                              int64_t) const {
  return emitBlockElement<Q4_KBlock>(builder, loc, parts, indices);
}

llvm::Error
Q4_KAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                         MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q4_K, values, parts[0]);
}

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
#include "Q5_K.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q5_K.cpp.inc"

namespace quantmlir::qt {
void registerQ5_KScheme(QTDialect &dialect) {
  dialect.addAttribute<Q5_KAttr>();
}
} // namespace quantmlir::qt

namespace {
struct Q5_KBlock : SixBitScales {
  static constexpr int64_t values = 256, bytes = 176, group = 32;
  static constexpr bool hasMinimum = true;
  template <typename B> static auto code(B &block, typename B::Int j) {
    auto low = (block.byte(48 + j / 64 * 32 + j % 32) >> (j / 32 % 2 * 4)) & 15;
    return low + ((block.byte(16 + j % 32) >> (j / 32)) & 1) * 16;
  }
};
} // namespace

LogicalResult
Q5_KAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<Q5_KBlock>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
Q5_KAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<Q5_KBlock>(getContext(), shape);
}

LaneForm Q5_KAttr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 5;
  form.group = Q5_KBlock::group;
  form.hasMinimum = true;
  form.minimumType = Float16Type::get(getContext());
  form.scaleType = Float16Type::get(getContext());
  form.scaleBlock = Q5_KBlock::values;
  return form;
}

llvm::Error Q5_KAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                 int64_t k, int64_t first, int64_t count,
                                 UnpackedRows &rows) const {
  unpackBlocks<Q5_KBlock>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element Q5_KAttr::emitElement(OpBuilder &builder, Location loc,
                              ValueRange parts, ValueRange indices,
                              int64_t) const {
  return emitBlockElement<Q5_KBlock>(builder, loc, parts, indices);
}

llvm::Error
Q5_KAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                         MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q5_K, values, parts[0]);
}

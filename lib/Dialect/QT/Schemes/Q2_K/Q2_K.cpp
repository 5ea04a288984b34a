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
#include "Q2_K.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q2_K.cpp.inc"

namespace quantmlir::qt {
void registerQ2_KScheme(QTDialect &dialect) {
  dialect.addAttribute<Q2_KAttr>();
}
} // namespace quantmlir::qt

namespace {
struct Q2_KBlock {
  static constexpr int64_t values = 256, bytes = 84, group = 16;
  static constexpr bool hasMinimum = true;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(16 + j / 128 * 32 + j % 32) >> (j / 32 % 4 * 2)) & 3;
  }
  template <typename B> static auto scale(B &block, typename B::Int j) {
    return block.byte(j / 16) & 15;
  }
  template <typename B> static auto minimum(B &block, typename B::Int j) {
    return block.byte(j / 16) >> 4;
  }
  template <typename B> static auto scaleFactor(B &block) {
    return block.f16(80);
  }
  template <typename B> static auto minimumFactor(B &block) {
    return -block.f16(82);
  }
};
} // namespace

LogicalResult
Q2_KAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<Q2_KBlock>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
Q2_KAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<Q2_KBlock>(getContext(), shape);
}

LaneForm Q2_KAttr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 2;
  form.group = Q2_KBlock::group;
  form.hasMinimum = true;
  form.minimumType = Float16Type::get(getContext());
  form.scaleType = Float16Type::get(getContext());
  form.scaleBlock = Q2_KBlock::values;
  return form;
}

llvm::Error Q2_KAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                 int64_t k, int64_t first, int64_t count,
                                 UnpackedRows &rows) const {
  unpackBlocks<Q2_KBlock>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element Q2_KAttr::emitElement(OpBuilder &builder, Location loc,
                              ValueRange parts, ValueRange indices,
                              int64_t) const {
  return emitBlockElement<Q2_KBlock>(builder, loc, parts, indices);
}

llvm::Error
Q2_KAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                         MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q2_K, values, parts[0]);
}

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
#include "Q4_1.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q4_1.cpp.inc"

namespace quantmlir::qt {
void registerQ4_1Scheme(QTDialect &dialect) {
  dialect.addAttribute<Q4_1Attr>();
}
} // namespace quantmlir::qt

namespace {
struct Q4_1Block {
  static constexpr int64_t values = 32, bytes = 20, group = 32;
  static constexpr bool hasMinimum = true;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(4 + j % 16) >> (j / 16 * 4)) & 15;
  }
  template <typename B> static auto scale(B &block, typename B::Int) {
    return block.f16(0);
  }
  template <typename B> static auto minimum(B &block, typename B::Int) {
    return block.f16(2);
  }
};
} // namespace

LogicalResult
Q4_1Attr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<Q4_1Block>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
Q4_1Attr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<Q4_1Block>(getContext(), shape);
}

LaneForm Q4_1Attr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 4;
  form.group = Q4_1Block::values;
  form.hasMinimum = true;
  form.minimumType = Float16Type::get(getContext());
  form.scaleType = Float16Type::get(getContext());
  return form;
}

llvm::Error Q4_1Attr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                 int64_t k, int64_t first, int64_t count,
                                 UnpackedRows &rows) const {
  unpackBlocks<Q4_1Block>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element Q4_1Attr::emitElement(OpBuilder &builder, Location loc,
                              ValueRange parts, ValueRange indices,
                              int64_t) const {
  return emitBlockElement<Q4_1Block>(builder, loc, parts, indices);
}

llvm::Error
Q4_1Attr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                         MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q4_1, values, parts[0]);
}

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
#include "IQ4_NL.h.inc"
#define GET_ATTRDEF_CLASSES
#include "IQ4_NL.cpp.inc"

namespace quantmlir::qt {
void registerIQ4_NLScheme(QTDialect &dialect) {
  dialect.addAttribute<IQ4_NLAttr>();
}
} // namespace quantmlir::qt

namespace {
struct IQ4_NLBlock {
  static constexpr int64_t values = 32, bytes = 18, group = 32;
  static constexpr bool hasMinimum = false;
  template <typename B> static auto code(B &block, typename B::Int j) {
    return (block.byte(2 + j % 16) >> (j / 16 * 4)) & 15;
  }
  template <typename B> static auto scale(B &block, typename B::Int) {
    return block.f16(0);
  }
};
} // namespace

LogicalResult
IQ4_NLAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                         ArrayRef<int64_t> shape, Type) const {
  return verifyBlocks<IQ4_NLBlock>(emitError, getMnemonic(), shape);
}

SmallVector<StoragePart>
IQ4_NLAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return blockParts<IQ4_NLBlock>(getContext(), shape);
}

LaneForm IQ4_NLAttr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 4;
  form.laneBits = 8;
  form.group = IQ4_NLBlock::group;
  form.offset = 127;
  form.scaleType = Float16Type::get(getContext());
  return form;
}

Lane IQ4_NLAttr::decodeLane(LaneEvaluator &evaluator, Lane code) const {
  // The numbers -127 -104 -83 ... 113, plus 127.
  static const uint8_t table[16] = {0,   23,  44,  62,  78,  92,  105, 117,
                                    128, 140, 152, 165, 180, 196, 216, 240};
  return evaluator.lookup(table, code);
}

llvm::Error IQ4_NLAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                   int64_t k, int64_t first, int64_t count,
                                   UnpackedRows &rows) const {
  unpackBlocks<IQ4_NLBlock>(parts[0], k, first, count, rows);
  return llvm::Error::success();
}

Element IQ4_NLAttr::emitElement(OpBuilder &builder, Location loc,
                                ValueRange parts, ValueRange indices,
                                int64_t) const {
  return emitBlockElement<IQ4_NLBlock>(builder, loc, parts, indices);
}

llvm::Error
IQ4_NLAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                           MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::IQ4_NL, values, parts[0]);
}

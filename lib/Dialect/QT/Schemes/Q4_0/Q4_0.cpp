// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Source of the format: ggml's block types, formats as in GGUF version 3.

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

#define GET_ATTRDEF_CLASSES
#include "Q4_0.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Q4_0.cpp.inc"

namespace quantmlir::qt {
void registerQ4_0Scheme(QTDialect &dialect) { dialect.addAttribute<Q4_0Attr>(); }
} // namespace quantmlir::qt

static constexpr int64_t blockValues = 32;
static constexpr int64_t blockBytes = 18;

LogicalResult Q4_0Attr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<int64_t> shape, Type) const {
  if (ShapedType::isDynamic(shape.back()) || shape.back() % blockValues != 0)
    return emitError() << "#qt.q4_0: a row must be a whole number of blocks of "
                       << blockValues << " values, got " << shape.back();
  return success();
}

SmallVector<StoragePart> Q4_0Attr::getStorageParts(ArrayRef<int64_t> shape) const {
  SmallVector<int64_t> blocks(shape);
  blocks.back() /= blockValues;
  blocks.push_back(blockBytes);
  return {{"", IntegerType::get(getContext(), 8), blocks}};
}

LaneForm Q4_0Attr::getLaneForm(int64_t) const {
  LaneForm form;
  form.codeBits = 4;
  form.group = blockValues;
  form.offset = 8;
  form.scaleType = Float16Type::get(getContext());
  return form;
}

llvm::Error Q4_0Attr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                              int64_t k, int64_t first, int64_t count,
                              UnpackedRows &rows) const {
  int64_t blocks = count * k / blockValues;
  const uint8_t *block = parts[0].data() + first * k / blockValues * blockBytes;
  rows.codes.resize(count * k);
  rows.scales.resize(blocks);
  for (int64_t i = 0; i < blocks; ++i, block += blockBytes) {
    uint8_t *codes = rows.codes.data() + i * blockValues;
    uint16_t half;
    std::memcpy(&half, block, 2);
    rows.scales[i] = f16ToF32(half);
    for (int64_t j = 0; j < blockValues / 2; ++j) {
      codes[j] = block[2 + j] & 15;
      codes[j + 16] = block[2 + j] >> 4;
    }
  }
  return llvm::Error::success();
}

llvm::Error
Q4_0Attr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                      MutableArrayRef<std::vector<uint8_t>> parts) const {
  return encodeBlocks(BlockFormat::Q4_0, values, parts[0]);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plain floats as a scheme, so that a float weight takes the same road through
// recipes, packing and kernels as a quantized one.

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

#define GET_ATTRDEF_CLASSES
#include "Float.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Float.cpp.inc"

namespace quantmlir::qt {
void registerFloatScheme(QTDialect &dialect) {
  dialect.addAttribute<FloatSchemeAttr>();
}
} // namespace quantmlir::qt

LogicalResult
FloatSchemeAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        FloatType type) {
  if (!type.isF32() && !type.isF16() && !type.isBF16())
    return emitError() << "#qt.float stores f32, f16 or bf16, not " << type;
  return success();
}

LogicalResult FloatSchemeAttr::verifyTensor(function_ref<InFlightDiagnostic()>,
                                            ArrayRef<int64_t>, Type) const {
  return success();
}

SmallVector<StoragePart>
FloatSchemeAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  return {{"", getType(), llvm::to_vector(shape)}};
}

LaneForm FloatSchemeAttr::getLaneForm(int64_t k) const {
  LaneForm form;
  form.kind = LaneForm::Kind::Float;
  form.group = k;
  form.floatType = getType();
  return form;
}

llvm::Error FloatSchemeAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts,
                                        int64_t, int64_t k, int64_t first,
                                        int64_t count,
                                        UnpackedRows &rows) const {
  int64_t bytes = getType().getWidth() / 8;
  const uint8_t *source = parts[0].data() + first * k * bytes;
  rows.values.resize(count * k);
  for (int64_t i = 0; i < count * k; ++i, source += bytes) {
    if (bytes == 4) {
      std::memcpy(&rows.values[i], source, 4);
      continue;
    }
    uint16_t half;
    std::memcpy(&half, source, 2);
    rows.values[i] = getType().isF16() ? f16ToF32(half) : bf16ToF32(half);
  }
  return llvm::Error::success();
}

llvm::Error FloatSchemeAttr::quantizeMatrix(
    ArrayRef<float> values, int64_t, int64_t k,
    MutableArrayRef<std::vector<uint8_t>> parts) const {
  int64_t bytes = getType().getWidth() / 8;
  parts[0].resize(values.size() * bytes);
  uint8_t *target = parts[0].data();
  if (bytes == 4) {
    std::memcpy(target, values.data(), values.size() * 4);
    return llvm::Error::success();
  }
  for (auto [index, value] : llvm::enumerate(values)) {
    uint16_t half = getType().isF16() ? f32ToF16(value) : f32ToBF16(value);
    uint16_t infinity = getType().isF16() ? 0x7C00 : 0x7F80;
    if ((half & 0x7FFF) == infinity && std::isfinite(value))
      return llvm::createStringError(
          std::errc::result_out_of_range,
          "row %lld, column %lld is %g, too large for %s",
          (long long)(index / k), (long long)(index % k), value,
          getType().isF16() ? "f16" : "bf16");
    std::memcpy(target + index * 2, &half, 2);
  }
  return llvm::Error::success();
}

Element FloatSchemeAttr::emitElement(OpBuilder &builder, Location loc,
                                     ValueRange parts, ValueRange indices,
                                     int64_t) const {
  Element element;
  element.value =
      builder.createOrFold<tensor::ExtractOp>(loc, parts[0], indices);
  return element;
}

LogicalResult
FloatSchemeAttr::emitQuantize(OpBuilder &builder, Location loc, Value input,
                              SmallVectorImpl<Value> &parts) const {
  LinalgEmitter emit(builder, loc,
                     getComputeType(getElementTypeOrSelf(input.getType())));
  SmallVector<OpFoldResult> sizes = emit.sizes(input);
  AffineMap identity = builder.getMultiDimIdentityMap(sizes.size());
  parts.push_back(emit.map(getType(), sizes, {{input, identity}},
                           [](OpBuilder &, Location, ValueRange elements) {
                             return elements.front();
                           }));
  return success();
}

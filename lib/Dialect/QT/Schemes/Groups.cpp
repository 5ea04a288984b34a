// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/QT/Schemes/Groups.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

float quantmlir::qt::readScale(ArrayRef<uint8_t> bytes, int64_t index,
                               FloatType type) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, bytes.data() + 4 * index, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, bytes.data() + 2 * index, 2);
  return type.isF16() ? f16ToF32(half) : bf16ToF32(half);
}

std::vector<uint8_t> quantmlir::qt::writeScales(ArrayRef<float> scales,
                                                FloatType type) {
  int64_t width = type.getWidth() / 8;
  std::vector<uint8_t> bytes(scales.size() * width);
  for (auto [index, scale] : llvm::enumerate(scales)) {
    uint8_t *target = bytes.data() + index * width;
    if (width == 4) {
      std::memcpy(target, &scale, 4);
      continue;
    }
    uint16_t half = type.isF16() ? f32ToF16(scale) : f32ToBF16(scale);
    std::memcpy(target, &half, 2);
  }
  return bytes;
}

llvm::Error quantmlir::qt::checkChosen(const ChosenCodes &chosen, int64_t n,
                                       int64_t k, int64_t groups, int64_t codes,
                                       bool zeros) {
  auto error = [](const llvm::Twine &message) {
    return llvm::createStringError(
        std::make_error_code(std::errc::invalid_argument), message);
  };
  if (int64_t(chosen.codes.size()) != n * k ||
      int64_t(chosen.scales.size()) != n * groups ||
      int64_t(chosen.zeros.size()) != (zeros ? n * groups : 0))
    return error("codes, scales and zero points have not the sizes of a " +
                 llvm::Twine(n) + " x " + llvm::Twine(k) + " matrix with " +
                 llvm::Twine(groups) + " groups a row" +
                 (zeros ? "" : " and no zero points"));
  for (auto values : {chosen.codes, chosen.zeros})
    for (uint8_t code : values)
      if (code >= codes)
        return error("code " + llvm::Twine(unsigned(code)) + " is not below " +
                     llvm::Twine(codes));
  return llvm::Error::success();
}

llvm::Expected<std::vector<float>>
quantmlir::qt::sharedScales(ArrayRef<float> scales, int64_t n, int64_t groups,
                            int64_t rows) {
  int64_t bands = llvm::divideCeil(n, rows);
  std::vector<float> shared(bands * groups);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      float scale = scales[row * groups + group];
      float &first = shared[row / rows * groups + group];
      if (row % rows == 0)
        first = scale;
      else if (first != scale)
        return llvm::createStringError(
            std::make_error_code(std::errc::invalid_argument),
            "rows " + llvm::Twine(row / rows * rows) + " and " +
                llvm::Twine(row) + " share a scale, but theirs differ");
    }
  return shared;
}

SmallVector<Value> quantmlir::qt::emitScaleIndices(OpBuilder &builder,
                                                   Location loc,
                                                   ValueRange indices,
                                                   int64_t length) {
  if (length == 0)
    return {arith::ConstantIndexOp::create(builder, loc, 0)};
  SmallVector<Value> place(indices);
  place.back() = builder.createOrFold<arith::DivUIOp>(
      loc, indices.back(),
      arith::ConstantIndexOp::create(builder, loc, length));
  return place;
}

Value quantmlir::qt::emitAbsMax(LinalgEmitter &emit, OpBuilder &builder,
                                Location loc, Value input, int64_t k,
                                int64_t length) {
  SmallVector<OpFoldResult> sizes = emit.sizes(input);
  unsigned rank = sizes.size();
  auto larger = [](OpBuilder &b, Location loc, Value acc, Value x) -> Value {
    Value magnitude = math::AbsFOp::create(b, loc, x);
    return arith::MaximumFOp::create(b, loc, acc, magnitude);
  };
  if (length == 0) {
    Value scalar = emit.reduce(
        sizes, /*parallel=*/0, /*init=*/0.0,
        {{input, builder.getMultiDimIdentityMap(rank)}},
        [&](OpBuilder &b, Location loc, Value acc, ValueRange elements) {
          return larger(b, loc, acc, elements[0]);
        });
    auto type = RankedTensorType::get({1}, emit.getCompute());
    return tensor::ExpandShapeOp::create(builder, loc, type, scalar,
                                         ArrayRef<ReassociationIndices>{});
  }

  // Loops: rows, groups, values of a group. The last group of a row may be
  // shorter; reading its last value again does not change the maximum.
  SmallVector<OpFoldResult> loops(sizes.begin(), sizes.end() - 1);
  loops.push_back(builder.getIndexAttr(llvm::divideCeil(k, length)));
  loops.push_back(builder.getIndexAttr(length));
  return emit.reduce(
      loops, rank, /*init=*/0.0, {},
      [&](OpBuilder &b, Location loc, Value acc, ValueRange) {
        SmallVector<Value> place;
        for (unsigned loop = 0; loop <= rank; ++loop)
          place.push_back(linalg::IndexOp::create(b, loc, loop));
        Value inGroup = place.pop_back_val(), group = place.pop_back_val();
        Value column = arith::AddIOp::create(
            b, loc,
            arith::MulIOp::create(
                b, loc, group, arith::ConstantIndexOp::create(b, loc, length)),
            inGroup);
        place.push_back(arith::MinUIOp::create(
            b, loc, column, arith::ConstantIndexOp::create(b, loc, k - 1)));
        Value x = tensor::ExtractOp::create(b, loc, input, place);
        return larger(b, loc, acc, convertFloat(b, loc, x, emit.getCompute()));
      });
}

Value quantmlir::qt::emitCodes(
    LinalgEmitter &emit, OpBuilder &builder, Location loc, Value input,
    Value scales, int64_t length, Type type,
    function_ref<Value(OpBuilder &, Location, Value, Value)> encode) {
  SmallVector<OpFoldResult> sizes = emit.sizes(input);
  unsigned rank = sizes.size();
  return emit.map(
      type, sizes, {{input, builder.getMultiDimIdentityMap(rank)}},
      [&](OpBuilder &b, Location loc, ValueRange elements) -> Value {
        SmallVector<Value> indices;
        for (unsigned loop = 0; loop < rank; ++loop)
          indices.push_back(linalg::IndexOp::create(b, loc, loop));
        // The scale as it is stored, so that a rounded one costs no accuracy.
        Value scale = tensor::ExtractOp::create(
            b, loc, scales, emitScaleIndices(b, loc, indices, length));
        scale = convertFloat(b, loc, scale, b.getF32Type());
        return encode(b, loc, elements[0], scale);
      });
}

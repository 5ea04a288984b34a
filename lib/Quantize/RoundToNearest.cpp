// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/RoundToNearest.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>

using namespace quantmlir;
using llvm::ArrayRef;

static float roundScale(float scale, IntFormat::ScaleType type) {
  switch (type) {
  case IntFormat::ScaleType::F32:
    return scale;
  case IntFormat::ScaleType::F16:
    return f16ToF32(f32ToF16(scale));
  case IntFormat::ScaleType::BF16:
    return bf16ToF32(f32ToBF16(scale));
  }
  llvm_unreachable("unknown scale type");
}

namespace {

/// The grid of one group of values.
struct Grid {
  float scale = 0;
  int32_t zero = 0;
  int32_t lowest = 0, highest = 0;

  int8_t round(float value) const {
    if (scale == 0)
      return int8_t(zero);
    float code = std::nearbyint(value / scale) + float(zero);
    // By way of int32_t: codes above 127 are bit patterns.
    return int8_t(int32_t(std::clamp(code, float(lowest), float(highest))));
  }
};

} // namespace

static Grid makeGrid(float minimum, float maximum, const IntFormat &format) {
  Grid grid;
  if (format.asymmetric) {
    grid.highest = (1 << format.bits) - 1;
    minimum = std::min(minimum, 0.0f);
    maximum = std::max(maximum, 0.0f);
    grid.scale =
        roundScale((maximum - minimum) / float(grid.highest), format.scaleType);
    if (grid.scale != 0)
      grid.zero = int32_t(std::clamp(std::nearbyint(-minimum / grid.scale),
                                     0.0f, float(grid.highest)));
    return grid;
  }
  int32_t half = 1 << (format.bits - 1);
  grid.highest = half - 1;
  grid.lowest = format.bits == 8 ? -127 : -half;
  float steps = format.bits == 8 ? 127.0f : float(half) - 0.5f;
  grid.scale = roundScale(
      std::max(std::abs(minimum), std::abs(maximum)) / steps, format.scaleType);
  return grid;
}

static llvm::Error checkFinite(ArrayRef<float> values, int64_t k) {
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return llvm::createStringError(
          llvm::errc::invalid_argument,
          llvm::formatv("row {0}, column {1} is not a finite number", i / k,
                        i % k));
  return llvm::Error::success();
}

llvm::Expected<IntMatrix> quantmlir::roundToNearest(ArrayRef<float> values,
                                                    int64_t n, int64_t k,
                                                    const IntFormat &format) {
  assert(int64_t(values.size()) == n * k && "shape and size disagree");
  if (llvm::Error error = checkFinite(values, k))
    return error;

  // A tensor with one scale is one row.
  bool wholeTensor = format.granularity == IntFormat::Granularity::Tensor;
  int64_t rows = wholeTensor ? 1 : n, length = wholeTensor ? n * k : k;
  int64_t group = format.granularity == IntFormat::Granularity::Group
                      ? std::min(format.group, length)
                      : length;
  int64_t groups = llvm::divideCeil(length, group);
  IntMatrix matrix;
  matrix.codes.resize(n * k);
  matrix.scales.resize(rows * groups);
  matrix.zeros.resize(format.asymmetric ? rows * groups : 0);

  for (int64_t row = 0; row < rows; ++row)
    for (int64_t g = 0; g < groups; ++g) {
      int64_t first = row * length + g * group;
      int64_t count = std::min(group, length - g * group);
      ArrayRef<float> part = values.slice(first, count);
      auto [low, high] = std::minmax_element(part.begin(), part.end());
      Grid grid = makeGrid(*low, *high, format);
      if (!std::isfinite(grid.scale))
        return llvm::createStringError(
            llvm::errc::invalid_argument,
            llvm::formatv("the scale of row {0} is too large for its type",
                          first / k));
      matrix.scales[row * groups + g] = grid.scale;
      if (format.asymmetric)
        matrix.zeros[row * groups + g] = uint8_t(grid.zero);
      for (int64_t i = 0; i < count; ++i)
        matrix.codes[first + i] = grid.round(part[i]);
    }
  return matrix;
}

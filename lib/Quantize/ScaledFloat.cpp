// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The largest magnitude of every block first, then its scale as it will be
// stored, then the codes: the nearest ones for the scale that a kernel sees.

#include "quant-mlir/Quantize/ScaledFloat.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cmath>
#include <cstring>

using namespace llvm;
using namespace quantmlir;
using Scale = ScaledFloatFormat::Scale;

/// The scale of a block, rounded to its type. A block of zeros gets the
/// smallest scale that other libraries give it, so that nothing is divided by
/// zero.
static float chooseScale(float absMax, const ScaledFloatFormat &format,
                         float global) {
  float largest = smallFloatMax(format.element);
  switch (format.scale) {
  case Scale::F32:
    return absMax == 0 ? 0x1p-23f : absMax / largest;
  case Scale::F16: {
    // Rounded up to the smallest half, that no code overflows.
    float scale = f16ToF32(f32ToF16(absMax / largest));
    return scale == 0 ? 0x1p-24f : scale;
  }
  case Scale::BF16: {
    float scale = bf16ToF32(f32ToBF16(absMax / largest));
    return scale == 0 ? 0x1p-126f : scale;
  }
  case Scale::E8M0:
    return e8m0ToF32(mxScale(format.element, absMax, MXRounding::Nearest));
  case Scale::E4M3: {
    float scale = smallFloatToF32(
        SmallFloat::E4M3FN,
        f32ToSmallFloat(SmallFloat::E4M3FN, global * (absMax / largest)));
    return scale == 0 ? 0.125f : scale;
  }
  }
  llvm_unreachable("unknown scale type");
}

Expected<ScaledFloatMatrix>
quantmlir::quantizeScaledFloat(ArrayRef<float> values, int64_t n, int64_t k,
                               const ScaledFloatFormat &format) {
  ScaledFloatMatrix matrix;
  if (n == 0 || k == 0)
    return matrix;
  int64_t rows = format.rows(n), columns = format.columns(k);
  int64_t bands = divideCeil(n, rows), groups = divideCeil(k, columns);
  matrix.codes.resize(n * k);
  matrix.scales.resize(bands * groups);

  std::atomic<int64_t> bad(n * k);
  // [n, groups]: rows apart, so that they can be shared out.
  std::vector<float> largest(n * groups);
  parallelFor(0, n, [&](size_t row) {
    for (int64_t column = 0; column < k; ++column) {
      int64_t at = row * k + column;
      if (!std::isfinite(values[at])) {
        int64_t seen = bad;
        while (at < seen && !bad.compare_exchange_weak(seen, at))
          ;
        return;
      }
      float &most = largest[row * groups + column / columns];
      most = std::max(most, std::fabs(values[at]));
    }
  });
  if (bad != n * k)
    return createStringError(std::errc::invalid_argument,
                             "row %lld, column %lld is %s",
                             (long long)(bad / k), (long long)(bad % k),
                             std::isnan(values[bad]) ? "NaN" : "infinite");
  for (int64_t row = 0; row < n; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      float &most = matrix.scales[row / rows * groups + group];
      most = std::max(most, largest[row * groups + group]);
    }
  if (format.scale == Scale::E4M3) {
    float most = 0;
    for (float each : matrix.scales)
      most = std::max(most, each);
    matrix.global = most == 0 ? 1
                              : smallFloatMax(SmallFloat::E4M3FN) *
                                    smallFloatMax(format.element) / most;
    if (!std::isfinite(matrix.global))
      matrix.global = 1;
  }
  for (auto [index, scale] : enumerate(matrix.scales)) {
    scale = chooseScale(scale, format, matrix.global);
    if (!std::isfinite(scale))
      return createStringError(
          std::errc::result_out_of_range,
          "the scale of row %lld, group %lld does not fit its type: the values "
          "are too large",
          (long long)(index / groups * rows), (long long)(index % groups));
  }

  parallelFor(0, n, [&](size_t row) {
    for (int64_t column = 0; column < k; ++column) {
      float scale = matrix.scales[row / rows * groups + column / columns];
      if (format.scale == Scale::E4M3)
        scale /= matrix.global;
      matrix.codes[row * k + column] =
          f32ToSmallFloat(format.element, values[row * k + column] / scale);
    }
  });
  return matrix;
}

std::vector<uint8_t> quantmlir::storeScales(ArrayRef<float> scales,
                                            Scale type) {
  ScaledFloatFormat format;
  format.scale = type;
  int64_t width = format.scaleBytes();
  std::vector<uint8_t> bytes(scales.size() * width);
  for (auto [index, scale] : enumerate(scales)) {
    uint8_t *target = bytes.data() + index * width;
    switch (type) {
    case Scale::F32:
      std::memcpy(target, &scale, 4);
      break;
    case Scale::F16:
    case Scale::BF16: {
      uint16_t half = type == Scale::F16 ? f32ToF16(scale) : f32ToBF16(scale);
      std::memcpy(target, &half, 2);
      break;
    }
    case Scale::E8M0:
      *target = uint8_t(std::clamp(std::ilogb(scale) + 127, 0, 254));
      break;
    case Scale::E4M3:
      *target = f32ToSmallFloat(SmallFloat::E4M3FN, scale);
      break;
    }
  }
  return bytes;
}

float quantmlir::readStoredScale(ArrayRef<uint8_t> bytes, int64_t index,
                                 Scale type) {
  switch (type) {
  case Scale::F32: {
    float value;
    std::memcpy(&value, bytes.data() + 4 * index, 4);
    return value;
  }
  case Scale::F16:
  case Scale::BF16: {
    uint16_t half;
    std::memcpy(&half, bytes.data() + 2 * index, 2);
    return type == Scale::F16 ? f16ToF32(half) : bf16ToF32(half);
  }
  case Scale::E8M0:
    return e8m0ToF32(bytes[index]);
  case Scale::E4M3:
    return smallFloatToF32(SmallFloat::E4M3FN, bytes[index]);
  }
  llvm_unreachable("unknown scale type");
}

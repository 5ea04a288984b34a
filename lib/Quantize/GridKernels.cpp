// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Written so that g++ makes vector instructions of each loop: no branches, sums
// in 16 lanes, rounding by addition.

#include "GridKernels.h"
#include "Kernels.h"
#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cmath>

using namespace quantmlir;
using namespace quantmlir::kernels;

#define QUANT_INLINE __attribute__((always_inline)) static inline

static constexpr int64_t lanes = 16;

/// To the nearest integer, ties to even; |value| < 2^22 (2^51).
QUANT_INLINE float roundEven(float value) {
  constexpr float shift = 12582912.0f; // 1.5 * 2^23
  return (value + shift) - shift;
}
QUANT_INLINE double roundEven(double value) {
  constexpr double shift = 6755399441055744.0; // 1.5 * 2^52
  return (value + shift) - shift;
}

/// value^power for value >= 0 and power > 1, to about 1e-6; the order of nearly
/// equal sums of errors does not matter, the time of std::pow does.
QUANT_INLINE float power(float value, float exponent) {
  // value = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  int32_t bits = llvm::bit_cast<int32_t>(value);
  int32_t e = (bits - 0x3F3504F3) >> 23;
  float m = llvm::bit_cast<float>(bits - e * (1 << 23));
  float t = (m - 1) / (m + 1), t2 = t * t;
  float log =
      float(e) +
      t * (2.885390082f +
           t2 * (0.961796694f + t2 * (0.577078016f + t2 * 0.412198583f)));
  float y = std::max(log * exponent, -126.0f);
  float whole = roundEven(y), f = y - whole;
  float result =
      1 + f * (0.693147181f +
               f * (0.240226507f +
                    f * (0.055504109f +
                         f * (0.009618129f +
                              f * (0.001333356f + f * 0.000154035f)))));
  return result * llvm::bit_cast<float>((int32_t(whole) + 127) * (1 << 23));
}

namespace {
enum class Norm { Two, Other };
} // namespace

/// Adds up importance * |error(i)|^norm in 16 lanes.
template <Norm kind, typename ErrorFn>
QUANT_INLINE double accumulate(const float *importance, int64_t count,
                               float exponent, ErrorFn error) {
  float sums[lanes] = {};
  auto term = [&](int64_t i) __attribute__((always_inline)) {
    float e = error(i);
    return kind == Norm::Two ? e * e : power(std::fabs(e), exponent);
  };
  int64_t i = 0;
  if (importance) {
    for (; i + lanes <= count; i += lanes)
      for (int64_t lane = 0; lane < lanes; ++lane)
        sums[lane] += importance[i + lane] * term(i + lane);
    for (; i < count; ++i)
      sums[0] += importance[i] * term(i);
  } else {
    for (; i + lanes <= count; i += lanes)
      for (int64_t lane = 0; lane < lanes; ++lane)
        sums[lane] += term(i + lane);
    for (; i < count; ++i)
      sums[0] += term(i);
  }
  double sum = 0;
  for (float part : sums)
    sum += part;
  return sum;
}

QUANT_CLONES
double kernels::intError(const float *values, const float *importance,
                         int64_t count, float scale, float zero, IntRange range,
                         double norm) {
  auto error = [=](int64_t i) __attribute__((always_inline)) {
    float code = values[i] / scale + zero;
    code = roundEven(std::min(std::max(code, range.low), range.high));
    return scale * (code - zero) - values[i];
  };
  if (norm == 2)
    return accumulate<Norm::Two>(importance, count, 2, error);
  return accumulate<Norm::Other>(importance, count, float(norm), error);
}

QUANT_CLONES
double kernels::smallFloatError(const float *values, const float *importance,
                                int64_t count, float scale, SmallFloat type,
                                double norm) {
  // f32ToSmallFloat without the last step: the bits stay where they are. Masks
  // choose: g++ keeps a branch around a float addition.
  SmallFloatFields fields = smallFloatFields(type);
  float largest = smallFloatMax(type);
  float magic = llvm::bit_cast<float>(fields.subnormalMagic());
  uint32_t smallest = uint32_t(127 + fields.smallestExponent()) << 23;
  uint32_t unit = 1u << fields.shift();
  int shift = fields.shift();
  auto error = [=](int64_t i) __attribute__((always_inline)) {
    float value = std::fabs(values[i]);
    float x = std::min(value / scale, largest);
    uint32_t bits = llvm::bit_cast<uint32_t>(x);
    uint32_t normal = bits + unit / 2 - 1 + (bits >> shift & 1);
    uint32_t subnormal = llvm::bit_cast<uint32_t>((x + magic) - magic);
    uint32_t isNormal = 0u - uint32_t(bits >= smallest);
    float rounded = llvm::bit_cast<float>((normal & ~(unit - 1) & isNormal) |
                                          (subnormal & ~isNormal));
    return scale * rounded - value;
  };
  if (norm == 2)
    return accumulate<Norm::Two>(importance, count, 2, error);
  return accumulate<Norm::Other>(importance, count, float(norm), error);
}

QUANT_CLONES
double kernels::errorSum(const float *errors, const float *importance,
                         int64_t count, double norm) {
  auto error = [=](int64_t i)
                   __attribute__((always_inline)) { return errors[i]; };
  if (norm == 2)
    return accumulate<Norm::Two>(importance, count, 2, error);
  return accumulate<Norm::Other>(importance, count, float(norm), error);
}

QUANT_CLONES
void kernels::intQuantize(const float *values, int64_t count, float scale,
                          float zero, IntRange range, uint8_t *codes,
                          float *decoded) {
  if (codes)
    for (int64_t i = 0; i < count; ++i) {
      float code = values[i] / scale + zero;
      code = roundEven(std::min(std::max(code, range.low), range.high));
      codes[i] = uint8_t(int32_t(code));
    }
  if (decoded)
    for (int64_t i = 0; i < count; ++i) {
      float code = values[i] / scale + zero;
      code = roundEven(std::min(std::max(code, range.low), range.high));
      decoded[i] = scale * (code - zero);
    }
}

QUANT_CLONES
void kernels::intQuantizeLanes(const double *values, const float *scales,
                               const float *zeros, int64_t count,
                               IntRange range, uint8_t *codes, float *decoded) {
  for (int64_t i = 0; i < count; ++i) {
    // A scale of zero, where all is zero, has only the code of zero.
    double scale = scales[i] == 0 ? HUGE_VAL : double(scales[i]);
    double code = values[i] / scale + double(zeros[i]);
    code = roundEven(
        std::min(std::max(code, double(range.low)), double(range.high)));
    codes[i] = uint8_t(int32_t(code));
    decoded[i] = scales[i] * (float(code) - zeros[i]);
  }
}

QUANT_CLONES
void kernels::smallTableDecode(const float *values, int64_t count, float scale,
                               const float *sorted, const float *bounds,
                               int entries, float *decoded) {
  float inverse = 1 / scale;
  for (int64_t begin = 0; begin < count; begin += lanes) {
    int64_t width = std::min(lanes, count - begin);
    float x[lanes] = {}, best[lanes];
    for (int64_t lane = 0; lane < width; ++lane)
      x[lane] = values[begin + lane] * inverse;
    for (int64_t lane = 0; lane < lanes; ++lane)
      best[lane] = sorted[0];
    for (int entry = 1; entry < entries; ++entry)
      for (int64_t lane = 0; lane < lanes; ++lane)
        best[lane] = x[lane] > bounds[entry - 1] ? sorted[entry] : best[lane];
    for (int64_t lane = 0; lane < width; ++lane)
      decoded[begin + lane] = best[lane] * scale;
  }
}

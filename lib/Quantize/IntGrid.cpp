// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GridKernels.h"
#include "quant-mlir/Quantize/Grid.h"
#include <algorithm>
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

IntGrid::IntGrid(unsigned bits, int64_t group, bool asymmetric,
                 ScaleFormat scaleFormat)
    : Grid(group, scaleFormat), bits(bits), asymmetric(asymmetric) {
  assert(bits >= 2 && bits <= 8 && "2 to 8 bits");
  int half = 1 << (bits - 1);
  if (asymmetric) {
    low = 0, high = 2 * half - 1, divisor = high;
  } else if (bits == 8) {
    low = -127, high = 127, divisor = 127;
  } else {
    low = -half, high = half - 1, divisor = half - 0.5f;
  }
}

IntGrid::IntGrid(const IntFormat &format)
    : IntGrid(format.bits,
              format.granularity == IntFormat::Granularity::Group ? format.group
                                                                  : 0,
              format.asymmetric, format.scaleType) {}

GroupParams IntGrid::fromRange(float rangeLow, float rangeHigh) const {
  rangeLow = std::min(rangeLow, 0.0f), rangeHigh = std::max(rangeHigh, 0.0f);
  float reach =
      asymmetric ? rangeHigh - rangeLow : std::max(rangeHigh, -rangeLow);
  GroupParams params;
  params.scale = scaleFormat.round(reach / divisor);
  if (asymmetric && params.scale != 0)
    params.zero =
        std::nearbyint(std::min(std::max(-rangeLow / params.scale, low), high));
  return params;
}

double IntGrid::widest(const FitOptions &options) const {
  // From where the last code reaches the largest value, half a step further.
  return options.leastSquares && !asymmetric ? divisor / high : 1;
}

double IntGrid::error(ArrayRef<float> values, ArrayRef<float> importance,
                      GroupParams params, double norm) const {
  return kernels::intError(
      values.data(), importance.empty() ? nullptr : importance.data(),
      values.size(), params.scale, params.zero, {low, high}, norm);
}

void IntGrid::quantize(ArrayRef<float> values, GroupParams params,
                       uint8_t *codes, float *decoded) const {
  if (params.scale == 0) {
    if (codes)
      std::fill_n(codes, values.size(), uint8_t(params.zero));
    if (decoded)
      std::fill_n(decoded, values.size(), 0.0f);
    return;
  }
  kernels::intQuantize(values.data(), values.size(), params.scale, params.zero,
                       {low, high}, codes, decoded);
}

void IntGrid::quantizeLanes(const double *values, const float *scales,
                            const float *zeros, int64_t count, uint8_t *codes,
                            float *decoded) const {
  kernels::intQuantizeLanes(values, scales, zeros, count, {low, high}, codes,
                            decoded);
}

float IntGrid::decode(uint8_t code, GroupParams params) const {
  int value = asymmetric ? int(code) : int(int8_t(code));
  return params.scale * (float(value) - params.zero);
}

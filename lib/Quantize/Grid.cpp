// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all grids have in common: scales, the search for parameters, rounding of
// a whole matrix.

#include "quant-mlir/Quantize/Grid.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cassert>
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

ScaleFormat::ScaleFormat(IntFormat::ScaleType type) {
  switch (type) {
  case IntFormat::ScaleType::F32:
    this->type = Type::F32;
    return;
  case IntFormat::ScaleType::F16:
    this->type = Type::F16;
    return;
  case IntFormat::ScaleType::BF16:
    this->type = Type::BF16;
    return;
  }
}

unsigned ScaleFormat::bits() const {
  switch (type) {
  case Type::F32:
    return 32;
  case Type::F16:
  case Type::BF16:
    return 16;
  case Type::E4M3:
  case Type::E8M0:
    return 8;
  }
  llvm_unreachable("unknown scale type");
}

static float roundToE4M3(float value) {
  // Three bits of mantissa from 2^-6 on, multiples of 2^-9 below.
  int exponent = std::max(std::ilogb(value), -6);
  float rounded =
      std::ldexp(std::nearbyint(std::ldexp(value, 3 - exponent)), exponent - 3);
  return rounded > 448 ? std::numeric_limits<float>::infinity() : rounded;
}

float ScaleFormat::round(float scale) const {
  switch (type) {
  case Type::F32:
    return scale;
  case Type::F16:
    return unit * f16ToF32(f32ToF16(scale / unit));
  case Type::BF16:
    return unit * bf16ToF32(f32ToBF16(scale / unit));
  case Type::E4M3:
    return scale == 0 ? 0 : unit * roundToE4M3(scale / unit);
  case Type::E8M0:
    // There is no zero, and 2^-127 is the least.
    if (!(scale / unit >= 0x1p-126f))
      return std::isnan(scale) ? scale : unit * 0x1p-127f;
    return unit * std::ldexp(1.0f, std::ilogb(scale / unit));
  }
  llvm_unreachable("unknown scale type");
}

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

Grid::~Grid() = default;

double Grid::bitsPerValue(int64_t k) const {
  double perGroup = scaleFormat.bits() + (hasZeros() ? codeBits() : 0);
  return codeBits() + (k == 0 ? 0 : perGroup * groupsPerRow(k) / k);
}

/// What `share` of the values do not exceed in magnitude: of n, the smallest
/// ceil(share * n).
static float magnitudeOfShare(ArrayRef<float> values, double share) {
  if (values.empty())
    return 0;
  std::vector<float> magnitudes(values.size());
  llvm::transform(values, magnitudes.begin(),
                  [](float value) { return std::fabs(value); });
  double count = std::ceil(share * double(values.size()));
  auto place = magnitudes.begin() + int64_t(std::max(count, 1.0)) - 1;
  std::nth_element(magnitudes.begin(), place, magnitudes.end());
  return *place;
}

GroupParams Grid::fit(ArrayRef<float> values, ArrayRef<float> importance,
                      const FitOptions &options) const {
  float low = 0, high = 0;
  for (float value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (options.method == FitOptions::Method::Percentile) {
    float reach = magnitudeOfShare(values, options.share);
    low = std::max(low, -reach), high = std::min(high, reach);
  }
  GroupParams range = fromRange(low, high);
  if (options.method != FitOptions::Method::Search || (low == 0 && high == 0) ||
      !std::isfinite(range.scale))
    return range;
  return search(low, high, values, importance, options);
}

GroupParams Grid::search(float low, float high, ArrayRef<float> values,
                         ArrayRef<float> importance,
                         const FitOptions &options) const {
  GroupParams best;
  double least = std::numeric_limits<double>::infinity();
  auto judge = [&](GroupParams params) {
    if (params.scale == 0 || !std::isfinite(params.scale))
      return false;
    double loss = error(values, importance, params, options.norm);
    if (!(loss < least))
      return false;
    least = loss;
    best = params;
    return true;
  };
  auto judgeRange = [&](double lowShare, double highShare) {
    GroupParams params =
        fromRange(low * float(lowShare), high * float(highShare));
    bool better = judge(params);
    if (options.bothSigns && signsDiffer())
      better |= judge({-params.scale, params.zero});
    return better;
  };

  if (hasZeros() && options.bothEnds) {
    // Each end in steps of 5 %, then downhill in steps of 2 and 1 %.
    double lowShare = 1, highShare = 1;
    int steps = std::max(1, int(std::ceil(options.maxShrink / 0.05 - 1e-9)));
    for (int a = 0; a < steps; ++a)
      for (int b = 0; b < steps; ++b)
        if (judgeRange(1 - a * 0.05, 1 - b * 0.05))
          lowShare = 1 - a * 0.05, highShare = 1 - b * 0.05;
    for (double step : {0.02, 0.01})
      for (bool better = true; better;) {
        better = false;
        for (auto [da, db] : {std::pair(step, 0.0), std::pair(-step, 0.0),
                              std::pair(0.0, step), std::pair(0.0, -step)})
          if (lowShare + da > 0 && highShare + db > 0 &&
              judgeRange(lowShare + da, highShare + db)) {
            lowShare += da, highShare += db;
            better = true;
          }
      }
  } else if (scaleFormat.type == ScaleFormat::Type::E8M0) {
    for (float factor : {1.0f, 2.0f, 0.5f})
      judgeRange(factor, factor);
  } else {
    double start = widest(options);
    int failures = 0;
    for (int i = -int(std::ceil((start - 1) * 100));
         i / 100.0 < options.maxShrink; ++i) {
      double share = 1 - i / 100.0;
      failures = judgeRange(share, share) ? 0 : failures + 1;
      if (options.patience && failures >= options.patience)
        break;
    }
  }
  // All scales were rounded to zero, or the loss is no number.
  if (least == std::numeric_limits<double>::infinity())
    return fromRange(low, high);

  if (options.leastSquares) {
    SmallVector<float, 256> decoded(values.size());
    for (int round = 0; round < 8; ++round) {
      quantize(values, best, nullptr, decoded.data());
      double xu = 0, uu = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        double u = double(decoded[i]) / best.scale;
        double weight = importance.empty() ? 1 : importance[i];
        xu += weight * values[i] * u;
        uu += weight * u * u;
      }
      if (uu == 0 || !judge({scaleFormat.round(float(xu / uu)), best.zero}))
        break;
    }
  }
  return best;
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

static bool allFinite(const float *values, int64_t count) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i)
    bad |= (bit_cast<uint32_t>(values[i]) & 0x7F800000) == 0x7F800000;
  return !bad;
}

Error quantmlir::checkFinite(ArrayRef<float> values, int64_t n, int64_t k) {
  for (int64_t row = 0; row < n; ++row) {
    const float *x = values.data() + row * k;
    if (allFinite(x, k))
      continue;
    int64_t column = 0;
    while (std::isfinite(x[column]))
      ++column;
    return createStringError(
        std::errc::invalid_argument,
        "row %lld, column %lld is %s and cannot be quantized", (long long)row,
        (long long)column, std::isnan(x[column]) ? "NaN" : "infinite");
  }
  return Error::success();
}

Expected<std::vector<GroupParams>>
quantmlir::fitGroups(ArrayRef<float> w, int64_t n, int64_t k, const Grid &grid,
                     const FitOptions &options, ArrayRef<float> importance,
                     int64_t rowsPerScale) {
  assert(int64_t(w.size()) == n * k && "sizes do not match");
  assert((importance.empty() || int64_t(importance.size()) == k) &&
         "one importance per column");
  if (Error error = checkFinite(w, n, k))
    return std::move(error);
  int64_t groups = grid.groupsPerRow(k), length = grid.groupLength(k);
  std::vector<GroupParams> params(n * groups);
  int64_t bands = divideCeil(n, rowsPerScale);
  parallelFor(0, bands * groups, [&](size_t index) {
    int64_t first = index / groups * rowsPerScale, group = index % groups;
    int64_t last = std::min(first + rowsPerScale, n);
    int64_t begin = group * length, count = std::min(length, k - begin);
    ArrayRef<float> values = w.slice(first * k + begin, count);
    ArrayRef<float> weights =
        importance.empty() ? importance : importance.slice(begin, count);
    std::vector<float> allValues, allWeights;
    if (last - first > 1) {
      for (int64_t row = first; row < last; ++row) {
        append_range(allValues, w.slice(row * k + begin, count));
        append_range(allWeights, weights);
      }
      values = allValues, weights = allWeights;
    }
    GroupParams fitted = grid.fit(values, weights, options);
    for (int64_t row = first; row < last; ++row)
      params[row * groups + group] = fitted;
  });
  for (int64_t i = 0; i < n * groups; ++i)
    if (!std::isfinite(params[i].scale))
      return createStringError(
          std::errc::invalid_argument,
          "the scale of row %lld, group %lld does not fit its type: the values "
          "are too large",
          (long long)(i / groups), (long long)(i % groups));
  return params;
}

GridMatrix quantmlir::roundToGrid(ArrayRef<float> w, int64_t n, int64_t k,
                                  const Grid &grid,
                                  ArrayRef<GroupParams> params,
                                  MutableArrayRef<float> decoded) {
  int64_t groups = grid.groupsPerRow(k), length = grid.groupLength(k);
  assert(int64_t(w.size()) == n * k && int64_t(params.size()) == n * groups &&
         (decoded.empty() || decoded.size() == w.size()) &&
         "sizes do not match");
  GridMatrix matrix;
  matrix.codes.resize(n * k);
  matrix.scales.resize(n * groups);
  matrix.zeros.resize(grid.hasZeros() ? n * groups : 0);
  parallelFor(0, n, [&](size_t row) {
    for (int64_t group = 0; group < groups; ++group) {
      int64_t index = row * groups + group, begin = group * length;
      int64_t place = row * k + begin, count = std::min(length, k - begin);
      grid.quantize(w.slice(place, count), params[index],
                    matrix.codes.data() + place,
                    decoded.empty() ? nullptr : decoded.data() + place);
      matrix.scales[index] = params[index].scale;
      if (grid.hasZeros())
        matrix.zeros[index] = uint8_t(params[index].zero);
    }
  });
  return matrix;
}

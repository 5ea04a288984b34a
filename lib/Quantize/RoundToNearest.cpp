// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A row at a time: the range of each group, its scale as it will be stored,
// then the codes. Rows are independent, so they are shared out to threads; with
// one scale for the whole tensor the range is found first.

#include "quant-mlir/Quantize/RoundToNearest.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

using Granularity = IntFormat::Granularity;
using ScaleType = IntFormat::ScaleType;

int64_t IntFormat::groupLength(int64_t k) const {
  return granularity == Granularity::Group ? std::min(group, k) : k;
}

int64_t IntFormat::groupsPerRow(int64_t k) const {
  return k == 0 ? 0 : divideCeil(k, groupLength(k));
}

namespace {
/// The codes that a format has, and the divisor that makes a scale of a range.
struct Grid {
  explicit Grid(const IntFormat &format) {
    int half = 1 << (format.bits - 1);
    if (format.asymmetric) {
      low = 0, high = 2 * half - 1, divisor = high;
    } else if (format.bits == 8) {
      low = -127, high = 127, divisor = 127;
    } else {
      low = -half, high = half - 1, divisor = half - 0.5f;
    }
  }
  float low, high, divisor;
};

/// How far the values of a group reach, 0 included.
struct Range {
  float low = 0, high = 0;

  void add(const float *values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
  }
  void add(Range other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
  }
};

struct ScaleAndZero {
  float scale;
  float zero;
};
} // namespace

static float roundToType(float scale, ScaleType type) {
  switch (type) {
  case ScaleType::F32:
    return scale;
  case ScaleType::F16:
    return f16ToF32(f32ToF16(scale));
  case ScaleType::BF16:
    return bf16ToF32(f32ToBF16(scale));
  }
  llvm_unreachable("unknown scale type");
}

/// Rounds to the nearest integer, ties to even; |value| < 2^22. Adding
/// 1.5 * 2^23 leaves no bits for the fraction. Unlike rint this needs no SSE4.1
/// to be fast.
static float roundEven(float value) {
  constexpr float shift = 12582912.0f;
  return (value + shift) - shift;
}

static float clamp(float value, const Grid &grid) {
  return std::min(std::max(value, grid.low), grid.high);
}

static ScaleAndZero chooseScale(Range range, const Grid &grid,
                                const IntFormat &format) {
  float reach = format.asymmetric ? range.high - range.low
                                  : std::max(range.high, -range.low);
  float scale = roundToType(reach / grid.divisor, format.scaleType);
  float zero = 0;
  if (format.asymmetric && scale != 0)
    zero = roundEven(clamp(-range.low / scale, grid));
  return {scale, zero};
}

static void encode(const float *values, int64_t count, ScaleAndZero parameters,
                   const Grid &grid, int8_t *codes) {
  if (parameters.scale == 0) {
    std::fill_n(codes, count, int8_t(0));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    float code = values[i] / parameters.scale + parameters.zero;
    codes[i] = int8_t(int32_t(roundEven(clamp(code, grid))));
  }
}

static bool allFinite(const float *values, int64_t count) {
  // All exponent bits set is infinity or NaN. Integer code without a branch, so
  // that it is vectorized.
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i)
    bad |= (bit_cast<uint32_t>(values[i]) & 0x7F800000) == 0x7F800000;
  return !bad;
}

/// Calls `row(index)`, which returns false for a bad row, on all rows in
/// parallel. Returns the first bad row, or `n`.
template <typename RowFn> static int64_t forEachRow(int64_t n, RowFn row) {
  std::atomic<int64_t> firstBad(n);
  parallelFor(0, n, [&](size_t i) {
    if (row(int64_t(i)))
      return;
    int64_t seen = firstBad.load();
    while (int64_t(i) < seen && !firstBad.compare_exchange_weak(seen, i))
      ;
  });
  return firstBad;
}

static Error checkFormat(const IntFormat &format) {
  if (format.bits < 2 || format.bits > 8)
    return createStringError(std::errc::invalid_argument,
                             "integers of 2 to 8 bits are supported, not %u",
                             format.bits);
  if (format.granularity == Granularity::Group && format.group < 1)
    return createStringError(std::errc::invalid_argument,
                             "a group has at least 1 value, not %lld",
                             (long long)format.group);
  return Error::success();
}

/// Says what is wrong with a row.
static Error explain(const float *row, int64_t index, int64_t k,
                     ArrayRef<float> scales) {
  for (int64_t column = 0; column < k; ++column)
    if (!std::isfinite(row[column]))
      return createStringError(
          std::errc::invalid_argument,
          "row %lld, column %lld is %s and cannot be quantized",
          (long long)index, (long long)column,
          std::isnan(row[column]) ? "NaN" : "infinite");
  int64_t group = 0;
  while (group + 1 < int64_t(scales.size()) && std::isfinite(scales[group]))
    ++group;
  return createStringError(std::errc::invalid_argument,
                           "the scale of row %lld, group %lld does not fit its "
                           "type: the values are too large",
                           (long long)index, (long long)group);
}

Expected<IntMatrix> quantmlir::roundToNearest(ArrayRef<float> values, int64_t n,
                                              int64_t k,
                                              const IntFormat &format) {
  if (Error error = checkFormat(format))
    return error;
  assert(int64_t(values.size()) == n * k && "values are not [n, k]");
  if (n == 0 || k == 0)
    return IntMatrix();

  Grid grid(format);
  bool perTensor = format.granularity == Granularity::Tensor;
  int64_t length = format.groupLength(k), groups = format.groupsPerRow(k);
  IntMatrix matrix;
  matrix.codes.resize(n * k);
  matrix.scales.resize(perTensor ? 1 : n * groups);
  if (format.asymmetric)
    matrix.zeros.resize(matrix.scales.size());
  // False if the scale does not fit.
  auto store = [&](int64_t index, ScaleAndZero parameters) {
    matrix.scales[index] = parameters.scale;
    if (!std::isfinite(parameters.scale))
      return false;
    if (format.asymmetric)
      matrix.zeros[index] = uint8_t(parameters.zero);
    return true;
  };

  if (perTensor) {
    std::vector<Range> ranges(n);
    int64_t bad = forEachRow(n, [&](int64_t row) {
      const float *x = values.data() + row * k;
      ranges[row].add(x, k);
      return allFinite(x, k);
    });
    if (bad != n)
      return explain(values.data() + bad * k, bad, k, {});
    Range range;
    for (Range row : ranges)
      range.add(row);
    ScaleAndZero parameters = chooseScale(range, grid, format);
    if (!store(0, parameters))
      return explain(values.data(), 0, k, matrix.scales);
    forEachRow(n, [&](int64_t row) {
      encode(values.data() + row * k, k, parameters, grid,
             matrix.codes.data() + row * k);
      return true;
    });
    return matrix;
  }

  int64_t bad = forEachRow(n, [&](int64_t row) {
    const float *x = values.data() + row * k;
    if (!allFinite(x, k))
      return false;
    for (int64_t group = 0; group < groups; ++group) {
      int64_t begin = group * length, count = std::min(length, k - begin);
      Range range;
      range.add(x + begin, count);
      ScaleAndZero parameters = chooseScale(range, grid, format);
      if (!store(row * groups + group, parameters))
        return false;
      encode(x + begin, count, parameters, grid,
             matrix.codes.data() + row * k + begin);
    }
    return true;
  });
  if (bad != n)
    return explain(values.data() + bad * k, bad, k,
                   ArrayRef(matrix.scales).slice(bad * groups, groups));
  return matrix;
}

void quantmlir::dequantize(const IntMatrix &matrix, int64_t n, int64_t k,
                           const IntFormat &format,
                           MutableArrayRef<float> values) {
  if (n == 0 || k == 0)
    return;
  int64_t length = format.groupLength(k), groups = format.groupsPerRow(k);
  bool perTensor = format.granularity == Granularity::Tensor;
  assert(int64_t(values.size()) == n * k &&
         int64_t(matrix.codes.size()) == n * k && "sizes do not match");
  forEachRow(n, [&](int64_t row) {
    for (int64_t group = 0; group < groups; ++group) {
      int64_t shared = perTensor ? 0 : row * groups + group;
      int64_t begin = row * k + group * length;
      int64_t end = std::min(begin + length, (row + 1) * k);
      float scale = matrix.scales[shared];
      if (format.asymmetric) {
        int zero = matrix.zeros[shared];
        for (int64_t i = begin; i < end; ++i)
          values[i] = scale * float(int(uint8_t(matrix.codes[i])) - zero);
      } else {
        for (int64_t i = begin; i < end; ++i)
          values[i] = scale * float(matrix.codes[i]);
      }
    }
    return true;
  });
}

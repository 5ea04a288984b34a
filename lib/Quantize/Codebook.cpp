// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Codebook.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

static const float nf4[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

/// What must be exceeded for the next code: the middles, as the constants that
/// bitsandbytes compares with.
static const float nf4Thresholds[15] = {
    -0.8480964004993439f,   -0.6106329262256622f,  -0.4599952697753906f,
    -0.33967943489551544f,  -0.23460740596055984f, -0.13791173323988914f,
    -0.045525018125772476f, 0.03979014977812767f,  0.1202552504837513f,
    0.2035212516784668f,    0.2920137718319893f,   0.3893125355243683f,
    0.5016634166240692f,    0.6427869200706482f,   0.8614784181118011f};

/// Twelfths: 0 1/16 8 12 4 6 2 3, then the negatives.
static const float fp4[16] = {
    0.0f,         0.005208333333f, 0.66666667f,  1.0f,  0.33333333f,
    0.5f,         0.16666667f,     0.25f,        -0.0f, -0.005208333333f,
    -0.66666667f, -1.0f,           -0.33333333f, -0.5f, -0.16666667f,
    -0.25f};

static const float fp4Thresholds[7] = {0.00260417f, 0.0859375f, 0.20833333f,
                                       0.29166667f, 0.4166667f, 0.583333f,
                                       0.8333333f};
/// The codes between those, by rising magnitude.
static const uint8_t fp4Codes[8] = {0, 1, 6, 7, 4, 5, 2, 3};

ArrayRef<float> quantmlir::codebookTable(Codebook codebook) {
  return codebook == Codebook::NF4 ? ArrayRef<float>(nf4)
                                   : ArrayRef<float>(fp4);
}

int quantmlir::codebookLaneFactor(Codebook codebook) {
  return codebook == Codebook::NF4 ? 124 : 120;
}

ArrayRef<uint8_t> quantmlir::codebookLanes(Codebook codebook) {
  static const auto tables = [] {
    std::array<std::array<uint8_t, 16>, 2> result;
    for (Codebook each : {Codebook::NF4, Codebook::FP4})
      for (unsigned code = 0; code < 16; ++code)
        result[unsigned(each)][code] =
            uint8_t(127 + std::lround(double(codebookTable(each)[code]) *
                                      codebookLaneFactor(each)));
    return result;
  }();
  return tables[unsigned(codebook)];
}

uint8_t quantmlir::nearestCode(Codebook codebook, float value) {
  if (codebook == Codebook::NF4) {
    uint8_t code = 0;
    for (float threshold : nf4Thresholds)
      code += value > threshold;
    return code;
  }
  unsigned step = 0;
  for (float threshold : fp4Thresholds)
    step += std::fabs(value) > threshold;
  return fp4Codes[step] | (value < 0 ? 8 : 0);
}

std::vector<float> quantmlir::codebookBounds(Codebook codebook) {
  if (codebook == Codebook::NF4)
    return std::vector<float>(std::begin(nf4Thresholds),
                              std::end(nf4Thresholds));
  // |x| > t below zero is x < -t: the bound is the float before -t.
  std::vector<float> bounds;
  for (float threshold : llvm::reverse(fp4Thresholds))
    bounds.push_back(std::nextafter(-threshold, -INFINITY));
  bounds.insert(bounds.end(), std::begin(fp4Thresholds),
                std::end(fp4Thresholds));
  return bounds;
}

Expected<CodebookMatrix> quantmlir::quantizeCodebook(Codebook codebook,
                                                     ArrayRef<float> values,
                                                     int64_t n, int64_t k,
                                                     int64_t group) {
  CodebookMatrix matrix;
  if (n == 0 || k == 0)
    return matrix;
  int64_t groups = divideCeil(k, group);
  matrix.codes.resize(n * k);
  matrix.scales.resize(n * groups);
  std::atomic<int64_t> bad(n * k);
  parallelFor(0, n, [&](size_t row) {
    for (int64_t g = 0; g < groups; ++g) {
      int64_t begin = row * k + g * group;
      int64_t end = std::min<int64_t>(begin + group, (row + 1) * k);
      float largest = 0;
      for (int64_t i = begin; i < end; ++i) {
        if (!std::isfinite(values[i])) {
          int64_t seen = bad;
          while (i < seen && !bad.compare_exchange_weak(seen, i))
            ;
        }
        largest = std::max(largest, std::fabs(values[i]));
      }
      matrix.scales[row * groups + g] = largest;
      // The reciprocal, as there: a quotient may round to another code. That
      // of a subnormal number is infinite, and such a group as good as zero.
      float inverse = 1.0f / largest;
      if (!std::isfinite(inverse))
        inverse = 0;
      for (int64_t i = begin; i < end; ++i)
        matrix.codes[i] = nearestCode(codebook, values[i] * inverse);
    }
  });
  if (bad != n * k)
    return createStringError(std::errc::invalid_argument,
                             "row %lld, column %lld is %s",
                             (long long)(bad / k), (long long)(bad % k),
                             std::isnan(values[bad]) ? "NaN" : "infinite");
  return matrix;
}

//===----------------------------------------------------------------------===//
// Double quantization
//===----------------------------------------------------------------------===//

ArrayRef<float> quantmlir::dynamicMap() {
  // Seven decades, the k-th from above cut into 2^k equal parts of [0.1, 1],
  // of which the middles count; their negatives, 0 and 1.
  static const auto map = [] {
    std::vector<float> result = {0.0f, 1.0f};
    for (int decade = 0; decade < 7; ++decade) {
      int parts = 1 << decade;
      float step = (1.0f - 0.1f) / float(parts);
      // To the last bit: torch.linspace counts from the nearer end and rounds
      // once.
      auto boundary = [&](int i) {
        return i < (parts + 1) / 2 ? std::fma(step, float(i), 0.1f)
                                   : std::fma(-step, float(parts - i), 1.0f);
      };
      float power = float(std::pow(10.0, decade - 6));
      for (int i = 0; i < parts; ++i) {
        float middle = (boundary(i) + boundary(i + 1)) / 2.0f;
        result.push_back(power * middle);
        result.push_back(-power * middle);
      }
    }
    llvm::sort(result);
    return result;
  }();
  return map;
}

NestedScales quantmlir::quantizeDynamic(ArrayRef<float> values, int64_t block) {
  ArrayRef<float> map = dynamicMap();
  NestedScales nested;
  nested.codes.resize(values.size());
  nested.scales.resize(divideCeil(values.size(), block));
  for (auto [index, scale] : enumerate(nested.scales)) {
    int64_t begin = index * block;
    ArrayRef<float> part =
        values.slice(begin, std::min<int64_t>(block, values.size() - begin));
    for (float value : part)
      scale = std::max(scale, std::fabs(value));
    float inverse = 1.0f / scale;
    if (!std::isfinite(inverse))
      inverse = 0;
    for (auto [i, value] : enumerate(part)) {
      float x = value * inverse;
      const float *above = std::lower_bound(map.begin(), map.end(), x);
      int64_t code = above - map.begin();
      if (above == map.end() ||
          (code > 0 && x - map[code - 1] <= map[code] - x))
        --code;
      nested.codes[begin + i] = uint8_t(code);
    }
  }
  return nested;
}

NestedScales quantmlir::nestScales(ArrayRef<float> scales, int64_t block) {
  double sum = 0;
  for (float scale : scales)
    sum += scale;
  float offset = scales.empty() ? 0 : float(sum / double(scales.size()));
  std::vector<float> rest(scales);
  for (float &scale : rest)
    scale -= offset;
  NestedScales nested = quantizeDynamic(rest, block);
  nested.offset = offset;
  return nested;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Awq.h"
#include "Kernels.h"
#include "Sampled.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

std::vector<float> quantmlir::awqScales(ArrayRef<float> meanAbs,
                                        ArrayRef<float> weightShare,
                                        double ratio) {
  std::vector<double> s(meanAbs.size());
  double least = std::numeric_limits<double>::infinity(), largest = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    double value = std::pow(double(meanAbs[i]), ratio);
    if (!weightShare.empty())
      value /= std::pow(double(weightShare[i]), 1 - ratio) + 1e-4;
    s[i] = std::max(value, 1e-4);
    least = std::min(least, s[i]);
    largest = std::max(largest, s[i]);
  }
  std::vector<float> result(s.size());
  for (size_t i = 0; i < s.size(); ++i)
    result[i] = float(s[i] / std::sqrt(largest * least));
  return result;
}

std::vector<float> quantmlir::awqWeightShare(ArrayRef<SiteWeight> weights,
                                             int64_t k) {
  std::vector<double> sums(k);
  int64_t rows = 0;
  for (const SiteWeight &weight : weights) {
    int64_t length = weight.grid->groupLength(k);
    rows += weight.n;
    for (int64_t row = 0; row < weight.n; ++row)
      for (int64_t begin = 0; begin < k; begin += length) {
        ArrayRef<float> x =
            weight.w.slice(row * k + begin, std::min(length, k - begin));
        float absmax = 0;
        for (float value : x)
          absmax = std::max(absmax, std::fabs(value));
        for (auto [i, value] : enumerate(x))
          sums[begin + i] += std::fabs(value) / (double(absmax) + 1e-6);
      }
  }
  std::vector<float> result(k);
  for (int64_t i = 0; i < k; ++i)
    result[i] = float(sums[i] / std::max<int64_t>(rows, 1));
  return result;
}

Expected<std::vector<SampledWeight>>
quantmlir::sampleRows(ArrayRef<SiteWeight> weights, int64_t k,
                      int64_t maxRows) {
  std::vector<SampledWeight> samples;
  for (const SiteWeight &weight : weights) {
    assert(int64_t(weight.w.size()) == weight.n * k && "sizes do not match");
    if (Error error = checkFinite(weight.w, weight.n, k))
      return std::move(error);
    int64_t rows = maxRows > 0 ? std::min(maxRows, weight.n) : weight.n;
    if (rows == 0)
      continue;
    SampledWeight sample{{}, rows, double(weight.n) / rows, weight.grid};
    for (int64_t i = 0; i < rows; ++i) {
      ArrayRef<float> row = weight.w.slice(i * weight.n / rows * k, k);
      sample.w.insert(sample.w.end(), row.begin(), row.end());
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::vector<float> quantmlir::roundingError(const SampledWeight &weight,
                                            int64_t k, ArrayRef<float> s,
                                            const FitOptions &fit) {
  const Grid &grid = *weight.grid;
  ArrayRef<float> w = weight.w;
  int64_t length = grid.groupLength(k);
  std::vector<float> d(w.size());
  parallelFor(0, weight.rows, [&](size_t row) {
    SmallVector<float, 256> scaled(length);
    for (int64_t begin = 0; begin < k; begin += length) {
      int64_t count = std::min(length, k - begin), place = row * k + begin;
      for (int64_t i = 0; i < count; ++i)
        scaled[i] = w[place + i] * s[begin + i];
      ArrayRef<float> values = ArrayRef(scaled).take_front(count);
      grid.quantize(values, grid.fit(values, {}, fit), nullptr,
                    d.data() + place);
      for (int64_t i = 0; i < count; ++i)
        d[place + i] = d[place + i] / s[begin + i] - w[place + i];
    }
  });
  return d;
}

Expected<AwqResult> quantmlir::searchAwqScales(ArrayRef<float> meanAbs,
                                               ArrayRef<float> h,
                                               ArrayRef<SiteWeight> weights,
                                               const AwqOptions &options) {
  int64_t k = meanAbs.size();
  if (Error error = checkHessian(h, k))
    return std::move(error);
  if (Error error = checkFinite(meanAbs, 1, k))
    return std::move(error);

  Expected<std::vector<SampledWeight>> samples =
      sampleRows(weights, k, options.maxRows);
  if (!samples)
    return samples.takeError();
  double energy = 0;
  for (const SampledWeight &sample : *samples)
    energy += sample.share * hessianLoss(sample.w, sample.rows, k, h);
  auto lossOf = [&](ArrayRef<float> s) {
    double loss = 0;
    for (const SampledWeight &sample : *samples)
      loss +=
          sample.share * hessianLoss(roundingError(sample, k, s, options.fit),
                                     sample.rows, k, h);
    return energy > 0 ? loss / energy : loss;
  };
  std::vector<float> share;
  if (options.duo)
    share = awqWeightShare(weights, k);

  AwqResult result;
  result.s.assign(k, 1.0f);
  result.loss = result.lossWithout = lossOf(result.s);
  for (int step = 0; step < options.steps; ++step) {
    double ratio = double(step) / options.steps;
    std::vector<float> s = awqScales(meanAbs, share, ratio);
    // Without duo scaling the first trial is s = 1.
    double loss = ratio == 0 && share.empty() ? result.lossWithout : lossOf(s);
    result.losses.push_back(loss);
    if (loss < result.loss) {
      result.loss = loss;
      result.ratio = ratio;
      result.s = std::move(s);
    }
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Clipping
//===----------------------------------------------------------------------===//

namespace {
constexpr int64_t lanes = kernels::f32Lanes;

/// Sixteen rows of one group: the search of their ranges.
class GroupClip {
public:
  GroupClip(ArrayRef<float> block, int64_t count, const Grid &grid)
      : block(block), count(count), grid(grid), values(lanes * count),
        decoded(count), errors(lanes * count) {}

  /// Row `lane` of the group.
  void load(int64_t lane, ArrayRef<float> row) {
    std::copy(row.begin(), row.end(), values.begin() + lane * count);
    low[lane] = std::min(0.0f, *std::min_element(row.begin(), row.end()));
    high[lane] = std::max(0.0f, *std::max_element(row.begin(), row.end()));
    least[lane] = std::numeric_limits<float>::infinity();
    best[lane] = grid.fromRange(low[lane], high[lane]);
  }

  void tryShares(int64_t rows, float lowShare, float highShare) {
    GroupParams params[lanes];
    for (int64_t lane = 0; lane < rows; ++lane) {
      params[lane] =
          grid.fromRange(low[lane] * lowShare, high[lane] * highShare);
      ArrayRef<float> row = ArrayRef(values).slice(lane * count, count);
      grid.quantize(row, params[lane], nullptr, decoded.data());
      for (int64_t i = 0; i < count; ++i)
        errors[i * lanes + lane] = decoded[i] - row[i];
    }
    float losses[lanes] = {};
    for (int64_t begin = 0; begin < count; begin += 8) {
      int64_t width = std::min<int64_t>(8, count - begin);
      float product[8 * lanes] = {};
      kernels::subtractProduct(errors.data(), block.data() + begin * count,
                               count, 0, count, width, product);
      for (int64_t i = 0; i < width; ++i)
        for (int64_t lane = 0; lane < lanes; ++lane)
          losses[lane] -=
              errors[(begin + i) * lanes + lane] * product[i * lanes + lane];
    }
    for (int64_t lane = 0; lane < rows; ++lane)
      if (losses[lane] < least[lane]) {
        least[lane] = losses[lane];
        best[lane] = params[lane];
      }
  }

  GroupParams best[lanes];

private:
  ArrayRef<float> block; ///< the group's block of H, [count, count]
  int64_t count;
  const Grid &grid;
  std::vector<float> values; ///< [lane][count]
  std::vector<float> decoded, errors;
  float low[lanes], high[lanes], least[lanes];
};
} // namespace

Expected<std::vector<GroupParams>>
quantmlir::searchClip(ArrayRef<float> w, int64_t n, int64_t k,
                      ArrayRef<float> h, const Grid &grid,
                      const ClipOptions &options) {
  if (Error error = checkHessian(h, k))
    return std::move(error);
  // Refuses weights and scales that cannot be.
  Expected<std::vector<GroupParams>> params = fitGroups(w, n, k, grid);
  if (!params)
    return params;
  std::vector<float> shares;
  for (int i = 0; i * options.step <= options.maxShrink + 1e-9; ++i)
    shares.push_back(float(1 - i * options.step));

  int64_t groups = grid.groupsPerRow(k), length = grid.groupLength(k);
  for (int64_t group = 0; group < groups; ++group) {
    int64_t begin = group * length, count = std::min(length, k - begin);
    std::vector<float> block(count * count);
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(h.data() + (begin + i) * k + begin, count,
                  block.data() + i * count);
    parallelFor(0, divideCeil(n, lanes), [&](size_t tile) {
      int64_t first = tile * lanes, rows = std::min(lanes, n - first);
      GroupClip search(block, count, grid);
      for (int64_t lane = 0; lane < rows; ++lane)
        search.load(lane, w.slice((first + lane) * k + begin, count));
      for (float share : shares)
        search.tryShares(rows, share, share);
      if (options.bothEnds && grid.hasZeros())
        for (float lowShare : shares)
          for (float highShare : shares)
            if (lowShare != highShare)
              search.tryShares(rows, lowShare, highShare);
      for (int64_t lane = 0; lane < rows; ++lane)
        (*params)[(first + lane) * groups + group] = search.best[lane];
    });
  }
  return params;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Ranges.h"
#include "quant-mlir/Quantize/Histogram.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace llvm;
using namespace quantmlir;

static double totalCount(ArrayRef<int64_t> counts) {
  double total = 0;
  for (int64_t count : counts)
    total += double(count);
  return total;
}

double quantmlir::percentileRange(ArrayRef<int64_t> counts, double largest,
                                  double share) {
  double wanted = totalCount(counts) * share, seen = 0;
  if (wanted <= 0)
    return 0;
  for (auto i = int64_t(0); i < int64_t(counts.size()); ++i) {
    auto count = double(counts[i]);
    if (count > 0 && seen + count >= wanted) {
      double low = histogramEdge(i), high = histogramEdge(i + 1);
      // Within a bin, as if its values were spread evenly.
      return std::min(low + (high - low) * (wanted - seen) / count, largest);
    }
    seen += count;
  }
  return largest;
}

double quantmlir::rangeError(ArrayRef<int64_t> counts, double largest,
                             double range, double levels) {
  double total = totalCount(counts), sum = 0, step = range / levels;
  if (total == 0)
    return 0;
  for (int64_t i = 0; i < int64_t(counts.size()); ++i) {
    if (counts[i] == 0)
      continue;
    double low = histogramEdge(i);
    double width = std::min(histogramEdge(i + 1), largest) - low;
    // Points of the bin, so many that they fall on all parts of a step; more
    // steps than that have its mean error.
    constexpr int points = 16;
    double bin = 0;
    for (int point = 0; point < points; ++point) {
      double x = low + width * (point + 0.5) / points, error;
      if (x > range)
        error = (x - range) * (x - range);
      else if (width > 0.5 * points * step)
        error = step * step / 12;
      else
        error = std::pow(x - step * std::nearbyint(x / step), 2);
      bin += error / points;
    }
    sum += bin * double(counts[i]);
  }
  return sum / total;
}

double quantmlir::mseRange(ArrayRef<int64_t> counts, double largest,
                           double levels) {
  double best = 0, least = std::numeric_limits<double>::infinity();
  if (totalCount(counts) == 0 || largest <= 0)
    return 0;
  // Down to a 60th in steps of 1 %.
  double range = largest;
  for (int trial = 0; trial < 410; ++trial, range *= 0.99) {
    double error = rangeError(counts, largest, range, levels);
    if (error < least)
      least = error, best = range;
  }
  return best;
}

/// The histogram on `bins` equal bins up to `largest`.
static std::vector<double> toEqualBins(ArrayRef<int64_t> counts, double largest,
                                       int64_t bins) {
  std::vector<double> equal(bins);
  double width = largest / bins;
  for (int64_t i = 0; i < int64_t(counts.size()); ++i) {
    if (counts[i] == 0)
      continue;
    double low = std::min(histogramEdge(i), largest);
    double high = std::min(histogramEdge(i + 1), largest);
    auto count = double(counts[i]);
    int64_t first = std::min(bins - 1, int64_t(low / width));
    int64_t last = std::min(bins - 1, int64_t(high / width));
    for (int64_t bin = first; bin <= last; ++bin) {
      double overlap =
          std::min(high, (bin + 1) * width) - std::max(low, bin * width);
      equal[bin] += high > low ? count * std::max(overlap, 0.0) / (high - low)
                               : count / double(last - first + 1);
    }
  }
  return equal;
}

/// KL divergence when `counts` are clipped to the first `kept` bins and those
/// are merged into `levels` (+ half a step at zero) codes.
static double clippedDivergence(ArrayRef<double> counts, int64_t kept,
                                double levels) {
  std::vector<double> p(counts.begin(), counts.begin() + kept);
  for (double outside : counts.drop_front(kept))
    p.back() += outside;
  // Bins that go to the same code share its count evenly, as far as they had
  // any. What was clipped is not in it: that is how clipping is punished.
  std::vector<double> q(kept);
  double pSum = 0, qSum = 0;
  for (int64_t begin = 0; begin < kept;) {
    auto codeOf = [&](int64_t bin) {
      return int64_t(std::floor((bin + 0.5) * levels / kept + 0.5));
    };
    int64_t end = begin, used = 0;
    double sum = 0;
    for (; end < kept && codeOf(end) == codeOf(begin); ++end) {
      sum += counts[end];
      used += p[end] > 0;
    }
    for (int64_t i = begin; i < end; ++i) {
      if (p[i] > 0)
        q[i] = sum / used;
      pSum += p[i];
      qSum += q[i];
    }
    begin = end;
  }
  if (qSum == 0)
    return std::numeric_limits<double>::infinity();
  double divergence = 0;
  constexpr double tiny = 1e-12;
  for (int64_t i = 0; i < kept; ++i)
    if (p[i] > 0)
      divergence +=
          p[i] / pSum * std::log((p[i] / pSum) / std::max(q[i] / qSum, tiny));
  return divergence;
}

double quantmlir::klRange(ArrayRef<int64_t> counts, double largest,
                          double levels) {
  if (totalCount(counts) == 0 || largest <= 0)
    return 0;
  constexpr int64_t bins = 2048;
  std::vector<double> equal = toEqualBins(counts, largest, bins);
  // Zeros are exact on any grid and would hide all else.
  equal[0] = equal[1];
  int64_t best = bins;
  double least = std::numeric_limits<double>::infinity();
  for (auto kept = int64_t(levels) + 1; kept <= bins; kept += 4) {
    double divergence = clippedDivergence(equal, kept, levels);
    if (divergence < least)
      least = divergence, best = kept;
  }
  return largest * double(best) / bins;
}

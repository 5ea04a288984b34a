// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Statistics.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

using namespace quantmlir;
using llvm::ArrayRef;

float ActivationStatistics::absMax(int64_t channel) const {
  return std::max(std::fabs(min[channel]), std::fabs(max[channel]));
}

float ActivationStatistics::absMax() const {
  float largest = 0;
  for (size_t channel = 0; channel < min.size(); ++channel)
    largest = std::max(largest, absMax(channel));
  return largest;
}

double ActivationStatistics::absPercentile(double share) const {
  if (share >= 1 && !min.empty())
    return absMax();
  int64_t total = 0;
  for (int64_t count : histogram)
    total += count;
  // What is in a bin lies below its upper edge.
  double wanted = share * double(total), edge = 0;
  int64_t seen = 0;
  for (size_t bin = 0; bin < histogram.size(); ++bin) {
    seen += histogram[bin];
    edge = histogramEdge(bin + 1);
    if (double(seen) >= wanted && seen > 0)
      break;
  }
  return min.empty() ? edge : std::min<double>(edge, absMax());
}

double ActivationStatistics::outlierRatio() const {
  std::vector<float> largest(min.size());
  for (size_t channel = 0; channel < min.size(); ++channel)
    largest[channel] = absMax(channel);
  if (largest.empty())
    return 1;
  auto middle = largest.begin() + largest.size() / 2;
  std::nth_element(largest.begin(), middle, largest.end());
  return *middle > 0 ? absMax() / *middle : 1;
}

/// values = (values * own + others * other) / (own + other)
static void mergeMeans(std::vector<float> &values, ArrayRef<float> others,
                       int64_t own, int64_t other) {
  double total = double(own) + double(other);
  double mine = own / total, theirs = other / total;
  for (auto [value, add] : llvm::zip_equal(values, others))
    value = float(value * mine + add * theirs);
}

void ActivationStatistics::merge(const ActivationStatistics &other) {
  if (other.tokens == 0)
    return;
  for (auto [value, add] : llvm::zip_equal(min, other.min))
    value = std::min(value, add);
  for (auto [value, add] : llvm::zip_equal(max, other.max))
    value = std::max(value, add);
  mergeMeans(mean, other.mean, tokens, other.tokens);
  mergeMeans(meanAbs, other.meanAbs, tokens, other.tokens);
  mergeMeans(hessian, other.hessian, tokens, other.tokens);
  for (auto [value, add] : llvm::zip_equal(histogram, other.histogram))
    value += add;
  tokens += other.tokens;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Statistics.h"
#include "quant-mlir/Quantize/Hessian.h"
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

double ActivationStatistics::crest() const {
  double squares = 0;
  for (float square : getDiagonal(hessian, int64_t(min.size())))
    squares += square;
  return squares > 0 ? absMax() / std::sqrt(squares / double(min.size())) : 1;
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

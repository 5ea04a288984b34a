// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/OutputDifference.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"
#include <cassert>
#include <cmath>
#include <numeric>

using namespace quantmlir;
using llvm::ArrayRef;

/// The logarithm of the sum of exponentials, from the largest value on.
static double logSum(ArrayRef<float> row, float largest) {
  double sum = 0;
  for (float value : row)
    sum += std::exp(value - largest);
  return std::log(sum);
}

static float largestOf(ArrayRef<float> row) {
  float largest = row.front();
  for (float value : row)
    largest = std::max(largest, value);
  return largest;
}

OutputDifference::OutputDifference(Kind kind, ArrayRef<float> values,
                                   int64_t columns)
    : kind(kind), columns(columns), exact(values) {
  if (kind == Kind::Error) {
    size = std::inner_product(exact.begin(), exact.end(), exact.begin(), 0.0);
    return;
  }
  int64_t rows = exact.size() / columns;
  size = double(rows);
  negativeEntropy.resize(rows);
  llvm::parallelFor(0, rows, [&](size_t index) {
    llvm::MutableArrayRef<float> row =
        llvm::MutableArrayRef<float>(exact).slice(index * columns, columns);
    float largest = largestOf(row);
    double log = logSum(row, largest), sum = 0;
    for (float &value : row) {
      double logarithm = value - largest - log;
      double probability = std::exp(logarithm);
      sum += probability * logarithm;
      value = float(probability);
    }
    negativeEntropy[index] = sum;
  });
}

/// KL = sum of p log p - sum of p log q, log q = value - largest - logSum.
double OutputDifference::divergence(ArrayRef<float> row, int64_t index) const {
  ArrayRef<float> probabilities =
      ArrayRef<float>(exact).slice(index * columns, columns);
  float largest = largestOf(row);
  double expected = 0, total = 0;
  for (auto [probability, value] : llvm::zip_equal(probabilities, row)) {
    expected += double(probability) * (value - largest);
    total += probability;
  }
  return negativeEntropy[index] - expected + total * logSum(row, largest);
}

double OutputDifference::measure(ArrayRef<float> other) const {
  assert(other.size() == exact.size() && "the same text");
  if (kind == Kind::Error) {
    double sum = 0;
    for (auto [value, was] : llvm::zip_equal(other, exact))
      sum += (double(value) - was) * (double(value) - was);
    return sum;
  }
  std::vector<double> rows(negativeEntropy.size());
  llvm::parallelFor(0, rows.size(), [&](size_t index) {
    rows[index] = divergence(other.slice(index * columns, columns), index);
  });
  return std::accumulate(rows.begin(), rows.end(), 0.0);
}

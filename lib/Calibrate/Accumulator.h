// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CALIBRATE_ACCUMULATOR_H
#define QUANT_MLIR_LIB_CALIBRATE_ACCUMULATOR_H

#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/Statistics.h"

namespace quantmlir {

/// Adds up what `qt.observe` says of one site, call by call.
class Accumulator {
public:
  Accumulator(const SiteInfo &site, const StatisticsContent &content);

  /// One result of a call, in the order and shape of `qt.observe`.
  void add(qt::Statistics statistic, const void *data);
  void addTokens(int64_t count) { tokens += count; }

  /// An error if the last range had NaN or infinity in it.
  llvm::Error check(size_t window) const;
  /// Sums become means.
  ActivationStatistics finish();

private:
  void addGram(const float *gram);

  const SiteInfo &site;
  StatisticsContent content;
  int64_t tokens = 0;
  std::vector<float> min, max;
  std::vector<double> sumAbs;
  std::vector<float> gram; ///< lower triangle
  std::vector<int64_t> histogram;
  int64_t badChannel = -1;
};

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_CALIBRATE_ACCUMULATOR_H

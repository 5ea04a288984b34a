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
  int64_t getTokens() const { return tokens; }

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
  std::vector<double> sum, sumAbs;
  std::vector<float> gram; ///< lower triangle
  std::vector<int64_t> histogram;
  int64_t badChannel = -1;
};

/// Adds up one part of a site's drift, call by call.
class DriftSums {
public:
  DriftSums(int64_t channels, int64_t columns)
      : cross(channels * columns), mean(channels) {}

  /// The results of Stage::Drift's function.
  void add(const float *crossSum, const float *sum);
  /// Sums become means.
  void finish(int64_t tokens, std::vector<float> &crossMean,
              std::vector<float> &driftMean);

private:
  std::vector<float> cross;
  std::vector<double> mean;
};

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_CALIBRATE_ACCUMULATOR_H

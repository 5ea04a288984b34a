// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Ranges.h"
#include "Random.h"
#include "quant-mlir/Quantize/Histogram.h"
#include "gtest/gtest.h"
#include <algorithm>

using namespace quantmlir;

namespace {
struct Values {
  std::vector<float> x;
  std::vector<int64_t> counts = std::vector<int64_t>(histogramBins);
  double largest = 0;

  explicit Values(std::vector<float> values) : x(std::move(values)) {
    for (float &value : x) {
      value = std::fabs(value);
      largest = std::max(largest, double(value));
      ++counts[histogramBin(value)];
    }
  }

  double error(double range) const {
    double sum = 0, step = range / 127;
    for (double value : x) {
      double code = std::min(std::nearbyint(value / step), 127.0);
      sum += std::pow(value - step * code, 2);
    }
    return sum / x.size();
  }
};
} // namespace

TEST(Ranges, Percentile) {
  // Bins that are 1 wide.
  std::vector<int64_t> counts(histogramBins);
  counts[histogramBin(32)] = 10;
  counts[histogramBin(34)] = 30;
  counts[histogramBin(35)] = 60;
  EXPECT_DOUBLE_EQ(percentileRange(counts, 35.5, 0.05), 32.5);
  EXPECT_DOUBLE_EQ(percentileRange(counts, 35.5, 0.1), 33);
  EXPECT_DOUBLE_EQ(percentileRange(counts, 35.5, 0.25), 34.5);
  EXPECT_DOUBLE_EQ(percentileRange(counts, 35.5, 0.7), 35.5);
  EXPECT_DOUBLE_EQ(percentileRange(counts, 35.5, 1), 35.5);
}

TEST(Ranges, ErrorIsThatOfTheValues) {
  Values values(randomNormal(50000, 1));
  for (double share : {1.0, 0.8, 0.5, 0.3})
    EXPECT_NEAR(
        rangeError(values.counts, values.largest, share * values.largest) /
            values.error(share * values.largest),
        1, 0.05);
}

// A few outliers: clipping them is right while their number is small.
TEST(Ranges, MseIsNearTheBest) {
  for (int outliers : {0, 3, 300}) {
    auto x = randomNormal(20000, 2);
    for (int i = 0; i < outliers; ++i)
      x[i] = 60 + i % 7;
    Values values(x);
    double best = INFINITY;
    for (double range = values.largest; range > 1; range *= 0.98)
      best = std::min(best, values.error(range));
    double range = mseRange(values.counts, values.largest);
    EXPECT_LE(values.error(range), 1.05 * best) << outliers;
    EXPECT_LE(range, values.largest);
  }
}

TEST(Ranges, KlCutsThinTails) {
  auto x = randomNormal(100000, 3);
  double usual = 0;
  for (float value : x)
    usual = std::max(usual, double(std::fabs(value)));
  x[0] = 50;
  Values values(x);
  double range = klRange(values.counts, values.largest);
  EXPECT_GT(range, 2.5);
  EXPECT_LT(range, 1.5 * usual);
  // Evenly filled up to the end: nothing to cut.
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = float(i + 1) / x.size();
  EXPECT_GT(klRange(Values(x).counts, 1), 0.9);
}

TEST(Ranges, NothingSeen) {
  std::vector<int64_t> counts(histogramBins);
  EXPECT_EQ(percentileRange(counts, 0, 0.5), 0);
  EXPECT_EQ(mseRange(counts, 0), 0);
  EXPECT_EQ(klRange(counts, 0), 0);
  EXPECT_EQ(rangeError(counts, 0, 1), 0);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Ranges.h"
#include "Random.h"
#include "gtest/gtest.h"
#include <algorithm>

using namespace quantmlir;

namespace {
/// 8 bins per octave over 2^-24 to 2^24, as statistics files have them.
double logEdge(int64_t i) { return std::exp2(-24 + double(i) / 8); }

struct Values {
  std::vector<float> x;
  std::vector<double> counts = std::vector<double>(384);
  double largest = 0;

  explicit Values(std::vector<float> values) : x(std::move(values)) {
    for (float &value : x) {
      value = std::fabs(value);
      largest = std::max(largest, double(value));
      double bin = std::floor((std::log2(double(value)) + 24) * 8);
      ++counts[std::min(std::max(bin, 0.0), 383.0)];
    }
  }
  Histogram histogram() const { return {counts, logEdge, largest}; }

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
  double counts[] = {10, 0, 30, 60};
  auto edge = [](int64_t i) { return double(i); };
  Histogram histogram{counts, edge, 3.5};
  EXPECT_DOUBLE_EQ(percentileRange(histogram, 0.05), 0.5);
  EXPECT_DOUBLE_EQ(percentileRange(histogram, 0.1), 1);
  EXPECT_DOUBLE_EQ(percentileRange(histogram, 0.25), 2.5);
  EXPECT_DOUBLE_EQ(percentileRange(histogram, 0.7), 3.5);
  EXPECT_DOUBLE_EQ(percentileRange(histogram, 1), 3.5);
}

TEST(Ranges, ErrorIsThatOfTheValues) {
  Values values(randomNormal(50000, 1));
  for (double share : {1.0, 0.8, 0.5, 0.3})
    EXPECT_NEAR(rangeError(values.histogram(), share * values.largest) /
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
    double range = mseRange(values.histogram());
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
  double range = klRange(values.histogram());
  EXPECT_GT(range, 2.5);
  EXPECT_LT(range, 1.5 * usual);
  // Evenly filled up to the end: nothing to cut.
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = float(i + 1) / x.size();
  EXPECT_GT(klRange(Values(x).histogram()), 0.9);
}

TEST(Ranges, NothingSeen) {
  std::vector<double> counts(384);
  Histogram histogram{counts, logEdge, 0};
  EXPECT_EQ(percentileRange(histogram, 0.5), 0);
  EXPECT_EQ(mseRange(histogram), 0);
  EXPECT_EQ(klRange(histogram), 0);
  EXPECT_EQ(rangeError(histogram, 1), 0);
}

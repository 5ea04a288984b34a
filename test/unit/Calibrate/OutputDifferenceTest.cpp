// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/OutputDifference.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantmlir;
using Kind = OutputDifference::Kind;

TEST(OutputDifferenceTest, Divergence) {
  // Probabilities 1/4 and 3/4, and 1/2 twice.
  std::vector<float> exact = {0, std::log(3.0f), 7, 7};
  OutputDifference difference(Kind::Divergence, exact, 2);
  EXPECT_EQ(difference.whole(), 2);
  EXPECT_NEAR(difference.measure(exact), 0, 1e-7);
  // Logits may be moved.
  EXPECT_NEAR(difference.measure({100, 100 + std::log(3.0f), -5, -5}), 0, 1e-5);
  std::vector<float> other = {5, 5, 0, std::log(3.0f)};
  EXPECT_NEAR(difference.measure(other),
              0.25 * std::log(0.25 / 0.5) + 0.75 * std::log(0.75 / 0.5) +
                  0.5 * std::log(0.5 / 0.25) + 0.5 * std::log(0.5 / 0.75),
              1e-6);
}

TEST(OutputDifferenceTest, DivergenceOfWhatIsCertain) {
  // The unlikely token's logarithm is -200: its probability is no float.
  OutputDifference difference(Kind::Divergence, {0, -200}, 2);
  EXPECT_NEAR(difference.measure({0, -100}), 0, 1e-7);
  EXPECT_NEAR(difference.measure({-200, 0}), 200, 1e-4);
}

TEST(OutputDifferenceTest, Error) {
  OutputDifference difference(Kind::Error, {3, 4, 0, 0}, 2);
  EXPECT_EQ(difference.whole(), 25);
  EXPECT_EQ(difference.measure({3, 4, 0, 0}), 0);
  EXPECT_EQ(difference.measure({4, 4, 0, 2}), 5);
}

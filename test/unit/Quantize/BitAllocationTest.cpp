// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/BitAllocation.h"
#include "gtest/gtest.h"
#include <cmath>
#include <functional>
#include <random>

using namespace llvm;
using namespace quantmlir;

using Layers = std::vector<std::vector<BitCandidate>>;

static BitCandidate total(const Layers &layers, ArrayRef<unsigned> choice) {
  BitCandidate sum{0, 0};
  for (size_t i = 0; i < layers.size(); ++i) {
    sum.bits += layers[i][choice[i]].bits;
    sum.loss += layers[i][choice[i]].loss;
  }
  return sum;
}

static double bruteForce(const Layers &layers, double budget) {
  double best = INFINITY;
  std::function<void(size_t, double, double)> visit =
      [&](size_t layer, double bits, double loss) {
        if (bits > budget)
          return;
        if (layer == layers.size()) {
          best = std::min(best, loss);
          return;
        }
        for (BitCandidate c : layers[layer])
          visit(layer + 1, bits + c.bits, loss + c.loss);
      };
  visit(0, 0, 0);
  return best;
}

TEST(BitAllocation, IsTheOptimum) {
  std::mt19937 random(1);
  for (bool integers : {true, false})
    for (int trial = 0; trial < 60; ++trial) {
      Layers layers(5 + trial % 3);
      double low = 0, high = 0;
      for (auto &candidates : layers) {
        // Layers of three sizes and unequal importance; some formats are worse
        // than smaller ones.
        double size = double(1000 << random() % 3) *
                      (integers ? 1 : 1 + random() % 1000 * 1e-4);
        double weight = std::exp(random() % 1000 * 0.004);
        for (double bits : {3.25, 4.25, 5.5, 8.125})
          candidates.push_back(
              {bits * size,
               weight * std::exp2(-2 * bits) * (0.5 + random() % 1000 * 1e-3)});
        low += candidates[0].bits, high += candidates[3].bits;
      }
      double budget = low + (high - low) * (random() % 100) / 100;
      auto choice = cantFail(allocateBits(layers, budget));
      BitCandidate found = total(layers, choice);
      EXPECT_LE(found.bits, budget);
      double best = bruteForce(layers, budget);
      EXPECT_LE(found.loss, best * (integers ? 1 + 1e-12 : 1.001));
    }
}

TEST(BitAllocation, ManyLayersAreFast) {
  std::mt19937 random(2);
  Layers layers(210);
  double size = 0;
  for (auto &candidates : layers) {
    double values = 110592 * (1 + random() % 8);
    size += values;
    double weight = std::exp(random() % 1000 * 0.01);
    for (double bits : {2.125, 3.125, 4.125, 5.0, 6.5, 8.25})
      candidates.push_back({bits * values, weight * std::exp2(-2 * bits)});
  }
  auto choice = cantFail(allocateBits(layers, 4.5 * size));
  BitCandidate found = total(layers, choice);
  EXPECT_LE(found.bits, 4.5 * size);
  EXPECT_GT(found.bits, 4.49 * size);
  // Better than 4.125 bits everywhere, with more to spare than the bits give.
  std::vector<unsigned> uniform(layers.size(), 2);
  EXPECT_LT(found.loss,
            total(layers, uniform).loss * std::exp2(-2 * (4.5 - 4.125)));
}

TEST(BitAllocation, Ends) {
  Layers layers = {{{30, 5}, {40, 2}}, {{30, 1}, {40, 3}}};
  // All fits: the best of each, not the largest.
  EXPECT_EQ(cantFail(allocateBits(layers, 1e9)), std::vector<unsigned>({1, 0}));
  EXPECT_EQ(cantFail(allocateBits(layers, 60)), std::vector<unsigned>({0, 0}));
  EXPECT_EQ(toString(allocateBits(layers, 59).takeError()),
            "the smallest formats take 60 bits, more than the budget of 59");
  EXPECT_TRUE(cantFail(allocateBits(Layers(), 5)).empty());
  layers.push_back({});
  EXPECT_EQ(toString(allocateBits(layers, 100).takeError()),
            "layer 2 has no candidates");
  layers[2].push_back({1, NAN});
  EXPECT_EQ(toString(allocateBits(layers, 100).takeError()),
            "candidate 0 of layer 2: bits and loss must be finite");
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/BitAllocation.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace llvm;
using namespace quantmlir;

using Layers = ArrayRef<std::vector<BitCandidate>>;

static Error checkLayers(Layers layers, double budget) {
  double least = 0;
  for (auto [i, candidates] : enumerate(layers)) {
    if (candidates.empty())
      return createStringError(std::errc::invalid_argument,
                               "layer %zu has no candidates", i);
    double fewest = std::numeric_limits<double>::infinity();
    for (auto [j, candidate] : enumerate(candidates)) {
      if (!std::isfinite(candidate.bits) || !std::isfinite(candidate.loss))
        return createStringError(
            std::errc::invalid_argument,
            "candidate %zu of layer %zu: bits and loss must be finite", j, i);
      fewest = std::min(fewest, candidate.bits);
    }
    least += fewest;
  }
  if (!(least <= budget * (1 + 1e-12)))
    return createStringError(std::errc::invalid_argument,
                             "the smallest formats take %.0f bits, more than "
                             "the budget of %.0f",
                             least, budget);
  return Error::success();
}

/// The coarsest unit of which all sizes are multiples, if they are integers
/// and it is no finer than `finest`.
static double commonUnit(Layers layers, ArrayRef<double> fewest,
                         double finest) {
  int64_t unit = 0;
  for (auto [candidates, least] : zip(layers, fewest))
    for (const BitCandidate &candidate : candidates) {
      double extra = candidate.bits - least;
      if (extra != std::floor(extra) || extra > 9e15)
        return finest;
      unit = std::gcd(unit, int64_t(extra));
    }
  return std::max(double(unit), finest);
}

/// The best choice if extra sizes are rounded up to multiples of `unit`.
static std::vector<unsigned> solve(Layers layers, ArrayRef<double> fewest,
                                   double slack, double unit) {
  auto capacity = int64_t(unit > 0 ? std::floor(slack / unit + 1e-9) : 0);
  std::vector<double> loss(capacity + 1, 0.0);
  std::vector<std::vector<uint16_t>> choices;
  for (auto [candidates, least] : zip(layers, fewest)) {
    // loss[c]: the least of all layers so far within c units.
    std::vector<double> next(capacity + 1,
                             std::numeric_limits<double>::infinity());
    std::vector<uint16_t> choice(capacity + 1);
    for (auto [index, candidate] : enumerate(candidates)) {
      double extra = candidate.bits - least;
      if (extra > 0 && (unit == 0 || extra > slack * (1 + 1e-12)))
        continue;
      auto units = int64_t(extra > 0 ? std::ceil(extra / unit - 1e-9) : 0);
      for (int64_t c = units; c <= capacity; ++c) {
        double sum = loss[c - units] + candidate.loss;
        if (sum < next[c]) {
          next[c] = sum;
          choice[c] = uint16_t(index);
        }
      }
    }
    loss = std::move(next);
    choices.push_back(std::move(choice));
  }
  std::vector<unsigned> result(layers.size());
  int64_t c = capacity;
  for (int64_t i = int64_t(layers.size()) - 1; i >= 0; --i) {
    result[i] = choices[i][c];
    double extra = layers[i][result[i]].bits - fewest[i];
    c -= int64_t(extra > 0 ? std::ceil(extra / unit - 1e-9) : 0);
  }
  return result;
}

/// Exchanges of one layer's or two layers' candidates, while any helps.
static void improve(Layers layers, double budget,
                    std::vector<unsigned> &choice) {
  double used = 0;
  for (auto [candidates, index] : zip(layers, choice))
    used += candidates[index].bits;
  auto change = [&](size_t layer, unsigned to) {
    const BitCandidate &now = layers[layer][choice[layer]];
    const BitCandidate &then = layers[layer][to];
    return BitCandidate{then.bits - now.bits, then.loss - now.loss};
  };
  for (int round = 0; round < 1000; ++round) {
    double bestGain = 1e-15, bestBits = 0;
    std::pair<size_t, unsigned> first, second;
    bool found = false;
    for (size_t a = 0; a < layers.size(); ++a)
      for (unsigned i = 0; i < layers[a].size(); ++i) {
        BitCandidate one = change(a, i);
        if (-one.loss > bestGain && used + one.bits <= budget) {
          bestGain = -one.loss, bestBits = one.bits;
          first = second = {a, i};
          found = true;
        }
        // A second layer gives what the first takes.
        if (i == choice[a] || used + one.bits <= budget)
          continue;
        for (size_t b = 0; b < layers.size(); ++b)
          for (unsigned j = 0; b != a && j < layers[b].size(); ++j) {
            BitCandidate two = change(b, j);
            if (-one.loss - two.loss > bestGain &&
                used + one.bits + two.bits <= budget) {
              bestGain = -one.loss - two.loss;
              bestBits = one.bits + two.bits;
              first = {a, i}, second = {b, j};
              found = true;
            }
          }
      }
    if (!found)
      return;
    choice[first.first] = first.second;
    choice[second.first] = second.second;
    used += bestBits;
  }
}

Expected<std::vector<unsigned>> quantmlir::allocateBits(Layers layers,
                                                        double budget) {
  if (Error error = checkLayers(layers, budget))
    return std::move(error);
  std::vector<double> fewest;
  double slack = budget, most = 0;
  for (const std::vector<BitCandidate> &candidates : layers) {
    auto [low, high] = std::minmax_element(
        candidates.begin(), candidates.end(),
        [](BitCandidate a, BitCandidate b) { return a.bits < b.bits; });
    fewest.push_back(low->bits);
    slack -= low->bits;
    most += high->bits - low->bits;
  }
  // More than everything is not needed.
  slack = std::max(0.0, std::min(slack, most));
  constexpr double steps = 20000;
  double unit = commonUnit(layers, fewest, slack / steps);
  std::vector<unsigned> choice = solve(layers, fewest, slack, unit);
  improve(layers, budget, choice);
  return choice;
}

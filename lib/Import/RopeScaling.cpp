// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model that was trained on short texts is tuned to long ones with angles
// that grow more slowly. Fast pairs tell neighbours apart and stay, slow ones
// are stretched, and what is between them is a little of both:
//
//   angle = slowness * angle / factor + (1 - slowness) * angle
//
// `linear` stretches all of them; `llama3` and `yarn` find the slowness from
// how often a pair turns in the context that the model was trained on.

#include "DecoderGraph.h"
#include <algorithm>
#include <cmath>

using namespace quantmlir;

static constexpr double turn = 6.283185307179586;

/// Radians per token of a pair.
static double frequency(double base, int64_t rotary, int64_t pair) {
  return std::pow(base, -2.0 * double(pair) / double(rotary));
}

static double mix(double slowness, double factor) {
  return 1 / (slowness / factor + 1 - slowness);
}

static double llama3Slowness(const RopeScaling &scaling, double frequency) {
  double turns = scaling.original * frequency / turn;
  return std::clamp((scaling.highFactor - turns) /
                        (scaling.highFactor - scaling.lowFactor),
                    0.0, 1.0);
}

/// The pair, not a whole one, that turns this often in the original context.
static double pairOfTurns(const RopeScaling &scaling, double turns, double base,
                          int64_t rotary) {
  return double(rotary) * std::log(scaling.original / (turns * turn)) /
         (2 * std::log(base));
}

static double yarnSlowness(const RopeScaling &scaling, double base,
                           int64_t rotary, int64_t pair) {
  double first = pairOfTurns(scaling, scaling.fast, base, rotary);
  double last = pairOfTurns(scaling, scaling.slow, base, rotary);
  if (scaling.wholePairs) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, double(rotary - 1));
  if (first == last)
    last += 0.001;
  return std::clamp((double(pair) - first) / (last - first), 0.0, 1.0);
}

llvm::Error quantmlir::stretchRope(llvm::StringRef path,
                                   const RopeScaling &scaling, int64_t rotary,
                                   Rope &rope) {
  llvm::StringRef type = scaling.type;
  if (type.empty() || type == "none" || type == "default")
    return llvm::Error::success();
  if (type != "linear" && type != "llama3" && type != "yarn")
    return fileError(path, "rope scaling " + quoteName(type) +
                               " is not supported; 'linear', 'llama3' and "
                               "'yarn' are");
  auto isPositive = [](double x) { return std::isfinite(x) && x > 0; };
  if (!isPositive(scaling.factor))
    return fileError(path, "rope scaling needs a positive factor");
  if (type != "linear" && !isPositive(scaling.original))
    return fileError(path, "rope scaling needs the original context length");
  if (!isPositive(scaling.lowFactor) ||
      !(scaling.highFactor > scaling.lowFactor) || !isPositive(scaling.slow) ||
      !(scaling.fast > scaling.slow) || !(rope.base > 1))
    return fileError(path, "rope scaling has limits in the wrong order");

  rope.divisors.clear();
  for (int64_t pair = 0; pair < rotary / 2; ++pair) {
    double slowness = 1;
    if (type == "llama3")
      slowness = llama3Slowness(scaling, frequency(rope.base, rotary, pair));
    else if (type == "yarn")
      slowness = yarnSlowness(scaling, rope.base, rotary, pair);
    rope.divisors.push_back(mix(slowness, scaling.factor));
  }
  if (type == "yarn")
    rope.magnitude = scaling.magnitude.value_or(
        1 + 0.1 * std::log(std::max(scaling.factor, 1.0)));
  return llvm::Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random weights and inputs that look like those of language models.

#ifndef QUANT_MLIR_TEST_UNIT_QUANTIZE_RANDOM_H
#define QUANT_MLIR_TEST_UNIT_QUANTIZE_RANDOM_H

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

inline std::vector<float> randomNormal(int64_t count, unsigned seed,
                                       float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

/// Inputs [tokens, k] whose channels differ in size and depend on each other.
inline std::vector<float> randomInputs(int64_t tokens, int64_t k,
                                       unsigned seed) {
  std::vector<float> own = randomNormal(tokens * k, seed);
  std::vector<float> common = randomNormal(tokens * 8, seed + 1);
  std::vector<float> mix = randomNormal(8 * k, seed + 2);
  std::vector<float> size = randomNormal(k, seed + 3);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < k; ++i) {
      float value = 0.7f * own[t * k + i];
      for (int64_t c = 0; c < 8; ++c)
        value += 0.4f * common[t * 8 + c] * mix[c * k + i];
      own[t * k + i] = value * std::exp(size[i]);
    }
  return own;
}

/// The mean of x xᵀ, [k, k].
inline std::vector<float> hessianOf(const std::vector<float> &x, int64_t k) {
  int64_t tokens = x.size() / k;
  std::vector<double> sums(k * k);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        sums[i * k + j] += double(x[t * k + i]) * x[t * k + j];
  std::vector<float> h(k * k);
  for (int64_t i = 0; i < k * k; ++i)
    h[i] = float(sums[i] / tokens);
  return h;
}

/// w[row, column] *= s[column].
inline void multiplyColumns(std::vector<float> &w,
                            const std::vector<float> &s) {
  for (size_t i = 0; i < w.size(); ++i)
    w[i] *= s[i % s.size()];
}

/// The Hessian of the input x / s: h[i, j] / (s[i] * s[j]).
inline void divideHessian(std::vector<float> &h, const std::vector<float> &s) {
  for (size_t i = 0; i < h.size(); ++i)
    h[i] = float(double(h[i]) / (double(s[i / s.size()]) * s[i % s.size()]));
}

#endif // QUANT_MLIR_TEST_UNIT_QUANTIZE_RANDOM_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Rotation.h"
#include "llvm/Support/Parallel.h"
#include <cassert>
#include <cmath>
#include <random>

using namespace llvm;
using namespace quantmlir;

static bool isPrime(int64_t q) {
  if (q < 3 || q % 2 == 0)
    return q == 2;
  for (int64_t d = 3; d * d <= q; d += 2)
    if (q % d == 0)
      return false;
  return true;
}

/// 1 if i is a square modulo the odd prime q, -1 if not, 0 for multiples of q.
static std::vector<float> residues(int64_t q) {
  std::vector<float> character(q, -1.0f);
  for (int64_t i = 1; i < q; ++i)
    character[i * i % q] = 1;
  character[0] = 0;
  return character;
}

std::vector<float> quantmlir::paleyHadamard(int64_t m) {
  if (m == 1)
    return {1};
  if (m == 2)
    return {1, 1, 1, -1};
  std::vector<float> h(m * m);
  // I + S for a skew S of order q + 1.
  int64_t q = m - 1;
  if (m % 4 == 0 && q % 4 == 3 && isPrime(q)) {
    std::vector<float> character = residues(q);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < m; ++j)
        h[i * m + j] = i == j   ? 1.0f
                       : i == 0 ? 1.0f
                       : j == 0 ? -1.0f
                                : character[(i - j + q) % q];
    return h;
  }
  // A symmetric conference matrix of order q + 1 whose entries become 2 x 2.
  q = m / 2 - 1;
  if (m % 4 != 0 || q % 4 != 1 || !isPrime(q))
    return {};
  std::vector<float> character = residues(q);
  for (int64_t i = 0; i <= q; ++i)
    for (int64_t j = 0; j <= q; ++j) {
      float c = i == j             ? 0.0f
                : i == 0 || j == 0 ? 1.0f
                                   : character[(i - j + q) % q];
      float *place = h.data() + 2 * i * m + 2 * j;
      if (c == 0) {
        place[0] = 1, place[1] = -1, place[m] = -1, place[m + 1] = -1;
      } else {
        place[0] = c, place[1] = c, place[m] = c, place[m + 1] = -c;
      }
    }
  return h;
}

Rotation::Rotation(int64_t n, uint64_t seed) : signs(n) {
  assert(n > 0 && "nothing to rotate");
  std::mt19937_64 random(seed);
  for (float &sign : signs)
    sign = random() >> 63 ? -1.0f : 1.0f;
  while (n % (power * 2) == 0)
    power *= 2;
  // The smallest m that leaves the rest to powers of two. A large one would
  // take as long as any dense matrix.
  constexpr int64_t largest = 256;
  for (int64_t p = power; p >= 1 && n / p <= largest; p /= 2) {
    matrix = paleyHadamard(n / p);
    if (!matrix.empty()) {
      dense = n / p, power = p;
      return;
    }
  }
  matrix = {1};
}

/// x H / sqrt(b) or x Hᵀ / sqrt(b) of one block, i = a * 2^p + b.
void Rotation::multiply(float *x, bool transposed) const {
  int64_t size = dense * power;
  for (int64_t a = 0; a < dense; ++a) {
    float *part = x + a * power;
    for (int64_t half = 1; half < power; half *= 2)
      for (int64_t begin = 0; begin < power; begin += 2 * half)
        for (int64_t i = begin; i < begin + half; ++i) {
          float first = part[i], second = part[i + half];
          part[i] = first + second;
          part[i + half] = first - second;
        }
  }
  float scale = float(1 / std::sqrt(double(size)));
  std::vector<float> result(size);
  for (int64_t c = 0; c < dense; ++c)
    for (int64_t a = 0; a < dense; ++a) {
      float factor =
          scale * (transposed ? matrix[c * dense + a] : matrix[a * dense + c]);
      for (int64_t b = 0; b < power; ++b)
        result[c * power + b] += factor * x[a * power + b];
    }
  std::copy(result.begin(), result.end(), x);
}

void Rotation::apply(MutableArrayRef<float> x) const {
  assert(int64_t(x.size()) == size() && "sizes do not match");
  for (int64_t i = 0; i < size(); ++i)
    x[i] *= signs[i];
  for (int64_t begin = 0; begin < size(); begin += blockSize())
    multiply(x.data() + begin, false);
}

void Rotation::applyInverse(MutableArrayRef<float> x) const {
  assert(int64_t(x.size()) == size() && "sizes do not match");
  for (int64_t begin = 0; begin < size(); begin += blockSize())
    multiply(x.data() + begin, true);
  for (int64_t i = 0; i < size(); ++i)
    x[i] *= signs[i];
}

void Rotation::applyToRows(MutableArrayRef<float> w) const {
  assert(w.size() % size() == 0 && "sizes do not match");
  parallelFor(0, w.size() / size(),
              [&](size_t row) { apply(w.slice(row * size(), size())); });
}

void Rotation::applyToColumns(MutableArrayRef<float> w, int64_t k) const {
  assert(int64_t(w.size()) == size() * k && "sizes do not match");
  // (Qᵀ W)ᵀ = Wᵀ Q: a column is rotated as a row is.
  parallelFor(0, k, [&](size_t column) {
    std::vector<float> x(size());
    for (int64_t i = 0; i < size(); ++i)
      x[i] = w[i * k + column];
    apply(x);
    for (int64_t i = 0; i < size(); ++i)
      w[i * k + column] = x[i];
  });
}

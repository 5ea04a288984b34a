// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Rotation.h"
#include "Random.h"
#include "gtest/gtest.h"

using namespace quantmlir;

TEST(Rotation, PaleyMatricesAreHadamard) {
  int found = 0;
  for (int64_t m = 1; m <= 64; ++m) {
    auto h = paleyHadamard(m);
    if (h.empty())
      continue;
    ++found;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < m; ++j) {
        float sum = 0;
        for (int64_t c = 0; c < m; ++c)
          sum += h[i * m + c] * h[j * m + c];
        ASSERT_EQ(std::fabs(h[i * m + j]), 1) << m;
        ASSERT_EQ(sum, i == j ? m : 0) << m;
      }
  }
  // 1 2 4 8 12 20 24 28 32 36 44 48 60, and those that are both.
  EXPECT_EQ(found, 13);
  for (int64_t m : {12, 20, 28, 36, 60})
    EXPECT_FALSE(paleyHadamard(m).empty()) << m;
}

TEST(Rotation, IsOrthogonal) {
  // 72: 36 * 2; 576: 36 * 16; 1536: 12 * 128; 960: 60 * 16; 9 * 16 and 7 have
  // none.
  for (auto [n, block] :
       {std::pair(1, 1), std::pair(64, 64), std::pair(72, 72),
        std::pair(576, 576), std::pair(1536, 1536), std::pair(960, 960),
        std::pair(7, 1), std::pair(39 * 4, 4)}) {
    SCOPED_TRACE(n);
    Rotation rotation(n, 5);
    EXPECT_EQ(rotation.blockSize(), block);
    auto x = randomNormal(n, 1), y = randomNormal(n, 2);
    double before = 0, after = 0, norm = 0;
    for (int i = 0; i < n; ++i)
      before += double(x[i]) * y[i], norm += double(x[i]) * x[i];
    auto rotated = x;
    rotation.apply(rotated);
    rotation.apply(y);
    for (int i = 0; i < n; ++i)
      after += double(rotated[i]) * y[i];
    EXPECT_NEAR(after, before, 1e-4 * norm);
    rotation.applyInverse(rotated);
    for (int i = 0; i < n; ++i)
      EXPECT_NEAR(rotated[i], x[i], 1e-5);
    // One outlier becomes equally large everywhere in its block.
    std::vector<float> outlier(n);
    outlier[0] = 1;
    rotation.apply(outlier);
    for (int i = 0; i < block; ++i)
      EXPECT_NEAR(std::fabs(outlier[i]), 1 / std::sqrt(double(block)), 1e-6);
  }
}

// W2 (Q Qᵀ) W1 x = (W2 Q) (Qᵀ W1) x: readers take rows, writers columns.
TEST(Rotation, FoldsIntoNeighbours) {
  constexpr int64_t n = 24, k = 10, rows = 7;
  auto writer = randomNormal(n * k, 3), reader = randomNormal(rows * n, 4);
  auto product = [&] {
    std::vector<float> result(rows * k);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < k; ++c)
          result[r * k + c] += reader[r * n + i] * writer[i * k + c];
    return result;
  };
  auto before = product();
  Rotation rotation(n, 6);
  rotation.applyToColumns(writer, k);
  rotation.applyToRows(reader);
  auto after = product();
  for (int64_t i = 0; i < rows * k; ++i)
    EXPECT_NEAR(after[i], before[i], 1e-4);
}

TEST(Rotation, SeedsDiffer) {
  auto x = randomNormal(64, 7), y = x, z = x;
  Rotation(64, 1).apply(x);
  Rotation(64, 1).apply(y);
  Rotation(64, 2).apply(z);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
}

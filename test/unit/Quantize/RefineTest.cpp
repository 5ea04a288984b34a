// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Refine.h"
#include "Random.h"
#include "quant-mlir/Quantize/Gptq.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "gtest/gtest.h"
#include <memory>

using namespace llvm;
using namespace quantmlir;

static double lossOf(ArrayRef<float> q, ArrayRef<float> w, int64_t k,
                     ArrayRef<float> h) {
  std::vector<float> change(q);
  for (size_t i = 0; i < change.size(); ++i)
    change[i] -= w[i];
  return hessianLoss(change, w.size() / k, k, h);
}

TEST(Refine, ImprovesGptqOnEveryGrid) {
  // 19 rows: a tile and three more; 200 columns: the last group is short.
  constexpr int64_t n = 19, k = 200;
  auto h = hessianOf(randomInputs(1024, k, 1), k);
  auto w = randomNormal(n * k, 2, 0.05f);
  std::vector<std::unique_ptr<Grid>> grids;
  for (bool asymmetric : {false, true})
    grids.push_back(
        std::make_unique<IntGrid>(3, 64, asymmetric, ScaleFormat::Type::F16));
  grids.push_back(std::make_unique<IntGrid>(4, 0));
  grids.push_back(std::make_unique<CodebookGrid>(CodebookGrid::nf4(64)));
  grids.push_back(std::make_unique<CodebookGrid>(
      CodebookGrid::e2m1(32, ScaleFormat::Type::E8M0)));
  for (auto &grid : grids) {
    std::vector<float> q = w;
    GptqOptions options;
    options.order = GptqOptions::Order::Activation;
    GptqResult gptqResult = cantFail(gptq(q, n, k, h, *grid, options));
    GridMatrix matrix = gptqResult.matrix;
    double loss = refine(matrix, q, w, n, k, h, *grid);
    EXPECT_LT(loss, gptqResult.loss);
    EXPECT_NEAR(loss / lossOf(q, w, k, h), 1, 1e-6);
    // q is what the codes and scales say, scales are as stored.
    int64_t groups = grid->groupsPerRow(k), length = grid->groupLength(k);
    for (int64_t i = 0; i < n * k; ++i) {
      int64_t g = i / k * groups + i % k / length;
      EXPECT_EQ(matrix.scales[g], grid->roundScale(matrix.scales[g]));
      float zero = matrix.zeros.empty() ? 0 : matrix.zeros[g];
      ASSERT_EQ(q[i], grid->decode(matrix.codes[i], {matrix.scales[g], zero}));
    }
    EXPECT_EQ(matrix.zeros, gptqResult.matrix.zeros);
    // Scales alone, codes alone.
    std::vector<float> fixed = w;
    matrix = cantFail(gptq(fixed, n, k, h, *grid, options)).matrix;
    RefineOptions codesOnly;
    codesOnly.scales = false;
    double codesLoss = refine(matrix, fixed, w, n, k, h, *grid, codesOnly);
    EXPECT_EQ(matrix.scales, gptqResult.matrix.scales);
    EXPECT_LT(codesLoss, gptqResult.loss);
    EXPECT_LE(loss, codesLoss * 1.02);
  }
}

// No move of one code by one step, and no scale a little off, is better.
TEST(Refine, EndsInAMinimum) {
  constexpr int64_t n = 3, k = 48;
  auto h = hessianOf(randomInputs(512, k, 3), k);
  auto w = randomNormal(n * k, 4);
  IntGrid grid(3, 16);
  std::vector<float> q(n * k);
  GridMatrix matrix =
      roundToGrid(w, n, k, grid, cantFail(fitGroups(w, n, k, grid)), q);
  RefineOptions options;
  options.rounds = 50;
  options.damping = 0;
  refine(matrix, q, w, n, k, h, grid, options);
  double loss = lossOf(q, w, k, h);
  for (int64_t i = 0; i < n * k; ++i)
    for (int step : {-1, 1}) {
      int code = int8_t(matrix.codes[i]) + step;
      if (code < -4 || code > 3)
        continue;
      std::vector<float> other = q;
      other[i] = matrix.scales[i / 16] * code;
      EXPECT_GE(lossOf(other, w, k, h), loss * (1 - 1e-5));
    }
  for (int64_t g = 0; g < n * 3; ++g)
    for (float factor : {0.99f, 1.01f}) {
      std::vector<float> other = q;
      for (int64_t i = g * 16; i < g * 16 + 16; ++i)
        other[i] *= factor;
      EXPECT_GE(lossOf(other, w, k, h), loss * (1 - 1e-5));
    }
}

TEST(Refine, ZerosAndDeadColumns) {
  constexpr int64_t n = 2, k = 32;
  auto x = randomInputs(128, k, 5);
  for (int64_t t = 0; t < 128; ++t)
    x[t * k + 7] = 0;
  auto h = hessianOf(x, k);
  auto w = randomNormal(n * k, 6);
  std::fill_n(w.begin(), 16, 0.0f);
  IntGrid grid(4, 16);
  std::vector<float> q(n * k);
  auto params = cantFail(fitGroups(w, n, k, grid));
  GridMatrix matrix = roundToGrid(w, n, k, grid, params, q);
  // The columns of zeros may not answer for others: their scale is 0.
  refine(matrix, q, w, n, k, h, grid);
  for (int64_t i = 0; i < 16; ++i)
    EXPECT_EQ(q[i], 0);
  for (float value : q)
    EXPECT_TRUE(std::isfinite(value));
  // Nothing known at all: only the damping, which is 0, remains.
  std::vector<float> none(k * k), before = q;
  EXPECT_EQ(refine(matrix, q, w, n, k, none, grid), 0);
  EXPECT_EQ(q, before);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Awq.h"
#include "../Golden.h"
#include "Random.h"
#include "quant-mlir/Quantize/Gptq.h"
#include "quant-mlir/Quantize/Hessian.h"
#include <algorithm>

using namespace llvm;
using namespace quantmlir;

// The search in f64 of the golden vectors, over outputs of 256 tokens.
TEST(Awq, EqualsTheFormulas) {
  constexpr int64_t n = 24, k = 128;
  auto w = golden<float>("algorithms.gptq.w");
  auto x = golden<float>("algorithms.awq.x");
  auto h = hessianOf(x, k);
  auto wideMean = golden<double>("algorithms.awq.x_mean");
  std::vector<float> mean(wideMean.begin(), wideMean.end());
  auto scales = golden<double>("algorithms.awq.scales");
  auto losses = golden<double>("algorithms.awq.losses");
  for (int r = 0; r < 20; ++r) {
    auto s = awqScales(mean, {}, r / 20.0);
    for (int64_t i = 0; i < k; ++i)
      EXPECT_NEAR(s[i] / scales[r * k + i], 1, 1e-6);
  }
  IntGrid grid(4, 32, true);
  AwqResult result =
      cantFail(searchAwqScales(mean, h, SiteWeight{w, n, &grid}));
  double energy = hessianLoss(w, n, k, h);
  ASSERT_EQ(result.losses.size(), 20u);
  // A code may fall on the other side of a tie in f32.
  for (int r = 0; r < 20; ++r)
    EXPECT_NEAR(result.losses[r] * energy / n / losses[r], 1, 1e-3) << r;
  int best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  EXPECT_EQ(result.ratio, best / 20.0);
  EXPECT_EQ(result.s, awqScales(mean, {}, best / 20.0));
  EXPECT_EQ(result.loss, result.losses[best]);
  EXPECT_EQ(result.lossWithout, result.losses[0]);
}

// What the search says holds for weights that were really scaled.
TEST(Awq, LossIsWhatHappens) {
  constexpr int64_t k = 96;
  auto x = randomInputs(256, k, 1);
  auto h = hessianOf(x, k);
  std::vector<float> mean(k);
  for (size_t i = 0; i < x.size(); ++i)
    mean[i % k] += std::fabs(x[i]) / 256;
  auto first = randomNormal(20 * k, 2), second = randomNormal(30 * k, 3);
  IntGrid four(4, 32), three(3, 48, true);
  SiteWeight site[] = {{first, 20, &four}, {second, 30, &three}};
  for (bool duo : {false, true}) {
    AwqOptions options;
    options.duo = duo;
    options.steps = 10;
    AwqResult result = cantFail(searchAwqScales(mean, h, site, options));
    EXPECT_LT(result.loss, 0.9 * result.lossWithout);
    double loss = 0, energy = 0;
    for (const SiteWeight &weight : site) {
      std::vector<float> scaled = weight.w, q(scaled.size());
      multiplyColumns(scaled, result.s);
      roundToGrid(scaled, weight.n, k, *weight.grid,
                  cantFail(fitGroups(scaled, weight.n, k, *weight.grid)), q);
      // The input of the scaled weight is x / s.
      std::vector<float> divided = h;
      divideHessian(divided, result.s);
      for (size_t i = 0; i < q.size(); ++i)
        q[i] -= scaled[i];
      loss += hessianLoss(q, weight.n, k, divided);
      energy += hessianLoss(weight.w, weight.n, k, h);
    }
    EXPECT_NEAR(result.loss / (loss / energy), 1, 1e-3);
    // Half of the rows choose much the same.
    options.maxRows = 15;
    AwqResult sampled = cantFail(searchAwqScales(mean, h, site, options));
    EXPECT_NEAR(sampled.loss / result.loss, 1, 0.3);
  }
}

TEST(Awq, DuoScalesByTheWeightsShare) {
  std::vector<float> w = {1, 2, 4, 0, //
                          3, 3, 0, 8};
  IntGrid grid(4, 2);
  auto share = awqWeightShare(SiteWeight{w, 2, &grid}, 4);
  // Groups (1 2) (4 0) (3 3) (0 8): 1/2 and 1, 1 and 1, 1 and 0, 0 and 1.
  float expected[] = {0.75f, 1, 0.5f, 0.5f};
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(share[i], expected[i], 1e-5);
  auto s = awqScales({1, 1, 1, 4}, share, 0.5);
  double raw[4], low = 1e9, high = 0;
  for (int i = 0; i < 4; ++i) {
    raw[i] = (i == 3 ? 2 : 1) / (std::sqrt(share[i]) + 1e-4);
    low = std::min(low, raw[i]), high = std::max(high, raw[i]);
  }
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(s[i], raw[i] / std::sqrt(low * high), 1e-5);
}

TEST(Awq, BadInput) {
  std::vector<float> h = {1, 0, 0, 1}, w = {1, NAN};
  IntGrid grid(4, 0);
  EXPECT_EQ(
      toString(searchAwqScales({1, 1}, h, SiteWeight{w, 1, &grid}).takeError()),
      "row 0, column 1 is NaN and cannot be quantized");
  h[3] = NAN;
  EXPECT_EQ(
      toString(searchAwqScales({1, 1}, h, SiteWeight{w, 1, &grid}).takeError()),
      "row 1, column 1 of the Hessian is NaN");
}

static double groupLoss(ArrayRef<float> w, ArrayRef<float> q, int64_t k,
                        ArrayRef<float> h, int64_t begin, int64_t count) {
  double loss = 0;
  for (int64_t i = begin; i < begin + count; ++i)
    for (int64_t j = begin; j < begin + count; ++j)
      loss += (double(q[i]) - w[i]) * h[i * k + j] * (double(q[j]) - w[j]);
  return loss;
}

// Each group has the best of all shares, tried here one by one.
TEST(Clip, FindsTheBestShare) {
  constexpr int64_t n = 19, k = 72, group = 32;
  auto h = hessianOf(randomInputs(256, k, 5), k);
  auto w = randomNormal(n * k, 6);
  for (bool asymmetric : {false, true})
    for (bool bothEnds : {false, true}) {
      IntGrid grid(3, group, asymmetric);
      ClipOptions options;
      options.maxShrink = 0.45;
      options.step = 0.05;
      options.bothEnds = bothEnds;
      auto params = cantFail(searchClip(w, n, k, h, grid, options));
      std::vector<float> q(n * k);
      roundToGrid(w, n, k, grid, params, q);
      for (int64_t row = 0; row < n; ++row)
        for (int64_t begin = 0; begin < k; begin += group) {
          int64_t count = std::min(group, k - begin);
          ArrayRef<float> x = ArrayRef(w).slice(row * k, k);
          ArrayRef<float> values = x.slice(begin, count);
          float low = *std::min_element(values.begin(), values.end());
          float high = *std::max_element(values.begin(), values.end());
          double best = INFINITY;
          std::vector<float> trial(k);
          for (int a = 0; a < 10; ++a)
            for (int b = 0; b < 10; ++b) {
              if (a != b && !(asymmetric && bothEnds))
                continue;
              GroupParams p = grid.fromRange(low * float(1 - a * 0.05),
                                             high * float(1 - b * 0.05));
              grid.quantize(values, p, nullptr, trial.data() + begin);
              best = std::min(best, groupLoss(x, trial, k, h, begin, count));
            }
          double found =
              groupLoss(x, ArrayRef(q).slice(row * k, k), k, h, begin, count);
          EXPECT_LE(found, best * (1 + 1e-4));
        }
      // GPTQ takes them.
      GptqOptions gptqOptions;
      gptqOptions.params = params;
      std::vector<float> copy = w;
      GptqResult result = cantFail(gptq(copy, n, k, h, grid, gptqOptions));
      for (size_t i = 0; i < params.size(); ++i)
        EXPECT_EQ(result.matrix.scales[i], params[i].scale);
    }
}

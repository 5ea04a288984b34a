// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Smooth.h"
#include "../Golden.h"
#include "Random.h"
#include <algorithm>

using namespace llvm;
using namespace quantmlir;
using Activation = SmoothOptions::Activation;

TEST(Smooth, EqualsTheFormula) {
  auto wide = golden<double>("algorithms.smoothquant.act_absmax");
  std::vector<float> act(wide.begin(), wide.end());
  auto w = golden<float>("algorithms.gptq.w");
  IntGrid grid(8, 0);
  auto weight = columnAbsmax(SiteWeight{w, 24, &grid}, 128);
  auto expected = golden<double>("algorithms.smoothquant.w_absmax");
  for (int i = 0; i < 128; ++i)
    EXPECT_EQ(weight[i], expected[i]);
  for (auto [alpha, name] : {std::pair(0.5, "0.5"), std::pair(0.85, "0.85")}) {
    auto scales = golden<double>(std::string("algorithms.smoothquant.") + name +
                                 ".scales");
    auto s = smoothFactors(act, weight, alpha);
    for (int i = 0; i < 128; ++i)
      // Input 17 is always zero.
      EXPECT_NEAR(s[i] / (i == 17 ? 1 : scales[i]), 1, 1e-6) << i;
  }
}

TEST(Smooth, FactorsAreSafe) {
  EXPECT_EQ(smoothFactors({0, 5, 1e-30f}, {1, 0, 1e30f}, 0.5)[0], 1);
  EXPECT_EQ(smoothFactors({0, 5, 1e-30f}, {1, 0, 1e30f}, 0.5)[1], 1);
  EXPECT_EQ(smoothFactors({0, 5, 1e-30f}, {1, 0, 1e30f}, 0.5)[2], 1e-5f);
}

namespace {
/// A site with two loud channels, read by two linears.
struct Site {
  static constexpr int64_t k = 64, tokens = 128;
  std::vector<float> x = randomNormal(tokens * k, 1), h;
  std::vector<float> first = randomNormal(24 * k, 2, 0.05f);
  std::vector<float> second = randomNormal(8 * k, 3, 0.05f);
  std::vector<float> absmax = std::vector<float>(k);
  IntGrid grid{8, 0};

  Site() {
    for (int64_t t = 0; t < tokens; ++t)
      x[t * k + 9] *= 40, x[t * k + 33] *= 100;
    h = hessianOf(x, k);
    for (size_t i = 0; i < x.size(); ++i)
      absmax[i % k] = std::max(absmax[i % k], std::fabs(x[i]));
  }
  std::vector<SiteWeight> weights() const {
    return {{first, 24, &grid}, {second, 8, &grid}};
  }

  /// |Q(x / s) Q(w s)ᵀ - x wᵀ|² as a share of |x wᵀ|², plainly.
  double loss(ArrayRef<float> s, Activation activation) const {
    double error = 0, energy = 0;
    float reach = 0;
    for (int64_t i = 0; i < k; ++i)
      reach = std::max(reach, absmax[i] / s[i]);
    for (const SiteWeight &weight : weights()) {
      std::vector<float> w = weight.w, q(w.size());
      multiplyColumns(w, s);
      roundToGrid(w, weight.n, k, grid,
                  cantFail(fitGroups(w, weight.n, k, grid)), q);
      for (int64_t t = 0; t < tokens; ++t) {
        std::vector<float> row(k), rounded(k);
        for (int64_t i = 0; i < k; ++i)
          row[i] = x[t * k + i] / s[i];
        GroupParams p = activation == Activation::Token
                            ? grid.fit(row, {}, {})
                            : GroupParams{reach / 127, 0};
        grid.quantize(row, p, nullptr, rounded.data());
        for (int64_t n = 0; n < weight.n; ++n) {
          double y = 0, exact = 0;
          for (int64_t i = 0; i < k; ++i) {
            y += double(rounded[i]) * q[n * k + i];
            exact += double(x[t * k + i]) * weight.w[n * k + i];
          }
          error += (y - exact) * (y - exact);
          energy += exact * exact;
        }
      }
    }
    return error / energy;
  }
};
} // namespace

TEST(Smooth, SearchWithSamplesIsExact) {
  Site site;
  for (Activation activation : {Activation::Token, Activation::Tensor}) {
    SmoothOptions options;
    options.activation = activation;
    options.steps = 10;
    SmoothResult result = cantFail(
        searchAlpha(site.absmax, site.h, site.x, site.weights(), options));
    std::vector<float> one(Site::k, 1.0f);
    EXPECT_NEAR(result.lossWithout / site.loss(one, activation), 1, 1e-3);
    ASSERT_EQ(result.losses.size(), 11u);
    ASSERT_TRUE(result.alpha.has_value());
    EXPECT_NEAR(result.loss / site.loss(result.s, activation), 1, 1e-3);
    EXPECT_EQ(result.loss,
              *std::min_element(result.losses.begin(), result.losses.end()));
    EXPECT_LT(result.loss, 0.3 * result.lossWithout);
  }
}

// Without samples: the model is near the truth for every alpha.
TEST(Smooth, ModelPredictsTheLoss) {
  Site site;
  auto weightAbsmax = columnAbsmax(site.weights(), Site::k);
  for (Activation activation : {Activation::Token, Activation::Tensor}) {
    SmoothOptions options;
    options.activation = activation;
    options.steps = 10;
    SmoothResult result =
        cantFail(searchAlpha(site.absmax, site.h, {}, site.weights(), options));
    std::vector<double> truth;
    for (int step = 0; step <= 10; ++step) {
      truth.push_back(site.loss(
          smoothFactors(site.absmax, weightAbsmax, step / 10.0), activation));
      EXPECT_NEAR(result.losses[step] / truth.back(), 1, 0.4) << step;
    }
    double best = *std::min_element(truth.begin(), truth.end());
    EXPECT_LT(site.loss(result.s, activation), 1.1 * best);
  }
}

TEST(Smooth, BadInput) {
  Site site;
  auto message = [&] {
    return toString(
        searchAlpha(site.absmax, site.h, site.x, site.weights()).takeError());
  };
  site.x[Site::k + 2] = NAN;
  EXPECT_EQ(message(), "row 1, column 2 is NaN and cannot be quantized");
  site.h[5] = INFINITY;
  EXPECT_EQ(message(), "row 0, column 5 of the Hessian is infinite");
}

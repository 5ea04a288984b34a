// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Gptq.h"
#include "../Golden.h"
#include "Random.h"
#include "quant-mlir/Quantize/Hessian.h"
#include <numeric>

using namespace llvm;
using namespace quantmlir;
using Order = GptqOptions::Order;
using Groups = GptqOptions::Groups;
using Importance = GptqOptions::Importance;

static GptqResult quantized(std::vector<float> &w, int64_t n, int64_t k,
                            ArrayRef<float> h, const Grid &grid,
                            const GptqOptions &options = {}) {
  Expected<GptqResult> result = gptq(w, n, k, h, grid, options);
  if (!result) {
    ADD_FAILURE() << toString(result.takeError());
    return {};
  }
  return std::move(*result);
}

static std::string failure(std::vector<float> w, int64_t n, int64_t k,
                           ArrayRef<float> h, const Grid &grid,
                           const GptqOptions &options = {}) {
  Expected<GptqResult> result = gptq(w, n, k, h, grid, options);
  return result ? "" : toString(result.takeError());
}

/// trace((q - w) h (q - w)ᵀ) in f64.
static double exactLoss(ArrayRef<float> q, ArrayRef<float> w, ArrayRef<float> h,
                        int64_t k) {
  double loss = 0;
  for (size_t row = 0; row < w.size(); row += k)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        loss += (double(q[row + i]) - w[row + i]) * h[i * k + j] *
                (double(q[row + j]) - w[row + j]);
  return loss;
}

//===----------------------------------------------------------------------===//
// The paper's algorithm, as it is written there
//===----------------------------------------------------------------------===//

namespace {
using Matrix = std::vector<double>;

/// H⁻¹ by Gauss and Jordan; H is positive definite.
Matrix inverse(Matrix h, int64_t k) {
  Matrix result(k * k);
  for (int64_t i = 0; i < k; ++i)
    result[i * k + i] = 1;
  for (int64_t p = 0; p < k; ++p) {
    double pivot = h[p * k + p];
    for (int64_t j = 0; j < k; ++j)
      h[p * k + j] /= pivot, result[p * k + j] /= pivot;
    for (int64_t i = 0; i < k; ++i) {
      double factor = h[i * k + p];
      if (i == p || factor == 0)
        continue;
      for (int64_t j = 0; j < k; ++j) {
        h[i * k + j] -= factor * h[p * k + j];
        result[i * k + j] -= factor * result[p * k + j];
      }
    }
  }
  return result;
}

/// Upper triangular u with a = uᵀ u.
Matrix upperCholesky(const Matrix &a, int64_t k) {
  Matrix u(k * k);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = i; j < k; ++j) {
      double sum = a[i * k + j];
      for (int64_t m = 0; m < i; ++m)
        sum -= u[m * k + i] * u[m * k + j];
      u[i * k + j] = i == j ? std::sqrt(sum) : sum / u[i * k + i];
    }
  return u;
}

struct Paper {
  unsigned bits;
  int64_t group;
  bool asymmetric, actOrder, current;

  std::vector<uint8_t> codes;
  std::vector<float> values;

  /// Scale and zero of a group, absmax and min-max as RoundToNearest.h says.
  std::pair<double, double> fit(const double *w, int64_t count) const {
    float low = 0, high = 0;
    for (int64_t i = 0; i < count; ++i) {
      low = std::min(low, float(w[i]));
      high = std::max(high, float(w[i]));
    }
    int levels = (1 << bits) - 1;
    if (asymmetric) {
      float scale = (high - low) / float(levels);
      return {scale, std::nearbyint(-low / scale)};
    }
    return {std::max(-low, high) / (bits == 8 ? 127.0f : levels / 2.0f), 0};
  }

  void run(ArrayRef<float> weight, int64_t n, int64_t k, ArrayRef<float> h) {
    std::vector<int64_t> order(k);
    std::iota(order.begin(), order.end(), int64_t(0));
    if (actOrder)
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return h[a * k + a] > h[b * k + b];
      });
    Matrix w(n * k), hessian(k * k);
    double mean = 0;
    for (int64_t i = 0; i < k; ++i) {
      mean += h[i * k + i] / double(k);
      for (int64_t row = 0; row < n; ++row)
        w[row * k + i] = weight[row * k + order[i]];
      for (int64_t j = 0; j < k; ++j)
        hessian[i * k + j] = h[order[i] * k + order[j]];
    }
    for (int64_t i = 0; i < k; ++i)
      hessian[i * k + i] += 0.01 * mean;
    Matrix u = upperCholesky(inverse(hessian, k), k);

    int low = asymmetric ? 0 : bits == 8 ? -127 : -(1 << (bits - 1));
    int high = asymmetric ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
    int64_t length = group ? group : k, groups = (k + length - 1) / length;
    std::vector<std::pair<double, double>> params(n * groups);
    for (int64_t row = 0; row < n; ++row)
      for (int64_t g = 0; g < groups; ++g) {
        std::vector<double> original(weight.begin() + row * k,
                                     weight.begin() + (row + 1) * k);
        params[row * groups + g] =
            fit(original.data() + g * length, std::min(length, k - g * length));
      }
    codes.resize(n * k);
    values.resize(n * k);
    for (int64_t i = 0; i < k; ++i)
      for (int64_t row = 0; row < n; ++row) {
        double *x = w.data() + row * k;
        if (current && i % length == 0)
          params[row * groups + i / length] =
              fit(x + i, std::min(length, k - i));
        auto [scale, zero] = params[row * groups + order[i] / length];
        double code = std::nearbyint(x[i] / scale + zero);
        code = std::min(std::max(code, double(low)), double(high));
        double value = scale * (code - zero);
        double error = (x[i] - value) / u[i * k + i];
        for (int64_t j = i; j < k; ++j)
          x[j] -= error * u[i * k + j];
        codes[row * k + order[i]] = uint8_t(int(code));
        values[row * k + order[i]] = float(value);
      }
  }
};
} // namespace

TEST(Gptq, EqualsThePaper) {
  constexpr int64_t n = 40, k = 200;
  auto h = hessianOf(randomInputs(512, k, 5), k);
  auto w = randomNormal(n * k, 9, 0.05f);
  int64_t allDifferent = 0, all = 0;
  for (unsigned bits : {2, 3, 4, 8})
    for (bool asymmetric : {false, true})
      for (int64_t group : {0, 32, 128})
        for (auto [order, groups] :
             {std::pair(Order::Natural, Groups::Static),
              std::pair(Order::Natural, Groups::Current),
              std::pair(Order::Activation, Groups::Static)}) {
          SCOPED_TRACE(testing::Message()
                       << bits << " bits, asymmetric " << asymmetric
                       << ", group " << group << ", order " << int(order)
                       << ", current " << int(groups));
          Paper paper{bits, group, asymmetric, order == Order::Activation,
                      groups == Groups::Current && group != 0};
          paper.run(w, n, k, h);
          GptqOptions options;
          options.order = order;
          options.groups = groups;
          std::vector<float> q = w;
          GptqResult result =
              quantized(q, n, k, h, IntGrid(bits, group, asymmetric), options);
          int64_t different = 0;
          for (int64_t i = 0; i < n * k; ++i)
            different += result.matrix.codes[i] != paper.codes[i];
          // The least value of a group may be -7.5 steps exactly, which the
          // last bit of a sum decides; then the rest of its row differs.
          EXPECT_LE(different, k);
          allDifferent += different;
          all += n * k;
          double loss = exactLoss(q, w, h, k);
          EXPECT_NEAR(loss / exactLoss(paper.values, w, h, k), 1, 1e-3);
          EXPECT_NEAR(result.loss / loss, 1, 1e-6);
        }
  EXPECT_LE(allDifferent, all / 1000);
}

// llm-compressor's codes; column 17's input is always zero.
TEST(Gptq, EqualsLLMCompressor) {
  constexpr int64_t n = 24, k = 128;
  auto w = golden<float>("algorithms.gptq.w");
  auto h = golden<float>("algorithms.gptq.h");
  struct Case {
    const char *name;
    unsigned bits;
    int64_t group;
    bool asymmetric = false;
    Order order = Order::Natural;
  };
  for (Case c : {Case{"channel4", 4, 0}, Case{"group4", 4, 32},
                 Case{"group4_asym", 4, 32, true},
                 Case{"group4_act_order", 4, 32, false, Order::Activation},
                 Case{"group3", 3, 32}}) {
    SCOPED_TRACE(c.name);
    std::string file = std::string("algorithms.gptq.") + c.name;
    auto codes = golden<int8_t>(file + ".codes");
    auto zeros = golden<int8_t>(file + ".zero");
    auto values = golden<float>(file + ".values");
    GptqOptions options;
    options.order = c.order;
    options.zeroDead = true;
    std::vector<float> q = w;
    GptqResult result =
        quantized(q, n, k, h, IntGrid(c.bits, c.group, c.asymmetric), options);
    EXPECT_EQ(result.matrix.scales, golden<float>(file + ".scale"));
    // Their asymmetric codes are shifted to be signed.
    int shift = c.asymmetric ? 8 : 0;
    for (size_t i = 0; i < result.matrix.zeros.size(); ++i)
      EXPECT_EQ(result.matrix.zeros[i] - shift, zeros[i]);
    for (int64_t i = 0; i < n * k; ++i)
      ASSERT_EQ(int8_t(result.matrix.codes[i] - shift), codes[i]) << i;
    EXPECT_TRUE(result.warnings.empty());
    for (int64_t i = 0; i < n * k; ++i)
      EXPECT_NEAR(q[i], values[i], 1e-7);
  }
}

// What is claimed of each refinement, on correlated inputs of unequal size.
TEST(Gptq, EachRefinementHelps) {
  constexpr int64_t n = 64, k = 192, group = 64;
  auto x = randomInputs(1024, k, 50);
  auto h = hessianOf(x, k);
  auto w = randomNormal(n * k, 51, 0.05f);
  IntGrid grid(3, group);
  auto loss = [&](GptqOptions options) {
    std::vector<float> q = w;
    return quantized(q, n, k, h, grid, options).loss;
  };
  std::vector<float> rounded = w;
  auto params = cantFail(fitGroups(w, n, k, grid));
  roundToGrid(w, n, k, grid, params, rounded);
  GptqOptions options;
  double nearest = exactLoss(rounded, w, h, k), plain = loss(options);
  EXPECT_LT(plain, 0.8 * nearest);
  options.order = Order::Activation;
  EXPECT_LT(loss(options), plain);
  options.order = Order::Groups;
  double groups = loss(options);
  EXPECT_LT(groups, plain);
  options.groups = Groups::Current;
  options.fit = FitOptions::leastSquaresSearch();
  options.importance = Importance::Feedback;
  EXPECT_LT(loss(options), 0.9 * groups);
}

// With H = I columns do not help each other.
TEST(Gptq, IsRoundingForIndependentInputs) {
  constexpr int64_t n = 9, k = 70;
  std::vector<float> h(k * k);
  for (int64_t i = 0; i < k; ++i)
    h[i * k + i] = 1;
  auto w = randomNormal(n * k, 3);
  for (auto groups : {Groups::Static, Groups::Current})
    for (const Grid *grid : std::initializer_list<const Grid *>{
             new IntGrid(4, 32, true, ScaleFormat::Type::F16),
             new CodebookGrid(CodebookGrid::nf4(64)),
             new CodebookGrid(CodebookGrid::e4m3(0))}) {
      std::unique_ptr<const Grid> owner(grid);
      GptqOptions options;
      options.groups = groups;
      std::vector<float> q = w, rounded(n * k);
      GptqResult result = quantized(q, n, k, h, *grid, options);
      GridMatrix nearest = roundToGrid(
          w, n, k, *grid, cantFail(fitGroups(w, n, k, *grid)), rounded);
      EXPECT_EQ(result.matrix.codes, nearest.codes);
      EXPECT_EQ(result.matrix.scales, nearest.scales);
      EXPECT_EQ(result.matrix.zeros, nearest.zeros);
      EXPECT_EQ(q, rounded);
    }
}

TEST(Gptq, TakesParametersFromElsewhere) {
  constexpr int64_t n = 10, k = 64;
  auto h = hessianOf(randomInputs(256, k, 7), k);
  auto w = randomNormal(n * k, 8);
  IntGrid grid(4, 32);
  std::vector<GroupParams> params(n * 2, GroupParams{0.25f, 0});
  GptqOptions options;
  options.params = params;
  options.groups = Groups::Current;
  GptqResult result = quantized(w, n, k, h, grid, options);
  EXPECT_EQ(result.matrix.scales, std::vector<float>(n * 2, 0.25f));
  for (int64_t i = 0; i < n * k; ++i)
    EXPECT_EQ(w[i], 0.25f * int8_t(result.matrix.codes[i]));
  params.pop_back();
  options.params = params;
  EXPECT_EQ(failure(w, n, k, h, grid, options), "19 parameters for 20 groups");
}

TEST(Gptq, DeadColumns) {
  constexpr int64_t n = 4, k = 32;
  auto x = randomInputs(128, k, 11);
  for (int64_t t = 0; t < 128; ++t)
    x[t * k + 5] = 0;
  auto h = hessianOf(x, k);
  auto w = randomNormal(n * k, 12);
  std::vector<float> q = w;
  quantized(q, n, k, h, IntGrid(8, 0));
  for (int64_t row = 0; row < n; ++row)
    EXPECT_NEAR(q[row * k + 5], w[row * k + 5], 0.02);
  GptqOptions options;
  options.zeroDead = true;
  q = w;
  quantized(q, n, k, h, IntGrid(8, 0), options);
  for (int64_t row = 0; row < n; ++row)
    EXPECT_EQ(q[row * k + 5], 0);
  // All dead: nothing is known, so it is rounding.
  std::vector<float> none(k * k), rounded(n * k);
  q = w;
  GptqResult result = quantized(q, n, k, none, IntGrid(8, 0));
  roundToGrid(w, n, k, IntGrid(8, 0),
              cantFail(fitGroups(w, n, k, IntGrid(8, 0))), rounded);
  EXPECT_EQ(q, rounded);
  EXPECT_NEAR(result.loss, 0, 1e-12);
}

TEST(Gptq, SingularHessian) {
  constexpr int64_t n = 4, k = 32;
  // 8 tokens span 8 of 32 directions. The damping carries it.
  auto h = hessianOf(randomInputs(8, k, 13), k);
  auto w = randomNormal(n * k, 14);
  GptqOptions options;
  options.tokens = 8;
  std::vector<float> q = w;
  GptqResult result = quantized(q, n, k, h, IntGrid(4, 0), options);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(result.warnings[0], "8 tokens are too few for a Hessian of 32 "
                                "inputs; damping 0.05");
  EXPECT_EQ(result.damping, 0.05);
  // Without any damping it cannot be factored.
  options.tokens = 0;
  options.damping = 0;
  h[0] = 0.999f * h[0];
  q = w;
  result = quantized(q, n, k, h, IntGrid(4, 0), options);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(result.warnings[0], "the Hessian is not positive definite; damping "
                                "raised from 0.00 to 0.01");
  EXPECT_EQ(result.damping, 0.01);
  // A matrix that is nobody's Hessian: off the diagonal larger than on it.
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j)
      h[i * k + j] = i == j ? 1.0f : 5.0f;
  q = w;
  std::vector<float> rounded(n * k);
  roundToGrid(w, n, k, IntGrid(4, 0),
              cantFail(fitGroups(w, n, k, IntGrid(4, 0))), rounded);
  result = quantized(q, n, k, h, IntGrid(4, 0));
  EXPECT_LT(result.damping, 0);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("rounded to nearest"), std::string::npos);
  EXPECT_EQ(q, rounded);
  EXPECT_NEAR(result.loss / exactLoss(rounded, w, h, k), 1, 1e-3);
}

TEST(Gptq, BadInput) {
  constexpr int64_t n = 3, k = 8;
  auto h = hessianOf(randomInputs(32, k, 15), k);
  auto w = randomNormal(n * k, 16);
  IntGrid grid(4, 4);
  w[2 * k + 3] = NAN;
  EXPECT_EQ(failure(w, n, k, h, grid),
            "row 2, column 3 is NaN and cannot be quantized");
  w[2 * k + 3] = 0;
  h[5 * k + 1] = INFINITY;
  EXPECT_EQ(failure(w, n, k, h, grid),
            "row 5, column 1 of the Hessian is infinite");
  h[5 * k + 1] = 0;
  h[4 * k + 4] = -1;
  EXPECT_EQ(failure(w, n, k, h, grid),
            "row 4, column 4 of the Hessian is negative");
  h[4 * k + 4] = 1;
  GptqOptions options;
  options.order = Order::Activation;
  options.groups = Groups::Current;
  EXPECT_EQ(failure(w, n, k, h, grid, options),
            "activation order needs static groups: it enters all of them at "
            "once");
  // A row has one group: nothing to contradict.
  EXPECT_EQ(failure(w, n, k, h, IntGrid(4, 0), options), "");
  w[k + 6] = 1e9f;
  for (auto groups : {Groups::Static, Groups::Current}) {
    options.order = Order::Natural;
    options.groups = groups;
    EXPECT_NE(failure(w, n, k, h, IntGrid(4, 4, false, ScaleFormat::Type::F16),
                      options)
                  .find("the scale of row 1, group 1 does not fit"),
              std::string::npos);
  }
}

// Errors of x' = x + noise are corrected where the noise can be predicted.
TEST(Drift, CorrectsADisturbedInput) {
  constexpr int64_t n = 8, k = 24, tokens = 512;
  auto x = randomInputs(tokens, k, 20);
  std::vector<float> disturbed = x;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < k; ++i)
      disturbed[t * k + i] += 0.2f * x[t * k + (i + 1) % k];
  auto h = hessianOf(disturbed, k);
  std::vector<float> c(k * k);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < tokens; ++t)
        sum += (double(x[t * k + i]) - disturbed[t * k + i]) *
               disturbed[t * k + j];
      c[i * k + j] = float(sum / tokens);
    }
  auto w = randomNormal(n * k, 21);
  auto miss = [&](ArrayRef<float> other) {
    double sum = 0;
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t row = 0; row < n; ++row) {
        double y = 0;
        for (int64_t i = 0; i < k; ++i)
          y += double(other[row * k + i]) * disturbed[t * k + i] -
               double(w[row * k + i]) * x[t * k + i];
        sum += y * y;
      }
    return sum;
  };
  std::vector<float> target = w;
  cantFail(correctForDrift(target, n, k, h, c, {}, 1e-6, 1));
  EXPECT_LT(miss(target), 1e-4 * miss(w));
  // No disturbance, no change.
  target = w;
  std::vector<float> none(k * k);
  cantFail(correctForDrift(target, n, k, h, none, {}, 1e-6, 1));
  EXPECT_EQ(target, w);
  // W x + r: an r that is off by M x' is made up for by W + M.
  auto m = randomNormal(n * k, 22);
  std::vector<float> residual(n * k);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t j = 0; j < k; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i)
        sum += double(m[row * k + i]) * h[i * k + j];
      residual[row * k + j] = float(sum);
    }
  cantFail(correctForDrift(target, n, k, h, none, residual, 1e-6, 1));
  for (int64_t i = 0; i < n * k; ++i)
    EXPECT_NEAR(target[i], w[i] + m[i], 1e-3);
}

TEST(Hessian, LossIsTheTrace) {
  for (int64_t k : {1, 7, 96, 131})
    for (int64_t n : {1, 5, 67}) {
      auto h = hessianOf(randomInputs(64, k, 30), k);
      auto d = randomNormal(n * k, 31);
      std::vector<float> zero(n * k);
      EXPECT_NEAR(hessianLoss(d, n, k, h) / exactLoss(d, zero, h, k), 1, 1e-5);
      // The division of the input by s is undone by the weights.
      std::vector<float> s = randomNormal(k, 32), scaled = h;
      for (float &value : s)
        value = std::exp(value);
      divideHessian(scaled, s);
      std::vector<float> multiplied = d;
      for (int64_t i = 0; i < n * k; ++i)
        multiplied[i] *= s[i % k];
      EXPECT_NEAR(hessianLoss(multiplied, n, k, scaled) /
                      exactLoss(d, zero, h, k),
                  1, 1e-5);
    }
}

// Equal rows: any sample stands for all.
TEST(Hessian, LossOfASample) {
  constexpr int64_t n = 50, k = 40;
  auto h = hessianOf(randomInputs(64, k, 40), k);
  auto row = randomNormal(k, 41);
  std::vector<float> d;
  for (int64_t i = 0; i < n; ++i)
    d.insert(d.end(), row.begin(), row.end());
  EXPECT_NEAR(hessianLoss(d, n, k, h, 7) / hessianLoss(d, n, k, h), 1, 1e-5);
}

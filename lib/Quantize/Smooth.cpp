// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Smooth.h"
#include "Kernels.h"
#include "Sampled.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <algorithm>
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;
using Activation = SmoothOptions::Activation;

std::vector<float> quantmlir::columnAbsmax(ArrayRef<SiteWeight> weights,
                                           int64_t k) {
  std::vector<float> absmax(k);
  for (const SiteWeight &weight : weights)
    for (int64_t i = 0; i < weight.n * k; ++i)
      absmax[i % k] = std::max(absmax[i % k], std::fabs(weight.w[i]));
  return absmax;
}

std::vector<float> quantmlir::columnRms(ArrayRef<SiteWeight> weights,
                                        int64_t k) {
  std::vector<double> squares(k);
  int64_t rows = 0;
  for (const SiteWeight &weight : weights) {
    rows += weight.n;
    for (int64_t i = 0; i < weight.n * k; ++i)
      squares[i % k] += double(weight.w[i]) * weight.w[i];
  }
  std::vector<float> rms;
  for (double square : squares)
    rms.push_back(
        float(std::sqrt(square / double(std::max<int64_t>(rows, 1)))));
  return rms;
}

std::vector<float> quantmlir::smoothFactors(ArrayRef<float> actAbsmax,
                                            ArrayRef<float> weightAbsmax,
                                            double alpha) {
  assert(actAbsmax.size() == weightAbsmax.size() && "sizes do not match");
  std::vector<float> s(actAbsmax.size(), 1.0f);
  for (size_t i = 0; i < s.size(); ++i)
    if (actAbsmax[i] > 0 && weightAbsmax[i] > 0)
      s[i] = float(std::max(
          std::pow(std::max(double(actAbsmax[i]), 1e-5), alpha) /
              std::pow(std::max(double(weightAbsmax[i]), 1e-5), 1 - alpha),
          1e-5));
  return s;
}

namespace {
/// Judges factors of one site.
class Judge {
public:
  Judge(ArrayRef<float> actAbsmax, ArrayRef<float> h, ArrayRef<float> samples,
        std::vector<SampledWeight> weights, const SmoothOptions &options);
  double lossOf(ArrayRef<float> s) const;

private:
  double exactLoss(ArrayRef<float> s) const;
  double modelLoss(ArrayRef<float> s) const;
  double meanSquareReach(ArrayRef<float> s) const;
  /// Q(x / s) * s of all samples, [tile][k][16 tokens].
  std::vector<float> roundedSamples(ArrayRef<float> s) const;
  float tensorReach(ArrayRef<float> s) const;

  int64_t k, tokens;
  ArrayRef<float> actAbsmax, h, samples;
  std::vector<SampledWeight> weights;
  const SmoothOptions &options;
  /// Sum of squares of all outputs, over samples or as H tells.
  double energy = 0;
  /// The outputs of the samples by weight, [tile][row][16 tokens].
  std::vector<std::vector<float>> outputs;
};
} // namespace

static constexpr int64_t lanes = kernels::f32Lanes;

/// out -= x wᵀ for all tiles of tokens; `x` is [tile][k][16 tokens].
static void subtractOutputs(ArrayRef<float> x, const std::vector<float> &w,
                            int64_t rows, int64_t k, std::vector<float> &out) {
  constexpr int64_t width = 16;
  int64_t tiles = x.size() / (k * lanes);
  parallelFor(0, divideCeil(rows, width), [&](size_t block) {
    int64_t begin = block * width, count = std::min(width, rows - begin);
    for (int64_t tile = 0; tile < tiles; ++tile)
      kernels::subtractProduct(x.data() + tile * k * lanes,
                               w.data() + begin * k, k, 0, k, count,
                               out.data() + (tile * rows + begin) * lanes);
  });
}

Judge::Judge(ArrayRef<float> actAbsmax, ArrayRef<float> h,
             ArrayRef<float> samples, std::vector<SampledWeight> given,
             const SmoothOptions &options)
    : k(actAbsmax.size()), tokens(k ? samples.size() / k : 0),
      actAbsmax(actAbsmax), h(h), samples(samples), weights(std::move(given)),
      options(options) {
  if (!tokens) {
    for (const SampledWeight &weight : weights)
      energy += weight.share * hessianLoss(weight.w, weight.rows, k, h);
    return;
  }
  int64_t tiles = divideCeil(tokens, lanes);
  std::vector<float> x(tiles * k * lanes);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < k; ++i)
      x[(t / lanes * k + i) * lanes + t % lanes] = samples[t * k + i];
  for (const SampledWeight &weight : weights) {
    std::vector<float> &out = outputs.emplace_back(tiles * weight.rows * lanes);
    subtractOutputs(x, weight.w, weight.rows, k, out);
    for (float &value : out) {
      energy += weight.share * value * value;
      value = -value;
    }
  }
}

float Judge::tensorReach(ArrayRef<float> s) const {
  float reach = 0;
  for (int64_t i = 0; i < k; ++i)
    reach = std::max(reach, actAbsmax[i] / s[i]);
  return reach;
}

std::vector<float> Judge::roundedSamples(ArrayRef<float> s) const {
  int64_t tiles = divideCeil(tokens, lanes);
  std::vector<float> x(tiles * k * lanes);
  IntGrid grid(8, 0);
  float reach = tensorReach(s);
  parallelFor(0, tokens, [&](size_t t) {
    std::vector<float> row(k);
    for (int64_t i = 0; i < k; ++i)
      row[i] = samples[t * k + i] / s[i];
    GroupParams params = options.activation == Activation::Token
                             ? grid.fit(row, {}, {})
                             : grid.fromRange(-reach, reach);
    grid.quantize(row, params, nullptr, row.data());
    for (int64_t i = 0; i < k; ++i)
      x[(t / lanes * k + i) * lanes + t % lanes] = row[i] * s[i];
  });
  return x;
}

double Judge::exactLoss(ArrayRef<float> s) const {
  std::vector<float> x = roundedSamples(s);
  double loss = 0;
  for (auto [weight, output] : zip(weights, outputs)) {
    std::vector<float> w = roundingError(weight, k, s, options.fit);
    for (auto [value, original] : zip(w, weight.w))
      value += original;
    std::vector<float> difference = output;
    subtractOutputs(x, w, weight.rows, k, difference);
    double sum = 0;
    for (float value : difference)
      sum += double(value) * value;
    loss += weight.share * sum;
  }
  return loss;
}

/// The mean of the squared largest |x / s| of a token. With independent normal
/// channels of deviation sqrt(H_jj), P(all below r) = product of erf(...), and
/// the mean is the integral of 2 r P(some above r) dr.
double Judge::meanSquareReach(ArrayRef<float> s) const {
  std::vector<double> deviations;
  double largest = 0;
  for (int64_t i = 0; i < k; ++i) {
    double deviation = std::sqrt(double(h[i * k + i])) / s[i];
    largest = std::max(largest, deviation);
    if (deviation > 0)
      deviations.push_back(deviation);
  }
  if (largest == 0)
    return 0;
  constexpr int points = 48;
  double step = 6 * largest / points, sum = 0;
  for (int point = 0; point < points; ++point) {
    double r = (point + 0.5) * step, allBelow = 1;
    for (double deviation : deviations)
      if (r < 6 * deviation)
        allBelow *= std::erf(r / (deviation * std::sqrt(2.0)));
    sum += 2 * r * (1 - allBelow) * step;
  }
  return sum;
}

double Judge::modelLoss(ArrayRef<float> s) const {
  double square = options.activation == Activation::Token
                      ? meanSquareReach(s)
                      : double(tensorReach(s)) * tensorReach(s);
  double error = square / (127.0 * 127.0) / 12;
  double loss = 0;
  for (const SampledWeight &weight : weights) {
    std::vector<float> d = roundingError(weight, k, s, options.fit);
    double sum = hessianLoss(d, weight.rows, k, h);
    std::vector<double> columns(k);
    for (size_t i = 0; i < d.size(); ++i)
      columns[i % k] += double(weight.w[i]) * weight.w[i];
    for (int64_t i = 0; i < k; ++i)
      sum += columns[i] * std::min(error * s[i] * s[i], double(h[i * k + i]));
    loss += weight.share * sum;
  }
  return loss;
}

double Judge::lossOf(ArrayRef<float> s) const {
  double loss = tokens ? exactLoss(s) : modelLoss(s);
  return energy > 0 ? loss / energy : loss;
}

static Expected<Judge> makeJudge(ArrayRef<float> actAbsmax, ArrayRef<float> h,
                                 ArrayRef<float> samples,
                                 ArrayRef<SiteWeight> weights,
                                 const SmoothOptions &options) {
  int64_t k = actAbsmax.size();
  assert((k == 0 || samples.size() % k == 0) && "sizes do not match");
  if (Error error = checkFinite(actAbsmax, 1, k))
    return std::move(error);
  if (Error error = checkHessian(h, k))
    return std::move(error);
  if (Error error = checkFinite(samples, k ? samples.size() / k : 0, k))
    return std::move(error);
  Expected<std::vector<SampledWeight>> rows =
      sampleRows(weights, k, options.maxRows);
  if (!rows)
    return rows.takeError();
  return Judge(actAbsmax, h, samples, std::move(*rows), options);
}

Expected<SmoothResult> quantmlir::searchAlpha(ArrayRef<float> actAbsmax,
                                              ArrayRef<float> h,
                                              ArrayRef<float> samples,
                                              ArrayRef<SiteWeight> weights,
                                              const SmoothOptions &options) {
  Expected<Judge> judge = makeJudge(actAbsmax, h, samples, weights, options);
  if (!judge)
    return judge.takeError();
  SmoothResult result;
  result.s.assign(actAbsmax.size(), 1.0f);
  result.loss = result.lossWithout = judge->lossOf(result.s);
  std::vector<float> weightAbsmax = columnAbsmax(weights, actAbsmax.size());
  for (int step = 0; step <= options.steps; ++step) {
    double alpha = double(step) / options.steps;
    std::vector<float> s = smoothFactors(actAbsmax, weightAbsmax, alpha);
    double loss = judge->lossOf(s);
    result.losses.push_back(loss);
    if (loss < result.loss) {
      result.loss = loss;
      result.alpha = alpha;
      result.s = std::move(s);
    }
  }
  return result;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "WeightRounding.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.h"
#include "quant-mlir/Quantize/Awq.h"
#include "quant-mlir/Quantize/Gptq.h"
#include "quant-mlir/Quantize/Hessian.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

/// Codes as `ChosenCodes` has them: unsigned.
static void makeUnsigned(const Grid &grid, std::vector<uint8_t> &codes) {
  if (!grid.hasSignedCodes())
    return;
  uint8_t half = uint8_t(1 << (grid.codeBits() - 1));
  for (uint8_t &code : codes)
    code = uint8_t(code + half) & uint8_t(2 * half - 1);
}

static double relativeError(ArrayRef<float> values, ArrayRef<float> original) {
  double error = 0, size = 0;
  for (auto [value, exact] : llvm::zip_equal(values, original)) {
    error += (double(value) - exact) * (double(value) - exact);
    size += double(exact) * exact;
  }
  return size > 0 ? std::sqrt(error / size) : 0;
}

static llvm::Error readBack(QuantSchemeInterface scheme, int64_t n, int64_t k,
                            RoundedWeight &result) {
  SmallVector<ArrayRef<uint8_t>> parts(result.parts.begin(),
                                       result.parts.end());
  auto values = dequantizeRows(scheme, parts, n, k, 0, n);
  if (!values)
    return values.takeError();
  result.values = std::move(*values);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// GPTQ
//===----------------------------------------------------------------------===//

namespace {
/// Moments of a layer's input; central ones if a bias takes up the mean.
struct InputMoments {
  std::vector<float> hessian;
  std::vector<float> cross, residual; ///< as in ActivationDrift
};
} // namespace

static bool isResidualReader(const LayerInput &input) {
  return input.statistics->drift &&
         input.statistics->drift->residualReader == input.weight;
}

static InputMoments getMoments(const LayerInput &input, bool central) {
  const ActivationStatistics &seen = *input.statistics;
  InputMoments moments{seen.hessian, {}, {}};
  if (central)
    centre(moments.hessian, seen.mean, seen.mean);
  if (!seen.drift)
    return moments;
  const ActivationDrift &drift = *seen.drift;
  moments.cross = drift.cross;
  if (central)
    centre(moments.cross, drift.mean, seen.mean);
  if (!isResidualReader(input))
    return moments;
  moments.residual = drift.residualCross;
  if (central)
    centre(moments.residual, drift.residualMean, seen.mean);
  return moments;
}

/// What the rounded weight leaves to the bias: the mean of
/// W x̂ + r̂ - (Ŵ x + r).
static std::vector<float> getBiasChange(const LayerInput &input,
                                        ArrayRef<float> original,
                                        ArrayRef<float> rounded, int64_t n) {
  const ActivationStatistics &seen = *input.statistics;
  int64_t k = seen.mean.size();
  std::vector<float> change(n);
  for (int64_t row = 0; row < n; ++row) {
    double sum = isResidualReader(input) ? seen.drift->residualMean[row] : 0;
    for (int64_t column = 0; column < k; ++column) {
      double mean = seen.mean[column];
      double exact = mean + (seen.drift ? seen.drift->mean[column] : 0);
      sum +=
          original[row * k + column] * exact - rounded[row * k + column] * mean;
    }
    change[row] = float(sum);
  }
  return change;
}

static FitOptions getFitOptions(const Rounding &rounding) {
  switch (rounding.range) {
  case Rounding::Range::Extremes:
    return FitOptions();
  case Rounding::Range::Percentile:
    return FitOptions::percentile(rounding.percentile / 100);
  case Rounding::Range::MSE:
  case Rounding::Range::Calibrated:
    return FitOptions::leastSquaresSearch();
  }
  llvm_unreachable("unknown range");
}

static llvm::Expected<GridMatrix>
roundByGptq(const Rounding &rounding, const Grid &grid, const FitOptions &fit,
            ArrayRef<GroupParams> shared, MutableArrayRef<float> values,
            int64_t n, int64_t k, const LayerInput &input, bool central,
            std::vector<std::string> &warnings) {
  if (!input.statistics || input.statistics->hessian.empty())
    return llvm::createStringError(
        "GPTQ needs the Hessian of the inputs, which calibration did not "
        "collect");
  InputMoments moments = getMoments(input, central);
  double damping = rounding.damping;
  if (rounding.correction > 0) {
    if (moments.cross.empty())
      return llvm::createStringError(
          "correction needs to know what earlier layers have done to the "
          "input: calibrate with tokens");
    // Few tokens for each weight of a row: what they say is partly chance.
    damping = std::max(damping, double(k) / double(input.statistics->tokens));
    if (llvm::Error error =
            correctForDrift(values, n, k, moments.hessian, moments.cross,
                            moments.residual, damping, rounding.correction))
      return std::move(error);
  }
  GptqOptions options;
  options.order = rounding.actOrder ? GptqOptions::Order::Activation
                                    : GptqOptions::Order::Natural;
  options.fit = fit;
  options.importance = rounding.range == Rounding::Range::Calibrated
                           ? GptqOptions::Importance::Hessian
                           : GptqOptions::Importance::None;
  options.params = shared;
  options.damping = damping;
  options.tokens = input.statistics->tokens;
  auto done = gptq(values, n, k, moments.hessian, grid, options);
  if (!done)
    return done.takeError();
  warnings = std::move(done->warnings);
  return std::move(done->matrix);
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

llvm::Expected<RoundedWeight>
quantmlir::qt::roundWeight(QuantSchemeInterface scheme,
                           const Rounding &rounding, std::vector<float> values,
                           int64_t n, int64_t k, const LayerInput &input) {
  RoundedWeight result;
  result.parts.resize(scheme.getStorageParts({n, k}).size());
  bool plain = rounding.method == Rounding::Method::Nearest &&
               rounding.range == Rounding::Range::Extremes;
  std::unique_ptr<Grid> grid = plain ? nullptr : scheme.makeGrid(k);
  if (!plain && !grid)
    return llvm::createStringError(
        std::errc::not_supported,
        "%s knows no other rounding than to nearest within the extremes",
        debugString(Attribute(scheme)).c_str());

  bool correctsBias = rounding.method == Rounding::Method::GPTQ &&
                      rounding.biasCorrection && input.hasBias &&
                      input.statistics && !input.statistics->mean.empty();
  std::vector<float> original = values;
  if (plain) {
    auto weighed = dyn_cast<WeighedSchemeInterface>(scheme);
    if (llvm::Error error =
            weighed ? weighed.quantizeWeighed(values, n, k, input.importance,
                                              result.parts)
                    : scheme.quantizeMatrix(values, n, k, result.parts))
      return std::move(error);
  } else {
    FitOptions fit = getFitOptions(rounding);
    GridMatrix matrix;
    std::vector<GroupParams> shared;
    if (int64_t rows = scheme.getRowsPerScale(n); rows > 1) {
      auto params = fitGroups(values, n, k, *grid, fit, input.importance, rows);
      if (!params)
        return params.takeError();
      shared = std::move(*params);
    }
    if (rounding.method == Rounding::Method::GPTQ) {
      auto done = roundByGptq(rounding, *grid, fit, shared, values, n, k, input,
                              correctsBias, result.warnings);
      if (!done)
        return done.takeError();
      matrix = std::move(*done);
    } else {
      if (shared.empty()) {
        // What GPTQ makes up for, the range has to weigh here: how errors
        // within a group add up.
        bool clips = rounding.range == Rounding::Range::Calibrated &&
                     input.statistics && !input.statistics->hessian.empty();
        auto params =
            clips ? searchClip(values, n, k, input.statistics->hessian, *grid)
                  : fitGroups(values, n, k, *grid, fit, input.importance);
        if (!params)
          return params.takeError();
        shared = std::move(*params);
      }
      matrix = roundToGrid(values, n, k, *grid, shared);
    }
    makeUnsigned(*grid, matrix.codes);
    ChosenCodes chosen{matrix.codes, matrix.scales, matrix.zeros};
    if (llvm::Error error = scheme.storeCodes(chosen, n, k, result.parts))
      return std::move(error);
  }
  if (llvm::Error error = readBack(scheme, n, k, result))
    return std::move(error);
  if (correctsBias)
    result.biasChange = getBiasChange(input, original, result.values, n);
  result.error = relativeError(result.values, original);
  return result;
}

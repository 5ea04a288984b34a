// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A few activation channels of a language model are a hundred times louder than
// the rest and use up all eight bits. The weights behind them are calm, so we
// trade: divide the loud channel, multiply its weight column.

#include "quant-mlir/Quantize/Smooth.h"
#include "Smoothing.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Quantize/Hessian.h"
#include <cmath>

namespace quantmlir::qt {
#define GEN_PASS_DEF_SMOOTHPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

struct SmoothPass : qt::impl::SmoothPassBase<SmoothPass> {
  using SmoothPassBase::SmoothPassBase;
  SmoothPass(const SmoothPassOptions &options,
             std::shared_ptr<CalibrationProvider> provider)
      : SmoothPassBase(options), provider(std::move(provider)) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    SmoothPassBase::getDependentDialects(registry);
    if (provider)
      provider->getDependentDialects(registry);
  }

  void runOnOperation() override;

private:
  llvm::Expected<std::vector<float>> choose(const ActivationStatistics &seen,
                                            const SiteGrids &grids);

  std::shared_ptr<CalibrationProvider> provider;
  Smoothing::Measure kind = Smoothing::Measure::Both;
};

} // namespace

llvm::Expected<std::vector<float>>
SmoothPass::choose(const ActivationStatistics &seen, const SiteGrids &grids) {
  int64_t k = grids.channels;
  std::vector<float> reach;
  for (int64_t channel = 0; channel < k; ++channel)
    reach.push_back(seen.absMax(channel));
  if (kind != Smoothing::Measure::Max) {
    for (auto [size, square] :
         llvm::zip_equal(reach, getDiagonal(seen.hessian, k))) {
      float rms = std::sqrt(square);
      size = kind == Smoothing::Measure::RMS ? rms : std::sqrt(rms * size);
    }
    return smoothFactors(reach, columnRms(grids.weights, k), strength);
  }
  if (strength >= 0)
    return smoothFactors(reach, columnAbsmax(grids.weights, k), strength);

  SmoothOptions options;
  if (StringRef(grids.activations).contains("tensor"))
    options.activation = SmoothOptions::Activation::Tensor;
  // Some hundred rows of each weight tell which strength is best.
  options.maxRows = 256;
  llvm::Expected<SmoothResult> found =
      searchAlpha(reach, seen.hessian, /*samples=*/{}, grids.weights, options);
  if (!found)
    return found.takeError();
  if (!found->alpha)
    return std::vector<float>();
  return std::move(found->s);
}

void SmoothPass::runOnOperation() {
  if (auto parsed = parseMeasure(measure)) {
    kind = *parsed;
  } else {
    emitError(getOperation().getLoc(), "measure '")
        << measure << "' is none of both, rms, max";
    return signalPassFailure();
  }
  if (strength < 0 && kind != Smoothing::Measure::Max) {
    emitError(getOperation().getLoc(),
              "a strength is searched by measure=max only");
    return signalPassFailure();
  }
  SmoothingRequest request{getArgument(), recipe,   calibration,
                           weightsOut,    multiply, StatisticsContent::none()};
  request.content.range = true;
  request.content.hessian = strength < 0 || kind != Smoothing::Measure::Max;
  FailureOr<SmoothingCounts> counts = smoothActivations(
      getOperation(), request, provider,
      [&](const ActivationStatistics &seen, const SiteGrids &grids) {
        return choose(seen, grids);
      });
  if (failed(counts))
    return signalPassFailure();
  numSmoothed += counts->scaled;
  numDeclined += counts->declined;
}

std::unique_ptr<Pass>
quantmlir::qt::createSmoothPass(const SmoothPassOptions &options,
                                std::shared_ptr<CalibrationProvider> provider) {
  return std::make_unique<SmoothPass>(options, std::move(provider));
}

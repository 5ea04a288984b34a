// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rounded weight costs is its error times its input. Few channels carry
// most of the input; their columns are multiplied, so that they are rounded
// with a finer step than the rest of their group would ask for.

#include "Smoothing.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_AWQPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

struct AWQPass : qt::impl::AWQPassBase<AWQPass> {
  using AWQPassBase::AWQPassBase;
  AWQPass(const AWQPassOptions &options,
          std::shared_ptr<CalibrationProvider> provider)
      : AWQPassBase(options), provider(std::move(provider)) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    AWQPassBase::getDependentDialects(registry);
    if (provider)
      provider->getDependentDialects(registry);
  }

  void runOnOperation() override;

private:
  std::shared_ptr<CalibrationProvider> provider;
};

} // namespace

static llvm::Expected<std::vector<float>> choose(SmoothingInput &input,
                                                 RecipeSchemes &rules) {
  SiteGrids grids(input, rules);
  if (grids.weights.empty())
    return std::vector<float>();
  AwqOptions options;
  options.maxRows = 256;
  llvm::Expected<AwqResult> found =
      searchAwqScales(input.statistics.meanAbs, input.statistics.hessian,
                      grids.weights, options);
  if (!found)
    return found.takeError();
  if (found->ratio == 0)
    return std::vector<float>();
  return std::move(found->s);
}

void AWQPass::runOnOperation() {
  if (!calibration.empty())
    provider = makeFileCalibration(calibration);
  if (!provider) {
    emitError(getOperation().getLoc(),
              "qt-awq needs statistics of activations: calibration=FILE");
    return signalPassFailure();
  }
  RecipeSchemes rules;
  if (failed(rules.load(getOperation(), recipe)))
    return signalPassFailure();
  StatisticsContent content = StatisticsContent::none();
  content.meanAbs = content.hessian = true;
  auto statistics = provider->create(getOperation(), content);
  if (!statistics) {
    emitError(getOperation().getLoc(), llvm::toString(statistics.takeError()));
    return signalPassFailure();
  }
  FailureOr<SmoothingCounts> counts = smoothActivations(
      getOperation(), **statistics, weightsOut, /*multiply=*/false,
      [&](SmoothingInput &input) { return choose(input, rules); });
  if (failed(counts))
    return signalPassFailure();
  numScaled += counts->scaled;
  numDeclined += counts->declined;
}

std::unique_ptr<Pass>
quantmlir::qt::createAWQPass(const AWQPassOptions &options,
                             std::shared_ptr<CalibrationProvider> provider) {
  return std::make_unique<AWQPass>(options, std::move(provider));
}

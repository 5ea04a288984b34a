// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rounded weight costs is its error times its input. Few channels carry
// most of the input; their columns are multiplied, so that they are rounded
// with a finer step than the rest of their group would ask for.

#include "Smoothing.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
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

static llvm::Expected<std::vector<float>>
choose(const ActivationStatistics &seen, const SiteGrids &grids) {
  AwqOptions options;
  options.maxRows = 256;
  llvm::Expected<AwqResult> found =
      searchAwqScales(seen.meanAbs, seen.hessian, grids.weights, options);
  if (!found)
    return found.takeError();
  if (found->ratio == 0)
    return std::vector<float>();
  return std::move(found->s);
}

void AWQPass::runOnOperation() {
  SmoothingRequest request{getArgument(), recipe,   calibration,
                           weightsOut,    multiply, StatisticsContent::none()};
  request.content.meanAbs = request.content.hessian = true;
  FailureOr<SmoothingCounts> counts =
      smoothActivations(getOperation(), request, provider, choose);
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

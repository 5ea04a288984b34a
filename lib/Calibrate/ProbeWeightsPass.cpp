// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Calibrate/Passes.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"

namespace quantmlir {
#define GEN_PASS_DEF_PROBEWEIGHTSPASS
#include "quant-mlir/Calibrate/Passes.h.inc"
} // namespace quantmlir

using namespace mlir;
using namespace quantmlir;

namespace {

struct ProbeWeightsPass
    : quantmlir::impl::ProbeWeightsPassBase<ProbeWeightsPass> {
  using ProbeWeightsPassBase::ProbeWeightsPassBase;

  /// The copy of the module goes through the pack and codegen stages.
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<qt::QTDialect>();
    StagedModel::getDependentDialects(registry);
  }

  void runOnOperation() override {
    if (llvm::Error error = run()) {
      getOperation().emitError(llvm::toString(std::move(error)));
      return signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

private:
  llvm::Error run() {
    if (tokens.empty() || out.empty())
      return llvm::createStringError(
          "qt-probe-weights needs tokens=FILE.npy and out=FILE.json");
    auto texts = readWindows(tokens, {windows, windowLength});
    if (!texts)
      return texts.takeError();
    StagedModelOptions options;
    options.target = target;
    options.threads = threads;
    options.windowLength = longest(*texts);
    ProgressLine progress("probing weights");
    return probeWeights(
        getOperation(), *texts, options,
        scheme.empty() ? StringRef(probeScheme) : StringRef(scheme),
        source.empty() ? tokens : source, out,
        [&](int64_t done, int64_t total) { progress(done, total); });
  }
};

} // namespace

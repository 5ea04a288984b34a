// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Calibrate/Passes.h"

namespace quantmlir {
#define GEN_PASS_DEF_CALIBRATEPASS
#include "quant-mlir/Calibrate/Passes.h.inc"
} // namespace quantmlir

using namespace mlir;
using namespace quantmlir;

namespace {

struct CalibratePass : quantmlir::impl::CalibratePassBase<CalibratePass> {
  using CalibratePassBase::CalibratePassBase;

  /// The copy of the module goes through the pack and codegen stages.
  void getDependentDialects(DialectRegistry &registry) const override {
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
          "qt-calibrate needs tokens=FILE.npy and out=FILE.safetensors");
    llvm::Expected<StatisticsContent> content = parseStatisticsContent(
        std::vector<std::string>(collect.begin(), collect.end()));
    if (!content)
      return content.takeError();
    auto texts = readWindows(tokens, {windows, windowLength});
    if (!texts)
      return texts.takeError();
    StagedModelOptions options;
    options.target = target;
    options.threads = threads;
    options.windowLength = longest(*texts);
    options.statistics = *content;
    ProgressLine progress("calibrating");
    return calibrate(
        getOperation(), *texts, options, source.empty() ? tokens : source, out,
        [&](int64_t done, int64_t total) { progress(done, total); });
  }
};

} // namespace

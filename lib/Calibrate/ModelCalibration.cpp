// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/ModelCalibration.h"

using namespace mlir;
using namespace quantmlir;

namespace {

class ModelCalibration final : public qt::Calibration {
public:
  ModelCalibration(std::unique_ptr<StagedModel> model,
                   std::vector<Window> windows)
      : model(std::move(model)), windows(std::move(windows)) {}

  llvm::Error run(AfterSite afterSite) override {
    ProgressLine progress("calibrating");
    return model->run(
        windows,
        [&](size_t, ActivationStatistics &site) { return afterSite(site); },
        nullptr, [&](int64_t done, int64_t total) { progress(done, total); });
  }

  llvm::Error replaceWeight(StringRef name,
                            std::vector<float> values) override {
    return model->replaceWeight(name, std::move(values));
  }

private:
  std::unique_ptr<StagedModel> model;
  std::vector<Window> windows;
};

class ModelCalibrationProvider final : public qt::CalibrationProvider {
public:
  ModelCalibrationProvider(std::string tokens, const WindowOptions &windows)
      : tokens(std::move(tokens)), windows(windows) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    StagedModel::getDependentDialects(registry);
  }

  llvm::Expected<std::unique_ptr<qt::Calibration>>
  create(ModuleOp module, const StatisticsContent &content) const override {
    auto texts = readWindows(tokens, windows);
    if (!texts)
      return texts.takeError();
    StagedModelOptions options;
    options.windowLength = longest(*texts);
    options.statistics = content;
    auto model = StagedModel::create(module, options);
    if (!model)
      return model.takeError();
    return std::make_unique<ModelCalibration>(std::move(*model),
                                              std::move(*texts));
  }

private:
  std::string tokens;
  WindowOptions windows;
};

} // namespace

std::shared_ptr<qt::CalibrationProvider>
quantmlir::makeModelCalibration(std::string tokens,
                                const WindowOptions &windows) {
  return std::make_shared<ModelCalibrationProvider>(std::move(tokens), windows);
}

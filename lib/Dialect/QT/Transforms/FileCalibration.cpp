// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaling.h"
#include "quant-mlir/Dialect/QT/Transforms/Calibration.h"
#include "quant-mlir/Import/Fingerprint.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

class FileCalibration final : public Calibration {
public:
  FileCalibration(ModuleOp module, std::unique_ptr<StatisticsFile> file,
                  bool withHessian)
      : module(module), file(std::move(file)), withHessian(withHessian) {}

  llvm::Error run(AfterSite afterSite) override {
    for (const SiteInfo &site : file->sites()) {
      auto statistics = file->read(site, withHessian);
      if (!statistics)
        return statistics.takeError();
      if (llvm::Error error = applySmoothing(*statistics))
        return error;
      if (llvm::Error error = afterSite(*statistics))
        return error;
    }
    return llvm::Error::success();
  }

  llvm::Error replaceWeight(StringRef, std::vector<float>) override {
    return llvm::Error::success();
  }

private:
  llvm::Error applySmoothing(ActivationStatistics &site);

  ModuleOp module;
  std::unique_ptr<StatisticsFile> file;
  bool withHessian;
  WeightSource source;
};

class FileCalibrationProvider final : public CalibrationProvider {
public:
  explicit FileCalibrationProvider(std::string path) : path(std::move(path)) {}

  llvm::Expected<std::unique_ptr<Calibration>>
  create(ModuleOp module, const StatisticsContent &wanted) const override {
    auto file = StatisticsFile::open(path);
    if (!file)
      return file.takeError();
    llvm::Expected<std::string> fingerprint = fingerprintModel(module);
    if (!fingerprint)
      return fingerprint.takeError();
    if (llvm::Error error = (*file)->checkModel(*fingerprint))
      return std::move(error);
    if (wanted.drift)
      return fileError(path, "has no statistics of the model while it is "
                             "quantized, which are needed: calibrate with "
                             "tokens");
    const StatisticsContent &has = (*file)->content();
    for (auto [needed, there, what] :
         {std::tuple(wanted.range, has.range, "ranges"),
          std::tuple(wanted.mean, has.mean, "means"),
          std::tuple(wanted.meanAbs, has.meanAbs, "mean magnitudes"),
          std::tuple(wanted.hessian, has.hessian, "Hessians"),
          std::tuple(wanted.histogram, has.histogram, "histograms")})
      if (needed && !there)
        return fileError(path, llvm::Twine("has no ") + what +
                                   " of the activations, which are needed");
    return std::make_unique<FileCalibration>(module, std::move(*file),
                                             wanted.hessian);
  }

private:
  std::string path;
};

} // namespace

/// Divides by what `qt-smooth` or `qt-awq` have left beside the weights.
llvm::Error FileCalibration::applySmoothing(ActivationStatistics &site) {
  auto weight = module.lookupSymbol<WeightOp>(site.readers.front());
  if (!weight)
    return llvm::Error::success();
  auto factors =
      source.readVector(weight.getFile(), site.site + smoothingSuffix.str());
  if (!factors)
    return factors.takeError();
  if (factors->empty())
    return llvm::Error::success();
  size_t k = factors->size();
  std::vector<float> inverse;
  for (float factor : *factors)
    inverse.push_back(1.0f / factor);
  for (std::vector<float> *vector :
       {&site.min, &site.max, &site.mean, &site.meanAbs})
    for (size_t i = 0; i < vector->size() && i < k; ++i)
      (*vector)[i] *= inverse[i];
  if (site.hessian.size() == k * k)
    for (size_t i = 0; i < k; ++i)
      for (size_t j = 0; j < k; ++j)
        site.hessian[i * k + j] *= inverse[i] * inverse[j];
  // Bins of magnitudes cannot follow factors of single channels.
  site.histogram.clear();
  return llvm::Error::success();
}

std::shared_ptr<CalibrationProvider>
quantmlir::qt::makeFileCalibration(std::string path) {
  return std::make_shared<FileCalibrationProvider>(std::move(path));
}

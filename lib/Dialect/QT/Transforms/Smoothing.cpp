// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Smoothing.h"
#include "quant-mlir/Import/Fingerprint.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

void quantmlir::qt::tieFactors(const ChannelFold &fold,
                               MutableArrayRef<float> factors) {
  llvm::DenseMap<int64_t, std::pair<double, int64_t>> sums;
  for (auto [channel, factor] : llvm::zip_equal(fold.source, factors)) {
    auto &[sum, count] = sums[channel];
    sum += std::log(factor);
    ++count;
  }
  for (auto [channel, factor] : llvm::zip_equal(fold.source, factors)) {
    auto [sum, count] = sums[channel];
    // One alone stays as it is, to the last bit.
    if (count > 1)
      factor = float(std::exp(sum / double(count)));
  }
}

SiteGrids::SiteGrids(ActivationSite &site, ArrayRef<std::vector<float>> values,
                     RecipeSchemes &rules)
    : channels(site.getChannels()) {
  for (auto [readers, weight, numbers] :
       llvm::zip_equal(site.weightReaders, site.weights, values)) {
    const RecipeRule &rule = rules.getRule(readers, weight.getSymName());
    QuantSchemeInterface scheme = rule.weights.text == "keep"
                                      ? QuantSchemeInterface()
                                      : rules.parse(rule.weights);
    std::unique_ptr<Grid> grid = scheme ? scheme.makeGrid(channels) : nullptr;
    if (!grid) {
      weights.clear();
      return;
    }
    if (activations.empty())
      activations = rule.activations.text;
    weights.push_back(
        {numbers, int64_t(numbers.size()) / channels, grid.get()});
    grids.push_back(std::move(grid));
  }
}

static llvm::Error checkFactors(StringRef site, ArrayRef<float> factors,
                                int64_t channels) {
  if (int64_t(factors.size()) != channels)
    return llvm::createStringError("factors of '" + site + "' are " +
                                   llvm::Twine(factors.size()) + ", not " +
                                   llvm::Twine(channels));
  for (auto [channel, factor] : llvm::enumerate(factors))
    if (!(factor > 0) || !std::isfinite(factor))
      return llvm::createStringError("the factor of channel " +
                                     llvm::Twine(channel) + " of '" + site +
                                     "' is not a positive number");
  return llvm::Error::success();
}

FailureOr<SmoothingCounts> quantmlir::qt::smoothActivations(
    ModuleOp module, const SmoothingRequest &request,
    std::shared_ptr<CalibrationProvider> provider, ChooseFactors choose) {
  if (!request.calibration.empty())
    provider = makeFileCalibration(request.calibration);
  if (!provider)
    return emitError(module.getLoc(), request.pass)
           << " needs statistics of activations: calibration=FILE";
  RecipeSchemes rules;
  if (failed(rules.load(module, request.recipe)))
    return failure();
  auto calibration = provider->create(module, request.content);
  if (!calibration)
    return emitError(module.getLoc(), llvm::toString(calibration.takeError()));

  SmallVector<ActivationSite> sites = findActivationSites(module);
  llvm::StringMap<ActivationSite *> byName;
  for (ActivationSite &site : sites)
    byName.try_emplace(site.name, &site);

  SmoothingCounts counts;
  ChannelScaler scaler(module);
  auto smooth = [&](ActivationStatistics &statistics) -> llvm::Error {
    ActivationSite *site = byName.lookup(statistics.site);
    if (!site)
      return llvm::Error::success();
    auto decline = [&](const llvm::Twine &why) {
      ++counts.declined;
      emitRemark(site->activation.getLoc(), "the input of '")
          << site->name << "' is not smoothed: " << why;
      return llvm::Error::success();
    };
    std::string why;
    FailureOr<ChannelFold> fold = findChannelFold(*site, request.multiply, why);
    if (failed(fold))
      return decline(why);
    std::vector<std::vector<float>> weights;
    for (WeightOp weight : site->weights) {
      llvm::Expected<std::vector<float>> values = scaler.read(weight);
      if (!values)
        return values.takeError();
      weights.push_back(std::move(*values));
    }
    SiteGrids grids(*site, weights, rules);
    if (grids.weights.empty())
      return llvm::Error::success();
    if (WeightOp shared = site->findSharedWeight())
      return decline("'" + shared.getSymName() + "' has other readers");
    llvm::Expected<std::vector<float>> factors = choose(statistics, grids);
    if (!factors)
      return factors.takeError();
    if (factors->empty())
      return llvm::Error::success();
    if (llvm::Error error =
            checkFactors(site->name, *factors, site->getChannels()))
      return error;
    tieFactors(*fold, *factors);
    scaler.scale(*site, *fold, *factors);
    ++counts.scaled;
    return llvm::Error::success();
  };

  // Before any number changes.
  llvm::Expected<std::string> fingerprint = fingerprintModel(module);
  llvm::Error error =
      fingerprint ? (*calibration)->run(smooth) : fingerprint.takeError();
  if (error)
    return emitError(module.getLoc(), llvm::toString(std::move(error)));
  if (scaler.empty())
    return counts;
  if (failed(scaler.write(request.weightsOut)))
    return failure();
  module->setAttr(QTDialect::fingerprintAttrName,
                  StringAttr::get(module.getContext(), *fingerprint));
  return counts;
}

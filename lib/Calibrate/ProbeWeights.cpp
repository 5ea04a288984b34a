// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An error of 1 % in a layer's result may be nothing to the model, or ruin it.
// So each weight by itself is rounded coarsely, and the model's output says
// what that does. Coarsely, because a small effect would drown in noise, and
// because it suffices: a divergence grows with the square of the error, so what
// a finer format does can be worked out.

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Calibrate/OutputDifference.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Dialect/QT/IR/ParseScheme.h"
#include "quant-mlir/Import/Fingerprint.h"
#include "quant-mlir/Quantize/WeightEffects.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantmlir;

/// Matrices that are multiplied, each once. Tables, which are looked up, too,
/// are not rounded with the linears.
static std::vector<std::string> findWeights(ModuleOp module,
                                            const StagedModel &model) {
  llvm::StringSet<> known;
  module.walk([&](qt::QuantizableOpInterface op) {
    if (op.getActivationOperand())
      return;
    Operation *source = op.getWeightOperand().get().getDefiningOp();
    if (auto dequantize = dyn_cast_or_null<qt::DequantizeOp>(source))
      source = dequantize.getInput().getDefiningOp();
    if (auto load = dyn_cast_or_null<qt::LoadOp>(source))
      known.insert(load.getWeight());
  });
  std::vector<std::string> weights;
  for (const SiteInfo &site : model.sites())
    for (const std::string &reader : site.readers)
      if (known.insert(reader).second)
        weights.push_back(reader);
  return weights;
}

static llvm::Expected<std::vector<float>>
roundToNearest(qt::QuantSchemeInterface scheme, qt::WeightOp weight,
               std::vector<float> values) {
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  if (!type)
    type = cast<qt::QuantTensorType>(weight.getType()).getLogicalType();
  int64_t k = type.getShape().back(), n = type.getNumElements() / k;
  std::vector<std::vector<uint8_t>> parts(
      scheme.getStorageParts({n, k}).size());
  if (llvm::Error error = scheme.quantizeMatrix(values, n, k, parts))
    return std::move(error);
  SmallVector<ArrayRef<uint8_t>> stored(parts.begin(), parts.end());
  return qt::dequantizeRows(scheme, stored, n, k, 0, n);
}

/// Of each weight, in their order.
static llvm::Expected<std::vector<double>>
measureEffects(ModuleOp module, StagedModel &model,
               qt::QuantSchemeInterface scheme, ArrayRef<Window> texts,
               ArrayRef<std::string> weights, StagedModel::Progress progress) {
  auto size =
      module->getAttrOfType<IntegerAttr>(lm::LMDialect::vocabSizeAttrName);
  std::vector<std::optional<OutputDifference>> exact(texts.size());
  std::vector<double> effects(weights.size());
  if (llvm::Error error = model.runVariants(
          texts, weights,
          [&](StringRef weight, std::vector<float> values) {
            return roundToNearest(scheme,
                                  module.lookupSymbol<qt::WeightOp>(weight),
                                  std::move(values));
          },
          [&](std::optional<size_t> variant, size_t text,
              ArrayRef<float> values, int64_t columns) {
            bool isLogits = size && columns == size.getInt();
            if (variant)
              effects[*variant] += exact[text]->measure(values);
            else if (!exact[text])
              exact[text].emplace(isLogits ? OutputDifference::Kind::Divergence
                                           : OutputDifference::Kind::Error,
                                  values, columns);
            return llvm::Error::success();
          },
          progress))
    return std::move(error);
  double whole = 0;
  for (const std::optional<OutputDifference> &of : exact)
    whole += of ? of->whole() : 0;
  for (auto [weight, effect] : llvm::zip_equal(weights, effects)) {
    effect /= whole;
    if (!std::isfinite(effect))
      return llvm::createStringError("with weight '" + weight +
                                     "' rounded the output is not finite");
    // Sums are off by their last bits, and a divergence is not negative.
    effect = std::max(0.0, effect);
  }
  return effects;
}

llvm::Error quantmlir::probeWeights(ModuleOp module, ArrayRef<Window> windows,
                                    const StagedModelOptions &options,
                                    StringRef scheme, StringRef source,
                                    StringRef output,
                                    StagedModel::Progress progress) {
  auto parsed = qt::parseScheme(scheme, module.getContext());
  if (!parsed)
    return llvm::createStringError("'" + scheme + "' is not a scheme");
  llvm::Expected<std::string> fingerprint = fingerprintModel(module);
  if (!fingerprint)
    return fingerprint.takeError();
  StagedModelOptions plain = options;
  plain.statistics = StatisticsContent::none();
  auto model = StagedModel::create(module, plain);
  if (!model)
    return model.takeError();
  std::vector<std::string> weights = findWeights(module, **model);
  auto effects =
      measureEffects(module, **model, parsed, windows, weights, progress);
  if (!effects)
    return effects.takeError();
  WeightEffects file{*fingerprint, source.str(), scheme.str(), {}};
  for (auto [weight, effect] : llvm::zip_equal(weights, *effects))
    file.effects[weight] = effect;
  return file.write(output);
}

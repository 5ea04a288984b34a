// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Some layers hardly notice three bits, others miss the fifth. Every weight is
// rounded to every candidate, the change of its results is read off the
// Hessian, and the bits go where they buy most.

#include "ChannelScaling.h"
#include "RecipeSchemes.h"
#include "quant-mlir/Dialect/QT/Transforms/Calibration.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Quantize/BitAllocation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_ALLOCATEBITSPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

/// A weight and what each recipe would make of it.
struct Layer {
  std::string name;
  int64_t values;
  std::vector<BitCandidate> candidates;
};

struct AllocateBitsPass : qt::impl::AllocateBitsPassBase<AllocateBitsPass> {
  using AllocateBitsPassBase::AllocateBitsPassBase;

  void runOnOperation() override {
    if (llvm::Error error = run()) {
      emitError(getOperation().getLoc(), llvm::toString(std::move(error)));
      return signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

private:
  llvm::Error run();
  llvm::Error measure(ActivationSite &site, ActivationStatistics &statistics);
  llvm::Error write(ArrayRef<unsigned> chosen, double bits, double loss);

  std::vector<RecipeSchemes> choices;
  std::vector<Layer> layers;
  llvm::StringSet<> seen;
  WeightSource source;
};

} // namespace

/// Every weight of a site on every grid.
llvm::Error AllocateBitsPass::measure(ActivationSite &site,
                                      ActivationStatistics &statistics) {
  for (auto [reader, weight] : llvm::zip_equal(site.readers, site.weights)) {
    bool kept = llvm::all_of(choices, [&, weight = weight, reader = reader](
                                          RecipeSchemes &choice) mutable {
      return choice.getRule(reader, weight.getSymName()).weights.text == "keep";
    });
    if (kept || !seen.insert(weight.getSymName()).second)
      continue;
    RankedTensorType type = getLogicalType(weight);
    int64_t n = type.getDimSize(0), k = type.getDimSize(1);
    llvm::Expected<std::vector<float>> values = readFloats(weight, source);
    if (!values)
      return values.takeError();
    Layer layer{weight.getSymName().str(), n * k, {}};
    for (RecipeSchemes &choice : choices) {
      const RecipeRule &rule = choice.getRule(reader, weight.getSymName());
      QuantSchemeInterface scheme = rule.weights.text == "keep"
                                        ? QuantSchemeInterface()
                                        : choice.parse(rule.weights);
      std::unique_ptr<Grid> grid = scheme ? scheme.makeGrid(k) : nullptr;
      if (!grid || scheme.sharesScales())
        return llvm::createStringError(
            "recipe '" + choice.getRecipe().name +
            "' cannot be a candidate: it has no grid for weight '" +
            layer.name + "'");
      auto cost = measureSensitivity(
          *values, n, k, statistics.hessian, *grid, std::nullopt,
          rule.rounding.range == Rounding::Range::Extremes
              ? FitOptions()
              : FitOptions::leastSquaresSearch());
      if (!cost)
        return tensorError(weight.getFile(), weight.getTensorName(),
                           llvm::toString(cost.takeError()));
      double bits = getBitsPerValue(scheme, {n, k}) * double(n * k);
      layer.candidates.push_back({bits, cost->relative * double(n * k)});
    }
    layers.push_back(std::move(layer));
  }
  return llvm::Error::success();
}

static std::string roundingText(const Rounding &rounding) {
  using Range = Rounding::Range;
  return llvm::formatv("{{method: {0}, range: {1}}",
                       rounding.method == Rounding::Method::GPTQ ? "gptq"
                                                                 : "nearest",
                       rounding.range == Range::Extremes ? "extremes"
                       : rounding.range == Range::MSE    ? "mse"
                                                         : "calibrated")
      .str();
}

/// An ordinary recipe: a group for every choice that some layer got.
llvm::Error AllocateBitsPass::write(ArrayRef<unsigned> chosen, double bits,
                                    double loss) {
  return llvm::writeToOutput(out, [&](llvm::raw_ostream &os) {
    os << llvm::formatv("# Made by qt-allocate-bits: {0:f3} bits per weight of "
                        "{1:f3}, predicted relative error {2:f5}.\n",
                        bits, double(budget), loss)
       << "config_groups:\n";
    for (auto [index, choice] : llvm::enumerate(choices)) {
      if (!llvm::is_contained(chosen, index))
        continue;
      const RecipeRule &rule = choice.getRecipe().rules.front();
      os << "  " << choice.getRecipe().name << ":\n    targets:\n";
      for (auto [layer, choiceOfLayer] : llvm::zip_equal(layers, chosen))
        if (choiceOfLayer == index)
          os << "      - \"" << layer.name << "\"\n";
      os << "    weights: \"" << rule.weights.text
         << "\"\n    rounding: " << roundingText(rule.rounding) << "\n";
    }
    return llvm::Error::success();
  });
}

llvm::Error AllocateBitsPass::run() {
  choices.clear();
  layers.clear();
  seen.clear();
  if (calibration.empty() || out.empty() || budget <= 0)
    return llvm::createStringError(
        "qt-allocate-bits needs calibration=FILE, out=FILE and a budget");
  for (const std::string &name : recipes) {
    RecipeSchemes choice;
    llvm::Expected<Recipe> loaded = Recipe::load(name);
    if (!loaded)
      return loaded.takeError();
    if (loaded->rules.size() != 1 || failed(choice.load(getOperation(), name)))
      return llvm::createStringError("recipe '" + name +
                                     "' cannot be a candidate: it has not one "
                                     "rule for all layers");
    choices.push_back(std::move(choice));
  }
  StatisticsContent content = {false, false, true, false};
  auto statistics =
      makeFileCalibration(calibration)->create(getOperation(), content);
  if (!statistics)
    return statistics.takeError();
  SmallVector<ActivationSite> sites = findActivationSites(getOperation());
  llvm::StringMap<ActivationSite *> byName;
  for (ActivationSite &site : sites)
    byName.try_emplace(site.getName(), &site);
  if (llvm::Error error = (*statistics)->run([&](ActivationStatistics &known) {
        ActivationSite *site = byName.lookup(known.site);
        return site ? measure(*site, known) : llvm::Error::success();
      }))
    return error;
  if (layers.empty())
    return llvm::createStringError("no layer to choose a format for");

  double values = 0, least = 0;
  std::vector<std::vector<BitCandidate>> candidates;
  for (const Layer &layer : layers) {
    values += double(layer.values);
    auto smaller = [](const BitCandidate &a, const BitCandidate &b) {
      return a.bits < b.bits;
    };
    least += llvm::min_element(layer.candidates, smaller)->bits;
    candidates.push_back(layer.candidates);
  }
  if (least > budget * values)
    return llvm::createStringError(llvm::formatv(
        "a budget of {0:f2} bits per weight is too small: the smallest "
        "candidates take {1:f2}",
        double(budget), least / values));
  auto chosen = allocateBits(candidates, budget * values);
  if (!chosen)
    return chosen.takeError();
  double bits = 0, loss = 0;
  for (auto [layer, index] : llvm::zip_equal(layers, *chosen)) {
    bits += layer.candidates[index].bits;
    loss += layer.candidates[index].loss;
  }
  return write(*chosen, bits / values, loss / values);
}

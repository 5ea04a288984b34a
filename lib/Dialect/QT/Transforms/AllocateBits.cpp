// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bits go where they help most. Each linear is rounded as each of some recipes
// would round it, the error of its result is noted, and the choice within the
// budget with the least sum of errors becomes a recipe.
//
// Errors are shares: |(Q - W) x|² over |W x|², on average over the calibration
// text. Shares compare between layers whose results are large and small. (A
// norm behind a layer, or the ones that it is added to, undoes its size.) But a
// model forgives errors in some layers and not in others. If it was measured
// what each weight does to the output (--qt-probe-weights), shares become what
// they would do:
//
//   loss = effect · share / share of the rounding that had this effect

#include "ChannelScaling.h"
#include "PrintRecipe.h"
#include "RecipeSchemes.h"
#include "WeightRounding.h"
#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/QT/IR/ParseScheme.h"
#include "quant-mlir/Dialect/QT/Transforms/Calibration.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Import/Fingerprint.h"
#include "quant-mlir/Quantize/BitAllocation.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "quant-mlir/Quantize/WeightEffects.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <map>

namespace quantmlir::qt {
#define GEN_PASS_DEF_ALLOCATEBITSPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

/// What a recipe makes of a weight, and what that costs.
struct Candidate {
  const RecipeRule *rule;
  QuantSchemeInterface scheme; ///< null: the weight is kept
  size_t recipe;
  BitCandidate cost;
};

struct Layer {
  WeightOp weight;
  SmallVector<QuantizableOpInterface> readers;
  std::vector<Candidate> candidates;
  bool measured = false;
  /// The share of error that the weight was probed with.
  double probed = 0;

  double getSize() { return double(getLogicalType(weight).getNumElements()); }
};

struct AllocateBitsPass : qt::impl::AllocateBitsPassBase<AllocateBitsPass> {
  using AllocateBitsPassBase::AllocateBitsPassBase;
  void runOnOperation() override;

private:
  LogicalResult checkOptions();
  LogicalResult loadRecipes();
  LogicalResult collect();
  LogicalResult collectCandidates(Layer &layer);
  LogicalResult checkBudget();
  LogicalResult loadEffects();
  llvm::Error measureSite(ActivationSite &site,
                          const ActivationStatistics &statistics);
  llvm::Error measureWeight(Layer &layer,
                            const ActivationStatistics &statistics);
  LogicalResult measureAll();
  void weighLosses();
  void print(ArrayRef<unsigned> choice, raw_ostream &out);

  std::vector<RecipeSchemes> rules;
  llvm::MapVector<Operation *, Layer> layers;
  double values = 0; ///< of all layers
  /// What every recipe ignores.
  std::vector<std::string> ignored;
  WeightSource source;
  /// What rounding a weight to `probe` does to the output; if that is known.
  std::optional<WeightEffects> known;
  QuantSchemeInterface probe;
};

} // namespace

//===----------------------------------------------------------------------===//
// Candidates
//===----------------------------------------------------------------------===//

LogicalResult AllocateBitsPass::checkOptions() {
  Location loc = getOperation().getLoc();
  if (calibration.empty())
    return emitError(loc, "qt-allocate-bits needs statistics of activations: "
                          "calibration=FILE");
  if (out.empty())
    return emitError(loc, "qt-allocate-bits needs a file to write: out=FILE");
  if (!(budget > 0) || !std::isfinite(budget))
    return emitError(loc, "budget must be a positive number of bits per "
                          "weight");
  if (measure != "nearest" && measure != "gptq")
    return emitError(loc, "measure '")
           << measure << "' is neither nearest nor gptq";
  return success();
}

LogicalResult AllocateBitsPass::loadRecipes() {
  SmallVector<StringRef> names;
  StringRef(recipes).split(names, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  if (names.empty())
    return emitError(getOperation().getLoc(), "no recipes to choose from");
  rules.clear();
  rules.resize(names.size());
  for (auto [name, loaded] : llvm::zip_equal(names, rules)) {
    if (failed(loaded.load(getOperation(), name.trim())))
      return failure();
    // Channels are scaled for all readers of an activation at once, and a
    // recipe can ask for one kind of it.
    if (loaded.getRecipe().smoothing)
      return emitError(getOperation().getLoc(), "recipe '")
             << name << "' smooths activations, which cannot be chosen for "
             << "single layers; smooth before";
    for (const RecipeRule &rule : loaded.getRecipe().rules)
      if (rule.staticActivations)
        return emitError(getOperation().getLoc(), "recipe '")
               << name << "' has static scales of activations, which cannot be "
               << "chosen for single layers";
  }
  return success();
}

/// Bits per value of a weight as it is stored.
static double getStoredBits(WeightOp weight) {
  if (auto stored = dyn_cast<QuantTensorType>(weight.getType()))
    return getBitsPerValue(stored.getScheme(),
                           getLogicalType(weight).getShape());
  return getLogicalType(weight).getElementTypeBitWidth();
}

LogicalResult AllocateBitsPass::collectCandidates(Layer &layer) {
  WeightOp weight = layer.weight;
  RankedTensorType logical = getLogicalType(weight);
  for (auto [index, loaded] : llvm::enumerate(rules)) {
    const RecipeRule &rule = loaded.getRule(layer.readers, weight.getSymName());
    if (rule.weights.text == "keep") {
      layer.candidates.push_back(
          {&rule, {}, index, {layer.getSize() * getStoredBits(weight), 0}});
      continue;
    }
    QuantSchemeInterface scheme = loaded.parseWeights(rule, weight);
    if (!scheme)
      return failure();
    double bits = getBitsPerValue(scheme, logical.getShape());
    layer.candidates.push_back(
        {&rule, scheme, index, {layer.getSize() * bits, 0}});
  }
  return success();
}

/// Finds the weights that are multiplied only, by some recipe in another format
/// than the stored one.
LogicalResult AllocateBitsPass::collect() {
  layers.clear();
  values = 0;
  ignored.clear();
  getOperation().walk([&](QuantizableOpInterface op) {
    WeightOp weight = findWeight(op.getWeightOperand().get());
    if (!weight)
      return;
    Layer &layer = layers[weight];
    layer.weight = weight;
    layer.readers.push_back(op);
  });
  for (auto &[op, layer] : layers) {
    auto ignores = [&, &layer = layer](const RecipeSchemes &loaded) {
      const RecipeRule &rule =
          loaded.getRule(layer.readers, layer.weight.getSymName());
      return rule.weights.text == "keep" && rule.activations.text == "float";
    };
    if (llvm::all_of(rules, ignores))
      ignored.push_back(layer.weight.getSymName().str());
  }
  layers.remove_if([](auto &entry) {
    Layer &layer = entry.second;
    return getLogicalType(layer.weight).getRank() != 2 ||
           llvm::any_of(layer.readers, [](QuantizableOpInterface reader) {
             return !reader.getActivationOperand();
           });
  });
  for (auto &[op, layer] : layers)
    if (failed(collectCandidates(layer)))
      return failure();
  layers.remove_if([](auto &entry) {
    return llvm::all_of(entry.second.candidates,
                        [](const Candidate &one) { return !one.scheme; });
  });
  if (layers.empty())
    return emitError(getOperation().getLoc(),
                     "the recipes change no linear of this model");
  for (auto &[op, layer] : layers)
    values += layer.getSize();
  return success();
}

LogicalResult AllocateBitsPass::checkBudget() {
  double least = 0;
  for (auto &[op, layer] : layers) {
    double fewest = layer.candidates.front().cost.bits;
    for (const Candidate &candidate : layer.candidates)
      fewest = std::min(fewest, candidate.cost.bits);
    least += fewest;
  }
  if (least <= budget * values)
    return success();
  // Rounded up, so that what is printed is possible.
  std::string message;
  llvm::raw_string_ostream(message) << llvm::format(
      "a budget of %g bits per weight is too small: the smallest formats take "
      "%g",
      double(budget), std::ceil(least / values * 1000) / 1000);
  return emitError(getOperation().getLoc(), message);
}

LogicalResult AllocateBitsPass::loadEffects() {
  known.reset();
  if (effects.empty())
    return success();
  auto fail = [&](llvm::Error error) {
    return emitError(getOperation().getLoc(), llvm::toString(std::move(error)));
  };
  llvm::Expected<std::string> fingerprint = fingerprintModel(getOperation());
  if (!fingerprint)
    return fail(fingerprint.takeError());
  auto read = WeightEffects::read(effects, *fingerprint);
  if (!read)
    return fail(read.takeError());
  known = std::move(*read);
  for (auto &[op, layer] : layers)
    if (StringRef name = layer.weight.getSymName();
        !known->effects.count(name.str()))
      return fail(fileError(effects, "has no effect of weight '" + name + "'"));
  probe = parseScheme(known->scheme, &getContext());
  if (!probe)
    return fail(fileError(effects, "'" + known->scheme + "' is not a scheme"));
  return success();
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

/// `count` rows of [n, k], evenly spread.
static std::vector<float> spreadRows(ArrayRef<float> values, int64_t n,
                                     int64_t k, int64_t count) {
  std::vector<float> rows;
  rows.reserve(count * k);
  for (int64_t i = 0; i < count; ++i) {
    ArrayRef<float> row = values.slice(i * n / count * k, k);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

llvm::Error
AllocateBitsPass::measureWeight(Layer &layer,
                                const ActivationStatistics &statistics) {
  WeightOp weight = layer.weight;
  auto read = readFloats(weight, source);
  if (!read)
    return read.takeError();
  int64_t n = getLogicalType(weight).getDimSize(0);
  int64_t k = getLogicalType(weight).getDimSize(1);
  if (int64_t(statistics.hessian.size()) != k * k)
    return tensorError(weight.getFile(), weight.getTensorName(),
                       "calibration has seen another number of channels");
  if (llvm::Error error = checkHessian(statistics.hessian, k))
    return error;
  std::vector<float> all = std::move(*read), some;
  if (maxRows > 0 && n > maxRows)
    some = spreadRows(all, n, k, maxRows);

  auto share = [&](QuantSchemeInterface scheme,
                   const Rounding &rounding) -> llvm::Expected<double> {
    // Where rows share scales, no row can be rounded without the others.
    bool sample = !some.empty() && scheme.getRowsPerScale(n) == 1;
    const std::vector<float> &original = sample ? some : all;
    int64_t rows = original.size() / k;
    auto rounded = roundWeight(scheme, rounding, original, rows, k,
                               LayerInput{&statistics});
    if (!rounded)
      return tensorError(weight.getFile(), weight.getTensorName(),
                         llvm::toString(rounded.takeError()));
    std::vector<float> &difference = rounded->values;
    for (auto [value, exact] : llvm::zip_equal(difference, original))
      value -= exact;
    double energy = hessianLoss(original, rows, k, statistics.hessian);
    return energy > 0
               ? hessianLoss(difference, rows, k, statistics.hessian) / energy
               : 0;
  };
  for (Candidate &candidate : layer.candidates) {
    if (!candidate.scheme)
      continue;
    Rounding rounding = candidate.rule->rounding;
    if (measure == "nearest")
      rounding.method = Rounding::Method::Nearest;
    // Each layer by itself: none before it is rounded.
    rounding.correction = 0;
    llvm::Expected<double> loss = share(candidate.scheme, rounding);
    if (!loss)
      return loss.takeError();
    candidate.cost.loss += *loss;
  }
  if (probe) {
    llvm::Expected<double> found = share(probe, Rounding());
    if (!found)
      return found.takeError();
    layer.probed = *found;
  }
  layer.measured = true;
  return llvm::Error::success();
}

llvm::Error
AllocateBitsPass::measureSite(ActivationSite &site,
                              const ActivationStatistics &statistics) {
  for (WeightOp weight : site.weights)
    if (auto *found = layers.find(weight); found != layers.end())
      if (llvm::Error error = measureWeight(found->second, statistics))
        return error;
  return llvm::Error::success();
}

LogicalResult AllocateBitsPass::measureAll() {
  SmallVector<ActivationSite> sites = findActivationSites(getOperation());
  llvm::StringMap<ActivationSite *> byName;
  for (ActivationSite &site : sites)
    byName.try_emplace(site.name, &site);

  StatisticsContent content = StatisticsContent::none();
  content.hessian = true;
  auto statistics =
      makeFileCalibration(calibration)->create(getOperation(), content);
  llvm::Error error =
      statistics ? (*statistics)->run([&](ActivationStatistics &seen) {
        ActivationSite *site = byName.lookup(seen.site);
        return site ? measureSite(*site, seen) : llvm::Error::success();
      })
                 : statistics.takeError();
  if (error)
    return emitError(getOperation().getLoc(), llvm::toString(std::move(error)));
  for (auto &[op, layer] : layers) {
    if (!layer.measured)
      return emitError(layer.weight.getLoc())
             << calibration << ": has no statistics of what weight '"
             << layer.weight.getSymName() << "' is multiplied with";
    ++numMeasured;
  }
  return success();
}

void AllocateBitsPass::weighLosses() {
  if (!known)
    return;
  double effects = 0, shares = 0;
  for (auto &[op, layer] : layers) {
    effects += known->effects[layer.weight.getSymName().str()];
    shares += layer.probed;
  }
  for (auto &[op, layer] : layers) {
    double effect = known->effects[layer.weight.getSymName().str()];
    // A weight that the probe did not change is taken for an average one.
    double weight = layer.probed > 0 ? effect / layer.probed
                    : shares > 0     ? effects / shares
                                     : 1;
    for (Candidate &candidate : layer.candidates)
      candidate.cost.loss *= weight;
  }
}

//===----------------------------------------------------------------------===//
// The recipe
//===----------------------------------------------------------------------===//

void AllocateBitsPass::print(ArrayRef<unsigned> choice, raw_ostream &out) {
  struct Group {
    std::string name;
    const RecipeRule *rule = nullptr;
    std::vector<std::string> targets;
    double bits = 0, values = 0, loss = 0;
  };
  // By recipe and, in a file with several, rule; in the order of the recipes.
  std::map<std::pair<size_t, size_t>, Group> groups;
  Group kept;
  double bits = 0, loss = 0;
  for (auto [entry, index] : llvm::zip_equal(layers, choice)) {
    Layer &layer = entry.second;
    const Candidate &chosen = layer.candidates[index];
    bits += chosen.cost.bits;
    loss += chosen.cost.loss;
    Group *group = &kept;
    if (chosen.scheme) {
      const Recipe &recipe = rules[chosen.recipe].getRecipe();
      size_t place = chosen.rule - recipe.rules.data();
      group = &groups[{chosen.recipe, place}];
      group->name = recipe.name;
      if (place > 0)
        group->name += "-" + std::to_string(place + 1);
      group->rule = chosen.rule;
    }
    group->targets.push_back(layer.weight.getSymName().str());
    group->bits += chosen.cost.bits;
    group->values += layer.getSize();
    group->loss += chosen.cost.loss;
  }

  out << "# Written by qt-allocate-bits.\n"
      << llvm::format("# budget: %g bits per weight\n", double(budget))
      << llvm::format("# reached: %.4f bits per weight\n", bits / values)
      << llvm::format("# predicted loss: %.6g, the sum over %zu weights of "
                      "%s\n",
                      loss, layers.size(),
                      known ? "what each does to the model's output"
                            : "the relative squared error of their results");
  if (!kept.targets.empty())
    out << llvm::format("# kept as stored: %zu weights, %.4f bits per weight\n",
                        kept.targets.size(), kept.bits / kept.values);
  out << "config_groups:\n";
  for (auto &[place, group] : groups) {
    out << "  " << quoteYAML(group.name)
        << llvm::format(": # %zu weights, %.4f bits per weight, loss %.6g\n",
                        group.targets.size(), group.bits / group.values,
                        group.loss);
    printRecipeRule(*group.rule, out);
    out << "    targets:\n";
    for (const std::string &target : group.targets)
      out << "      - " << quoteYAML(target) << "\n";
  }
  if (groups.empty())
    out << "  kept:\n    weights: keep\n    targets: [Linear]\n";
  if (!ignored.empty())
    out << "ignore:\n";
  for (const std::string &target : ignored)
    out << "  - " << quoteYAML(target) << "\n";
}

void AllocateBitsPass::runOnOperation() {
  markAllAnalysesPreserved();
  if (failed(checkOptions()) || failed(loadRecipes()) || failed(collect()) ||
      failed(checkBudget()) || failed(loadEffects()) || failed(measureAll()))
    return signalPassFailure();
  auto fail = [&](const Twine &message) {
    emitError(getOperation().getLoc(), message);
    signalPassFailure();
  };
  weighLosses();
  std::vector<std::vector<BitCandidate>> costs;
  for (auto &[op, layer] : layers) {
    std::vector<BitCandidate> &layerCosts = costs.emplace_back();
    for (const Candidate &candidate : layer.candidates)
      layerCosts.push_back(candidate.cost);
  }
  auto choice = allocateBits(costs, budget * values);
  if (!choice)
    return fail(llvm::toString(choice.takeError()));
  std::string text;
  llvm::raw_string_ostream stream(text);
  print(*choice, stream);
  // Written beside its place and renamed.
  llvm::Error error = llvm::writeToOutput(out, [&](raw_ostream &file) {
    file << text;
    return llvm::Error::success();
  });
  if (error)
    fail(out + ": " + llvm::toString(std::move(error)));
}

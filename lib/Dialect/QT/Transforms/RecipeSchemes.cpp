// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RecipeSchemes.h"
#include "WeightValues.h"
#include "quant-mlir/Dialect/QT/IR/ParseScheme.h"
#include "quant-mlir/Quantize/Mix.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

std::string quantmlir::qt::getLayerClass(Operation *op) {
  std::string name = op->getName().stripDialect().str();
  name[0] = llvm::toUpper(name[0]);
  return name;
}

/// The matrices that ops of the module read, in the order in which it does.
static std::vector<MixWeight> listMatrices(Operation *module) {
  llvm::SetVector<Operation *> seen;
  std::vector<MixWeight> matrices;
  module->walk([&](QuantizableOpInterface op) {
    WeightOp weight = findWeight(op.getWeightOperand().get());
    if (!weight || !seen.insert(weight))
      return;
    RankedTensorType type = getLogicalType(weight);
    if (type.getRank() == 2)
      matrices.push_back(
          {weight.getSymName().str(), type.getDimSize(0), type.getDimSize(1)});
  });
  return matrices;
}

LogicalResult RecipeSchemes::load(Operation *op, StringRef nameOrFile,
                                  bool hasImportance) {
  module = op;
  schemes.clear();
  llvm::Expected<Recipe> loaded = Recipe::load(nameOrFile);
  if (!loaded)
    return emitError(module->getLoc(), llvm::toString(loaded.takeError()));
  recipe = std::move(*loaded);
  if (hasImportance && recipe.smoothing)
    return emitError(module->getLoc(), "recipe '")
           << recipe.name
           << "' changes the inputs that an importance matrix is of";
  recipe.fitMix(listMatrices(module), hasImportance);
  for (const RecipeRule &rule : recipe.rules) {
    if (rule.weights.text != "keep" && !parse(rule.weights))
      return failure();
    if (!rule.fallback.text.empty() && !parse(rule.fallback))
      return failure();
    const RecipeText &activations = rule.activations;
    if (activations.text != "auto" && activations.text != "float" &&
        !parse(activations))
      return failure();
  }
  return success();
}

QuantSchemeInterface RecipeSchemes::parse(const RecipeText &text) {
  auto [entry, isNew] = schemes.try_emplace(text.text);
  if (!isNew)
    return entry->second;
  // The parser knows nothing of the recipe: what it says is reported as ours.
  std::string why;
  entry->second = parseScheme(text.text, module->getContext(), &why);
  if (!entry->second)
    emitError(module->getLoc(), recipe.where(text))
        << "'" << text.text << "' is not a scheme"
        << (why.empty() ? "" : ": " + why);
  return entry->second;
}

QuantSchemeInterface RecipeSchemes::parseWeights(const RecipeRule &rule,
                                                 WeightOp weight) {
  RankedTensorType logical = getLogicalType(weight);
  auto holds = [&](const RecipeText &text, QuantSchemeInterface scheme) {
    return succeeded(scheme.verifyTensor(
        [&] {
          return emitError(weight.getLoc(), recipe.where(text))
                 << "does not fit weight '" << weight.getSymName() << "': ";
        },
        logical.getShape(), logical.getElementType()));
  };
  QuantSchemeInterface scheme = parse(rule.weights);
  const RecipeText *last = &rule.weights;
  if (!rule.fallback.text.empty()) {
    ScopedDiagnosticHandler quiet(module->getContext(),
                                  [](Diagnostic &) { return success(); });
    if (!holds(rule.weights, scheme)) {
      last = &rule.fallback;
      scheme = parse(rule.fallback);
    }
  }
  return holds(*last, scheme) ? scheme : QuantSchemeInterface();
}

/// The class that a weight is looked up by. If a table is also a head, lookups
/// decide: a recipe for linears means the layers in between.
static std::string layerClass(ArrayRef<QuantizableOpInterface> readers) {
  for (QuantizableOpInterface reader : readers)
    if (!reader.getActivationOperand())
      return getLayerClass(reader);
  return getLayerClass(readers.front());
}

const RecipeRule &
RecipeSchemes::getRule(ArrayRef<QuantizableOpInterface> readers,
                       StringRef weight) const {
  static const RecipeRule kept;
  const RecipeRule *rule = recipe.find(layerClass(readers), weight);
  return rule ? *rule : kept;
}

void RecipeSchemes::warnAboutIdleTargets(
    ArrayRef<std::pair<std::string, std::string>> layers) {
  if (recipe.file.empty())
    return;
  auto check = [&](const RecipeText &target) {
    for (auto &[layer, weight] : layers)
      if (matchTarget(target.text, layer, weight) != TargetMatch::None)
        return;
    emitWarning(module->getLoc(), recipe.where(target))
        << "'" << target.text << "' names no layer of this model";
  };
  llvm::for_each(recipe.ignore, check);
  for (const RecipeRule &rule : recipe.rules)
    llvm::for_each(rule.targets, check);
}

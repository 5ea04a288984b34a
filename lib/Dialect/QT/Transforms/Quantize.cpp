// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Three steps, so that a recipe that does not fit is refused before anything
// changes: decide (one decision per weight, because the ops that share a weight
// share its numbers), write the weights that change, replace the ops.

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/WeightSource.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"
#include <cmath>

namespace quantmlir::qt {
#define GEN_PASS_DEF_QUANTIZEPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

/// Values per scale of an activation, where the recipe leaves it to us.
static constexpr int64_t activationGroup = 32;

namespace {

/// What happens to one weight.
struct Decision {
  WeightOp weight;
  SmallVector<QuantizableOpInterface> readers;
  QuantSchemeInterface scheme; ///< the new one, or the stored one if kept
  std::string activations;     ///< a scheme, "float" or "auto"
  double outlierThreshold = 0; ///< of LLM.int8, or 0
  bool changed = false;
  SmallVector<LoadOp> newLoads;

  RankedTensorType logicalType() {
    if (auto stored = dyn_cast<QuantTensorType>(weight.getType()))
      return stored.getLogicalType();
    return cast<RankedTensorType>(weight.getType());
  }
  QuantTensorType newType() {
    return QuantTensorType::get(logicalType(), scheme);
  }
};

struct QuantizePass : qt::impl::QuantizePassBase<QuantizePass> {
  using QuantizePassBase::QuantizePassBase;
  void runOnOperation() override;

private:
  LogicalResult loadRecipe();
  QuantSchemeInterface parseScheme(const RecipeText &text);
  LogicalResult decide();
  LogicalResult decide(Decision &decision);
  void warnAboutIdleTargets();
  LogicalResult chooseFile();
  LogicalResult writeChanged();
  Value activationFor(OpBuilder &builder, QuantizableOpInterface op,
                      const Decision &decision);
  Value inliersOf(OpBuilder &builder, Value x, double threshold);
  Value addOutliers(OpBuilder &builder, MatmulOp matmul);
  void replace(QuantizableOpInterface op, Decision &decision);
  void redeclare(Decision &decision, ArrayRef<LoadOp> loads);

  Recipe rules;
  std::string file; ///< where changed weights go
  llvm::StringMap<QuantSchemeInterface> schemes;
  llvm::MapVector<Operation *, Decision> decisions;
  /// Every op that is replaced and its weight, in the program's order.
  SmallVector<std::pair<QuantizableOpInterface, Operation *>> ops;
  llvm::DenseMap<std::pair<Value, Attribute>, Value> quantized, inliers;
};

} // namespace

/// The `qt.load` that a float weight comes from, or null.
static LoadOp sourceOf(Value weight) {
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    return dequantize.getInput().getDefiningOp<LoadOp>();
  return weight.getDefiningOp<LoadOp>();
}

/// "Linear" for lm.linear: the last part of the name, as people write it.
static std::string layerClass(Operation *op) {
  std::string name = op->getName().stripDialect().str();
  name[0] = llvm::toUpper(name[0]);
  return name;
}

/// The class that a weight is looked up by. If a table is also a head, lookups
/// decide: a recipe for linears means the layers in between.
static std::string layerClass(const Decision &decision) {
  for (QuantizableOpInterface reader : decision.readers)
    if (!reader.getActivationOperand())
      return layerClass(reader);
  return layerClass(decision.readers.front());
}

//===----------------------------------------------------------------------===//
// Decide
//===----------------------------------------------------------------------===//

/// Null, with an error, if the text is no scheme.
QuantSchemeInterface QuantizePass::parseScheme(const RecipeText &text) {
  auto [entry, isNew] = schemes.try_emplace(text.text);
  if (!isNew)
    return entry->second;
  // The parser knows nothing of the recipe: what it says is reported as ours.
  std::string why;
  {
    ScopedDiagnosticHandler handler(&getContext(), [&](Diagnostic &diagnostic) {
      if (why.empty())
        why = ": " + diagnostic.str();
      return success();
    });
    entry->second = dyn_cast_or_null<QuantSchemeInterface>(
        parseAttribute(text.text, &getContext()));
  }
  if (!entry->second)
    emitError(getOperation().getLoc(), rules.where(text))
        << "'" << text.text << "' is not a scheme" << why;
  return entry->second;
}

LogicalResult QuantizePass::loadRecipe() {
  llvm::Expected<Recipe> loaded = Recipe::load(recipe);
  if (!loaded)
    return emitError(getOperation().getLoc(),
                     llvm::toString(loaded.takeError()));
  rules = std::move(*loaded);
  for (const RecipeRule &rule : rules.rules) {
    if (rule.weights.text != "keep" && !parseScheme(rule.weights))
      return failure();
    const RecipeText &activations = rule.activations;
    if (activations.text != "auto" && activations.text != "float" &&
        !parseScheme(activations))
      return failure();
  }
  return success();
}

LogicalResult QuantizePass::decide(Decision &decision) {
  WeightOp weight = decision.weight;
  RankedTensorType logical = decision.logicalType();
  if (logical.getRank() != 2)
    return emitError(weight.getLoc(), "weight '")
           << weight.getSymName() << "' is not a matrix: " << logical;
  if (auto stored = dyn_cast<QuantTensorType>(weight.getType()))
    decision.scheme = stored.getScheme();
  else
    decision.scheme = parseScheme(
        {"#qt.float<" + debugString(logical.getElementType()) + ">"});
  if (!decision.scheme)
    return failure();

  static const RecipeRule kept;
  const RecipeRule *rule =
      rules.find(layerClass(decision), weight.getSymName());
  if (!rule)
    rule = &kept;
  decision.activations = rule->activations.text;
  decision.outlierThreshold = rule->outlierThreshold;
  if (rule->staticActivations)
    return emitError(weight.getLoc(), rules.where(rule->activations))
           << "scales of activations from calibration (dynamic: false) need "
              "statistics";
  if (rule->weights.text == "keep")
    return success();
  QuantSchemeInterface scheme = parseScheme(rule->weights);
  decision.changed = scheme != decision.scheme;
  decision.scheme = scheme;
  return scheme.verifyTensor(
      [&] {
        return emitError(weight.getLoc(), rules.where(rule->weights))
               << "does not fit weight '" << weight.getSymName() << "': ";
      },
      logical.getShape(), logical.getElementType());
}

LogicalResult QuantizePass::decide() {
  QuantizableOpInterface first;
  getOperation().walk([&](QuantizableOpInterface op) {
    LoadOp load = sourceOf(op.getWeightOperand().get());
    if (!load) {
      ++numFloat;
      if (!first)
        first = op;
      return;
    }
    auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(
        load, load.getWeightAttr());
    Decision &decision = decisions[weight];
    decision.weight = weight;
    decision.readers.push_back(op);
    ops.push_back({op, weight});
  });
  if (first)
    emitWarning(first.getLoc(), "'")
        << first->getName() << "' stays float: its weight is not in a file "
        << "(--qt-externalize-constants moves constants there)";
  for (auto &[op, decision] : decisions)
    if (failed(decide(decision)))
      return failure();
  return success();
}

/// A target in a file that names no layer is most likely a typing error.
void QuantizePass::warnAboutIdleTargets() {
  if (rules.file.empty())
    return;
  auto check = [&](const RecipeText &target) {
    for (auto &[op, decision] : decisions)
      for (QuantizableOpInterface reader : decision.readers)
        if (matchTarget(target.text, layerClass(reader),
                        decision.weight.getSymName()) != TargetMatch::None)
          return;
    emitWarning(getOperation().getLoc(), rules.where(target))
        << "'" << target.text << "' names no layer of this model";
  };
  llvm::for_each(rules.ignore, check);
  for (const RecipeRule &rule : rules.rules)
    llvm::for_each(rule.targets, check);
}

//===----------------------------------------------------------------------===//
// Write
//===----------------------------------------------------------------------===//

/// Names the file of changed weights, and refuses one that is still needed.
LogicalResult QuantizePass::chooseFile() {
  file = weightsOut;
  if (file.empty())
    for (auto &[op, decision] : decisions)
      if (decision.changed) {
        StringRef source = llvm::sys::path::stem(decision.weight.getFile());
        file = (source + "." + rules.name + ".safetensors").str();
        break;
      }
  llvm::StringSet<> checked;
  for (WeightOp weight : getOperation().getOps<WeightOp>())
    if (checked.insert(weight.getFile()).second &&
        (weight.getFile() == file ||
         llvm::sys::fs::equivalent(weight.getFile(), file)))
      return emitError(weight.getLoc(), file)
             << ": weights-out would overwrite the file that weight '"
             << weight.getSymName() << "' is in";
  return success();
}

/// The type of a part's bytes in the file.
static StringRef storageName(const StoragePart &part) {
  Type type = part.elementType;
  if (type.isF32())
    return "F32";
  if (type.isF16())
    return "F16";
  if (type.isBF16())
    return "BF16";
  if (isa<Float8E4M3FNType>(type))
    return "F8_E4M3";
  if (isa<Float8E5M2Type>(type))
    return "F8_E5M2";
  if (isa<Float8E8M0FNUType>(type))
    return "F8_E8M0";
  return part.isSigned ? "I8" : "U8";
}

/// The numbers of a weight as stored before, all of them finite.
static llvm::Expected<std::vector<float>> readFloats(WeightOp weight,
                                                     WeightSource &source) {
  llvm::Expected<WeightData> data = source.read(weight);
  if (!data)
    return data.takeError();
  std::vector<float> values;
  int64_t k;
  if (auto type = dyn_cast<QuantTensorType>(weight.getType())) {
    k = type.getRowLength();
    auto rows = dequantizeRows(type.getScheme(), data->parts, type.getNumRows(),
                               k, 0, type.getNumRows());
    if (!rows)
      return rows.takeError();
    values = std::move(*rows);
  } else {
    k = cast<RankedTensorType>(weight.getType()).getShape().back();
    ArrayRef<uint8_t> bytes = data->parts.front();
    values.resize(bytes.size() / 4);
    std::memcpy(values.data(), bytes.data(), values.size() * 4);
  }
  // No format has a place for a broken weight, and one spoils its whole group.
  for (auto [index, value] : llvm::enumerate(values))
    if (!std::isfinite(value))
      return tensorError(weight.getFile(), weight.getTensorName(),
                         (std::isnan(value) ? "NaN" : "infinity") +
                             llvm::Twine(" in row ") + llvm::Twine(index / k) +
                             ", column " + llvm::Twine(index % k));
  return values;
}

LogicalResult QuantizePass::writeChanged() {
  SmallVector<Decision *> changed;
  std::vector<SafetensorsWriter::Entry> entries;
  for (auto &[op, decision] : decisions) {
    if (!decision.changed) {
      ++numKept;
      continue;
    }
    ++numRounded;
    changed.push_back(&decision);
    QuantTensorType type = decision.newType();
    for (StoragePart &part : decision.scheme.getStorageParts(type.getShape())) {
      uint64_t bytes = part.elementType.getIntOrFloatBitWidth() / 8;
      for (int64_t size : part.shape)
        bytes *= size;
      entries.push_back({(decision.weight.getSymName() + part.suffix).str(),
                         storageName(part).str(), part.shape, bytes});
    }
  }
  if (changed.empty())
    return success();
  if (failed(chooseFile()))
    return failure();

  auto writer =
      SafetensorsWriter::create(file, entries, {{"recipe", rules.name}});
  if (!writer)
    return emitError(getOperation().getLoc(),
                     llvm::toString(writer.takeError()));
  WeightSource source;
  auto writeOne = [&](Decision &decision) -> llvm::Error {
    llvm::Expected<std::vector<float>> values =
        readFloats(decision.weight, source);
    if (!values)
      return values.takeError();
    QuantTensorType type = decision.newType();
    std::vector<std::vector<uint8_t>> parts(
        decision.scheme.getStorageParts(type.getShape()).size());
    if (llvm::Error error = decision.scheme.quantizeMatrix(
            *values, type.getNumRows(), type.getRowLength(), parts))
      return tensorError(decision.weight.getFile(),
                         decision.weight.getTensorName(),
                         llvm::toString(std::move(error)));
    for (const std::vector<uint8_t> &part : parts)
      if (llvm::Error error = (*writer)->append(part))
        return error;
    return llvm::Error::success();
  };
  for (Decision *decision : changed)
    if (llvm::Error error = writeOne(*decision))
      return emitError(decision->weight.getLoc(),
                       llvm::toString(std::move(error)));
  if (llvm::Error error = (*writer)->finish())
    return emitError(getOperation().getLoc(), llvm::toString(std::move(error)));
  return success();
}

//===----------------------------------------------------------------------===//
// Replace
//===----------------------------------------------------------------------===//

/// The activation as the recipe wants it, quantized once for all its readers;
/// null if the op has none.
Value QuantizePass::activationFor(OpBuilder &builder, QuantizableOpInterface op,
                                  const Decision &decision) {
  OpOperand *operand = op.getActivationOperand();
  if (!operand)
    return Value();
  Value x = operand->get();
  auto type = cast<RankedTensorType>(x.getType());
  int64_t k = type.getShape().back();
  LaneForm form = decision.scheme.getLaneForm(k);
  std::string text = decision.activations;
  if (text == "auto") {
    if (form.kind == LaneForm::Kind::Float)
      return x;
    // Kernels sum up to the smaller group, which must divide the larger one.
    bool divides = form.group == k || form.group % activationGroup == 0 ||
                   activationGroup % form.group == 0;
    text = "#qt.int<8, group = " +
           std::to_string(divides ? activationGroup : form.group) + ">";
  } else if (text == "float") {
    return x;
  }
  QuantSchemeInterface scheme = parseScheme({text});
  if (decision.outlierThreshold)
    x = inliersOf(builder, x, decision.outlierThreshold);
  Value &known = quantized[{x, Attribute(scheme)}];
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(x);
    known = QuantizeOp::create(builder, op.getLoc(),
                               QuantTensorType::get(type, scheme), x);
  }
  return known;
}

/// The activation without its outliers, if the recipe takes them apart.
Value QuantizePass::inliersOf(OpBuilder &builder, Value x, double threshold) {
  Value &known = inliers[{x, Attribute(builder.getF64FloatAttr(threshold))}];
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(x);
    auto split = SplitOutliersOp::create(builder, x.getLoc(), x.getType(),
                                         x.getType(), x,
                                         builder.getF64FloatAttr(threshold),
                                         /*per_token=*/UnitAttr());
    known = split.getInliers();
  }
  return known;
}

/// Adds the product with the outliers to one with what is left without them.
Value QuantizePass::addOutliers(OpBuilder &builder, MatmulOp matmul) {
  auto quantize = matmul.getX().getDefiningOp<QuantizeOp>();
  auto split = quantize ? quantize.getInput().getDefiningOp<SplitOutliersOp>()
                        : SplitOutliersOp();
  if (!split)
    return matmul;
  auto outlying =
      MatmulOp::create(builder, matmul.getLoc(), matmul.getType(),
                       split.getOutliers(), matmul.getW(), /*bias=*/Value());
  return arith::AddFOp::create(builder, matmul.getLoc(), matmul, outlying);
}

void QuantizePass::replace(QuantizableOpInterface op, Decision &decision) {
  OpBuilder builder(op);
  Value activation = activationFor(builder, op, decision);
  auto load = LoadOp::create(builder, op.getLoc(), decision.newType(),
                             decision.weight.getSymName());
  decision.newLoads.push_back(load);
  Operation *newOp = op.createQuantized(builder, load, activation);
  Value result = newOp->getResult(0);
  if (auto matmul = dyn_cast<MatmulOp>(newOp))
    result = addOutliers(builder, matmul);
  op->replaceAllUsesWith(ValueRange{result});
  Value weight = op.getWeightOperand().get();
  op.erase();
  for (Operation *dead = weight.getDefiningOp(); dead && dead->use_empty();) {
    Operation *producer =
        dead->getNumOperands() ? dead->getOperand(0).getDefiningOp() : nullptr;
    dead->erase();
    dead = producer;
  }
}

/// Declares the new weight: in place of the old one, or beside it if something
/// that is not quantizable still loads that.
void QuantizePass::redeclare(Decision &decision, ArrayRef<LoadOp> loads) {
  WeightOp weight = decision.weight;
  StringRef oldName = weight.getSymName();
  bool stillLoaded = llvm::any_of(loads, [&](LoadOp load) {
    return load.getWeight() == oldName &&
           !llvm::is_contained(decision.newLoads, load);
  });
  if (stillLoaded) {
    SymbolTable symbols(getOperation());
    auto copy = cast<WeightOp>(weight->clone());
    copy.setTensor(decision.changed ? oldName : weight.getTensorName());
    symbols.insert(copy, std::next(Block::iterator(weight)));
    for (LoadOp load : decision.newLoads)
      load.setWeight(copy.getSymName());
    weight = copy;
  } else if (decision.changed) {
    weight.removeTensorAttr();
  }
  weight.setType(decision.newType());
  if (decision.changed)
    weight.setFile(file);
}

void QuantizePass::runOnOperation() {
  schemes.clear();
  decisions.clear();
  ops.clear();
  quantized.clear();
  inliers.clear();
  if (failed(loadRecipe()) || failed(decide()) || failed(writeChanged()))
    return signalPassFailure();
  warnAboutIdleTargets();
  // In the program's order, so that an activation is final when it is asked
  // for.
  for (auto [op, weight] : ops)
    replace(op, decisions[weight]);
  SmallVector<LoadOp> loads;
  getOperation().walk([&](LoadOp load) { loads.push_back(load); });
  for (auto &[op, decision] : decisions)
    redeclare(decision, loads);
  getOperation()->setAttr("qt.recipe",
                          StringAttr::get(&getContext(), rules.name));

  // The stage's contract.
  getOperation().walk([&](QuantizableOpInterface op) {
    if (sourceOf(op.getWeightOperand().get())) {
      op->emitError("reads a weight from a file and was not quantized");
      signalPassFailure();
    }
  });
}

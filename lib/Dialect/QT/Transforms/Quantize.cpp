// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Three steps, so that a recipe that does not fit is refused before anything
// changes: decide (one decision per weight, because the ops that share a weight
// share its numbers), write the weights that change, replace the ops.

#include "ChannelScaling.h"
#include "QuantizeActivations.h"
#include "StaticScales.h"
#include "StoredInput.h"
#include "WeightImportance.h"
#include "WeightRounding.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Dialect/QT/Transforms/Calibration.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/StorageType.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Path.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_QUANTIZEPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

/// What happens to one weight.
struct Decision {
  WeightOp weight;
  SmallVector<QuantizableOpInterface> readers;
  QuantSchemeInterface scheme; ///< the new one, or the stored one if kept
  const RecipeRule *rule = nullptr;
  std::shared_ptr<StoredInput> input; ///< the rule's owner, if there is one
  bool changed = false;
  /// The bias that makes up for the rounding; null if there is none that can.
  WeightOp bias;
  SmallVector<LoadOp> newLoads;

  QuantTensorType newType() {
    return QuantTensorType::get(getLogicalType(weight), scheme);
  }
};

struct QuantizePass : qt::impl::QuantizePassBase<QuantizePass> {
  using QuantizePassBase::QuantizePassBase;
  QuantizePass(const QuantizePassOptions &options,
               std::shared_ptr<CalibrationProvider> provider)
      : QuantizePassBase(options), provider(std::move(provider)) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    QuantizePassBase::getDependentDialects(registry);
    if (provider)
      provider->getDependentDialects(registry);
  }
  void runOnOperation() override;

private:
  LogicalResult decide();
  LogicalResult decide(Decision &decision);
  WeightOp findBias(Decision &decision);
  void warnAboutIdleTargets();
  LogicalResult chooseFile();
  LogicalResult writeChanged();
  llvm::Error writeOne(Decision &decision, SafetensorsWriter &writer,
                       const ActivationStatistics *statistics,
                       Calibration *calibration);
  llvm::Error writeBias(WeightOp bias, ArrayRef<float> change,
                        SafetensorsWriter &writer, Calibration &calibration);
  llvm::Error writeCalibrated(ArrayRef<Decision *> calibrated,
                              SafetensorsWriter &writer);
  OwningOpRef<ModuleOp> roundActivations();
  void replace(QuantizableOpInterface op, Decision &decision,
               ActivationQuantizer &activations);
  void redeclare(Decision &decision, ArrayRef<LoadOp> loads);

  std::shared_ptr<CalibrationProvider> provider;
  RecipeSchemes rules;
  WeightImportance importance;
  WeightSource source;
  std::string file; ///< where changed weights go
  llvm::MapVector<Operation *, Decision> decisions;
  /// Every op that is replaced and its weight, in the program's order.
  SmallVector<std::pair<QuantizableOpInterface, Operation *>> ops;
  /// The name of the activation that an op reads.
  llvm::DenseMap<Operation *, StringRef> siteOf;
  StaticScales scales;
};

} // namespace

//===----------------------------------------------------------------------===//
// Decide
//===----------------------------------------------------------------------===//

LogicalResult QuantizePass::decide(Decision &decision) {
  WeightOp weight = decision.weight;
  RankedTensorType logical = getLogicalType(weight);
  if (logical.getRank() != 2)
    return emitError(weight.getLoc(), "weight '")
           << weight.getSymName() << "' is not a matrix: " << logical;
  if (auto stored = dyn_cast<QuantTensorType>(weight.getType()))
    decision.scheme = stored.getScheme();
  else
    decision.scheme = rules.parse(
        {"#qt.float<" + debugString(logical.getElementType()) + ">"});
  if (!decision.scheme)
    return failure();

  const RecipeRule &rule = rules.getRule(decision.readers, weight.getSymName());
  decision.rule = &rule;
  if (rule.weights.text == "keep") {
    if ((decision.input = readStoredInput(weight, rule)))
      decision.rule = &decision.input->rule;
    return success();
  }
  QuantSchemeInterface scheme = rules.parseWeights(rule, weight);
  decision.changed = scheme != decision.scheme;
  decision.scheme = scheme;
  return success(bool(scheme));
}

LogicalResult QuantizePass::decide() {
  QuantizableOpInterface first;
  getOperation().walk([&](QuantizableOpInterface op) {
    WeightOp weight = findWeight(op.getWeightOperand().get());
    if (!weight) {
      ++numFloat;
      if (!first)
        first = op;
      return;
    }
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
  for (ActivationSite &site : findActivationSites(getOperation()))
    for (auto [reader, weight] : llvm::zip_equal(site.readers, site.weights)) {
      siteOf[reader] = site.name;
      const RecipeRule &rule = *decisions[weight].rule;
      if (rule.staticActivations)
        scales.add(site.name, rules.parse(rule.activations),
                   *rule.staticActivations);
    }
  return success();
}

void QuantizePass::warnAboutIdleTargets() {
  std::vector<std::pair<std::string, std::string>> layers;
  for (auto &[op, decision] : decisions)
    for (QuantizableOpInterface reader : decision.readers)
      layers.push_back(
          {getLayerClass(reader), decision.weight.getSymName().str()});
  rules.warnAboutIdleTargets(layers);
}

//===----------------------------------------------------------------------===//
// Write
//===----------------------------------------------------------------------===//

/// Names the file of changed weights and scales of activations, and refuses one
/// that is still needed.
LogicalResult QuantizePass::chooseFile() {
  file = weightsOut;
  if (file.empty())
    for (auto &[op, decision] : decisions)
      if (decision.changed || decision.rule->staticActivations) {
        StringRef source = llvm::sys::path::stem(decision.weight.getFile());
        file = (source + "." + rules.getRecipe().name + ".safetensors").str();
        break;
      }
  return checkNotOverwritten(getOperation(), file);
}

/// The bias of the only op that reads a weight, if nothing else reads it.
WeightOp QuantizePass::findBias(Decision &decision) {
  const Rounding &rounding = decision.rule->rounding;
  if (!decision.changed || decision.readers.size() != 1 ||
      rounding.method != Rounding::Method::GPTQ || !rounding.biasCorrection)
    return WeightOp();
  OpOperand *operand = decision.readers.front().getBiasOperand();
  LoadOp load = operand ? operand->get().getDefiningOp<LoadOp>() : LoadOp();
  if (!load || !load->hasOneUse())
    return WeightOp();
  auto bias = SymbolTable::lookupNearestSymbolFrom<WeightOp>(
      load, load.getWeightAttr());
  auto type = dyn_cast<RankedTensorType>(bias.getType());
  auto uses = SymbolTable::getSymbolUses(bias, getOperation());
  bool alone = uses && llvm::range_size(*uses) == 1;
  return type && type.getElementType().isF32() && alone ? bias : WeightOp();
}

/// Rounds one weight and writes its parts, and its bias if that changes.
llvm::Error QuantizePass::writeOne(Decision &decision,
                                   SafetensorsWriter &writer,
                                   const ActivationStatistics *statistics,
                                   Calibration *calibration) {
  WeightOp weight = decision.weight;
  llvm::Expected<std::vector<float>> values = readFloats(weight, source);
  if (!values)
    return values.takeError();
  QuantTensorType type = decision.newType();
  Rounding rounding = decision.rule->rounding;
  // What became of a row cannot be told when it went to another expert.
  if (llvm::any_of(decision.readers, [](QuantizableOpInterface reader) {
        return reader.isRouted();
      }))
    rounding.correction = 0;
  auto columns = importance.read(weight, decision.scheme, rounding);
  if (!columns)
    return columns.takeError();
  llvm::Expected<RoundedWeight> rounded =
      roundWeight(decision.scheme, rounding, std::move(*values),
                  type.getNumRows(), type.getRowLength(),
                  {statistics, std::move(*columns), weight.getSymName(),
                   bool(decision.bias)});
  if (!rounded)
    return tensorError(weight.getFile(), weight.getTensorName(),
                       llvm::toString(rounded.takeError()));
  for (const std::string &warning : rounded->warnings)
    emitWarning(weight.getLoc(), "weight '")
        << weight.getSymName() << "': " << warning;
  for (const std::vector<uint8_t> &part : rounded->parts)
    if (llvm::Error error = writer.append(part))
      return error;
  weight->setDiscardableAttr(
      QTDialect::errorAttrName,
      Builder(&getContext()).getF64FloatAttr(rounded->error));
  if (calibration)
    if (llvm::Error error = calibration->replaceWeight(
            weight.getSymName(), std::move(rounded->values)))
      return error;
  return decision.bias ? writeBias(decision.bias, rounded->biasChange, writer,
                                   *calibration)
                       : llvm::Error::success();
}

llvm::Error QuantizePass::writeBias(WeightOp bias, ArrayRef<float> change,
                                    SafetensorsWriter &writer,
                                    Calibration &calibration) {
  llvm::Expected<std::vector<float>> values = readFloats(bias, source);
  if (!values)
    return values.takeError();
  for (auto [value, more] : llvm::zip_equal(*values, change))
    value += more;
  if (llvm::Error error =
          writer.append({reinterpret_cast<const uint8_t *>(values->data()),
                         values->size() * sizeof(float)}))
    return error;
  return calibration.replaceWeight(bias.getSymName(), std::move(*values));
}

/// The module with activations as they will be when it runs, but for the scales
/// that calibration is still to find.
OwningOpRef<ModuleOp> QuantizePass::roundActivations() {
  OwningOpRef<ModuleOp> copy(getOperation().clone());
  SmallVector<QuantizableOpInterface> twins;
  copy->walk([&](QuantizableOpInterface op) {
    if (getWeightSource(op.getWeightOperand().get()))
      twins.push_back(op);
  });
  ActivationQuantizer activations(rules, /*fusesProducts=*/false);
  for (auto [original, twin] : llvm::zip_equal(ops, twins)) {
    Decision &decision = decisions[original.second];
    if (decision.rule->staticActivations || !twin.getActivationOperand())
      continue;
    OpBuilder builder(twin);
    twin.getActivationOperand()->set(
        activations.round(builder, twin, decision.scheme, *decision.rule));
  }
  return copy;
}

/// Rounds weights as the statistics of their activations come in.
llvm::Error QuantizePass::writeCalibrated(ArrayRef<Decision *> calibrated,
                                          SafetensorsWriter &writer) {
  StatisticsContent content = StatisticsContent::none();
  for (Decision *decision : calibrated) {
    content.hessian |= decision->rule->rounding.needsCalibration();
    content.mean |= bool(decision->bias);
    content.drift |= decision->rule->rounding.correction > 0;
  }
  scales.request(content);
  // The error that is corrected is also that of rounding activations.
  OwningOpRef<ModuleOp> rounding;
  if (content.drift)
    rounding = roundActivations();
  auto calibration =
      provider->create(rounding ? *rounding : getOperation(), content);
  if (!calibration)
    return calibration.takeError();
  size_t next = 0;
  llvm::Error error =
      (*calibration)->run([&](ActivationStatistics &site) -> llvm::Error {
        if (llvm::Error error = scales.choose(site, getOperation().getLoc()))
          return error;
        // In the order in which the file announces them, which is the
        // program's.
        while (next < calibrated.size() &&
               llvm::is_contained(site.readers,
                                  calibrated[next]->weight.getSymName()))
          if (llvm::Error error = writeOne(*calibrated[next++], writer, &site,
                                           calibration->get()))
            return error;
        return llvm::Error::success();
      });
  if (error)
    return error;
  if (llvm::Error error = scales.write(writer))
    return error;
  if (next == calibrated.size())
    return llvm::Error::success();
  WeightOp weight = calibrated[next]->weight;
  return tensorError(weight.getFile(), weight.getTensorName(),
                     "calibration has no statistics of its input");
}

LogicalResult QuantizePass::writeChanged() {
  SmallVector<Decision *> changed, calibrated;
  for (auto &[op, decision] : decisions) {
    if (!decision.changed) {
      ++numKept;
      continue;
    }
    ++numRounded;
    // With calibration also what is merely rounded waits for its turn, so that
    // later layers see it rounded.
    bool waits = rules.getRecipe().needsCalibration() && provider &&
                 siteOf.contains(decision.readers.front());
    (waits ? calibrated : changed).push_back(&decision);
    if (waits)
      decision.bias = findBias(decision);
  }
  if (changed.empty() && calibrated.empty() && scales.empty())
    return success();
  auto fail = [&](llvm::Error error) {
    return emitError(getOperation().getLoc(), llvm::toString(std::move(error)));
  };
  if (rules.getRecipe().needsCalibration() && !provider)
    return emitError(getOperation().getLoc(), "recipe '")
           << rules.getRecipe().name
           << "' needs calibration: tokens or a statistics file";
  if (failed(chooseFile()))
    return failure();

  std::vector<SafetensorsWriter::Entry> entries;
  auto announce = [&](Decision *decision) {
    QuantTensorType type = decision->newType();
    for (StoragePart &part :
         decision->scheme.getStorageParts(type.getShape())) {
      uint64_t bytes = part.elementType.getIntOrFloatBitWidth() / 8;
      for (int64_t size : part.shape)
        bytes *= size;
      entries.push_back({(decision->weight.getSymName() + part.suffix).str(),
                         dtypeSafetensorsName(dtypeOf(part)).str(), part.shape,
                         bytes});
    }
    if (WeightOp bias = decision->bias)
      entries.push_back({bias.getSymName().str(), "F32",
                         llvm::to_vector(getLogicalType(bias).getShape()),
                         uint64_t(getLogicalType(bias).getNumElements()) * 4});
  };
  llvm::for_each(changed, announce);
  llvm::for_each(calibrated, announce);
  scales.announce(entries);
  auto writer = SafetensorsWriter::create(file, entries,
                                          {{"recipe", rules.getRecipe().name}});
  if (!writer)
    return fail(writer.takeError());
  for (Decision *decision : changed)
    if (llvm::Error error = writeOne(*decision, **writer, nullptr, nullptr))
      return emitError(decision->weight.getLoc(),
                       llvm::toString(std::move(error)));
  if (!calibrated.empty() || !scales.empty())
    if (llvm::Error error = writeCalibrated(calibrated, **writer))
      return fail(std::move(error));
  if (llvm::Error error = importance.checkUsed())
    return fail(std::move(error));
  if (llvm::Error error = (*writer)->finish())
    return fail(std::move(error));
  return success();
}

//===----------------------------------------------------------------------===//
// Replace
//===----------------------------------------------------------------------===//

void QuantizePass::replace(QuantizableOpInterface op, Decision &decision,
                           ActivationQuantizer &activations) {
  OpBuilder builder(op);
  std::string scale =
      decision.rule->staticActivations ? scales.getName(siteOf.lookup(op)) : "";
  if (decision.input)
    scale = decision.input->scale;
  Value activation =
      activations.quantize(builder, op, decision.scheme, *decision.rule, scale);
  auto load = LoadOp::create(builder, op.getLoc(), decision.newType(),
                             decision.weight.getSymName());
  decision.newLoads.push_back(load);
  Operation *newOp = op.createQuantized(builder, load, activation);
  Value result = newOp->getResult(0);
  if (auto matmul = dyn_cast<MatmulOp>(newOp))
    result = activations.addOutliers(builder, matmul);
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
    copy.setTensor(weight.getTensorName());
    symbols.insert(copy, std::next(Block::iterator(weight)));
    for (LoadOp load : decision.newLoads)
      load.setWeight(copy.getSymName());
    weight = copy;
  }
  weight.setType(decision.newType());
  if (decision.changed) {
    moveWeight(weight, file);
    if (stillLoaded)
      weight.setTensor(oldName);
  }
  if (decision.bias)
    moveWeight(decision.bias, file);
}

void QuantizePass::runOnOperation() {
  source = WeightSource();
  decisions.clear();
  ops.clear();
  siteOf.clear();
  scales.clear();
  if (!calibration.empty())
    provider = makeFileCalibration(calibration);
  if (llvm::Error error = importance.load(getOperation(), imatrix)) {
    emitError(getOperation().getLoc(), llvm::toString(std::move(error)));
    return signalPassFailure();
  }
  if (failed(rules.load(getOperation(), recipe, bool(importance))) ||
      failed(decide()) || failed(writeChanged()))
    return signalPassFailure();
  warnAboutIdleTargets();
  // In the program's order, so that an activation is final when it is asked
  // for.
  ActivationQuantizer activations(rules);
  for (auto [op, weight] : ops)
    replace(op, decisions[weight], activations);
  activations.eraseFusedProducts();
  SmallVector<LoadOp> loads;
  getOperation().walk([&](LoadOp load) { loads.push_back(load); });
  for (auto &[op, decision] : decisions)
    redeclare(decision, loads);
  scales.declare(getOperation(), file);
  getOperation()->setAttr(
      "qt.recipe", StringAttr::get(&getContext(), rules.getRecipe().name));

  // The stage's contract.
  getOperation().walk([&](QuantizableOpInterface op) {
    if (getWeightSource(op.getWeightOperand().get())) {
      op->emitError("reads a weight from a file and was not quantized");
      signalPassFailure();
    }
  });
}

std::unique_ptr<Pass> quantmlir::qt::createQuantizePass(
    const QuantizePassOptions &options,
    std::shared_ptr<CalibrationProvider> provider) {
  return std::make_unique<QuantizePass>(options, std::move(provider));
}

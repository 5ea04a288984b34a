// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/WeightSource.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

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
  std::string activations;
  bool changed = false;

  QuantTensorType type() {
    Type stored = weight.getType();
    if (auto quantized = dyn_cast<QuantTensorType>(stored))
      return QuantTensorType::get(quantized.getLogicalType(), scheme);
    return QuantTensorType::get(cast<RankedTensorType>(stored), scheme);
  }
};

struct QuantizePass : qt::impl::QuantizePassBase<QuantizePass> {
  using QuantizePassBase::QuantizePassBase;
  void runOnOperation() override;

private:
  LogicalResult decide(const Recipe &rules);
  LogicalResult decide(const Recipe &rules, Decision &decision);
  LogicalResult writeChanged();
  LogicalResult replaceReaders(Decision &decision);
  FailureOr<Value> activationFor(OpBuilder &builder, QuantizableOpInterface op,
                                 Decision &decision);

  llvm::MapVector<Operation *, Decision> decisions;
  llvm::DenseMap<std::pair<Value, Attribute>, Value> quantized;
};

} // namespace

/// The `qt.load` that a float weight comes from.
static LoadOp sourceOf(Value weight) {
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    return dequantize.getInput().getDefiningOp<LoadOp>();
  return weight.getDefiningOp<LoadOp>();
}

static QuantSchemeInterface parseScheme(StringRef text, MLIRContext *context) {
  return dyn_cast_or_null<QuantSchemeInterface>(
      parseAttribute(text, context));
}

/// "Linear" for lm.linear: the last part of the name, as people write it.
static std::string layerClass(Operation *op) {
  std::string name = op->getName().stripDialect().str();
  name[0] = llvm::toUpper(name[0]);
  return name;
}

LogicalResult QuantizePass::decide(const Recipe &rules, Decision &decision) {
  WeightOp weight = decision.weight;
  const RecipeRule *rule = rules.find(layerClass(decision.readers.front()),
                                      weight.getSymName());
  RecipeRule keep;
  if (!rule)
    rule = &keep;
  decision.activations = rule->activations;
  auto stored = dyn_cast<QuantTensorType>(weight.getType());
  decision.scheme =
      stored ? stored.getScheme()
             : parseScheme("#qt.float<f32>", weight.getContext());
  if (rule->weights == "keep")
    return success();
  QuantSchemeInterface scheme =
      parseScheme(rule->weights, weight.getContext());
  if (!scheme)
    return weight.emitError("recipe '")
           << rules.name << "': '" << rule->weights << "' is no scheme";
  decision.changed = scheme != decision.scheme;
  decision.scheme = scheme;
  auto logical = stored ? stored.getLogicalType()
                        : cast<RankedTensorType>(weight.getType());
  return scheme.verifyTensor(
      [&] {
        return weight.emitError("recipe '")
               << rules.name << "' does not fit " << weight.getSymName()
               << ": ";
      },
      logical.getShape(), logical.getElementType());
}

LogicalResult QuantizePass::decide(const Recipe &rules) {
  WalkResult walked = getOperation().walk([&](QuantizableOpInterface op) {
    LoadOp load = sourceOf(op.getWeightOperand().get());
    if (!load)
      return WalkResult::advance();
    auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(
        load, load.getWeightAttr());
    Decision &decision = decisions[weight];
    decision.weight = weight;
    decision.readers.push_back(op);
    return WalkResult::advance();
  });
  (void)walked;
  for (auto &[op, decision] : decisions)
    if (failed(decide(rules, decision)))
      return failure();
  return success();
}

static StringRef storageName(Type type) {
  return type.isF32()    ? "F32"
         : type.isF16()  ? "F16"
         : type.isBF16() ? "BF16"
                         : "I8";
}

/// The numbers of a weight as stored before.
static llvm::Expected<std::vector<float>> readFloats(WeightOp weight,
                                                     WeightSource &source) {
  llvm::Expected<WeightData> data = source.read(weight);
  if (!data)
    return data.takeError();
  if (auto type = dyn_cast<QuantTensorType>(weight.getType()))
    return dequantizeRows(type.getScheme(), data->parts, type.getNumRows(),
                          type.getRowLength(), 0, type.getNumRows());
  ArrayRef<uint8_t> bytes = data->parts.front();
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
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
    QuantTensorType type = decision.type();
    for (StoragePart &part :
         decision.scheme.getStorageParts(type.getShape())) {
      uint64_t bytes = part.elementType.getIntOrFloatBitWidth() / 8;
      for (int64_t size : part.shape)
        bytes *= size;
      entries.push_back({(decision.weight.getSymName() + part.suffix).str(),
                         storageName(part.elementType).str(), part.shape,
                         bytes});
    }
  }
  if (changed.empty())
    return success();
  ModuleOp module = getOperation();
  if (weightsOut.empty())
    return module.emitError("recipe '")
           << recipe << "' changes weights: weights-out must name a file for "
           << "them";
  auto report = [&](llvm::Error error) {
    return module.emitError(llvm::toString(std::move(error)));
  };
  auto writer = SafetensorsWriter::create(weightsOut, entries);
  if (!writer)
    return report(writer.takeError());
  WeightSource source;
  for (Decision *decision : changed) {
    WeightOp weight = decision->weight;
    llvm::Expected<std::vector<float>> values = readFloats(weight, source);
    if (!values)
      return report(values.takeError());
    QuantTensorType type = decision->type();
    std::vector<std::vector<uint8_t>> parts(
        decision->scheme.getStorageParts(type.getShape()).size());
    if (llvm::Error error = decision->scheme.quantizeMatrix(
            *values, type.getNumRows(), type.getRowLength(), parts))
      return report(tensorError(weight.getFile(), weight.getTensorName(),
                                llvm::toString(std::move(error))));
    for (const std::vector<uint8_t> &part : parts)
      if (llvm::Error error = (*writer)->append(part))
        return report(std::move(error));
  }
  if (llvm::Error error = (*writer)->finish())
    return report(std::move(error));
  return success();
}

/// The activation as the recipe wants it, quantized once for all its readers.
FailureOr<Value> QuantizePass::activationFor(OpBuilder &builder,
                                             QuantizableOpInterface op,
                                             Decision &decision) {
  OpOperand *operand = op.getActivationOperand();
  if (!operand)
    return Value();
  Value x = operand->get();
  auto type = cast<RankedTensorType>(x.getType());
  int64_t k = type.getShape().back();
  LaneForm form = decision.scheme.getLaneForm(k);
  bool integers = form.kind == LaneForm::Kind::Integer;
  if (decision.activations == "float" ||
      (decision.activations == "auto" && !integers))
    return x;
  std::string text = decision.activations;
  if (text == "auto") {
    // One group must divide the other.
    bool divides = form.group == k || form.group % activationGroup == 0 ||
                   activationGroup % form.group == 0;
    text = "#qt.int<8, group = " +
           std::to_string(divides ? activationGroup : form.group) + ">";
  }
  QuantSchemeInterface scheme = parseScheme(text, &getContext());
  if (!scheme)
    return op->emitError("recipe '") << recipe << "': '" << text
                                     << "' is no scheme";
  Value &known = quantized[{x, Attribute(scheme)}];
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(x);
    known = QuantizeOp::create(builder, op.getLoc(),
                               QuantTensorType::get(type, scheme), x);
  }
  return known;
}

LogicalResult QuantizePass::replaceReaders(Decision &decision) {
  QuantTensorType type = decision.type();
  for (QuantizableOpInterface op : decision.readers) {
    OpBuilder builder(op);
    FailureOr<Value> activation = activationFor(builder, op, decision);
    if (failed(activation))
      return failure();
    Value weight = LoadOp::create(builder, op.getLoc(), type,
                                  decision.weight.getSymName());
    Operation *quantizedOp = op.createQuantized(builder, weight, *activation);
    // A value that is quantized elsewhere may be this op's result.
    for (auto [from, to] :
         llvm::zip(op->getResults(), quantizedOp->getResults()))
      from.replaceAllUsesWith(to);
    Value floats = op.getWeightOperand().get();
    op.erase();
    for (Operation *dead = floats.getDefiningOp(); dead && dead->use_empty();) {
      Operation *producer = dead->getNumOperands()
                                ? dead->getOperand(0).getDefiningOp()
                                : nullptr;
      dead->erase();
      dead = producer;
    }
  }
  decision.weight.setType(type);
  if (decision.changed) {
    decision.weight.setFile(weightsOut);
    decision.weight.removeTensorAttr();
  }
  return success();
}

void QuantizePass::runOnOperation() {
  decisions.clear();
  quantized.clear();
  ModuleOp module = getOperation();
  llvm::Expected<Recipe> rules = Recipe::load(recipe);
  if (!rules) {
    module.emitError(llvm::toString(rules.takeError()));
    return signalPassFailure();
  }
  if (failed(decide(*rules)) || failed(writeChanged()))
    return signalPassFailure();
  for (auto &[op, decision] : decisions)
    if (failed(replaceReaders(decision)))
      return signalPassFailure();
  module->setAttr("qt.recipe", StringAttr::get(&getContext(), rules->name));
}

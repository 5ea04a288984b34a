// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StageProgram.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/CodeGen/CPU/PanelLayout.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quantmlir;

RankedTensorType StageWeight::logicalType() {
  if (auto stored = dyn_cast<qt::QuantTensorType>(source.getType()))
    return stored.getLogicalType();
  return cast<RankedTensorType>(source.getType());
}

static llvm::Error runPasses(ModuleOp module, const char *what,
                             llvm::function_ref<void(PassManager &)> build) {
  PassManager pm(module.getContext());
  build(pm);
  if (failed(pm.run(module)))
    return llvm::createStringError(llvm::Twine(what) + " failed");
  return llvm::Error::success();
}

static qt::Statistics wantedStatistics(const StatisticsContent &content) {
  // The range is cheap, and finds what is not finite.
  qt::Statistics wanted = qt::Statistics::Range;
  if (content.meanAbs)
    wanted = wanted | qt::Statistics::SumAbs;
  if (content.hessian)
    wanted = wanted | qt::Statistics::Gram;
  if (content.histogram)
    wanted = wanted | qt::Statistics::Histogram;
  return wanted;
}

static void observe(OpPassManager &pm, const StagedModelOptions &options) {
  qt::ObservePassOptions wanted;
  for (qt::Statistics one :
       qt::listStatistics(wantedStatistics(options.statistics)))
    wanted.statistics.push_back(qt::stringifyStatistics(one));
  pm.addNestedPass<func::FuncOp>(lm::createDropCachePass());
  pm.addPass(qt::createObservePass(wanted));
  pm.addPass(qt::createSplitStagesPass());
}

//===----------------------------------------------------------------------===//
// What the stages are
//===----------------------------------------------------------------------===//

static llvm::Expected<StageValue> describe(Type type, DictionaryAttr attrs) {
  StageValue value;
  value.type = dyn_cast<RankedTensorType>(type);
  auto find = [&](StringRef name) -> Attribute {
    return attrs ? attrs.get(name) : Attribute();
  };
  if (auto live =
          dyn_cast_or_null<IntegerAttr>(find(qt::QTDialect::liveAttrName))) {
    value.kind = StageValue::Kind::Live;
    value.live = live.getInt();
  } else if (auto name = dyn_cast_or_null<StringAttr>(
                 find(qt::QTDialect::statisticAttrName))) {
    value.kind = StageValue::Kind::Statistic;
    value.statistic = *qt::symbolizeStatistics(name.getValue());
  } else if (auto number = dyn_cast_or_null<IntegerAttr>(
                 find(qt::QTDialect::argumentAttrName))) {
    value.kind = StageValue::Kind::Tokens;
    bool isIds = value.type && (value.type.getElementType().isInteger(32) ||
                                value.type.getElementType().isInteger(64));
    for (int64_t dim = 0; isIds && dim + 1 < value.type.getRank(); ++dim)
      isIds = value.type.getDimSize(dim) == 1;
    if (number.getInt() != 0 || !isIds || value.type.getRank() == 0)
      return llvm::createStringError(
          "calibration runs models whose only input is a sequence of token "
          "ids; argument " +
          llvm::Twine(number.getInt()) + " is none");
  } else {
    value.kind = StageValue::Kind::Output;
  }
  if (!value.type)
    return llvm::createStringError("a value between stages is not a tensor");
  return value;
}

static llvm::Error describeStages(ModuleOp module, StageProgram &program) {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(qt::QTDialect::stageAttrName))
      continue;
    Stage stage;
    stage.function = function.getSymName().str();
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
      llvm::Expected<StageValue> value =
          describe(type, function.getArgAttrDict(index));
      if (!value)
        return value.takeError();
      stage.inputs.push_back(*value);
    }
    for (auto [index, type] : llvm::enumerate(function.getResultTypes())) {
      llvm::Expected<StageValue> value =
          describe(type, function.getResultAttrDict(index));
      if (!value)
        return value.takeError();
      stage.results.push_back(*value);
    }
    llvm::SetVector<StringRef> weights;
    function.walk([&](qt::LoadOp load) { weights.insert(load.getWeight()); });
    for (StringRef weight : weights) {
      stage.weights.push_back({weight.str(), weight.str()});
      program.weights[weight.str()].lastStage = program.stages.size();
    }
    function.walk([&](qt::ObserveOp op) {
      ArrayRef<int64_t> leading = op.getX().getType().getShape().drop_back();
      if (!ShapedType::isDynamicShape(leading))
        stage.rows = ShapedType::getNumElements(leading);
    });
    program.stages.push_back(std::move(stage));

    auto site =
        function->getAttrOfType<StringAttr>(qt::QTDialect::siteAttrName);
    if (!site)
      continue;
    SiteInfo info;
    info.name = site.str();
    for (Attribute reader :
         function->getAttrOfType<ArrayAttr>(qt::QTDialect::readersAttrName))
      info.readers.push_back(cast<StringAttr>(reader).str());
    for (StageValue &value : program.stages.back().results)
      if (value.kind == StageValue::Kind::Statistic &&
          value.statistic == qt::Statistics::Range)
        info.channels = value.type.getDimSize(1);
    program.sites.push_back(std::move(info));
  }
  if (program.sites.empty())
    return llvm::createStringError(
        "the model has no linear with a weight from a file: there is nothing "
        "to calibrate");
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Weights as floats
//===----------------------------------------------------------------------===//

/// Gives every quantizable op a weight in f32 panels, so that its weight can be
/// any numbers.
static llvm::Error makeWeightsFloat(ModuleOp module) {
  MLIRContext *context = module.getContext();
  auto scheme = dyn_cast_or_null<qt::QuantSchemeInterface>(
      parseAttribute("#qt.float<f32>", context));
  if (!scheme)
    return llvm::createStringError("there is no scheme #qt.float<f32>");
  SymbolTable symbols(module);
  SmallVector<qt::QuantizableOpInterface> ops;
  module.walk([&](qt::QuantizableOpInterface op) {
    if (qt::getWeightSource(op.getWeightOperand().get()))
      ops.push_back(op);
  });
  llvm::DenseMap<Operation *, qt::QuantTensorType> types;
  for (qt::QuantizableOpInterface op : ops) {
    Value weight = op.getWeightOperand().get();
    qt::LoadOp load = qt::getWeightSource(weight);
    auto type = cast<RankedTensorType>(weight.getType());
    if (type.getRank() != 2 || !type.getElementType().isF32())
      return llvm::createStringError("weight '" + load.getWeight() +
                                     "' is not a matrix of f32");
    auto floats = qt::QuantTensorType::get(type, scheme);
    types[symbols.lookup(load.getWeight())] = floats;
    OpBuilder builder(op);
    Value own =
        qt::LoadOp::create(builder, op->getLoc(), floats, load.getWeight());
    OpOperand *activation = op.getActivationOperand();
    Operation *plain = op.createQuantized(
        builder, own, activation ? activation->get() : Value());
    op->replaceAllUsesWith(plain->getResults());
    op->erase();
    while (Operation *producer = weight.getDefiningOp()) {
      if (!producer->use_empty())
        break;
      weight = producer->getNumOperands() ? producer->getOperand(0) : Value();
      producer->erase();
      if (!weight)
        break;
    }
  }
  llvm::Error failure = llvm::Error::success();
  module.walk([&](qt::LoadOp load) {
    auto found = types.find(symbols.lookup(load.getWeight()));
    if (found == types.end() || load.getType() == found->second || failure)
      return;
    failure = llvm::joinErrors(
        std::move(failure),
        llvm::createStringError("weight '" + load.getWeight() +
                                "' is read by a linear or an embedding and by "
                                "another op, too"));
  });
  if (failure)
    return failure;
  for (auto &[weight, type] : types)
    cast<qt::WeightOp>(weight).setType(type);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Equal stages
//===----------------------------------------------------------------------===//

/// The text of a stage's function without names, and with weights by number, so
/// that equal layers have equal texts. Changes the function.
static std::string normalizedText(func::FuncOp function, const Stage &stage) {
  llvm::StringMap<std::string> numbers;
  for (auto [number, weight] : llvm::enumerate(stage.weights))
    numbers[weight.name] = "w" + std::to_string(number);
  function.walk([&](qt::LoadOp load) {
    load.setWeight(numbers.lookup(load.getWeight()));
  });
  function.walk([](qt::ObserveOp op) {
    op.setSite("");
    op.setReadersAttr(ArrayAttr::get(op.getContext(), {}));
  });
  function->setDiscardableAttrs(DictionaryAttr::get(function.getContext()));
  function.setSymName("stage");
  std::string text;
  llvm::raw_string_ostream stream(text);
  function->print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

/// Leaves one function of those that differ in their weights alone.
static void shareFunctions(ModuleOp module, StageProgram &program) {
  llvm::StringMap<size_t> known;
  for (auto [number, stage] : llvm::enumerate(program.stages)) {
    auto function = module.lookupSymbol<func::FuncOp>(stage.function);
    OwningOpRef<func::FuncOp> copy = function.clone();
    auto [entry, isNew] =
        known.try_emplace(normalizedText(*copy, stage), number);
    if (isNew)
      continue;
    const Stage &first = program.stages[entry->second];
    stage.function = first.function;
    for (auto [weight, slot] : llvm::zip_equal(stage.weights, first.weights))
      weight.slot = slot.slot;
    function.erase();
  }
}

/// Where cpu-pack has put the weights that are slots.
static llvm::Error describeWeights(ModuleOp module, StageProgram &program) {
  SymbolTable sources(*program.declarations);
  SymbolTable packed(module);
  for (auto &[name, weight] : program.weights)
    weight.source = sources.lookup<qt::WeightOp>(name);
  for (const Stage &stage : program.stages)
    for (const Stage::Weight &weight : stage.weights) {
      auto declared = packed.lookup<qt::WeightOp>(weight.slot);
      if (!declared || !declared.getOffset() ||
          !program.weights[weight.name].source)
        return llvm::createStringError("weight '" + weight.name +
                                       "' was not packed");
      WeightSlot &slot = program.slots[weight.slot];
      slot.type = declared.getType();
      slot.offset = *declared.getOffset();
      if (auto panels = dyn_cast<qt::QuantTensorType>(slot.type))
        slot.bytes = cpu::PanelLayout(panels).totalBytes;
      else
        slot.bytes = cast<RankedTensorType>(slot.type).getNumElements() * 4;
      program.weightsBytes =
          std::max(program.weightsBytes, slot.offset + slot.bytes);
    }
  return llvm::Error::success();
}

void StagedModel::getDependentDialects(DialectRegistry &registry) {
  OpPassManager pm(ModuleOp::getOperationName());
  observe(pm, StagedModelOptions());
  buildPackPipeline(pm, PackOptions());
  buildCodegenCPUPipeline(pm, CodegenCPUOptions());
  pm.getDependentDialects(registry);
}

llvm::Expected<StageProgram>
quantmlir::buildStages(ModuleOp module, const StagedModelOptions &options) {
  StageProgram program;
  program.declarations = ModuleOp::create(UnknownLoc::get(module.getContext()));
  for (auto weight : module.getOps<qt::WeightOp>())
    program.declarations->push_back(weight->clone());

  if (llvm::Error error =
          runPasses(module, "cutting the model into stages",
                    [&](PassManager &pm) { observe(pm, options); }))
    return std::move(error);
  if (llvm::Error error = describeStages(module, program))
    return std::move(error);
  // They have been read, and LLVM does not know them.
  for (auto function : module.getOps<func::FuncOp>()) {
    function.removeArgAttrsAttr();
    function.removeResAttrsAttr();
  }
  if (llvm::Error error = makeWeightsFloat(module))
    return std::move(error);
  shareFunctions(module, program);
  if (llvm::Error error =
          runPasses(module, "packing the stages", [&](PassManager &pm) {
            PackOptions pack;
            pack.target = options.target;
            buildPackPipeline(pm, pack);
          }))
    return std::move(error);
  if (llvm::Error error = describeWeights(module, program))
    return std::move(error);
  return program;
}

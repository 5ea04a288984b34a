// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StageProgram.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/ADT/BitVector.h"
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
  if (content.mean)
    wanted = wanted | qt::Statistics::Sum;
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

/// The live value that `value`, made or taken by a stage, is handed on as.
static std::optional<int64_t> findLive(func::FuncOp function, Value value) {
  auto number = [](DictionaryAttr attrs) -> std::optional<int64_t> {
    auto live = attrs ? attrs.getAs<IntegerAttr>(qt::QTDialect::liveAttrName)
                      : IntegerAttr();
    return live ? std::optional<int64_t>(live.getInt()) : std::nullopt;
  };
  if (auto argument = dyn_cast<BlockArgument>(value))
    return number(function.getArgAttrDict(argument.getArgNumber()));
  Operation *terminator = function.getBody().front().getTerminator();
  for (OpOperand &result : terminator->getOpOperands())
    if (result.get() == value)
      if (auto live =
              number(function.getResultAttrDict(result.getOperandNumber())))
        return live;
  return std::nullopt;
}

/// What the product of a linear is added to, if that comes from an earlier
/// stage.
static std::optional<Stage::Drift>
findResidual(func::FuncOp function, qt::QuantizableOpInterface linear) {
  Value product = linear->getResult(0);
  auto add = product.hasOneUse()
                 ? dyn_cast<arith::AddFOp>(*product.user_begin())
                 : arith::AddFOp();
  if (!add)
    return std::nullopt;
  Value other = add.getLhs() == product ? add.getRhs() : add.getLhs();
  auto type = cast<RankedTensorType>(other.getType());
  std::optional<int64_t> live =
      isa<BlockArgument>(other) ? findLive(function, other) : std::nullopt;
  if (!live || ShapedType::isDynamic(type.getShape().back()))
    return std::nullopt;
  return Stage::Drift{*live, type, ""};
}

/// Finds the live values whose drift is measured behind a stage.
static void findDrift(func::FuncOp function, func::FuncOp next, Stage &stage) {
  function.walk([&](qt::ObserveOp op) {
    if (auto live = findLive(function, op.getX()))
      stage.activation = {*live, op.getX().getType(), ""};
    next.walk([&](qt::QuantizableOpInterface linear) {
      qt::LoadOp load = qt::getWeightSource(linear.getWeightOperand().get());
      if (stage.residual || !load || !linear.getActivationOperand() ||
          !llvm::is_contained(op.getReaders().getAsValueRange<StringAttr>(),
                              load.getWeight()))
        return;
      stage.residual = findResidual(next, linear);
      if (stage.residual)
        stage.residualReader = load.getWeight().str();
    });
  });
}

static llvm::Error describeStages(ModuleOp module, StageProgram &program) {
  SmallVector<func::FuncOp> functions;
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
    functions.push_back(function);

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
  for (size_t stage = 0; stage < program.sites.size(); ++stage)
    findDrift(functions[stage], functions[stage + 1], program.stages[stage]);
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

//===----------------------------------------------------------------------===//
// Drift
//===----------------------------------------------------------------------===//

/// The stage's function without statistics, and without what rounding does to
/// activations.
static std::string makePlain(ModuleOp module, func::FuncOp function) {
  auto plain = func::FuncOp(function->clone());
  plain.setSymName((function.getSymName() + "_plain").str());
  Operation *terminator = plain.getBody().front().getTerminator();
  SmallVector<Value> kept;
  llvm::BitVector dropped(plain.getNumResults());
  for (auto [index, value] : llvm::enumerate(terminator->getOperands())) {
    dropped[index] = value.getDefiningOp<qt::ObserveOp>() != nullptr;
    if (!dropped[index])
      kept.push_back(value);
  }
  terminator->setOperands(kept);
  (void)plain.eraseResults(dropped);
  plain.walk([](qt::ObserveOp op) { op.erase(); });
  llvm::SetVector<Operation *> rounding;
  plain.walk([&](qt::DequantizeOp op) {
    auto quantize = op.getInput().getDefiningOp<qt::QuantizeOp>();
    if (!quantize)
      return;
    op.replaceAllUsesWith(quantize.getInput());
    rounding.insert(op);
    rounding.insert(quantize);
  });
  for (Operation *op : rounding)
    if (op->use_empty())
      op->erase();
  module.insert(Block::iterator(function), plain);
  return plain.getSymName().str();
}

static std::string makeDriftFunction(ModuleOp module, RankedTensorType type,
                                     RankedTensorType activation,
                                     unsigned number) {
  auto builder = OpBuilder::atBlockEnd(module.getBody());
  Location loc = module.getLoc();
  std::string name = "drift" + std::to_string(number);
  int64_t n = type.getShape().back(), k = activation.getShape().back();
  auto cross = RankedTensorType::get({n, k}, builder.getF32Type());
  auto mean = RankedTensorType::get(n, builder.getF32Type());
  auto function = func::FuncOp::create(
      builder, loc, name,
      builder.getFunctionType({type, type, activation}, {cross, mean}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  Value drift = arith::SubFOp::create(builder, loc, function.getArgument(0),
                                      function.getArgument(1));
  Value products = qt::CrossGramOp::create(builder, loc, cross, drift,
                                           function.getArgument(2));
  auto sums = qt::ObserveOp::create(builder, loc, drift, qt::Statistics::Sum,
                                    "drift", builder.getArrayAttr({}));
  func::ReturnOp::create(builder, loc, ValueRange{products, sums.getResult(0)});
  return name;
}

/// Adds what it takes to run the float model beside the quantized one.
static void makeDriftFunctions(ModuleOp module, StageProgram &program) {
  llvm::StringMap<std::string> plain;
  llvm::DenseMap<std::pair<Type, Type>, std::string> byType;
  for (Stage &stage : program.stages) {
    std::string &name = plain[stage.function];
    if (name.empty())
      name =
          makePlain(module, module.lookupSymbol<func::FuncOp>(stage.function));
    stage.plainFunction = name;
    for (std::optional<Stage::Drift> *drift :
         {&stage.activation, &stage.residual}) {
      if (!*drift || !stage.activation)
        continue;
      RankedTensorType activation = stage.activation->type;
      std::string &function = byType[{(*drift)->type, activation}];
      if (function.empty())
        function = makeDriftFunction(module, (*drift)->type, activation,
                                     byType.size());
      (*drift)->function = function;
    }
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
        slot.bytes = kernel::PanelLayout(panels).totalBytes;
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
  if (options.statistics.drift)
    makeDriftFunctions(module, program);
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

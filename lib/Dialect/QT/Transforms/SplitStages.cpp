// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The function's one block is cut behind each qt.observe. What an op of a later
// stage needs is either made again there (weights, constants, sizes: anything
// that costs no tensor) or handed over. A value that skips a stage does not go
// through it: the caller keeps all live values by number.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_SPLITSTAGESPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

/// Splits one function.
class Splitter {
public:
  explicit Splitter(func::FuncOp function)
      : function(function), context(function.getContext()) {}

  LogicalResult split();

private:
  LogicalResult check();
  void assignStages();
  void collect();
  void emitStage(unsigned stage);
  DictionaryAttr attribute(StringRef name, Attribute value);

  struct Stage {
    SmallVector<Operation *> ops; ///< its own, and those made again
    ObserveOp observe;            ///< null in the last one
    llvm::SetVector<Value> inputs;
    llvm::SetVector<Value> outputs; ///< live in later stages
  };

  func::FuncOp function;
  MLIRContext *context;
  SmallVector<Stage> stages;
  llvm::DenseMap<Operation *, unsigned> stageOf;
  /// Live values that are no arguments, by number.
  llvm::DenseMap<Value, int64_t> numbers;
};

struct SplitStagesPass : qt::impl::SplitStagesPassBase<SplitStagesPass> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> observed;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.getOps<ObserveOp>().empty())
        observed.push_back(function);
    if (observed.size() > 1) {
      observed[1].emitOpError("is observed, and so is @")
          << observed[0].getSymName() << "; stages are of one function";
      return signalPassFailure();
    }
    for (func::FuncOp function : observed)
      if (failed(Splitter(function).split()))
        return signalPassFailure();
  }
};

} // namespace

/// True if it costs less to compute the op again than to keep its results.
static bool isCheap(Operation *op) {
  if (!isMemoryEffectFree(op) || op->getNumRegions() != 0)
    return false;
  if (isa<LoadOp, tensor::EmptyOp>(op) || op->hasTrait<OpTrait::ConstantLike>())
    return true;
  if (auto dequantize = dyn_cast<DequantizeOp>(op))
    return dequantize.getInput().getDefiningOp<LoadOp>();
  return llvm::none_of(op->getResultTypes(),
                       [](Type type) { return isa<ShapedType>(type); });
}

LogicalResult Splitter::check() {
  if (!function.getBody().hasOneBlock())
    return function.emitOpError("has control flow between blocks and cannot be "
                                "cut into stages");
  WalkResult nested = function.walk([&](ObserveOp op) {
    if (op->getParentOp() == function)
      return WalkResult::advance();
    op.emitOpError("is inside a loop or branch, where no stage can end");
    return WalkResult::interrupt();
  });
  return failure(nested.wasInterrupted());
}

void Splitter::assignStages() {
  stages.emplace_back();
  for (Operation &op : function.getBody().front()) {
    stageOf[&op] = stages.size() - 1;
    auto observe = dyn_cast<ObserveOp>(op);
    if (!observe)
      continue;
    stages.back().observe = observe;
    stages.emplace_back();
  }
}

void Splitter::collect() {
  for (unsigned stage = 0; stage < stages.size(); ++stage) {
    llvm::SetVector<Operation *> needed;
    SmallVector<Operation *> open;
    for (Operation &op : function.getBody().front())
      if (stageOf.lookup(&op) == stage && !isCheap(&op) &&
          !isa<func::ReturnOp>(op) && needed.insert(&op))
        open.push_back(&op);
    auto need = [&](Value value) {
      Operation *producer = value.getDefiningOp();
      if (!producer) {
        // An argument of an inner block is made there.
        if (cast<BlockArgument>(value).getOwner() ==
            &function.getBody().front())
          stages[stage].inputs.insert(value);
        return;
      }
      producer = function.getBody().front().findAncestorOpInBlock(*producer);
      if (isCheap(producer)) {
        if (needed.insert(producer))
          open.push_back(producer);
        return;
      }
      unsigned from = stageOf.lookup(producer);
      if (from == stage)
        return;
      stages[stage].inputs.insert(value);
      stages[from].outputs.insert(value);
      numbers.try_emplace(value, numbers.size());
    };
    if (stage + 1 == stages.size())
      for (Value result :
           function.getBody().front().getTerminator()->getOperands())
        need(result);
    while (!open.empty())
      open.pop_back_val()->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          need(operand);
      });
    for (Operation &op : function.getBody().front())
      if (needed.contains(&op))
        stages[stage].ops.push_back(&op);
  }
}

DictionaryAttr Splitter::attribute(StringRef name, Attribute value) {
  return DictionaryAttr::get(context, NamedAttribute(name, value));
}

void Splitter::emitStage(unsigned number) {
  Stage &stage = stages[number];
  OpBuilder builder(function);
  // Arguments of the whole function first, in their order.
  SmallVector<Value> inputs;
  for (BlockArgument argument : function.getArguments())
    if (stage.inputs.contains(argument))
      inputs.push_back(argument);
  for (Value value : stage.inputs)
    if (!isa<BlockArgument>(value))
      inputs.push_back(value);

  SmallVector<Value> results;
  SmallVector<DictionaryAttr> resultAttrs;
  for (Value value : stage.outputs) {
    results.push_back(value);
    resultAttrs.push_back(
        attribute(QTDialect::liveAttrName,
                  builder.getI64IntegerAttr(numbers.lookup(value))));
  }
  if (stage.observe) {
    for (auto [one, result] :
         llvm::zip(listStatistics(stage.observe.getStatistics()),
                   stage.observe.getResults())) {
      results.push_back(result);
      resultAttrs.push_back(
          attribute(QTDialect::statisticAttrName,
                    builder.getStringAttr(stringifyStatistics(one))));
    }
  } else {
    for (Value value :
         function.getBody().front().getTerminator()->getOperands())
      results.push_back(value);
    resultAttrs.resize(results.size(), builder.getDictionaryAttr({}));
  }

  std::string name =
      (function.getSymName() + ".stage" + llvm::Twine(number)).str();
  llvm::replace(name, '.', '_');
  auto type = builder.getFunctionType(TypeRange(ValueRange(inputs)),
                                      TypeRange(ValueRange(results)));
  auto staged = func::FuncOp::create(builder, function.getLoc(), name, type);
  staged->setAttr(QTDialect::stageAttrName, builder.getI64IntegerAttr(number));
  if (stage.observe) {
    staged->setAttr(QTDialect::siteAttrName, stage.observe.getSiteAttr());
    staged->setAttr(QTDialect::readersAttrName, stage.observe.getReadersAttr());
  }
  staged.setAllResultAttrs(resultAttrs);
  Block *body = staged.addEntryBlock();
  IRMapping mapping;
  for (auto [index, input] : llvm::enumerate(inputs)) {
    mapping.map(input, body->getArgument(index));
    if (auto argument = dyn_cast<BlockArgument>(input)) {
      if (DictionaryAttr attrs =
              function.getArgAttrDict(argument.getArgNumber()))
        staged.setArgAttrs(index, attrs);
      staged.setArgAttr(index, QTDialect::argumentAttrName,
                        builder.getI64IntegerAttr(argument.getArgNumber()));
    } else {
      staged.setArgAttr(index, QTDialect::liveAttrName,
                        builder.getI64IntegerAttr(numbers.lookup(input)));
    }
  }
  builder.setInsertionPointToStart(body);
  for (Operation *op : stage.ops)
    builder.clone(*op, mapping);
  SmallVector<Value> returned;
  for (Value result : results)
    returned.push_back(mapping.lookup(result));
  func::ReturnOp::create(builder, function.getLoc(), returned);
}

LogicalResult Splitter::split() {
  if (failed(check()))
    return failure();
  assignStages();
  collect();
  for (unsigned stage = 0; stage < stages.size(); ++stage)
    emitStage(stage);
  function.erase();
  return success();
}

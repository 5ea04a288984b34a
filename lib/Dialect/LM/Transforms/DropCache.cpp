// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/SetVector.h"

namespace quantmlir::lm {
#define GEN_PASS_DEF_DROPCACHEPASS
#include "quant-mlir/Dialect/LM/Transforms/Passes.h.inc"
} // namespace quantmlir::lm

using namespace mlir;
using namespace quantmlir::lm;

namespace {

struct DropCachePass : quantmlir::lm::impl::DropCachePassBase<DropCachePass> {
  void runOnOperation() override;

private:
  LogicalResult dropFrom(BlockArgument cache);
};

} // namespace

/// The same attention over the call's own keys and values.
static void replaceWithoutCache(AttentionOp op) {
  OpBuilder builder(op);
  auto plain = AttentionOp::create(
      builder, op.getLoc(), op.getType(), op.getQuery(), op.getKey(),
      op.getValue(), /*cache=*/Value(), /*position=*/Value(), op.getMask(),
      /*layer=*/IntegerAttr(), op.getHeadsAttr(), op.getKvHeadsAttr(),
      op.getScaleAttr(), op.getCausalAttr(), op.getWindowAttr(),
      op.getSoftcapAttr());
  op.replaceAllUsesWith(plain.getResult());
  op.erase();
}

LogicalResult DropCachePass::dropFrom(BlockArgument cache) {
  llvm::SmallSetVector<Value, 2> positions;
  for (Operation *user : llvm::to_vector(cache.getUsers())) {
    auto attention = dyn_cast<AttentionOp>(user);
    if (!attention)
      return user->emitOpError("uses a cache that is to be dropped");
    positions.insert(attention.getPosition());
  }
  func::FuncOp function = getOperation();
  llvm::BitVector dead(function.getNumArguments());
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  for (Value position : positions) {
    auto argument = dyn_cast<BlockArgument>(position);
    if (!argument)
      return function.emitOpError("computes the position in its cache; only an "
                                  "argument can be taken as 0");
    Value zero = arith::ConstantIndexOp::create(builder, function.getLoc(), 0);
    argument.replaceAllUsesWith(zero);
    dead.set(argument.getArgNumber());
  }
  for (Operation *user : llvm::to_vector(cache.getUsers()))
    replaceWithoutCache(cast<AttentionOp>(user));
  dead.set(cache.getArgNumber());
  return function.eraseArguments(dead);
}

/// `outputs` selects the last rows of the result: all of them.
static LogicalResult fixOutputs(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments()) {
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      "lm.name");
    if (!name || name.getValue() != "outputs" || !argument.getType().isIndex())
      continue;
    auto tokens = dyn_cast<RankedTensorType>(function.getArgument(0).getType());
    if (!tokens || tokens.getRank() == 0)
      return function.emitOpError("has no tokens to count as its first "
                                  "argument");
    OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
    Value count =
        tensor::DimOp::create(builder, function.getLoc(),
                              function.getArgument(0), tokens.getRank() - 1);
    argument.replaceAllUsesWith(count);
    return function.eraseArgument(argument.getArgNumber());
  }
  return success();
}

void DropCachePass::runOnOperation() {
  func::FuncOp function = getOperation();
  if (function.isExternal())
    return;
  for (;;) {
    auto cache =
        llvm::find_if(function.getArguments(), [](BlockArgument argument) {
          return isa<KVCacheType>(argument.getType());
        });
    if (cache == function.args_end())
      break;
    if (failed(dropFrom(*cache)))
      return signalPassFailure();
  }
  if (failed(fixOutputs(function)))
    signalPassFailure();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What no kernel knows stays linalg and lands here: elementwise code between
// kernels becomes vectors, anything else plain loops, whose outermost parallel
// one the threads share.

#include "Expand.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace quantmlir::cpu;

namespace {

/// How an operand of an elementwise op is read at a vector of the last
/// dimension.
enum class Operand { Contiguous, Broadcast, Other };

} // namespace

static Operand classify(AffineMap map, unsigned loops, Type type) {
  auto buffer = dyn_cast<MemRefType>(type);
  if (!buffer)
    return map.getNumResults() == 0 ? Operand::Broadcast : Operand::Other;
  if (!map.isFunctionOfDim(loops - 1))
    return map.isProjectedPermutation(/*allowZeroInResults=*/true)
               ? Operand::Broadcast
               : Operand::Other;
  if (!map.isProjectedPermutation(/*allowZeroInResults=*/true) ||
      map.getResults().back() != getAffineDimExpr(loops - 1, map.getContext()))
    return Operand::Other;
  auto [strides, offset] = buffer.getStridesAndOffset();
  return strides.back() == 1 ? Operand::Contiguous : Operand::Other;
}

static bool isVectorizable(linalg::LinalgOp op) {
  unsigned loops = op.getNumLoops();
  if (loops == 0 || op.getNumDpsInits() != 1 || op.hasIndexSemantics() ||
      !llvm::all_of(op.getIteratorTypesArray(), linalg::isParallelIterator) ||
      !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() ||
      ShapedType::isDynamic(op.getStaticLoopRanges().back()))
    return false;
  for (OpOperand &operand : op->getOpOperands())
    if (classify(op.getMatchingIndexingMap(&operand), loops,
                 operand.get().getType()) == Operand::Other)
      return false;
  return llvm::all_of(op.getBlock()->without_terminator(),
                      [](Operation &inner) {
                        return OpTrait::hasElementwiseMappableTraits(&inner) ||
                               isa<arith::ConstantOp>(inner);
                      });
}

static SmallVector<Value> indicesOf(KernelBuilder &b, AffineMap map,
                                    ValueRange loops) {
  SmallVector<Value> indices;
  for (AffineExpr expr : map.getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    indices.push_back(dim ? loops[dim.getPosition()] : b.index(0));
  }
  return indices;
}

/// The body of an elementwise op on vectors of the last dimension.
static void emitVectors(KernelBuilder &b, linalg::LinalgOp op, ValueRange loops,
                        int64_t lanes) {
  IRMapping mapping;
  OpOperand *out = op.getDpsInitOperand(0);
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    if (argument.use_empty())
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    Value source = operand.get(), value;
    if (!isa<MemRefType>(source.getType()))
      value = b.splat(source, lanes);
    else if (classify(map, loops.size(), source.getType()) ==
             Operand::Contiguous)
      value = b.load(b.vec(lanes, argument.getType()), source,
                     indicesOf(b, map, loops));
    else
      value = b.splat(b.loadScalar(source, indicesOf(b, map, loops)), lanes);
    mapping.map(argument, value);
  }
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      auto type = b.vec(lanes, constant.getType());
      mapping.map(
          constant.getResult(),
          arith::ConstantOp::create(
              b, DenseElementsAttr::get(type, Attribute(constant.getValue()))));
      continue;
    }
    SmallVector<Value> operands;
    for (Value operand : inner.getOperands())
      operands.push_back(mapping.lookup(operand));
    SmallVector<Type> types;
    for (Type type : inner.getResultTypes())
      types.push_back(b.vec(lanes, type));
    OperationState state(b.getLoc(), inner.getName(), operands, types,
                         inner.getAttrs());
    mapping.map(inner.getResults(), b.create(state)->getResults());
  }
  Value result = mapping.lookup(op.getBlock()->getTerminator()->getOperand(0));
  b.store(result, out->get(),
          indicesOf(b, op.getMatchingIndexingMap(out), loops));
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, linalg::LinalgOp op) {
  if (isVectorizable(op)) {
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    Value out = op.getDpsInitOperand(0)->get();
    unsigned count = ranges.size();
    int64_t lanes = vectorLanes(ranges.back());
    SmallVector<Value> loops(count);
    // The first dimension that is worth it is shared by the threads.
    unsigned shared = 0;
    while (shared + 2 < count && ranges[shared] == 1)
      ++shared;
    std::function<void(unsigned)> nest = [&](unsigned dim) {
      if (dim == shared && dim + 1 < count) {
        b.splitLoop(b.size(out, dim), [&](Value i) {
          loops[dim] = i;
          nest(dim + 1);
        });
        return;
      }
      if (dim + 1 == count) {
        b.loop(0, ranges.back(), lanes, [&](Value i) {
          loops[dim] = i;
          emitVectors(b, op, loops, lanes);
        });
        return;
      }
      b.loop(b.index(0), b.size(out, dim), 1, [&](Value i) {
        loops[dim] = i;
        nest(dim + 1);
      });
    };
    if (count == 1) {
      b.splitLoop(b.index(ranges[0] / lanes), [&](Value step) {
        loops[0] = b.mul(step, lanes);
        emitVectors(b, op, loops, lanes);
      });
      return success();
    }
    nest(0);
    return success();
  }

  IRRewriter rewriter(b);
  rewriter.setInsertionPoint(op);
  FailureOr<linalg::LinalgLoops> loops = linalg::linalgOpToLoops(rewriter, op);
  if (failed(loops))
    return op.emitOpError("cannot be expanded to loops");
  auto outer =
      loops->empty() ? scf::ForOp() : dyn_cast<scf::ForOp>(loops->front());
  bool parallel =
      outer && op.getNumLoops() > 0 &&
      linalg::isParallelIterator(op.getIteratorTypesArray()[0]) &&
      op.getNumDpsInits() == 1 &&
      op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isFunctionOfDim(0);
  if (parallel) {
    // linalg's outer loop runs from 0 in steps of 1.
    Value count = outer.getUpperBound();
    b.setInsertionPoint(outer);
    Value begin = arith::DivUIOp::create(b, b.mul(count, b.thread), b.threads);
    Value end =
        arith::DivUIOp::create(b, b.mul(count, b.add(b.thread, 1)), b.threads);
    outer.setLowerBound(begin);
    outer.setUpperBound(end);
    return success();
  }
  // No loop to share: thread 0 does it alone.
  Operation *first = loops->empty() ? nullptr : loops->front();
  if (!first)
    return op.emitOpError("has no loop that threads could share");
  b.setInsertionPoint(first);
  Value alone =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.thread, b.index(0));
  auto guard = scf::IfOp::create(b, alone);
  first->moveBefore(guard.thenBlock()->getTerminator());
  return success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What is left around the raised operations.
//
// torch keeps a batch of one in front of everything, but everything behind this
// pass works on [tokens, width]. So unit dimensions move from in front of each
// raised operation to behind it, where they meet the next one's and cancel; one
// collapse_shape at the function's entry and one expand_shape at its end
// remain.
//
// Residual additions and gates are arith on tensors in a graph of lm operations
// (see the dialect), so that is what generics become that do nothing else.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
bool isTensorArithmetic(Operation *op) {
  return isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp>(op) &&
         isa<RankedTensorType>(op->getResult(0).getType());
}

/// The operands that run over the same rows as the result.
SmallVector<OpOperand *> rowOperands(Operation *op) {
  SmallVector<OpOperand *> operands;
  if (isTensorArithmetic(op)) {
    for (OpOperand &operand : op->getOpOperands())
      operands.push_back(&operand);
  } else if (isa<AttentionOp>(op)) {
    for (unsigned i : {0, 1, 2})
      operands.push_back(&op->getOpOperand(i));
  } else if (isa<LinearOp, EmbeddingOp, RMSNormOp, LayerNormOp, RopeOp,
                 ActivationOp>(op)) {
    operands.push_back(&op->getOpOperand(0));
  }
  return operands;
}

struct MoveUnitDimsBehind : RewritePattern {
  explicit MoveUnitDimsBehind(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    SmallVector<OpOperand *> rows = rowOperands(op);
    if (rows.empty())
      return rewriter.notifyMatchFailure(op, "has no rows");
    // What was there before stays as it is, unless a unit dimension arrives.
    if (isTensorArithmetic(op) && llvm::none_of(rows, [](OpOperand *row) {
          return row->get().getDefiningOp<tensor::ExpandShapeOp>();
        }))
      return rewriter.notifyMatchFailure(op, "no unit dimension was moved");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t units = type.getRank() - 2;
    for (OpOperand *row : rows)
      units = std::min(units, countUnits(row->get()));
    if (units < 1)
      return rewriter.notifyMatchFailure(op, "has no unit dimensions in front");

    // The result's sizes, in terms of what is there before this operation.
    SmallVector<OpFoldResult> sizes =
        materializeSizes(rewriter, op->getLoc(), op->getResult(0));
    Operation *smaller = rewriter.clone(*op);
    for (OpOperand *row : rows) {
      int64_t rank = cast<RankedTensorType>(row->get().getType()).getRank();
      rewriter.setInsertionPoint(smaller);
      smaller->setOperand(
          row->getOperandNumber(),
          tensor::CollapseShapeOp::create(rewriter, op->getLoc(), row->get(),
                                          frontGroups(rank, units)));
    }
    smaller->getResult(0).setType(RankedTensorType::get(
        type.getShape().drop_front(units), type.getElementType()));
    rewriter.setInsertionPoint(op);
    rewriter.replaceOpWithNewOp<tensor::ExpandShapeOp>(
        op, type, smaller->getResult(0), frontGroups(type.getRank(), units),
        sizes);
    return success();
  }
};

/// [T, E] where [1, T, E] is wanted, or the like: the tensor with unit
/// dimensions put in front, if that is all that `op` does to index it.
Value withUnitsInFront(linalg::LinalgOp op, OpOperand *operand,
                       OpBuilder *builder) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto from = cast<RankedTensorType>(operand->get().getType());
  int64_t units = type.getRank() - from.getRank();
  AffineMap map = op.getMatchingIndexingMap(operand);
  if (units < 0 || units > countUnits(op->getResult(0)) ||
      from.getElementType() != type.getElementType() ||
      from.getShape() != type.getShape().drop_front(units))
    return Value();
  for (int64_t dim = 0; dim < from.getRank(); ++dim)
    if (map.getResult(dim) != getAffineDimExpr(dim + units, op->getContext()))
      return Value();
  if (units == 0 || !builder)
    return operand->get();
  return tensor::ExpandShapeOp::create(
      *builder, op.getLoc(), type, operand->get(),
      frontGroups(type.getRank(), units),
      materializeSizes(*builder, op.getLoc(), op->getResult(0)));
}

struct MakeArithmetic : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return rewriter.notifyMatchFailure(
          op, "computes no float tensor element by element");
    Operation *only = &op.getBlock()->front();
    if (!isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp>(
            only) ||
        op.getBlock()->getTerminator()->getOperand(0) != only->getResult(0))
      return rewriter.notifyMatchFailure(op, "is more than one operation");
    SmallVector<OpOperand *> operands;
    for (Value scalar : only->getOperands()) {
      auto argument = dyn_cast<BlockArgument>(scalar);
      if (!argument || argument.getOwner() != op.getBlock() ||
          argument.getArgNumber() >= unsigned(op.getNumDpsInputs()))
        return rewriter.notifyMatchFailure(op, "reads no two tensors");
      operands.push_back(op.getDpsInputOperand(argument.getArgNumber()));
      if (!isa<RankedTensorType>(operands.back()->get().getType()) ||
          !withUnitsInFront(op, operands.back(), nullptr))
        return rewriter.notifyMatchFailure(op, "broadcasts or transposes");
    }
    SmallVector<Value> values;
    for (OpOperand *operand : operands)
      values.push_back(withUnitsInFront(op, operand, &rewriter));
    OperationState state(op.getLoc(), only->getName(), values,
                         op->getResultTypes(), only->getAttrs());
    rewriter.replaceOp(op, rewriter.create(state));
    return success();
  }
};
} // namespace

void raise::populateTidy(RewritePatternSet &patterns) {
  patterns.add<MoveUnitDimsBehind, MakeArithmetic>(patterns.getContext());
}

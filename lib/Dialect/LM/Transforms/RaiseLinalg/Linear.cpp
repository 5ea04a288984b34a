// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// y[.., n] = sum(k) x[.., k] · w[n, k]  (+ b[n])
//
// Any contraction with that formula, whatever its operations are called and
// wherever transpositions stand. The weight need not be constant, but it has to
// exist as [N, K] somewhere behind the views, as the op wants it; a constant
// [K, N] is transposed for it, which `--qt-externalize-constants` folds away.
//
// The bias comes from the tensor that the product is accumulated into, or from
// an addition to the result.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
/// Whether a transposition of this value costs nothing when the program runs.
bool isWeight(Value value) {
  return value.getDefiningOp<arith::ConstantOp>() ||
         value.getDefiningOp<quantmlir::qt::LoadOp>() ||
         value.getDefiningOp<quantmlir::qt::DequantizeOp>();
}

/// The operand w as [N, K], given the formula of one of its elements. Null if
/// it is not a weight; `transpose` says whether the value is [K, N] instead.
Value findWeight(Reader &reader, const Expr *e, AffineExpr n, AffineExpr k,
                 Type elementType, bool &transpose) {
  SmallVector<const Expr *> views = reader.views(e);
  auto find = [&](AffineExpr row, AffineExpr column, bool weightsOnly) {
    for (const Expr *view : views)
      if (view->type().getRank() == 2 &&
          view->type().getElementType() == elementType &&
          view->indices[0] == row && view->indices[1] == column &&
          // A row that is broadcast has the indices but not the shape.
          isWhole(reader, view, 0) && isWhole(reader, view, 1) &&
          (!weightsOnly || isWeight(view->tensor)))
        return view->tensor;
    return Value();
  };
  transpose = false;
  if (Value weight = find(n, k, /*weightsOnly=*/false))
    return weight;
  transpose = true;
  return find(k, n, /*weightsOnly=*/true);
}

struct RaiseLinear : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (op->getNumResults() != 1 || op.getNumReductionLoops() != 1 ||
        !op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "is no contraction of tensors");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Type elementType = type.getElementType();
    if (type.getRank() == 0 || !isa<FloatType>(elementType))
      return rewriter.notifyMatchFailure(op, "results in no float vectors");
    Reader reader(op->getContext());
    const Expr *root = reader.read(op->getResult(0));
    const Expr *sum = reader.step(root);
    if (!sum || !sum->isReduction(Fn::Add))
      return rewriter.notifyMatchFailure(op, "is no sum over one dimension");
    const Expr *product = reader.value(sum->operands[0]);
    if (!product->is(Fn::Mul))
      return rewriter.notifyMatchFailure(op, "the sum is not of products");

    AffineExpr n = root->indices.back(), k = sum->dims[0];
    SmallVector<AffineExpr> inputIndices(ArrayRef(root->indices).drop_back());
    inputIndices.push_back(k);
    Value input, weight;
    bool transpose = false;
    // The weight is usually on the right.
    for (unsigned right : {1, 0}) {
      weight = findWeight(reader, product->operands[right], n, k, elementType,
                          transpose);
      input = asTensor(reader, product->operands[1 - right], inputIndices,
                       elementType);
      if (weight && input)
        break;
    }
    if (!weight || !input)
      return rewriter.notifyMatchFailure(
          op, "no operand is a weight [N, K] or constant [K, N] with the other "
              "one [.., K]");

    // What is accumulated into: zero or a bias.
    Value bias;
    if (matchNumber(reader, sum->operands[1]) != 0.0) {
      bias = findVector(reader, sum->operands[1], n, elementType);
      if (!bias)
        return rewriter.notifyMatchFailure(
            op, "is accumulated into a tensor that is no bias");
      bias = flatten(rewriter, op.getLoc(), bias);
    }
    if (transpose)
      weight = transposed(rewriter, op.getLoc(), weight);
    rewriter.replaceOpWithNewOp<LinearOp>(op, type, input, weight, bias);
    return success();
  }

private:
  static Value transposed(OpBuilder &builder, Location loc, Value weight) {
    auto type = cast<RankedTensorType>(weight.getType());
    Value empty = tensor::EmptyOp::create(
        builder, loc, ArrayRef{type.getDimSize(1), type.getDimSize(0)},
        type.getElementType());
    return linalg::TransposeOp::create(builder, loc, weight, empty,
                                       ArrayRef<int64_t>{1, 0})
        ->getResult(0);
  }
};

/// lm.linear + bias
struct MoveBiasIntoLinear : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return rewriter.notifyMatchFailure(
          op, "computes no float tensor element by element");
    Reader reader(op->getContext());
    const Expr *root = reader.read(op->getResult(0));
    const Expr *sum = reader.step(root);
    if (!sum || !sum->is(Fn::Add) || root->indices.empty())
      return rewriter.notifyMatchFailure(op, "is no addition");
    for (unsigned side : {0, 1}) {
      Value product = asTensor(reader, sum->operands[side], root->indices,
                               root->type().getElementType());
      auto linear = product ? product.getDefiningOp<LinearOp>() : LinearOp();
      if (!linear || linear.getBias() || linear.getType() != root->type())
        continue;
      if (!linear->hasOneUse())
        return rewriter.notifyMatchFailure(
            op, "the product without the bias is needed elsewhere");
      Value bias =
          findVector(reader, sum->operands[1 - side], root->indices.back(),
                     root->type().getElementType());
      if (!bias)
        return rewriter.notifyMatchFailure(op, "what is added is no vector");
      bias = flatten(rewriter, op.getLoc(), bias);
      rewriter.replaceOpWithNewOp<LinearOp>(op, linear.getType(), linear.getX(),
                                            linear.getWeight(), bias);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no side of the sum is lm.linear");
  }
};
} // namespace

void raise::populateLinear(RewritePatternSet &patterns) {
  patterns.add<RaiseLinear, MoveBiasIntoLinear>(patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// RMSNorm and LayerNorm.
//
//   x · r · gain                    with r = 1/√(mean(x²) + eps)
//   (x - mean(x)) · r · gain + bias with r = 1/√(mean((x - mean(x))²) + eps)
//
// The factors come in any order and association. r is looked for first, since
// it says what x is and whether x is centred; then everything else must be one
// gain.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
/// What is under a root that something is divided by; null if `e` is neither
/// rsqrt(v), 1/sqrt(v) nor pow(v, -0.5).
const Expr *underInverseRoot(Reader &reader, const Expr *e) {
  e = reader.value(e);
  if (e->is(Fn::Rsqrt))
    return e->operands[0];
  if (e->is(Fn::Pow) && matchNumber(reader, e->operands[1]) == -0.5)
    return e->operands[0];
  if (e->is(Fn::Div) && matchNumber(reader, e->operands[0]) == 1.0) {
    const Expr *root = reader.value(e->operands[1]);
    if (root->is(Fn::Sqrt))
      return root->operands[0];
  }
  return nullptr;
}

/// Looks for r in a product.
const Expr *findInverseRoot(Reader &reader, const Expr *e, unsigned depth) {
  if (const Expr *under = underInverseRoot(reader, e))
    return under;
  e = reader.value(e);
  if (depth == 0)
    return nullptr;
  if (e->is(Fn::Mul))
    for (const Expr *operand : e->operands)
      if (const Expr *under = findInverseRoot(reader, operand, depth - 1))
        return under;
  if (e->is(Fn::Div)) {
    const Expr *root = reader.value(e->operands[1]);
    if (root->is(Fn::Sqrt))
      return root->operands[0];
    return findInverseRoot(reader, e->operands[0], depth - 1);
  }
  return nullptr;
}

/// x² in the forms it is written in.
const Expr *matchSquare(Reader &reader, const Expr *e) {
  e = reader.value(e);
  if (e->is(Fn::Pow) && matchNumber(reader, e->operands[1]) == 2.0)
    return e->operands[0];
  if (e->is(Fn::Mul) && reader.same(e->operands[0], e->operands[1]))
    return e->operands[0];
  return nullptr;
}

/// Whether `e` is the mean of `x` along `dim`.
bool isMeanOf(Reader &reader, const Expr *e, const Expr *x, AffineExpr dim) {
  std::optional<Sum> mean = matchMean(reader, e);
  return mean && reader.same(reader.substitute(mean->term, mean->dim, dim), x);
}

class Norm {
public:
  Norm(Reader &reader, const Expr *root)
      : reader(reader), last(root->indices.back()) {}

  /// Null if the product is a norm, else why it is not.
  const char *match(const Expr *product) {
    radicand = findInverseRoot(reader, product, 4);
    if (!radicand)
      return "no division by a root in the product";
    const Expr *sum = reader.value(radicand);
    if (!sum->is(Fn::Add))
      return "no eps is added below the root";
    std::optional<double> number = matchNumber(reader, sum->operands[1]);
    const Expr *variance = sum->operands[0];
    if (!number) {
      number = matchNumber(reader, sum->operands[0]);
      variance = sum->operands[1];
    }
    if (!number)
      return "what is added below the root is no constant";
    eps = *number;
    std::optional<Sum> mean = matchMean(reader, variance);
    if (!mean)
      return "no mean below the root: no sum over one dimension, or its "
             "divisor "
             "is not the dimension's size";
    const Expr *base =
        matchSquare(reader, reader.substitute(mean->term, mean->dim, last));
    if (!base)
      return "the mean below the root is not of squares";
    x = base;
    const Expr *difference = reader.value(base);
    if (difference->is(Fn::Sub) && isMeanOf(reader, difference->operands[1],
                                            difference->operands[0], last)) {
      x = difference->operands[0];
      centred = true;
    }
    if (!flatten(product, 8))
      return "the product is too deep";
    if (numInputs != 1 || numRoots != 1)
      return "the product does not hold the input and the root once each";
    if (gains.size() > 1)
      return "the product has more factors than one gain";
    return nullptr;
  }

  const Expr *x = nullptr;
  bool centred = false;
  double eps = 0;
  SmallVector<const Expr *> gains;

private:
  /// Sorts the factors into input, root and the rest.
  bool flatten(const Expr *e, unsigned depth) {
    if (depth == 0)
      return false;
    if (!centred && reader.same(e, x)) {
      ++numInputs;
      return true;
    }
    const Expr *v = reader.value(e);
    if (centred && v->is(Fn::Sub) && reader.same(v->operands[0], x) &&
        isMeanOf(reader, v->operands[1], x, last)) {
      ++numInputs;
      return true;
    }
    const Expr *under = underInverseRoot(reader, e);
    if (under && reader.same(under, radicand)) {
      ++numRoots;
      return true;
    }
    if (v->is(Fn::Div)) {
      const Expr *root = reader.value(v->operands[1]);
      if (root->is(Fn::Sqrt) && reader.same(root->operands[0], radicand)) {
        ++numRoots;
        return flatten(v->operands[0], depth - 1);
      }
    }
    if (v->is(Fn::Mul))
      return flatten(v->operands[0], depth - 1) &&
             flatten(v->operands[1], depth - 1);
    gains.push_back(e);
    return true;
  }

  Reader &reader;
  AffineExpr last;
  const Expr *radicand = nullptr;
  unsigned numInputs = 0, numRoots = 0;
};

struct RaiseNorm : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return rewriter.notifyMatchFailure(
          op, "computes no float tensor element by element");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
      return rewriter.notifyMatchFailure(
          op, "the width that is normalised is not static");
    Reader reader(op->getContext());
    const Expr *root = reader.read(op->getResult(0));
    AffineExpr last = root->indices.back();
    const Expr *top = reader.value(root);

    // With a bias, without one.
    if (top->is(Fn::Add)) {
      for (unsigned side : {0, 1}) {
        const Expr *product = top->operands[side];
        if (!reader.value(product)->is(Fn::Mul) &&
            !reader.value(product)->is(Fn::Div))
          continue;
        Norm norm(reader, root);
        if (norm.match(product))
          continue;
        if (!norm.centred)
          return rewriter.notifyMatchFailure(op, "an RMS norm has no bias");
        Value bias = findVector(reader, top->operands[1 - side], last,
                                type.getElementType());
        if (!bias)
          return rewriter.notifyMatchFailure(
              op, "what is added to the norm is not one vector");
        return replace(op, rewriter, reader, root, norm, bias);
      }
      return rewriter.notifyMatchFailure(op, "no side of the sum is a norm");
    }
    if (!top->is(Fn::Mul) && !top->is(Fn::Div))
      return rewriter.notifyMatchFailure(op, "is no product");
    Norm norm(reader, root);
    if (const char *why = norm.match(root))
      return rewriter.notifyMatchFailure(op, why);
    return replace(op, rewriter, reader, root, norm, Value());
  }

private:
  static LogicalResult replace(linalg::LinalgOp op, PatternRewriter &rewriter,
                               Reader &reader, const Expr *root,
                               const Norm &norm, Value bias) {
    RankedTensorType type = root->type();
    int64_t width = type.getShape().back();
    Value x = asTensor(reader, norm.x, root->indices, type.getElementType());
    if (!x || x.getType() != type)
      return rewriter.notifyMatchFailure(
          op, "the input is not a tensor of the result's shape, normalised "
              "along its last dimension");
    Value gain;
    if (!norm.gains.empty()) {
      gain = findVector(reader, norm.gains[0], root->indices.back(),
                        type.getElementType());
      if (!gain)
        return rewriter.notifyMatchFailure(op, "the gain is not one vector");
      gain = flatten(rewriter, op.getLoc(), gain);
    } else {
      auto vector = RankedTensorType::get({width}, type.getElementType());
      gain = arith::ConstantOp::create(
          rewriter, op.getLoc(),
          DenseElementsAttr::get(
              vector, rewriter.getFloatAttr(type.getElementType(), 1.0)));
    }
    if (bias)
      bias = flatten(rewriter, op.getLoc(), bias);
    FloatAttr eps = rewriter.getF64FloatAttr(norm.eps);
    if (norm.centred)
      rewriter.replaceOpWithNewOp<LayerNormOp>(op, type, x, gain, bias, eps);
    else
      rewriter.replaceOpWithNewOp<RMSNormOp>(op, type, x, gain, eps);
    return success();
  }
};
} // namespace

void raise::populateNorm(RewritePatternSet &patterns) {
  patterns.add<RaiseNorm>(patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// y[h, t, d] = sum(j) softmax(j)(s[h, t, j]) · v[h, j, d]
// s[h, t, j] = scale · sum(d) q[h, t, d] · k[h, j, d]  (+ mask[t, j])
//
// In linalg the heads are dimensions of their own, which reshapes and
// transpositions have made of the last dimension of three linears, and often
// one dimension with the batch. `lm.attention` takes what was there before:
// tensors
// [.., tokens, heads * size]. They are found behind the views of q, k and v by
// their indices: where the head's size is the last dimension, the head the one
// before and the token the third, or where the last one is head * size + d.
// Grouped heads show in k's and v's head: h floordiv group.
//
// The result is taken apart into heads again in the way in which the sum had
// it, so that what merges the heads afterwards cancels out.

#include "Attention.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
struct RaiseAttention : OpInterfaceRewritePattern<linalg::LinalgOp> {
  RaiseAttention(MLIRContext *context, Remarks &remarks)
      : OpInterfaceRewritePattern(context), remarks(remarks) {}

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (op->getNumResults() != 1 || op.getNumReductionLoops() != 1 ||
        !op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "is no contraction of tensors");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (type.getRank() < 2 || !isa<FloatType>(type.getElementType()))
      return rewriter.notifyMatchFailure(op, "results in no float rows");
    Reader reader(op->getContext());
    const Expr *root = reader.read(op->getResult(0));
    std::optional<Sum> sum = matchSum(reader, root);
    if (!sum)
      return rewriter.notifyMatchFailure(op, "is no sum from zero");
    const Expr *product = reader.value(sum->term);
    if (!product->is(Fn::Mul))
      return rewriter.notifyMatchFailure(op, "the sum is not of products");
    AffineExpr token = root->indices[type.getRank() - 2];
    const Expr *scores = nullptr;
    Scores found;
    if (const char *why = matchSoftmax(reader, product->operands[0], sum->dim,
                                       scores, found.guarded))
      return rewriter.notifyMatchFailure(op, why);

    // From here on it is a softmax that weighs values: if it still is no
    // lm.attention, the user should know why.
    auto decline = [&](const char *why) {
      remarks.leave(op,
                    Twine("softmax stays linalg, not lm.attention: ") + why);
      return rewriter.notifyMatchFailure(op, why);
    };
    if (const char *why = matchScores(reader, scores, token, sum->dim, found))
      return decline(why);
    return replace(op, rewriter, reader, root, found, sum->dim,
                   product->operands[1], decline);
  }

private:
  static LogicalResult
  replace(linalg::LinalgOp op, PatternRewriter &rewriter, Reader &reader,
          const Expr *root, const Scores &scores, AffineExpr keyToken,
          const Expr *valueElement,
          function_ref<LogicalResult(const char *)> decline) {
    RankedTensorType type = root->type();
    int64_t rank = type.getRank();
    AffineExpr token = root->indices[rank - 2];
    std::optional<Heads> q, k, v;
    if (!findOperands(reader, scores, root, keyToken, valueElement,
                      type.getElementType(), q, k, v))
      return decline("queries, keys and values are not [.., tokens, heads * "
                     "size] with whole groups of heads");
    if (!coversBatch(reader, root, *q))
      return decline("the result's dimensions are not the batch and the heads");
    if (scores.masks.size() > 1)
      return decline("more than one mask is added");
    if (!scores.masks.empty() && scores.causal && scores.guarded)
      return decline("rows that two masks hide together become 0");

    Location loc = op.getLoc();
    Value mask;
    if (!scores.masks.empty()) {
      mask = makeMask(reader, rewriter, loc, scores.masks[0], token, keyToken,
                      type.getElementType());
      if (!mask)
        return decline("the mask is not one [tokens, keys] for all heads and "
                       "sequences");
    }
    Value query = q->merge(rewriter, loc);
    Value key = k->merge(rewriter, loc), value = v->merge(rewriter, loc);
    Value result = AttentionOp::create(
        rewriter, loc, query.getType(), query, key, value, /*cache=*/Value(),
        /*position=*/Value(), mask, /*layer=*/IntegerAttr(),
        rewriter.getI64IntegerAttr(q->numHeads),
        rewriter.getI64IntegerAttr(k->numHeads),
        rewriter.getF64FloatAttr(roundedScale(scores.scale, q->size)),
        scores.causal ? rewriter.getUnitAttr() : UnitAttr(),
        /*window=*/IntegerAttr(), /*softcap=*/FloatAttr());
    if (mask && scores.guarded)
      result = clearHiddenRows(rewriter, loc, result, mask);
    result = splitHeads(rewriter, loc, result, *q);

    // Batch and heads may have been one dimension, or none at all if there is
    // one of each: the surplus goes into the first dimension.
    int64_t from = cast<RankedTensorType>(result.getType()).getRank();
    if (from != rank) {
      SmallVector<ReassociationIndices> groups(rank);
      for (int64_t dim = 0; dim < from; ++dim)
        groups[std::max<int64_t>(0, dim - (from - rank))].push_back(dim);
      result =
          tensor::CollapseShapeOp::create(rewriter, loc, type, result, groups);
    }
    rewriter.replaceOp(op, result);
    return success();
  }

  /// Products of rounded factors such as √s·√s as the number that was meant.
  static double roundedScale(double scale, int64_t size) {
    double usual = 1 / std::sqrt(double(size));
    return std::abs(scale / usual - 1) < 1e-6 ? usual : scale;
  }

  static bool findOperands(Reader &reader, const Scores &scores,
                           const Expr *root, AffineExpr keyToken,
                           const Expr *valueElement, Type elementType,
                           std::optional<Heads> &q, std::optional<Heads> &k,
                           std::optional<Heads> &v) {
    int64_t rank = root->indices.size();
    AffineExpr token = root->indices[rank - 2],
               column = root->indices[rank - 1];
    // All with the same batch, and with heads that belong to q's.
    auto fitting = [&](ArrayRef<Heads> candidates,
                       const Heads &to) -> std::optional<Heads> {
      for (const Heads &heads : candidates) {
        if (heads.batch != to.batch || to.numHeads % heads.numHeads != 0 ||
            heads.size != to.size)
          continue;
        int64_t group = to.numHeads / heads.numHeads;
        if (heads.head != reader.simplify(to.head.floorDiv(group)))
          continue;
        auto shape = [](const Heads &of) {
          return cast<RankedTensorType>(of.tensor.getType())
              .getShape()
              .take_front(of.batch.size());
        };
        if (shape(heads) == shape(to))
          return heads;
      }
      return std::nullopt;
    };
    for (bool swapped : {false, true}) {
      auto queries = findHeads(reader, swapped ? scores.key : scores.query,
                               token, scores.column, elementType);
      auto keys = findHeads(reader, swapped ? scores.query : scores.key,
                            keyToken, scores.column, elementType);
      auto values =
          findHeads(reader, valueElement, keyToken, column, elementType);
      for (const Heads &query : queries) {
        k = fitting(keys, query);
        v = fitting(values, query);
        if (k && v && k->numHeads == v->numHeads) {
          q = query;
          return true;
        }
      }
    }
    return false;
  }

  /// Whether (batch.., head) run over the result's batch dimensions once, in
  /// their order.
  static bool coversBatch(Reader &reader, const Expr *root, const Heads &q) {
    ArrayRef<AffineExpr> out = ArrayRef(root->indices).drop_back(2);
    SmallVector<AffineExpr> in(q.batch);
    in.push_back(q.head);
    if (in.size() < out.size())
      return false;
    // Sizes are compared as the types have them: see isWhole.
    auto shape = cast<RankedTensorType>(q.tensor.getType()).getShape();
    SmallVector<int64_t> sizes(shape.take_front(q.batch.size()));
    sizes.push_back(q.numHeads);
    if (in.size() == out.size()) {
      for (size_t dim = 0; dim < out.size(); ++dim)
        if (in[dim] != out[dim] ||
            sizes[dim] != reader.sizeOf(out[dim]).constant)
          return false;
      return true;
    }
    // The first of `out` is the row-major position in the first of `in`.
    size_t surplus = in.size() - out.size();
    AffineExpr position = reader.constant(0);
    int64_t total = 1;
    for (size_t dim = 0; dim < in.size(); ++dim) {
      if (out.empty() || dim <= surplus) {
        if (ShapedType::isDynamic(sizes[dim]))
          return false;
        position = position * sizes[dim] + in[dim];
        total *= sizes[dim];
      } else if (in[dim] != out[dim - surplus]) {
        return false;
      }
    }
    if (out.empty())
      return total == 1;
    return reader.simplify(position) == out[0] &&
           reader.sizeOf(out[0]).constant == total;
  }

  Remarks &remarks;
};
} // namespace

void raise::populateAttention(RewritePatternSet &patterns, Remarks &remarks) {
  patterns.add<RaiseAttention>(patterns.getContext(), remarks);
}

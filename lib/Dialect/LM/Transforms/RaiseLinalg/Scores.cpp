// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The softmax of scores, and what the scores are.
//
//   exp(s - max(s)) / sum(exp(s - max(s)))      s = scale · q·k + mask
//
// The scale may stand at the product, at q, at k or at both (PyTorch's own
// attention multiplies each by the root of it); a causal mask is one that is
// computed from positions. PyTorch also replaces rows of which all scores are
// minus infinity by 0, and its ONNX exporter those whose weights are no
// numbers.

#include "Attention.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

/// Scores that are this low have no weight whatever the others are.
static bool hides(double number) { return number <= -1e30; }

namespace {
class SoftmaxMatcher {
public:
  SoftmaxMatcher(Reader &reader, AffineExpr keyToken)
      : reader(reader), keyToken(keyToken) {}

  const char *match(const Expr *e) {
    const Expr *v = reader.value(e);
    const Expr *guard = nullptr;
    if (v->is(Fn::Select) && matchNumber(reader, v->operands[1]) == 0.0) {
      guard = v->operands[0];
      guardedWeights = v->operands[2];
      v = reader.value(guardedWeights);
    }
    // e / sum(e) or e * (1 / sum(e))
    const Expr *numerator = nullptr, *denominator = nullptr;
    if (v->is(Fn::Div)) {
      numerator = v->operands[0];
      denominator = v->operands[1];
    } else if (v->is(Fn::Mul)) {
      const Expr *inverse = reader.value(v->operands[1]);
      if (!inverse->is(Fn::Div) ||
          matchNumber(reader, inverse->operands[0]) != 1.0)
        return "the weights are no quotient";
      numerator = v->operands[0];
      denominator = inverse->operands[1];
    } else {
      return "the weights are no quotient";
    }
    std::optional<Sum> sum = matchSum(reader, denominator);
    if (!sum)
      return "the weights are not divided by a sum";
    if (!reader.same(atKey(sum->term, sum->dim), numerator))
      return "the weights are not divided by their sum over the keys";
    const Expr *power = reader.value(numerator);
    if (!power->is(Fn::Exp))
      return "the weights are no exponentials";
    scores = power->operands[0];
    const Expr *difference = reader.value(scores);
    if (difference->is(Fn::Sub)) {
      // Any number that is the same for all keys cancels out; it has to be the
      // maximum for us to see that it is.
      const Expr *maximum = reader.value(difference->operands[1]);
      if (!maximum->isReduction(Fn::Max) || maximum->dims.size() != 1 ||
          !reader.same(atKey(maximum->operands[0], maximum->dims[0]),
                       difference->operands[0]))
        return "what is subtracted from the scores is not their maximum over "
               "the keys";
      auto lowest = matchNumber(reader, maximum->operands[1]);
      if (!lowest || !hides(*lowest))
        return "the maximum does not start from minus infinity";
      scores = difference->operands[0];
    }
    if (guard) {
      guarded = true;
      return matchGuard(guard);
    }
    return nullptr;
  }

  const Expr *scores = nullptr;
  bool guarded = false;

private:
  const Expr *atKey(const Expr *e, AffineExpr dim) {
    return reader.substitute(e, dim, keyToken);
  }

  /// all(j) scores[j] == -inf, or weights that are 0 / 0.
  const char *matchGuard(const Expr *e) {
    static const char *why =
        "the weights are replaced by 0 under an unknown condition";
    const Expr *all = truth(e);
    if (all->is(Fn::Compare) && !all->comparesIntegers &&
        all->predicate == int64_t(arith::CmpFPredicate::UNO) &&
        reader.same(all->operands[0], guardedWeights) &&
        reader.same(all->operands[1], guardedWeights))
      return nullptr;
    if (!all->isReduction(Fn::And) || all->dims.size() != 1 ||
        matchNumber(reader, all->operands[1]) != 1.0)
      return why;
    const Expr *hidden = reader.value(atKey(all->operands[0], all->dims[0]));
    if (!hidden->is(Fn::Compare) || hidden->comparesIntegers ||
        hidden->predicate != int64_t(arith::CmpFPredicate::OEQ) ||
        matchNumber(reader, hidden->operands[1]) !=
            -std::numeric_limits<double>::infinity() ||
        !reader.same(hidden->operands[0], scores))
      return why;
    return nullptr;
  }

  /// A condition, behind `condition != 0` if it was kept as a byte.
  const Expr *truth(const Expr *e) {
    e = reader.value(e);
    while (e->is(Fn::Compare) && e->comparesIntegers &&
           e->predicate == int64_t(arith::CmpIPredicate::ne)) {
      const Expr *number = reader.value(e->operands[1]);
      const Expr *inner = reader.value(e->operands[0]);
      if (number->kind != Expr::Kind::Index ||
          number->indices[0] != reader.constant(0) ||
          !(inner->is(Fn::Compare) || inner->isReduction(Fn::And)))
        break;
      e = inner;
    }
    return e;
  }

  Reader &reader;
  AffineExpr keyToken;
  const Expr *guardedWeights = nullptr;
};

class ScoreMatcher {
public:
  ScoreMatcher(Reader &reader, AffineExpr token, AffineExpr keyToken)
      : reader(reader), token(token), keyToken(keyToken) {}

  const char *parse(const Expr *e, Scores &into, unsigned depth = 8) {
    if (depth-- == 0)
      return "the scores are sums of too many parts";
    Scaled scaled = peelScale(reader, e);
    if (scaled.inner != e) {
      Scores inner;
      if (const char *why = parse(scaled.inner, inner, depth))
        return why;
      if (!inner.masks.empty())
        return "the mask is scaled with the scores";
      inner.scale *= scaled.scale;
      into = inner;
      return nullptr;
    }
    const Expr *v = reader.value(e);
    if (v->is(Fn::Add)) {
      const char *why = nullptr;
      for (unsigned side : {0, 1}) {
        Scores inner;
        if ((why = parse(v->operands[side], inner, depth)))
          continue;
        const Expr *mask = v->operands[1 - side];
        if (isCausalMask(mask))
          inner.causal = true;
        else
          inner.masks.push_back(mask);
        into = inner;
        return nullptr;
      }
      return why;
    }
    if (const Expr *inner = matchCausal(v)) {
      if (const char *why = parse(inner, into, depth))
        return why;
      into.causal = true;
      return nullptr;
    }
    std::optional<Sum> sum = matchSum(reader, v);
    if (!sum)
      return "the scores are no sums of products";
    Scaled product = peelScale(reader, sum->term);
    const Expr *factors = reader.value(product.inner);
    if (!factors->is(Fn::Mul))
      return "the scores are no sums of products";
    Scaled query = peelScale(reader, factors->operands[0]),
           key = peelScale(reader, factors->operands[1]);
    into.scale = product.scale * query.scale * key.scale;
    into.query = query.inner;
    into.key = key.inner;
    into.column = sum->dim;
    return nullptr;
  }

private:
  enum class Place { Later, UpToNow, Unknown };

  /// Which keys a condition on positions holds for.
  Place matchPlace(const Expr *e) {
    e = reader.value(e);
    if (!e->is(Fn::Compare) || !e->comparesIntegers)
      return Place::Unknown;
    const Expr *left = reader.value(e->operands[0]),
               *right = reader.value(e->operands[1]);
    if (left->kind != Expr::Kind::Index || right->kind != Expr::Kind::Index)
      return Place::Unknown;
    // As `positive >= 0`.
    AffineExpr a = left->indices[0], b = right->indices[0], positive;
    switch (arith::CmpIPredicate(e->predicate)) {
    case arith::CmpIPredicate::sge:
      positive = a - b;
      break;
    case arith::CmpIPredicate::sgt:
      positive = a - b - 1;
      break;
    case arith::CmpIPredicate::sle:
      positive = b - a;
      break;
    case arith::CmpIPredicate::slt:
      positive = b - a - 1;
      break;
    default:
      return Place::Unknown;
    }
    positive = reader.simplify(positive);
    if (positive == reader.simplify(keyToken - token - 1))
      return Place::Later;
    if (positive == reader.simplify(token - keyToken))
      return Place::UpToNow;
    return Place::Unknown;
  }

  /// select(later, low, other) or select(up to now, other, low): `other`.
  const Expr *matchCausal(const Expr *e) {
    e = reader.value(e);
    if (!e->is(Fn::Select))
      return nullptr;
    Place place = matchPlace(e->operands[0]);
    if (place == Place::Unknown)
      return nullptr;
    unsigned low = place == Place::Later ? 1 : 2;
    auto number = matchNumber(reader, e->operands[low]);
    return number && hides(*number) ? e->operands[3 - low] : nullptr;
  }

  bool isCausalMask(const Expr *e) {
    const Expr *other = matchCausal(e);
    return other && matchNumber(reader, other) == 0.0;
  }

  Reader &reader;
  AffineExpr token, keyToken;
};
} // namespace

const char *raise::matchSoftmax(Reader &reader, const Expr *weights,
                                AffineExpr key, const Expr *&scores,
                                bool &guarded) {
  SoftmaxMatcher matcher(reader, key);
  const char *why = matcher.match(weights);
  scores = matcher.scores;
  guarded = matcher.guarded;
  return why;
}

const char *raise::matchScores(Reader &reader, const Expr *scores,
                               AffineExpr token, AffineExpr key,
                               Scores &found) {
  bool guarded = found.guarded;
  const char *why = ScoreMatcher(reader, token, key).parse(scores, found);
  found.guarded = guarded;
  return why;
}

Value raise::makeMask(Reader &reader, OpBuilder &builder, Location loc,
                      const Expr *e, AffineExpr token, AffineExpr keyToken,
                      Type elementType) {
  for (const Expr *view : reader.views(e)) {
    RankedTensorType type = view->type();
    if (type.getElementType() != elementType)
      continue;
    // The indices as a map from (token, key).
    SmallVector<AffineExpr> results;
    bool fits = true;
    for (AffineExpr index : view->indices) {
      if (index == token)
        results.push_back(builder.getAffineDimExpr(0));
      else if (index == keyToken)
        results.push_back(builder.getAffineDimExpr(1));
      else if (isa<AffineConstantExpr>(index))
        results.push_back(index);
      else
        fits = false;
    }
    if (!fits)
      continue;
    int64_t rank = type.getRank();
    bool whole = rank >= 2 && view->indices[rank - 2] == token &&
                 view->indices[rank - 1] == keyToken;
    for (int64_t dim = 0; dim + 2 < rank; ++dim)
      whole &= type.getDimSize(dim) == 1;
    if (whole && rank == 2)
      return view->tensor;
    if (whole) {
      ReassociationIndices front;
      for (int64_t dim = 0; dim + 1 < rank; ++dim)
        front.push_back(dim);
      return tensor::CollapseShapeOp::create(
          builder, loc, view->tensor,
          SmallVector<ReassociationIndices>{front, {rank - 1}});
    }
    SmallVector<OpFoldResult> sizes = {
        materialize(builder, loc, reader.sizeOf(token)),
        materialize(builder, loc, reader.sizeOf(keyToken))};
    Value empty = tensor::EmptyOp::create(builder, loc, sizes, elementType);
    SmallVector<AffineMap> maps = {
        AffineMap::get(2, 0, results, builder.getContext()),
        builder.getMultiDimIdentityMap(2)};
    SmallVector<utils::IteratorType> loops(2, utils::IteratorType::parallel);
    return linalg::GenericOp::create(
               builder, loc, empty.getType(), view->tensor, empty, maps, loops,
               [](OpBuilder &b, Location l, ValueRange elements) {
                 linalg::YieldOp::create(b, l, elements[0]);
               })
        .getResult(0);
  }
  return Value();
}

Value raise::clearHiddenRows(OpBuilder &builder, Location loc, Value result,
                             Value mask) {
  auto type = cast<RankedTensorType>(result.getType());
  auto floatType = cast<FloatType>(type.getElementType());
  MLIRContext *context = builder.getContext();
  // The highest of a row's masks: minus infinity if it hides all keys.
  Value lowest = arith::ConstantOp::create(
      builder, loc,
      builder.getFloatAttr(floatType,
                           APFloat::getInf(floatType.getFloatSemantics(),
                                           /*Negative=*/true)));
  OpFoldResult tokens = materialize(builder, loc, traceSize(mask, 0));
  Value empty =
      tensor::EmptyOp::create(builder, loc, ArrayRef{tokens}, floatType);
  Value init =
      linalg::FillOp::create(builder, loc, lowest, empty)->getResult(0);
  SmallVector<AffineMap> maps = {
      builder.getMultiDimIdentityMap(2),
      AffineMap::get(2, 0, getAffineDimExpr(0, context))};
  SmallVector<utils::IteratorType> loops = {utils::IteratorType::parallel,
                                            utils::IteratorType::reduction};
  Value highest = linalg::GenericOp::create(
                      builder, loc, init.getType(), mask, init, maps, loops,
                      [&](OpBuilder &b, Location l, ValueRange elements) {
                        Value higher = arith::MaximumFOp::create(
                            b, l, elements[0], elements[1]);
                        linalg::YieldOp::create(b, l, higher);
                      })
                      .getResult(0);
  int64_t rank = type.getRank();
  Value out = tensor::EmptyOp::create(
      builder, loc, materializeSizes(builder, loc, result), floatType);
  maps = {AffineMap::get(rank, 0, getAffineDimExpr(rank - 2, context)),
          builder.getMultiDimIdentityMap(rank),
          builder.getMultiDimIdentityMap(rank)};
  loops.assign(rank, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, type, ValueRange{highest, result}, out, maps, loops,
             [&](OpBuilder &b, Location l, ValueRange elements) {
               Value zero = arith::ConstantOp::create(
                   b, l, b.getFloatAttr(floatType, 0.0));
               Value hidden = arith::CmpFOp::create(
                   b, l, arith::CmpFPredicate::OEQ, elements[0], lowest);
               Value chosen =
                   arith::SelectOp::create(b, l, hidden, zero, elements[1]);
               linalg::YieldOp::create(b, l, chosen);
             })
      .getResult(0);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each lm operation computes, as the formula in its description, one
// linalg.generic for every sum or map in it. Attention has a file of its own.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include "quant-mlir/Dialect/Utils/LinalgFormulas.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::lm;

static Value constant(OpBuilder &b, Location loc, Type type, double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
}

/// The emitter for an op with a float tensor as its result.
static LinalgEmitter emitterFor(OpBuilder &builder, Operation *op) {
  return LinalgEmitter(
      builder, op->getLoc(),
      getComputeType(getElementTypeOrSelf(op->getResult(0).getType())));
}

/// All dimensions but the last.
static SmallVector<unsigned> leading(unsigned rank) {
  return llvm::to_vector(llvm::seq(rank - 1));
}

namespace {

struct LowerLinear : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LinearOp op,
                                PatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op);
    rewriter.replaceOp(
        op, op.getExperts()
                ? emitExpertLinear(emit, rewriter, op.getX(), op.getWeight(),
                                   op.getExperts(), op.getType())
                : emitLinear(emit, rewriter, op.getX(), op.getWeight(),
                             op.getBias(), op.getType()));
    return success();
  }
};

struct LowerEmbedding : OpRewritePattern<EmbeddingOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(EmbeddingOp op,
                                PatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op);
    Value table = op.getTable();
    rewriter.replaceOp(
        op, emitGather(emit, rewriter, op.getIds(), emit.sizes(table).back(),
                       op.getType(),
                       [&](OpBuilder &b, Location loc, ValueRange place) {
                         return tensor::ExtractOp::create(b, loc, table, place);
                       }));
    return success();
  }
};

/// sum / length, one value per row.
static Value emitMean(LinalgEmitter &emit, OpBuilder &builder, Location loc,
                      Value sum, OpFoldResult length) {
  SmallVector<OpFoldResult> rows = emit.sizes(sum);
  Value count = emit.sizeAs(length, emit.getCompute());
  return emit.map(emit.getCompute(), rows,
                  {{sum, builder.getMultiDimIdentityMap(rows.size())}},
                  [&](OpBuilder &b, Location loc, ValueRange x) -> Value {
                    return arith::DivFOp::create(b, loc, x[0], count);
                  });
}

/// 1 / sqrt would round twice: the norms divide by this.
static Value emitRoot(OpBuilder &b, Location loc, Value square, double eps) {
  Value sum = arith::AddFOp::create(b, loc, square,
                                    constant(b, loc, square.getType(), eps));
  return math::SqrtOp::create(b, loc, sum);
}

struct LowerRMSNorm : OpRewritePattern<RMSNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RMSNormOp op,
                                PatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op);
    unsigned rank = op.getType().getRank();
    SmallVector<OpFoldResult> sizes = emit.sizes(op.getX());
    AffineMap all = rewriter.getMultiDimIdentityMap(rank);
    AffineMap rows = emit.dims(rank, leading(rank));
    AffineMap last = emit.dims(rank, {rank - 1});

    Value squares = emit.reduce(
        sizes, rank - 1, 0.0, {{op.getX(), all}},
        [](OpBuilder &b, Location loc, Value acc, ValueRange x) -> Value {
          Value square = arith::MulFOp::create(b, loc, x[0], x[0]);
          return arith::AddFOp::create(b, loc, acc, square);
        });
    Value mean = emitMean(emit, rewriter, op.getLoc(), squares, sizes.back());
    double eps = op.getEps().convertToDouble();
    rewriter.replaceOp(
        op, emit.map(op.getType().getElementType(), sizes,
                     {{op.getX(), all}, {mean, rows}, {op.getGain(), last}},
                     [&](OpBuilder &b, Location loc, ValueRange x) -> Value {
                       Value root = emitRoot(b, loc, x[1], eps);
                       Value normal = arith::DivFOp::create(b, loc, x[0], root);
                       return arith::MulFOp::create(b, loc, normal, x[2]);
                     }));
    return success();
  }
};

struct LowerLayerNorm : OpRewritePattern<LayerNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LayerNormOp op,
                                PatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op);
    unsigned rank = op.getType().getRank();
    SmallVector<OpFoldResult> sizes = emit.sizes(op.getX());
    AffineMap all = rewriter.getMultiDimIdentityMap(rank);
    AffineMap rows = emit.dims(rank, leading(rank));
    AffineMap last = emit.dims(rank, {rank - 1});

    Value sums = emit.reduce(
        sizes, rank - 1, 0.0, {{op.getX(), all}},
        [](OpBuilder &b, Location loc, Value acc, ValueRange x) -> Value {
          return arith::AddFOp::create(b, loc, acc, x[0]);
        });
    Value mean = emitMean(emit, rewriter, op.getLoc(), sums, sizes.back());
    Value squares = emit.reduce(
        sizes, rank - 1, 0.0, {{op.getX(), all}, {mean, rows}},
        [](OpBuilder &b, Location loc, Value acc, ValueRange x) -> Value {
          Value difference = arith::SubFOp::create(b, loc, x[0], x[1]);
          Value square = arith::MulFOp::create(b, loc, difference, difference);
          return arith::AddFOp::create(b, loc, acc, square);
        });
    Value variance =
        emitMean(emit, rewriter, op.getLoc(), squares, sizes.back());

    SmallVector<LinalgEmitter::Operand> operands = {
        {op.getX(), all}, {mean, rows}, {variance, rows}, {op.getGain(), last}};
    if (op.getBias())
      operands.push_back({op.getBias(), last});
    double eps = op.getEps().convertToDouble();
    rewriter.replaceOp(
        op, emit.map(op.getType().getElementType(), sizes, operands,
                     [&](OpBuilder &b, Location loc, ValueRange x) -> Value {
                       Value centred =
                           arith::SubFOp::create(b, loc, x[0], x[1]);
                       Value root = emitRoot(b, loc, x[2], eps);
                       Value y = arith::DivFOp::create(b, loc, centred, root);
                       y = arith::MulFOp::create(b, loc, y, x[3]);
                       if (x.size() == 5)
                         y = arith::AddFOp::create(b, loc, y, x[4]);
                       return y;
                     }));
    return success();
  }
};

struct LowerActivation : OpRewritePattern<ActivationOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ActivationOp op,
                                PatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op);
    unsigned rank = op.getType().getRank();
    rewriter.replaceOp(
        op, emit.map(op.getType().getElementType(), emit.sizes(op.getX()),
                     {{op.getX(), rewriter.getMultiDimIdentityMap(rank)}},
                     [&](OpBuilder &b, Location loc, ValueRange x) {
                       return emitActivation(b, loc, op.getKind(), x[0]);
                     }));
    return success();
  }
};

/// The cosine or sine of every pair's angle, [tokens, rotated / 2]. Angles grow
/// with the position, so they are exact to f32 only if computed in f64.
static Value emitRopeTable(LinalgEmitter &emit, OpBuilder &builder,
                           Location loc, RopeOp op, OpFoldResult tokens,
                           bool sine) {
  Type f64 = builder.getF64Type();
  auto toFloat = [&](OpBuilder &b, Location loc, Value index) -> Value {
    Value integer = arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
    return arith::SIToFPOp::create(b, loc, f64, integer);
  };
  int64_t pairs = op.getRotated() / 2;
  Value divisors;
  if (op.getDivisors())
    divisors = arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(RankedTensorType::get(pairs, f64),
                               *op.getDivisors()));
  return emit.map(
      emit.getCompute(), {tokens, builder.getIndexAttr(pairs)}, {},
      [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        Value token = linalg::IndexOp::create(b, loc, 0);
        Value pair = linalg::IndexOp::create(b, loc, 1);
        Value position = arith::AddIOp::create(b, loc, op.getPosition(), token);
        // base^(2 pair / rotated)
        Value exponent = arith::DivFOp::create(b, loc, toFloat(b, loc, pair),
                                               constant(b, loc, f64, pairs));
        Value base = constant(b, loc, f64, op.getBase().convertToDouble());
        Value divisor = math::PowFOp::create(b, loc, base, exponent);
        Value angle =
            arith::DivFOp::create(b, loc, toFloat(b, loc, position), divisor);
        if (divisors)
          angle = arith::DivFOp::create(
              b, loc, angle, tensor::ExtractOp::create(b, loc, divisors, pair));
        return sine ? math::SinOp::create(b, loc, angle).getResult()
                    : math::CosOp::create(b, loc, angle).getResult();
      });
}

struct LowerRope : OpRewritePattern<RopeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RopeOp op,
                                PatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op);
    Location loc = op.getLoc();
    unsigned rank = op.getType().getRank(), tokenLoop = rank - 2;
    SmallVector<OpFoldResult> sizes = emit.sizes(op.getX());
    Value cosines = emitRopeTable(emit, rewriter, loc, op, sizes[tokenLoop],
                                  /*sine=*/false);
    Value sines = emitRopeTable(emit, rewriter, loc, op, sizes[tokenLoop],
                                /*sine=*/true);
    auto index = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(rewriter, loc, value);
    };
    bool interleaved = op.getStyle() == RopeStyle::Interleaved;
    int64_t pairs = op.getRotated() / 2;
    Value headSize = index(op.getHeadSize()), rotated = index(op.getRotated());
    Value pairCount = index(pairs), one = index(1), two = index(2);

    Value result = emit.map(
        op.getType().getElementType(), sizes,
        {{op.getX(), rewriter.getMultiDimIdentityMap(rank)}},
        [&](OpBuilder &b, Location loc, ValueRange x) -> Value {
          SmallVector<Value> place;
          for (unsigned loop = 0; loop < rank; ++loop)
            place.push_back(linalg::IndexOp::create(b, loc, loop));
          Value token = place[tokenLoop];
          Value element =
              arith::RemUIOp::create(b, loc, place.back(), headSize);

          // Element `element` is the first or the second of its pair.
          Value pair, isSecond, distance;
          if (interleaved) {
            pair = arith::DivUIOp::create(b, loc, element, two);
            Value odd = arith::RemUIOp::create(b, loc, element, two);
            isSecond = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                             odd, one);
            distance = one;
          } else {
            pair = arith::RemUIOp::create(b, loc, element, pairCount);
            isSecond = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge,
                                             element, pairCount);
            distance = pairCount;
          }
          Value isRotated = arith::CmpIOp::create(
              b, loc, arith::CmpIPredicate::ult, element, rotated);
          // What is not rotated still needs indices that exist.
          pair = arith::SelectOp::create(
              b, loc, isRotated, pair,
              arith::ConstantIndexOp::create(b, loc, 0));
          Value before = arith::SubIOp::create(b, loc, place.back(), distance);
          Value after = arith::AddIOp::create(b, loc, place.back(), distance);
          Value partner =
              arith::SelectOp::create(b, loc, isSecond, before, after);
          place.back() =
              arith::SelectOp::create(b, loc, isRotated, partner, place.back());
          Value other = tensor::ExtractOp::create(b, loc, op.getX(), place);
          other = convertFloat(b, loc, other, emit.getCompute());
          Value cosine = tensor::ExtractOp::create(b, loc, cosines,
                                                   ValueRange{token, pair});
          Value sine =
              tensor::ExtractOp::create(b, loc, sines, ValueRange{token, pair});

          // first: a cos - b sin; second: b cos + a sin.
          Value straight = arith::MulFOp::create(b, loc, x[0], cosine);
          Value crossed = arith::MulFOp::create(b, loc, other, sine);
          Value first = arith::SubFOp::create(b, loc, straight, crossed);
          Value second = arith::AddFOp::create(b, loc, straight, crossed);
          Value turned =
              arith::SelectOp::create(b, loc, isSecond, second, first);
          return arith::SelectOp::create(b, loc, isRotated, turned, x[0]);
        });
    rewriter.replaceOp(op, result);
    return success();
  }
};

} // namespace

void quantmlir::lm::populateLowerToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerLinear, LowerEmbedding, LowerRMSNorm, LowerLayerNorm,
               LowerActivation, LowerRope>(patterns.getContext());
  populateLowerRoutePatterns(patterns);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lm.route: the softmax as linalg, then loops over tokens, since choosing and
// counting go one after the other. They are few: a token has some ten choices
// where it has millions of products.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::lm;

/// The softmax of every row.
static Value emitShares(LinalgEmitter &emit, OpBuilder &builder, Value scores) {
  SmallVector<OpFoldResult> sizes = emit.sizes(scores);
  AffineMap all = builder.getMultiDimIdentityMap(2), rows = emit.dims(2, {0});
  Value largest = emit.reduce(
      sizes, 1, -std::numeric_limits<double>::infinity(), {{scores, all}},
      [](OpBuilder &b, Location loc, Value acc, ValueRange x) -> Value {
        return arith::MaximumFOp::create(b, loc, acc, x[0]);
      });
  Value powers =
      emit.map(emit.getCompute(), sizes, {{scores, all}, {largest, rows}},
               [](OpBuilder &b, Location loc, ValueRange x) -> Value {
                 Value below = arith::SubFOp::create(b, loc, x[0], x[1]);
                 return math::ExpOp::create(b, loc, below);
               });
  Value sums = emit.reduce(
      sizes, 1, 0, {{powers, all}},
      [](OpBuilder &b, Location loc, Value acc, ValueRange x) -> Value {
        return arith::AddFOp::create(b, loc, acc, x[0]);
      });
  return emit.map(emit.getCompute(), sizes, {{powers, all}, {sums, rows}},
                  [](OpBuilder &b, Location loc, ValueRange x) -> Value {
                    return arith::DivFOp::create(b, loc, x[0], x[1]);
                  });
}

namespace {

/// Loops over numbers in tensors.
class RouteBuilder : public ImplicitLocOpBuilder {
public:
  using Body = llvm::function_ref<SmallVector<Value>(Value, ValueRange)>;

  RouteBuilder(OpBuilder &builder, RouteOp op)
      : ImplicitLocOpBuilder(op.getLoc(), builder), op(op),
        compute(getComputeType(op.getScores().getType().getElementType())),
        experts(op.getScores().getType().getDimSize(1)), top(op.getTop()) {}

  SmallVector<Value> emit();

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(*this, value);
  }
  Value number(double value) {
    return arith::ConstantOp::create(*this, getFloatAttr(compute, value));
  }
  Value integer(Value index) {
    return arith::IndexCastOp::create(*this, getI32Type(), index);
  }
  Value read(Value tensor, ValueRange place) {
    return tensor::ExtractOp::create(*this, tensor, place);
  }
  Value readIndex(Value tensor, ValueRange place) {
    return arith::IndexCastOp::create(*this, getIndexType(),
                                      read(tensor, place));
  }
  Value write(Value value, Value tensor, ValueRange place) {
    return tensor::InsertOp::create(*this, value, tensor, place);
  }
  SmallVector<Value> loop(Value count, ValueRange initial, Body body);
  /// A loop over all choices of all tokens.
  SmallVector<Value> forChoices(
      ValueRange initial,
      llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body);
  std::pair<Value, Value> next(Value shares, Value token, Value last,
                               Value lastExpert);
  SmallVector<Value> choose(Value shares);
  Value normalize(Value shares);
  Value count(Value choices);

  RouteOp op;
  FloatType compute;
  int64_t experts, top;
  Value tokens;
};

} // namespace

SmallVector<Value> RouteBuilder::loop(Value count, ValueRange initial,
                                      Body body) {
  auto loop = scf::ForOp::create(*this, index(0), count, index(1), initial);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(*this,
                       body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> RouteBuilder::forChoices(
    ValueRange initial,
    llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body) {
  return loop(tokens, initial, [&](Value token, ValueRange outer) {
    return loop(index(top), outer, [&](Value choice, ValueRange inner) {
      return body(token, choice, inner);
    });
  });
}

/// The largest share that comes behind the last one, and its expert.
std::pair<Value, Value> RouteBuilder::next(Value shares, Value token,
                                           Value last, Value lastExpert) {
  using arith::CmpFPredicate, arith::CmpIPredicate;
  auto both = [&](Value a, Value b) -> Value {
    return arith::AndIOp::create(*this, a, b);
  };
  // What is not a number beats nothing: then it is expert 0.
  SmallVector<Value> best =
      loop(index(experts), {number(-1), index(0)},
           [&](Value expert, ValueRange best) -> SmallVector<Value> {
             Value share = read(shares, {token, expert});
             auto compare = [&](CmpFPredicate how, Value other) -> Value {
               return arith::CmpFOp::create(*this, how, share, other);
             };
             Value isLater = arith::CmpIOp::create(*this, CmpIPredicate::sgt,
                                                   expert, lastExpert);
             Value isLeft = arith::OrIOp::create(
                 *this, compare(CmpFPredicate::OLT, last),
                 both(compare(CmpFPredicate::OEQ, last), isLater));
             Value wins = both(isLeft, compare(CmpFPredicate::OGT, best[0]));
             return {arith::SelectOp::create(*this, wins, share, best[0]),
                     arith::SelectOp::create(*this, wins, expert, best[1])};
           });
  return {best[0], best[1]};
}

/// The shares and the experts of all choices, both [T, top].
SmallVector<Value> RouteBuilder::choose(Value shares) {
  SmallVector<OpFoldResult> sizes = {
      tensor::getMixedSize(*this, getLoc(), op.getScores(), 0),
      getIndexAttr(top)};
  Value chosen = tensor::EmptyOp::create(*this, sizes, compute);
  Value choices = tensor::EmptyOp::create(*this, sizes, getI32Type());
  return loop(
      tokens, {chosen, choices},
      [&](Value token, ValueRange outer) -> SmallVector<Value> {
        SmallVector<Value> all =
            loop(index(top),
                 {outer[0], outer[1],
                  number(std::numeric_limits<double>::infinity()), index(-1)},
                 [&](Value choice, ValueRange now) -> SmallVector<Value> {
                   auto [share, expert] = next(shares, token, now[2], now[3]);
                   return {write(share, now[0], {token, choice}),
                           write(integer(expert), now[1], {token, choice}),
                           share, expert};
                 });
        return {all[0], all[1]};
      });
}

Value RouteBuilder::normalize(Value shares) {
  return loop(tokens, shares,
              [&](Value token, ValueRange outer) -> SmallVector<Value> {
                Value sum =
                    loop(index(top), number(0),
                         [&](Value choice, ValueRange sum) {
                           Value share = read(outer[0], {token, choice});
                           return SmallVector<Value>{
                               arith::AddFOp::create(*this, sum[0], share)};
                         })
                        .front();
                return loop(index(top), outer,
                            [&](Value choice, ValueRange now) {
                              Value share = arith::DivFOp::create(
                                  *this, read(now[0], {token, choice}), sum);
                              return SmallVector<Value>{
                                  write(share, now[0], {token, choice})};
                            });
              })
      .front();
}

/// Where the rows of each expert start, and where those of the last end.
Value RouteBuilder::count(Value choices) {
  Value zero = arith::ConstantIntOp::create(*this, getI32Type(), 0);
  Value empty = tensor::EmptyOp::create(*this, {experts + 1}, getI32Type());
  Value counts = linalg::FillOp::create(*this, zero, empty).getResult(0);
  auto add = [&](Value value, Value counts, Value place) {
    Value sum = arith::AddIOp::create(*this, read(counts, place), value);
    return SmallVector<Value>{write(sum, counts, place)};
  };
  auto behind = [&](Value place) -> Value {
    return arith::AddIOp::create(*this, place, index(1));
  };
  Value one = arith::ConstantIntOp::create(*this, getI32Type(), 1);
  counts = forChoices(counts, [&](Value token, Value choice, ValueRange now) {
             Value expert = readIndex(choices, {token, choice});
             return add(one, now[0], behind(expert));
           }).front();
  return loop(index(experts), counts,
              [&](Value expert, ValueRange now) {
                return add(read(now[0], expert), now[0], behind(expert));
              })
      .front();
}

SmallVector<Value> RouteBuilder::emit() {
  tokens = tensor::DimOp::create(*this, op.getScores(), 0);
  LinalgEmitter emitter(*this, getLoc(), compute);
  SmallVector<Value> chosen =
      choose(emitShares(emitter, *this, op.getScores()));
  Value shares = chosen[0], choices = chosen[1];
  if (op.getNormalize())
    shares = normalize(shares);
  Value starts = count(choices);

  SmallVector<OpFoldResult> sizes = emitter.sizes(choices);
  auto places = [&]() -> Value {
    return tensor::EmptyOp::create(*this, sizes, getI32Type());
  };
  // The next row of each expert.
  Value free =
      emitter.map(getI32Type(), OpFoldResult(getIndexAttr(experts + 1)),
                  {{starts, emitter.dims(1, {0})}},
                  [](OpBuilder &, Location, ValueRange v) { return v[0]; });
  SmallVector<Value> placed = forChoices(
      {places(), places(), free},
      [&](Value token, Value choice, ValueRange now) -> SmallVector<Value> {
        Value expert = readIndex(choices, {token, choice});
        Value row = read(now[2], expert);
        Value rowIndex = arith::IndexCastOp::create(*this, getIndexType(), row);
        Value line = arith::DivUIOp::create(*this, rowIndex, index(top));
        Value column = arith::RemUIOp::create(*this, rowIndex, index(top));
        Value one = arith::ConstantIntOp::create(*this, getI32Type(), 1);
        Value next = arith::AddIOp::create(*this, row, one);
        return {write(row, now[0], {token, choice}),
                write(integer(token), now[1], {line, column}),
                write(next, now[2], expert)};
      });
  Type type = op.getShares().getType().getElementType();
  if (type != compute)
    shares =
        emitter.map(type, sizes, {{shares, getMultiDimIdentityMap(2)}},
                    [](OpBuilder &, Location, ValueRange v) { return v[0]; });
  return {shares, placed[0], placed[1], starts};
}

namespace {
struct LowerRoute : OpRewritePattern<RouteOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RouteOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, RouteBuilder(rewriter, op).emit());
    return success();
  }
};
} // namespace

void quantmlir::lm::populateLowerRoutePatterns(RewritePatternSet &patterns) {
  patterns.add<LowerRoute>(patterns.getContext());
}

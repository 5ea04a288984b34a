// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {
/// What both kernels do: read values, times the multiplier if there is one, and
/// find scales.
template <typename Op> class ActivationEmitter {
public:
  ActivationEmitter(KernelBuilder &b, Op op, int64_t lanes, float steps)
      : b(b), op(op), lanes(lanes), steps(steps), f32(b.f32Vec(lanes)),
        k(cast<MemRefType>(op.getX().getType()).getDimSize(1)) {
    // One scale for all: given, or found by every thread for itself, which is
    // cheaper than to wait for the others.
    if (op.getScale())
      scale = b.loadScalar(op.getScale(), b.index(0));
    else if (op.getPerTensor())
      absMax = b.loop(b.index(0), b.size(op.getX(), 0), 1,
                      b.constant(b.getF32Type(), 0),
                      [&](Value row, ValueRange carried) -> SmallVector<Value> {
                        Value most = emitAbsMax(row, b.index(0), b.index(k));
                        return {arith::MaximumFOp::create(b, carried[0], most)};
                      })
                   .front();
  }

  Value values(Value row, Value at) {
    Value x = b.load(f32, op.getX(), {row, at});
    if (!op.getMultiplier())
      return x;
    return b.mulF(x, b.load(f32, op.getMultiplier(), at));
  }

  /// max |x| of values `first` to `end`, as a scalar.
  Value emitAbsMax(Value row, Value first, Value end) {
    Value largest =
        b.loop(first, end, lanes, b.constant(f32, 0),
               [&](Value at, ValueRange carried) -> SmallVector<Value> {
                 Value value = math::AbsFOp::create(b, values(row, at));
                 return {arith::MaximumFOp::create(b, carried[0], value)};
               })
            .front();
    return b.reduce(vector::CombiningKind::MAXIMUMF, largest);
  }

  KernelBuilder &b;
  Op op;
  int64_t lanes;
  float steps;
  VectorType f32;
  int64_t k;
  Value scale;  ///< given
  Value absMax; ///< of all rows
};
} // namespace

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::QuantizeOp op) {
  Value codes = op.getCodes();
  int64_t k = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  int64_t group = op.getGroup(), sumGroup = op.getSumGroup();
  int64_t words = cast<MemRefType>(codes.getType()).getDimSize(1);
  // A step lies inside one group, one period of sums, and the row.
  int64_t lanes =
      vectorLanes(k, std::min(vectorLanes(group), vectorLanes(sumGroup)));
  if (lanes < 4)
    return op.emitOpError("has rows of ")
           << k << " values in groups of " << group
           << "; CPU kernels need multiples of 4";
  auto f32 = b.f32Vec(lanes);
  auto i32 = b.vec(lanes, b.getI32Type());
  Value limit = b.constant(b.getF32Type(), 127);
  Value zero = b.constant(b.getF32Type(), 0);
  ActivationEmitter<kernel::QuantizeOp> activation(b, op, lanes, 127);

  // The larger of the two periods is the outer loop.
  int64_t outer = std::max(group, sumGroup), inner = std::min(group, sumGroup);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    b.loop(0, k, outer, [&](Value first) {
      // What values are multiplied by, or divided where the scale is given.
      auto chooseScale = [&](Value begin) {
        Value place = b.div(begin, group);
        if (activation.scale) {
          memref::StoreOp::create(b, activation.scale, op.getScales(),
                                  ValueRange{row, place});
          return b.splat(activation.scale, lanes);
        }
        Value largest = activation.absMax;
        if (!largest) {
          Value end = b.min(b.add(begin, group), b.index(k));
          largest = activation.emitAbsMax(row, begin, end);
        }
        memref::StoreOp::create(b, b.divF(largest, limit), op.getScales(),
                                ValueRange{row, place});
        // A group of zeros has codes 0, not 0 * infinity.
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, zero);
        return b.splat(
            arith::SelectOp::create(b, isZero, zero, b.divF(limit, largest)),
            lanes);
      };
      auto round = [&](Value x, Value factor) -> Value {
        if (!activation.scale)
          return math::RoundEvenOp::create(b, b.mulF(x, factor));
        // As the reference: a scale of 0 makes codes 0, and what lies beyond
        // the scale's reach the last code.
        Value code = math::RoundEvenOp::create(b, b.divF(x, factor));
        code = arith::MinimumFOp::create(b, code, b.constant(f32, 127));
        code = arith::MaximumFOp::create(b, code, b.constant(f32, -127));
        Value none = b.constant(f32, 0);
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, factor, none);
        return arith::SelectOp::create(b, isZero, none, code);
      };
      auto roundPart = [&](Value begin, Value end, Value factor) -> Value {
        Value sums =
            b.loop(begin, end, lanes, b.constant(i32, 0),
                   [&](Value at, ValueRange carried) -> SmallVector<Value> {
                     Value rounded = round(activation.values(row, at), factor);
                     Value code = arith::FPToSIOp::create(b, i32, rounded);
                     Value bytes = arith::TruncIOp::create(
                         b, b.vec(lanes, b.getI8Type()), code);
                     b.store(b.bitcast(b.vec(lanes / 4, b.getI32Type()), bytes),
                             codes, {row, b.div(at, 4)});
                     return {arith::AddIOp::create(b, carried[0], code)};
                   })
                .front();
        return b.reduce(vector::CombiningKind::ADD, sums);
      };
      Value outerFactor = group == outer ? chooseScale(first) : Value();
      Value outerEnd = b.min(b.add(first, outer), b.index(k));
      Value total =
          b.loop(first, outerEnd, inner, b.constant(b.getI32Type(), 0),
                 [&](Value begin, ValueRange carried) -> SmallVector<Value> {
                   Value end = b.min(b.add(begin, inner), outerEnd);
                   Value factor =
                       outerFactor ? outerFactor : chooseScale(begin);
                   Value sum = roundPart(begin, end, factor);
                   if (sumGroup == inner)
                     memref::StoreOp::create(
                         b, sum, op.getSums(),
                         ValueRange{row, b.div(begin, sumGroup)});
                   return {arith::AddIOp::create(b, carried[0], sum)};
                 })
              .front();
      if (sumGroup != inner)
        memref::StoreOp::create(b, total, op.getSums(),
                                ValueRange{row, b.div(first, sumGroup)});
    });
    Value nothing = b.constant(b.getI32Type(), 0);
    b.loop(k / 4, words, 1, [&](Value word) {
      memref::StoreOp::create(b, nothing, codes, ValueRange{row, word});
    });
  });
  return success();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::RoundOp op) {
  int64_t k = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  int64_t group = op.getGroup();
  std::optional<SmallFloat> type = getSmallFloat(op.getType());
  if (!type && !op.getType().isInteger(8))
    return op.emitOpError("rounds to ")
           << op.getType() << "; CPU kernels know f8E4M3FN, f8E5M2 and i8";
  // A step lies inside one group and the row.
  int64_t lanes = vectorLanes(k, group < k ? vectorLanes(group) : 16);
  ActivationEmitter<kernel::RoundOp> activation(
      b, op, lanes, type ? smallFloatMax(*type) : 127);
  auto round = [&](Value ratio) -> Value {
    if (type)
      return emitSmallFloatRounding(b, b.getLoc(), *type, ratio);
    Value code = math::RoundEvenOp::create(b, ratio);
    code = arith::MinimumFOp::create(b, code, b.constant(b.f32Vec(lanes), 127));
    return arith::MaximumFOp::create(b, code,
                                     b.constant(b.f32Vec(lanes), -127));
  };
  Value zero = b.constant(b.getF32Type(), 0);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    b.loop(0, k, group, [&](Value begin) {
      Value end = b.min(b.add(begin, group), b.index(k));
      Value scale = activation.scale;
      if (!scale) {
        Value largest = activation.absMax;
        if (!largest)
          largest = activation.emitAbsMax(row, begin, end);
        // As the scheme: nothing is divided by zero.
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, zero);
        scale = b.divF(largest, b.constant(b.getF32Type(), activation.steps));
        scale = arith::SelectOp::create(
            b, isZero, b.constant(b.getF32Type(), 0x1p-23), scale);
      }
      Value scales = b.splat(scale, lanes);
      b.loop(begin, end, lanes, [&](Value at) {
        Value ratio = b.divF(activation.values(row, at), scales);
        b.store(b.mulF(round(ratio), scales), op.getOut(), {row, at});
      });
    });
  });
  return success();
}

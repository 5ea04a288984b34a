// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

/// max |x| of `count` values at `first`, as a scalar.
static Value emitAbsMax(KernelBuilder &b, Value x, Value row, Value first,
                        Value end, int64_t lanes) {
  auto type = b.f32Vec(lanes);
  Value largest =
      b.loop(first, end, lanes, b.constant(type, 0),
             [&](Value k, ValueRange carried) -> SmallVector<Value> {
               Value value = math::AbsFOp::create(b, b.load(type, x, {row, k}));
               return {arith::MaximumFOp::create(b, carried[0], value)};
             })
          .front();
  return b.reduce(vector::CombiningKind::MAXIMUMF, largest);
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::QuantizeOp op) {
  Value x = op.getX(), codes = op.getCodes();
  auto type = cast<MemRefType>(x.getType());
  int64_t k = type.getDimSize(1);
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

  // The larger of the two periods is the outer loop.
  int64_t outer = std::max(group, sumGroup), inner = std::min(group, sumGroup);
  b.splitLoop(b.size(x, 0), [&](Value row) {
    b.loop(0, k, outer, [&](Value first) {
      auto inverseScale = [&](Value begin) {
        Value end = b.min(b.add(begin, group), b.index(k));
        Value largest = emitAbsMax(b, x, row, begin, end, lanes);
        memref::StoreOp::create(b, b.divF(largest, limit), op.getScales(),
                                ValueRange{row, b.div(begin, group)});
        // A group of zeros has codes 0, not 0 * infinity.
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, zero);
        return b.splat(
            arith::SelectOp::create(b, isZero, zero, b.divF(limit, largest)),
            lanes);
      };
      auto roundPart = [&](Value begin, Value end, Value factor) -> Value {
        Value sums =
            b.loop(begin, end, lanes, b.constant(i32, 0),
                   [&](Value at, ValueRange carried) -> SmallVector<Value> {
                     Value scaled = b.mulF(b.load(f32, x, {row, at}), factor);
                     Value rounded = math::RoundEvenOp::create(b, scaled);
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
      Value outerFactor = group == outer ? inverseScale(first) : Value();
      Value outerEnd = b.min(b.add(first, outer), b.index(k));
      Value total =
          b.loop(first, outerEnd, inner, b.constant(b.getI32Type(), 0),
                 [&](Value begin, ValueRange carried) -> SmallVector<Value> {
                   Value end = b.min(b.add(begin, inner), outerEnd);
                   Value factor =
                       outerFactor ? outerFactor : inverseScale(begin);
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

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows of floats to int8. The larger of the two periods, of scales and of sums,
// is what a warp has; the smaller ones are inside it. Rounding is the CPU's, so
// that products of integers can be the same bit by bit.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class QuantizeEmitter {
public:
  QuantizeEmitter(GPUBuilder &b, const Quantize &op)
      : b(b), op(op), k(op.x.columns) {}

  void emit(Value inWarp, Value segment);

private:
  using Values = GPUBuilder::Values;

  Values values(Value at);
  Value chooseFactor(Value begin);
  Value round(Value x, Value factor);
  Value roundPart(Value begin, Value end, Value factor);
  Value endOf(Value begin, int64_t length) {
    return b.min(b.add(begin, length), b.index(k));
  }
  void byFirstLane(llvm::function_ref<void()> body) {
    b.onlyIf(b.less(lane, 1), body);
  }

  GPUBuilder &b;
  const Quantize &op;
  int64_t k;
  Value lane, row, given;
};

} // namespace

// Ops of math would become calls of a library of the CUDA toolkit.
static Value magnitude(GPUBuilder &b, Value x) {
  Value bits = b.bitcast(b.getI32Type(), x);
  return b.bitcast(x.getType(), b.andI(bits, 0x7fffffff));
}
static Value roundEven(GPUBuilder &b, Value x) {
  return b.intrinsic("llvm.roundeven.f32", x.getType(), {x});
}

/// Four of them.
QuantizeEmitter::Values QuantizeEmitter::values(Value at) {
  auto load = [&](const Buffer &buffer, Value from) {
    return b.load(b.vec(4, b.getF32Type()), buffer.pointer,
                  b.byteOf(buffer, from, at), /*alignment=*/16);
  };
  Value x = load(op.x, row), factors;
  if (op.multiplier)
    factors = load(op.multiplier, b.index(0));
  Values four;
  for (int64_t i = 0; i < 4; ++i) {
    four.push_back(b.extract(x, i));
    if (factors)
      four.back() = b.mulF(four.back(), b.extract(factors, i));
  }
  return four;
}

/// Stores the scale of the group at `begin`; returns what values are multiplied
/// by, or divided by where the scale is given.
Value QuantizeEmitter::chooseFactor(Value begin) {
  Value place = b.div(begin, op.group);
  if (given) {
    byFirstLane([&] { b.store(given, op.scales, row, place); });
    return given;
  }
  Value largest =
      b.loop(b.add(begin, b.mul(lane, 4)), endOf(begin, op.group),
             4 * GPUBuilder::warpSize, b.f32(0),
             [&](Value at, ValueRange carried) -> Values {
               Value most = carried[0];
               for (Value x : values(at))
                 most = arith::MaximumFOp::create(b, most, magnitude(b, x));
               return {most};
             })
          .front();
  largest = b.reduce(largest, GPUBuilder::Reduction::Max);
  Value limit = b.f32(127), zero = b.f32(0);
  byFirstLane([&] {
    b.store(arith::DivFOp::create(b, largest, limit), op.scales, row, place);
  });
  // A group of zeros has codes 0, not 0 * infinity.
  Value isZero =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, zero);
  return b.select(isZero, zero, arith::DivFOp::create(b, limit, largest));
}

Value QuantizeEmitter::round(Value x, Value factor) {
  if (!given)
    return roundEven(b, b.mulF(x, factor));
  Value code = roundEven(b, arith::DivFOp::create(b, x, factor));
  code = arith::MinimumFOp::create(b, code, b.f32(127));
  code = arith::MaximumFOp::create(b, code, b.f32(-127));
  Value isZero =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, factor, b.f32(0));
  return b.select(isZero, b.f32(0), code);
}

/// Returns the sum of the codes of `begin` to `end`, in every lane.
Value QuantizeEmitter::roundPart(Value begin, Value end, Value factor) {
  Value sum = b.loop(b.add(begin, b.mul(lane, 4)), end,
                     4 * GPUBuilder::warpSize, b.i32(0),
                     [&](Value at, ValueRange carried) -> Values {
                       Value word = b.i32(0), total = carried[0];
                       for (auto [i, x] : llvm::enumerate(values(at))) {
                         Value code = arith::FPToSIOp::create(b, b.getI32Type(),
                                                              round(x, factor));
                         total = b.addI(total, code);
                         word = b.orI(word, b.shiftLeft(b.andI(code, 255),
                                                        b.i32(8 * int64_t(i))));
                       }
                       b.store(word, op.codes, row, b.div(at, 4));
                       return {total};
                     })
                  .front();
  return b.reduce(sum, GPUBuilder::Reduction::Sum);
}

void QuantizeEmitter::emit(Value inWarp, Value segment) {
  lane = inWarp;
  row = b.block('y');
  if (op.scale)
    given = b.load(op.scale, b.index(0), b.index(0));
  int64_t outer = std::max(op.group, op.sumGroup);
  int64_t inner = std::min(op.group, op.sumGroup);
  Value first = b.mul(segment, outer);
  Value outerFactor = op.group == outer ? chooseFactor(first) : Value();
  Value outerEnd = endOf(first, outer);
  Value total =
      b.loop(first, outerEnd, inner, b.i32(0),
             [&](Value begin, ValueRange carried) -> Values {
               Value factor = outerFactor ? outerFactor : chooseFactor(begin);
               Value end = b.min(b.add(begin, inner), outerEnd);
               Value sum = roundPart(begin, end, factor);
               if (op.sumGroup == inner)
                 byFirstLane([&] {
                   b.store(sum, op.sums, row, b.div(begin, op.sumGroup));
                 });
               return {b.addI(carried[0], sum)};
             })
          .front();
  if (op.sumGroup != inner)
    byFirstLane(
        [&] { b.store(total, op.sums, row, b.div(first, op.sumGroup)); });
  // What matmuls read behind a row.
  b.onlyIf(b.less(segment, 1), [&] {
    b.loop(b.add(lane, k / 4), b.index(op.codes.columns), GPUBuilder::warpSize,
           [&](Value word) { b.store(b.i32(0), op.codes, row, word); });
  });
}

LaunchShape quantmlir::cuda::emitQuantize(GPUBuilder &b, const Quantize &op,
                                          const Form &form) {
  int64_t segments =
      llvm::divideCeil(op.x.columns, std::max(op.group, op.sumGroup));
  int64_t warps = std::min(form.warps, segments);
  Value thread = b.thread();
  Value segment =
      b.add(b.mul(b.block('x'), warps), b.div(thread, GPUBuilder::warpSize));
  QuantizeEmitter emitter(b, op);
  b.onlyIf(b.less(segment, segments),
           [&] { emitter.emit(b.rem(thread, GPUBuilder::warpSize), segment); });
  return {int64_t(llvm::divideCeil(segments, warps)), /*tokens=*/1,
          warps * GPUBuilder::warpSize};
}

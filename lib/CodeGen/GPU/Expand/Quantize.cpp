// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows of floats to int8. The larger of the two periods, of scales and of sums,
// is a segment, which has a team of threads; the smaller ones are inside it. A
// team is a warp, or the whole block if a row is one segment. Rounding is the
// CPU's, so that products of integers can be the same bit by bit.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class QuantizeEmitter {
public:
  QuantizeEmitter(GPUBuilder &b, const Quantize &op, int64_t warps)
      : b(b), op(op), warps(warps), k(op.x.columns) {}

  void emit(Value inBlock, Value segment, bool isBlock);

private:
  using Values = GPUBuilder::Values;
  using Reduction = GPUBuilder::Reduction;

  /// Threads that have a part of a row together, and which of them this is.
  struct Team {
    Value member;
    int64_t warps;

    int64_t size() const { return warps * GPUBuilder::warpSize; }
  };

  Values values(Value at);
  Value reduce(Value value, Reduction kind, const Team &team);
  Value chooseFactor(Value begin, const Team &team);
  Value round(Value x, Value factor);
  Value roundPart(Value begin, Value end, Value factor, const Team &team);
  Value endOf(Value begin, int64_t length) {
    return b.min(b.add(begin, length), b.index(k));
  }
  void byFirst(const Team &team, llvm::function_ref<void()> body) {
    b.onlyIf(b.less(team.member, 1), body);
  }

  GPUBuilder &b;
  const Quantize &op;
  int64_t warps, k;
  Value thread, row, given;
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

Value QuantizeEmitter::reduce(Value value, Reduction kind, const Team &team) {
  value = b.reduce(value, kind);
  return b.reduceOverWarps(value, kind, thread, team.warps);
}

/// Stores the scale of the group at `begin`; returns what values are multiplied
/// by, or divided by where the scale is given.
Value QuantizeEmitter::chooseFactor(Value begin, const Team &team) {
  Value place = b.div(begin, op.group);
  if (given) {
    byFirst(team, [&] { b.store(given, op.scales, row, place); });
    return given;
  }
  Value largest =
      b.loop(b.add(begin, b.mul(team.member, 4)), endOf(begin, op.group),
             4 * team.size(), b.f32(0),
             [&](Value at, ValueRange carried) -> Values {
               Value most = carried[0];
               for (Value x : values(at))
                 most = arith::MaximumFOp::create(b, most, magnitude(b, x));
               return {most};
             })
          .front();
  largest = reduce(largest, Reduction::Max, team);
  Value limit = b.f32(127), zero = b.f32(0);
  byFirst(team, [&] {
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

/// Returns the sum of the codes of `begin` to `end`, in every thread.
Value QuantizeEmitter::roundPart(Value begin, Value end, Value factor,
                                 const Team &team) {
  Value sum = b.loop(b.add(begin, b.mul(team.member, 4)), end, 4 * team.size(),
                     b.i32(0),
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
  return reduce(sum, Reduction::Sum, team);
}

void QuantizeEmitter::emit(Value inBlock, Value segment, bool isBlock) {
  thread = inBlock;
  row = b.block('y');
  if (op.scale)
    given = b.load(op.scale, b.index(0), b.index(0));
  Team warp = {b.rem(thread, GPUBuilder::warpSize), 1};
  Team team = isBlock ? Team{thread, warps} : warp;
  int64_t outer = std::max(op.group, op.sumGroup);
  int64_t inner = std::min(op.group, op.sumGroup);
  Value first = b.mul(segment, outer);
  Value outerEnd = endOf(first, outer), total;
  Value outerFactor = op.group == outer ? chooseFactor(first, team) : Value();
  if (inner == outer) {
    total = roundPart(first, outerEnd, outerFactor, team);
  } else {
    // Each warp of the team has parts of its own.
    Value start = first;
    if (isBlock)
      start = b.add(first, b.mul(b.div(thread, GPUBuilder::warpSize), inner));
    total = b.loop(start, outerEnd, inner * team.warps, b.i32(0),
                   [&](Value begin, ValueRange carried) -> Values {
                     Value factor =
                         outerFactor ? outerFactor : chooseFactor(begin, warp);
                     Value end = b.min(b.add(begin, inner), outerEnd);
                     Value sum = roundPart(begin, end, factor, warp);
                     if (op.sumGroup == inner)
                       byFirst(warp, [&] {
                         b.store(sum, op.sums, row, b.div(begin, op.sumGroup));
                       });
                     return {b.addI(carried[0], sum)};
                   })
                .front();
    if (op.sumGroup == outer)
      total = b.reduceOverWarps(total, Reduction::Sum, thread, team.warps);
  }
  if (op.sumGroup == outer)
    byFirst(team,
            [&] { b.store(total, op.sums, row, b.div(first, op.sumGroup)); });
  // What matmuls read behind a row.
  b.onlyIf(b.less(segment, 1), [&] {
    b.loop(b.add(team.member, k / 4), b.index(op.codes.columns), team.size(),
           [&](Value word) { b.store(b.i32(0), op.codes, row, word); });
  });
}

LaunchShape quantmlir::cuda::emitQuantize(GPUBuilder &b, const Quantize &op,
                                          const Form &form) {
  int64_t k = op.x.columns;
  int64_t segments = llvm::divideCeil(k, std::max(op.group, op.sumGroup));
  Value thread = b.thread();
  if (segments == 1) {
    // Each thread has a word at least.
    int64_t threads = threadsFor(llvm::divideCeil(k, 4), form.warps);
    QuantizeEmitter(b, op, threads / GPUBuilder::warpSize)
        .emit(thread, b.index(0), /*isBlock=*/true);
    return {/*blocks=*/1, /*tokens=*/1, threads};
  }
  int64_t warps = std::min(form.warps, segments);
  Value segment =
      b.add(b.mul(b.block('x'), warps), b.div(thread, GPUBuilder::warpSize));
  QuantizeEmitter emitter(b, op, warps);
  b.onlyIf(b.less(segment, segments),
           [&] { emitter.emit(thread, segment, /*isBlock=*/false); });
  return {int64_t(llvm::divideCeil(segments, warps)), /*tokens=*/1,
          warps * GPUBuilder::warpSize};
}

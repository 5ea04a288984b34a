// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows of floats to 8 bits. A group, which has a scale, has a team of threads:
// a warp, or the whole block if a row is one group. Of int8 there are sums,
// too: the larger of the two periods, of scales and of sums, has a team, the
// smaller ones are inside it. Rounding is the CPU's, so that products of
// integers can be the same bit by bit.

#include "Expand.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

static Value isZero(GPUBuilder &b, Value x) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, b.f32(0));
}

namespace {

/// Threads that have a part of a row together, and which of them this is: lanes
/// of some warps.
struct Team {
  Value member;
  int64_t warps;
  int64_t lanes = GPUBuilder::warpSize; ///< a power of two

  int64_t size() const { return warps * lanes; }
};

/// What all that rounds activations does: reads values, and finds the largest.
class ActivationEmitter {
protected:
  using Values = GPUBuilder::Values;
  using Reduction = GPUBuilder::Reduction;

  /// Values are read `width` at a time, 4 or 1.
  ActivationEmitter(GPUBuilder &b, const Activation &op, int64_t width)
      : b(b), op(op), k(op.x.columns), width(width) {}

  void start(Value inBlock);
  Values values(Value from, Value at);
  Value reduce(Value value, Reduction kind, const Team &team);
  /// max |x| of values `begin` to `end` of this row, or of all rows if one
  /// scale is for all, in every thread.
  Value largest(Value begin, Value end, const Team &team);
  Value endOf(Value begin, int64_t length) {
    return b.min(b.add(begin, length), b.index(k));
  }
  Team warp() { return {b.rem(thread, GPUBuilder::warpSize), 1}; }
  void byFirst(const Team &team, llvm::function_ref<void()> body) {
    b.onlyIf(b.less(team.member, 1), body);
  }

  GPUBuilder &b;
  const Activation &op;
  int64_t k, width;
  Value thread, row, given;
};

class QuantizeEmitter : ActivationEmitter {
public:
  /// Where there are several segments, `lanes` have one.
  QuantizeEmitter(GPUBuilder &b, const Quantize &op, int64_t warps,
                  int64_t lanes = GPUBuilder::warpSize)
      : ActivationEmitter(b, op, /*width=*/4), op(op), warps(warps),
        lanes(lanes) {}

  void emit(Value inBlock, Value segment, bool isBlock);

private:
  Value chooseFactor(Value begin, const Team &team);
  Value round(Value x, Value factor);
  Value roundPart(Value begin, Value end, Value factor, const Team &team);

  const Quantize &op;
  int64_t warps, lanes;
};

class RoundEmitter : ActivationEmitter {
public:
  RoundEmitter(GPUBuilder &b, const Round &op)
      : ActivationEmitter(b, op,
                          op.x.columns % 4 == 0 && op.group % 4 == 0 ? 4 : 1),
        op(op), small(getSmallFloat(op.type)) {}

  void emit(Value inBlock, Value group, bool isBlock, int64_t warps);

private:
  Value chooseScale(Value begin, Value end, const Team &team);
  Value round(Value ratio);
  void storeCodes(ValueRange ratios, Value at);

  const Round &op;
  std::optional<SmallFloat> small;
};

} // namespace

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

void ActivationEmitter::start(Value inBlock) {
  thread = inBlock;
  row = b.block('y');
  if (op.scale)
    given = b.load(op.scale, b.index(0), b.index(0));
}

ActivationEmitter::Values ActivationEmitter::values(Value from, Value at) {
  Values loaded = b.loadSome(op.x, from, at, width);
  if (!op.multiplier)
    return loaded;
  Values factors = b.loadSome(op.multiplier, b.index(0), at, width);
  for (auto [value, factor] : llvm::zip(loaded, factors))
    value = b.mulF(value, factor);
  return loaded;
}

Value ActivationEmitter::reduce(Value value, Reduction kind, const Team &team) {
  if (team.lanes < GPUBuilder::warpSize) {
    for (int64_t mask = 1; mask < team.lanes; mask *= 2)
      value = b.combine(value, b.exchange(value, mask), kind);
    return value;
  }
  value = b.reduce(value, kind);
  return b.reduceOverWarps(value, kind, thread, team.warps);
}

Value ActivationEmitter::largest(Value begin, Value end, const Team &team) {
  auto ofRow = [&](Value from, Value most) {
    return b
        .loop(b.add(begin, b.mul(team.member, width)), end, width * team.size(),
              most,
              [&](Value at, ValueRange carried) -> Values {
                Value most = carried[0];
                for (Value x : values(from, at))
                  most = arith::MaximumFOp::create(b, most, b.magnitude(x));
                return {most};
              })
        .front();
  };
  // Every block finds it for itself: none could wait for the others.
  Value most = op.perTensor
                   ? b.loop(b.index(0), op.rows, 1, b.f32(0),
                            [&](Value from, ValueRange carried) -> Values {
                              return {ofRow(from, carried[0])};
                            })
                         .front()
                   : ofRow(row, b.f32(0));
  return reduce(most, Reduction::Max, team);
}

//===----------------------------------------------------------------------===//
// To int8, with sums
//===----------------------------------------------------------------------===//

/// Stores the scale of the group at `begin`; returns what values are multiplied
/// by, or divided by where the scale is given.
Value QuantizeEmitter::chooseFactor(Value begin, const Team &team) {
  Value place = b.div(begin, op.group);
  if (given) {
    byFirst(team, [&] { b.store(given, op.scales, row, place); });
    return given;
  }
  Value most = largest(begin, endOf(begin, op.group), team);
  Value limit = b.f32(127);
  byFirst(team, [&] {
    b.store(arith::DivFOp::create(b, most, limit), op.scales, row, place);
  });
  // A group of zeros has codes 0, not 0 * infinity.
  return b.select(isZero(b, most), b.f32(0),
                  arith::DivFOp::create(b, limit, most));
}

Value QuantizeEmitter::round(Value x, Value factor) {
  if (!given)
    return b.roundEven(b.mulF(x, factor));
  Value code = b.roundEven(arith::DivFOp::create(b, x, factor));
  code = arith::MinimumFOp::create(b, code, b.f32(127));
  code = arith::MaximumFOp::create(b, code, b.f32(-127));
  return b.select(isZero(b, factor), b.f32(0), code);
}

/// Returns the sum of the codes of `begin` to `end`, in every thread.
Value QuantizeEmitter::roundPart(Value begin, Value end, Value factor,
                                 const Team &team) {
  Value sum = b.loop(b.add(begin, b.mul(team.member, 4)), end, 4 * team.size(),
                     b.i32(0),
                     [&](Value at, ValueRange carried) -> Values {
                       Value word = b.i32(0), total = carried[0];
                       for (auto [i, x] : llvm::enumerate(values(row, at))) {
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
  start(inBlock);
  Team warp = {b.rem(thread, lanes), 1, lanes};
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
  // Each lane has a word at least; several segments share a warp, if they take
  // as many turns.
  int64_t outer = std::max(op.group, op.sumGroup);
  bool areAlike = op.group == op.sumGroup || k % outer == 0;
  int64_t lanes = GPUBuilder::warpSize;
  if (areAlike)
    lanes = std::min<int64_t>(llvm::PowerOf2Ceil(outer / 4), lanes);
  int64_t each = GPUBuilder::warpSize / lanes;
  int64_t warps =
      std::min<int64_t>(form.warps, llvm::divideCeil(segments, each));
  // What is behind the last one does it once more: lanes exchange.
  Value segment =
      b.min(b.add(b.mul(b.block('x'), warps * each), b.div(thread, lanes)),
            b.index(segments - 1));
  QuantizeEmitter(b, op, warps, lanes).emit(thread, segment, /*isBlock=*/false);
  return {int64_t(llvm::divideCeil(segments, warps * each)), /*tokens=*/1,
          warps * GPUBuilder::warpSize};
}

//===----------------------------------------------------------------------===//
// To 8-bit floats, bf16 or int8
//===----------------------------------------------------------------------===//

/// As the scheme: nothing is divided by zero.
Value RoundEmitter::chooseScale(Value begin, Value end, const Team &team) {
  if (given)
    return given;
  Value most = largest(begin, end, team);
  Value steps = b.f32(small ? smallFloatMax(*small) : 127);
  return b.select(isZero(b, most), b.f32(0x1p-23),
                  arith::DivFOp::create(b, most, steps));
}

Value RoundEmitter::round(Value ratio) {
  if (small)
    return emitSmallFloatRounding(b, b.getLoc(), *small, ratio);
  if (op.type.isBF16())
    return b.toF32(b.fromF32(op.type, ratio));
  Value code = b.roundEven(ratio);
  code = arith::MinimumFOp::create(b, code, b.f32(127));
  return arith::MaximumFOp::create(b, code, b.f32(-127));
}

void RoundEmitter::storeCodes(ValueRange ratios, Value at) {
  if (!small) {
    Values words;
    for (int64_t i = 0; i < 2; ++i)
      words.push_back(saturatePair(b, ratios[2 * i], ratios[2 * i + 1],
                                   cast<FloatType>(op.type)));
    return b.storeSome(words, op.codes, row, b.div(at, 2));
  }
  Value word = b.i32(0);
  for (auto [i, ratio] : llvm::enumerate(ratios)) {
    Value code = emitSmallFloatCode(b, b.getLoc(), *small, ratio);
    code = arith::ExtUIOp::create(b, b.getI32Type(), code);
    word = b.orI(word, b.shiftLeft(code, b.i32(8 * int64_t(i))));
  }
  b.store(word, op.codes, row, b.div(at, 4));
}

void RoundEmitter::emit(Value inBlock, Value group, bool isBlock,
                        int64_t warps) {
  start(inBlock);
  Team team = isBlock ? Team{thread, warps} : warp();
  Value begin = b.mul(group, op.group), end = endOf(begin, op.group), scale;
  if (op.hasScale())
    scale = chooseScale(begin, end, team);
  b.loop(b.add(begin, b.mul(team.member, width)), end, width * team.size(),
         [&](Value at) {
           Values rounded = values(row, at);
           for (Value &x : rounded)
             if (scale)
               x = arith::DivFOp::create(b, x, scale);
           if (op.codes)
             return storeCodes(rounded, at);
           for (Value &x : rounded) {
             x = round(x);
             if (scale)
               x = b.mulF(x, scale);
           }
           b.storeSome(rounded, op.out, row, at);
         });
  if (!op.codes)
    return;
  if (scale)
    byFirst(team, [&] { b.store(scale, op.scales, row, group); });
  // What matmuls read behind a row.
  b.onlyIf(b.less(group, 1), [&] {
    b.loop(b.add(team.member, small ? k / 4 : k / 2), b.index(op.codes.columns),
           team.size(),
           [&](Value word) { b.store(b.i32(0), op.codes, row, word); });
  });
}

LaunchShape quantmlir::cuda::emitRound(GPUBuilder &b, const Round &op,
                                       const Form &form) {
  int64_t k = op.x.columns, groups = llvm::divideCeil(k, op.group);
  Value thread = b.thread();
  RoundEmitter emitter(b, op);
  if (groups == 1) {
    int64_t threads = threadsFor(llvm::divideCeil(k, 4), form.warps);
    emitter.emit(thread, b.index(0), /*isBlock=*/true,
                 threads / GPUBuilder::warpSize);
    return {/*blocks=*/1, /*tokens=*/1, threads};
  }
  int64_t warps = std::min(form.warps, groups);
  Value group =
      b.add(b.mul(b.block('x'), warps), b.div(thread, GPUBuilder::warpSize));
  b.onlyIf(b.less(group, groups),
           [&] { emitter.emit(thread, group, /*isBlock=*/false, warps); });
  return {int64_t(llvm::divideCeil(groups, warps)), /*tokens=*/1,
          warps * GPUBuilder::warpSize};
}

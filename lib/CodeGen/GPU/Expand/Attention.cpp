// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block has one head of one token. Its warps take turns with chunks of 32
// positions: a lane has the score of one of them, and of the sums every 32nd
// element. The softmax is computed online, by each warp for what it has seen;
// in the end the first warp adds up, each part shrunk to the largest score of
// all.

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {

class AttentionEmitter {
public:
  AttentionEmitter(GPUBuilder &b, const Attention &op, int64_t warps)
      : b(b), op(op), warps(warps), size(op.cache.size),
        slots(llvm::divideCeil(size, chunk)) {}

  void emit();

private:
  using Values = GPUBuilder::Values;
  static constexpr int64_t chunk = GPUBuilder::warpSize;
  /// A score that no exponential survives.
  static constexpr double never = -1e30;

  Value score(Value position);
  Values addChunk(Value first, ValueRange state);
  void merge(ValueRange state);
  Value exp(Value x) { return math::ExpOp::create(b, x); }
  Value subF(Value a, Value c) { return arith::SubFOp::create(b, a, c); }
  Value maxF(Value a, Value c) { return arith::MaximumFOp::create(b, a, c); }
  Value element(int64_t slot) { return b.add(lane, slot * chunk); }

  GPUBuilder &b;
  const Attention &op;
  int64_t warps, size;
  int64_t slots; ///< elements of a head that a lane sums up
  Value thread, lane, warp, row, column, kvHead;
  Value limit;     ///< positions that the row may see end here
  Value firstSeen; ///< and begin here, with a window
};

} // namespace

/// Of the lane's position, which exists.
Value AttentionEmitter::score(Value position) {
  constexpr int64_t step = 4;
  Value product =
      b.loop(b.index(0), b.index(size), step, b.f32(0),
             [&](Value i, ValueRange carried) -> Values {
               Value sum = carried[0];
               for (int64_t j = 0; j < step; ++j) {
                 Value at = b.add(i, j);
                 Value q = b.load(op.query, row, b.add(column, at));
                 sum = b.fma(
                     q, op.cache.load(b, Cache::Keys, kvHead, position, at),
                     sum);
               }
               return {sum};
             })
          .front();
  if (op.cache.isInt8())
    product =
        b.mulF(product, op.cache.loadScale(b, Cache::Keys, kvHead, position));
  Value score = b.mulF(product, b.f32(op.scale));
  if (op.softcap) {
    Value squashed =
        math::TanhOp::create(b, b.mulF(score, b.f32(1 / *op.softcap)));
    score = b.mulF(squashed, b.f32(*op.softcap));
  }
  // A mask may hold -inf, and the difference of two is no number.
  if (op.mask) {
    Value at = b.add(b.mul(row, op.maskStride), position);
    score = maxF(b.addF(score, b.load(op.mask, b.index(0), at)), b.f32(never));
  }
  return score;
}

/// state: the largest score, the sum of weights, sums of values.
AttentionEmitter::Values AttentionEmitter::addChunk(Value first,
                                                    ValueRange state) {
  Value position = b.add(first, lane), seen = b.less(position, limit);
  Value last = b.sub(limit, b.index(1));
  Value own = score(b.min(position, last));
  if (firstSeen) {
    Value inWindow = arith::CmpIOp::create(b, arith::CmpIPredicate::uge,
                                           position, firstSeen);
    seen = arith::AndIOp::create(b, seen, inWindow);
  }
  own = b.select(seen, own, b.f32(never));
  Value largest = maxF(state[0], b.reduce(own, GPUBuilder::Reduction::Max));
  Value weight = b.select(seen, exp(subF(own, largest)), b.f32(0));
  Value shrink = exp(subF(state[0], largest));
  Value added = b.reduce(weight, GPUBuilder::Reduction::Sum);
  Values next = {largest, b.fma(state[1], shrink, added)};
  for (Value sum : state.drop_front(2))
    next.push_back(b.mulF(sum, shrink));

  if (op.cache.isInt8())
    weight = b.mulF(weight, op.cache.loadScale(b, Cache::Values, kvHead,
                                               b.min(position, last)));
  Value count = b.min(b.index(chunk), b.sub(limit, first));
  Values sums =
      b.loop(b.index(0), count, 1, ArrayRef<Value>(next).drop_front(2),
             [&](Value j, ValueRange carried) {
               Value share = b.fromLane(weight, j), from = b.add(first, j);
               Values results;
               for (int64_t slot = 0; slot < slots; ++slot) {
                 Value i = b.min(element(slot), b.index(size - 1));
                 Value value = op.cache.load(b, Cache::Values, kvHead, from, i);
                 results.push_back(b.fma(share, value, carried[slot]));
               }
               return results;
             });
  llvm::copy(sums, next.begin() + 2);
  return next;
}

/// What the warps have, into the result.
void AttentionEmitter::merge(ValueRange state) {
  Value divisor = state[1];
  Values sums(state.drop_front(2));
  if (warps > 1) {
    Value largest =
        b.reduceOverWarps(state[0], GPUBuilder::Reduction::Max, thread, warps);
    Value shrink = exp(subF(state[0], largest));
    Values parts;
    for (Value part : state.drop_front(1))
      parts.push_back(b.mulF(part, shrink));
    Values all = b.addOverWarps(parts, thread, warps);
    divisor = all.front();
    sums.assign(all.begin() + 1, all.end());
  }
  b.onlyIf(b.less(thread, chunk), [&] {
    Value inverse = arith::DivFOp::create(b, b.f32(1), divisor);
    for (int64_t slot = 0; slot < slots; ++slot) {
      Value i = element(slot), value = b.mulF(sums[slot], inverse);
      auto store = [&] { b.store(value, op.out, row, b.add(column, i)); };
      if ((slot + 1) * chunk <= size)
        store();
      else
        b.onlyIf(b.less(i, size), store);
    }
  });
}

void AttentionEmitter::emit() {
  thread = b.thread();
  lane = b.rem(thread, chunk);
  warp = b.div(thread, chunk);
  Value head = b.block('x');
  row = b.block('y');
  column = b.mul(head, size);
  kvHead = b.div(head, op.heads / op.cache.heads);
  Value end = b.add(op.position, row);
  limit = op.causal ? b.add(end, 1) : b.add(op.position, op.rows);
  Value first = b.mul(warp, chunk);
  if (op.window) {
    firstSeen = b.sub(b.add(end, 1), b.index(*op.window));
    first = b.add(first, b.mul(b.div(firstSeen, chunk), chunk));
  }
  Values none = {b.f32(never), b.f32(0)};
  none.append(slots, b.f32(0));
  merge(b.loop(
      first, limit, warps * chunk, none,
      [&](Value chunk, ValueRange state) { return addChunk(chunk, state); }));
}

LaunchShape quantmlir::cuda::emitAttention(GPUBuilder &b, const Attention &op,
                                           const Form &form) {
  AttentionEmitter(b, op, form.warps).emit();
  return {op.heads, /*tokens=*/1, form.warps * GPUBuilder::warpSize};
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block has one head of one token, or a segment of the positions that it
// sees. Its warps take turns with chunks of 32 positions: a lane has the score
// of one of them, and of the sums every 32nd element. The softmax is computed
// online, by each warp for what it has seen; in the end the first warp adds up,
// each part shrunk to the largest score of all. Segments are merged in the same
// way by another kernel.

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

  /// All positions, or as many segments of them.
  void emit(int64_t segments);

private:
  using Values = GPUBuilder::Values;
  static constexpr int64_t chunk = GPUBuilder::warpSize;
  /// A score that no exponential survives.
  static constexpr double never = -1e30;

  Value score(Value position);
  Values addChunk(Value first, ValueRange state);
  void merge(ValueRange state);
  void storePartials(Value largest, Value divisor, ValueRange sums);
  /// Of a head, those that the lane has: number and element.
  void forEachElement(llvm::function_ref<void(int64_t, Value)> body);
  Value exp(Value x) { return math::ExpOp::create(b, x); }
  Value subF(Value a, Value c) { return arith::SubFOp::create(b, a, c); }
  Value maxF(Value a, Value c) { return arith::MaximumFOp::create(b, a, c); }
  Value element(int64_t slot) { return b.add(lane, slot * chunk); }

  GPUBuilder &b;
  const Attention &op;
  int64_t warps, size;
  int64_t slots; ///< elements of a head that a lane sums up
  Value thread, lane, warp, row, head, column, kvHead;
  Value segment;   ///< null: all positions
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

/// What the warps have, into the result or what is to be merged.
void AttentionEmitter::merge(ValueRange state) {
  Value largest = state[0], divisor = state[1];
  Values sums(state.drop_front(2));
  if (warps > 1) {
    largest =
        b.reduceOverWarps(largest, GPUBuilder::Reduction::Max, thread, warps);
    Value shrink = exp(subF(state[0], largest));
    Values parts;
    for (Value part : state.drop_front(1))
      parts.push_back(b.mulF(part, shrink));
    Values all = b.addOverWarps(parts, thread, warps);
    divisor = all.front();
    sums.assign(all.begin() + 1, all.end());
  }
  b.onlyIf(b.less(thread, chunk), [&] {
    if (segment)
      return storePartials(largest, divisor, sums);
    Value inverse = arith::DivFOp::create(b, b.f32(1), divisor);
    forEachElement([&](int64_t slot, Value i) {
      b.store(b.mulF(sums[slot], inverse), op.out, row, b.add(column, i));
    });
  });
}

void AttentionEmitter::forEachElement(
    llvm::function_ref<void(int64_t, Value)> body) {
  for (int64_t slot = 0; slot < slots; ++slot) {
    Value i = element(slot);
    if ((slot + 1) * chunk <= size)
      body(slot, i);
    else
      b.onlyIf(b.less(i, size), [&] { body(slot, i); });
  }
}

void AttentionEmitter::storePartials(Value largest, Value divisor,
                                     ValueRange sums) {
  Value start = op.partials.rowByte(b, segment, row, head, op.heads);
  auto store = [&](Value value, Value i) {
    b.store(value, op.partials.pointer, b.add(start, b.mul(i, 4)), 4);
  };
  forEachElement([&](int64_t slot, Value i) { store(sums[slot], i); });
  b.onlyIf(b.less(thread, 1), [&] {
    store(largest, b.index(size));
    store(divisor, b.index(size + 1));
  });
}

void AttentionEmitter::emit(int64_t segments) {
  thread = b.thread();
  lane = b.rem(thread, chunk);
  warp = b.div(thread, chunk);
  head = b.block('x');
  if (segments > 1) {
    // Heads that share keys read them at the same time.
    segment = b.div(head, op.heads);
    head = b.rem(head, op.heads);
  }
  row = b.block('y');
  column = b.mul(head, size);
  kvHead = b.div(head, op.heads / op.cache.heads);
  Value end = b.add(op.position, row);
  limit = op.causal ? b.add(end, 1) : b.add(op.position, op.rows);
  Value first = b.index(0), last = limit;
  if (op.window) {
    firstSeen = b.sub(b.add(end, 1), b.index(*op.window));
    first = b.mul(b.div(firstSeen, chunk), chunk);
  }
  if (segment) {
    int64_t unit = segments * chunk;
    Value seen = b.sub(limit, first);
    Value length = b.mul(b.div(b.add(seen, unit - 1), unit), chunk);
    first = b.add(first, b.mul(segment, length));
    last = b.min(limit, b.add(first, length));
  }
  Values none = {b.f32(never), b.f32(0)};
  none.append(slots, b.f32(0));
  merge(b.loop(
      b.add(first, b.mul(warp, chunk)), last, warps * chunk, none,
      [&](Value chunk, ValueRange state) { return addChunk(chunk, state); }));
}

LaunchShape quantmlir::cuda::emitAttention(GPUBuilder &b, const Attention &op,
                                           const Form &form) {
  int64_t segments = form.name == "split" ? op.partials.segments : 1;
  AttentionEmitter(b, op, form.warps).emit(segments);
  return {op.heads * segments, /*tokens=*/1, form.warps * GPUBuilder::warpSize};
}

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

Value Partials::rowByte(GPUBuilder &b, Value segment, Value token, Value head,
                        int64_t allHeads) const {
  int64_t group = allHeads / kvHeads;
  Value kvHead = b.div(head, group);
  Value row = b.add(b.mul(token, group), b.rem(head, group));
  Value plane = b.add(b.mul(segment, kvHeads), kvHead);
  return b.mul(b.add(b.mul(plane, rows), row), 4 * rowSize);
}

/// A thread has an element, or several.
LaunchShape quantmlir::cuda::emitMerge(GPUBuilder &b, const Partials &partials,
                                       const Buffer &out, int64_t heads,
                                       const Form &form) {
  using Values = GPUBuilder::Values;
  int64_t size = partials.size(), threads = threadsFor(size, form.warps);
  Value head = b.block('x'), token = b.block('y'), largest;
  auto load = [&](Value start, Value i) {
    return b.load(b.getF32Type(), partials.pointer, b.add(start, b.mul(i, 4)),
                  4);
  };
  Values starts, shares;
  for (int64_t s = 0; s < partials.segments; ++s) {
    starts.push_back(partials.rowByte(b, b.index(s), token, head, heads));
    shares.push_back(load(starts.back(), b.index(size)));
    largest = s ? b.combine(largest, shares.back(), GPUBuilder::Reduction::Max)
                : shares.back();
  }
  Value divisor = b.f32(0);
  for (auto [start, share] : llvm::zip(starts, shares)) {
    share = math::ExpOp::create(b, arith::SubFOp::create(b, share, largest));
    divisor = b.fma(share, load(start, b.index(size + 1)), divisor);
  }
  Value inverse = arith::DivFOp::create(b, b.f32(1), divisor);
  b.loop(b.thread(), b.index(size), threads, [&](Value i) {
    Value sum = b.f32(0);
    for (auto [start, share] : llvm::zip(starts, shares))
      sum = b.fma(share, load(start, i), sum);
    b.store(b.mulF(sum, inverse), out, token, b.add(b.mul(head, size), i));
  });
  return {heads, /*tokens=*/1, threads};
}

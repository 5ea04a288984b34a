// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over the cache, one query row and head at a time, with the softmax
// computed online: a block of 16 keys gives 16 scores in one vector, because
// keys are stored element by element; the block's values are then weighted row
// by row. What was summed before is scaled down whenever a larger score turns
// up (Milakov and Gimelshein, "Online normalizer calculation for softmax",
// 2018).

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

/// Positions per block of keys, as kernel.cache_write documents.
static constexpr int64_t block = 16;

/// A layer's keys or values of a head, positions and elements in one dimension.
static Value flatten(KernelBuilder &b, Value cache) {
  return memref::CollapseShapeOp::create(
      b, cache, ArrayRef<ReassociationIndices>{{0}, {1}, {2}, {3, 4}});
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::CacheWriteOp op) {
  auto type = cast<MemRefType>(op.getCache().getType());
  Type element = type.getElementType();
  int64_t heads = type.getDimSize(2), size = type.getDimSize(4);
  Value cache = flatten(b, op.getCache());
  Value keys = b.index(0), values = b.index(1), layer = op.getLayer();
  auto narrow = [&](Value value) -> Value {
    return element.isF32()
               ? value
               : arith::TruncFOp::create(b, element, value).getResult();
  };
  auto write = [&](Value head, Value position, Value i, Value key,
                   Value value) {
    Value start = b.mul(b.div(position, block), block * size);
    Value keyAt = b.add(b.add(start, b.mul(i, block)), b.rem(position, block));
    memref::StoreOp::create(b, key, cache,
                            ValueRange{layer, keys, head, keyAt});
    memref::StoreOp::create(
        b, value, cache,
        ValueRange{layer, values, head, b.add(b.mul(position, size), i)});
  };

  Value tokens = b.size(op.getKey(), 0);
  Value zero = b.constant(element, 0);
  b.splitLoop(b.index(heads), [&](Value head) {
    Value column = b.mul(head, size);
    b.loop(b.index(0), tokens, 1, [&](Value token) {
      Value position = b.add(op.getPosition(), token);
      b.loop(0, size, 1, [&](Value i) {
        SmallVector<Value> at = {token, b.add(column, i)};
        write(head, position, i, narrow(b.loadScalar(op.getKey(), at)),
              narrow(b.loadScalar(op.getValue(), at)));
      });
    });
    // A weight of zero must not meet whatever bits were here before.
    Value end = b.add(op.getPosition(), tokens);
    Value blockEnd = b.mul(b.div(b.add(end, block - 1), block), block);
    b.loop(end, blockEnd, 1, [&](Value position) {
      b.loop(0, size, 1,
             [&](Value i) { write(head, position, i, zero, zero); });
    });
  });
  return success();
}

namespace {

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &b, kernel::AttentionOp op)
      : b(b), op(op), type(cast<MemRefType>(op.getCache().getType())),
        heads(op.getHeads()), groupSize(heads / type.getDimSize(2)),
        size(type.getDimSize(4)), vectors(size / block), f32(b.f32Vec(block)),
        stored(b.vec(block, type.getElementType())) {}

  void emit();

private:
  void emitRow(Value row, Value head);
  Value scores(Value row, Value head, Value kvHead, Value firstKey);
  Value hide(Value scores, Value row, Value firstKey, Value keys);
  Value cacheVector(Value plane, Value head, Value at) {
    return b.toF32(b.load(stored, cache, {op.getLayer(), plane, head, at}));
  }

  KernelBuilder &b;
  kernel::AttentionOp op;
  MemRefType type;
  int64_t heads, groupSize, size, vectors;
  VectorType f32, stored;
  Value cache, weights, total;
};

} // namespace

void AttentionEmitter::emit() {
  cache = flatten(b, op.getCache());
  weights =
      memref::AllocaOp::create(b, MemRefType::get({block}, b.getF32Type()));
  Value tokens = b.size(op.getQuery(), 0);
  total = b.add(op.getPosition(), tokens);
  // Later rows of a causal prompt see more keys, so threads take turns.
  b.interleavedLoop(b.mul(tokens, heads), [&](Value item) {
    emitRow(b.div(item, heads), b.rem(item, heads));
  });
}

/// q·k for the 16 keys of a block.
Value AttentionEmitter::scores(Value row, Value head, Value kvHead,
                               Value firstKey) {
  Value start = b.mul(firstKey, size), column = b.mul(head, size);
  // Independent sums hide the latency of the multiply-add.
  constexpr int64_t chains = 4;
  SmallVector<Value> zeros(chains, b.constant(f32, 0));
  SmallVector<Value> sums =
      b.loop(b.index(0), b.index(size), 2 * chains, zeros,
             [&](Value i, ValueRange carried) {
               SmallVector<Value> acc(carried);
               for (int64_t j = 0; j < 2 * chains; ++j) {
                 Value element = b.add(i, j);
                 Value q =
                     b.loadScalar(op.getQuery(), {row, b.add(column, element)});
                 Value k = cacheVector(b.index(0), kvHead,
                                       b.add(start, b.mul(element, block)));
                 acc[j % chains] = b.fma(b.splat(q, block), k, acc[j % chains]);
               }
               return acc;
             });
  Value sum = b.addF(b.addF(sums[0], sums[1]), b.addF(sums[2], sums[3]));
  sum = b.mulF(sum, b.constant(f32, op.getScale().convertToDouble()));
  if (auto cap = op.getSoftcap()) {
    double c = cap->convertToDouble();
    Value squashed =
        math::TanhOp::create(b, b.mulF(sum, b.constant(f32, 1 / c)));
    sum = b.mulF(squashed, b.constant(f32, c));
  }
  return sum;
}

/// Adds the mask and gives keys that the row must not see a score that no
/// exponential survives.
Value AttentionEmitter::hide(Value scores, Value row, Value firstKey,
                             Value keys) {
  auto predicate = b.vec(block, b.getI1Type());
  Value visible = vector::CreateMaskOp::create(
      b, predicate, arith::SubIOp::create(b, keys, firstKey).getResult());
  Value never = b.constant(f32, -1e30);
  if (Value mask = op.getMask()) {
    Value added = vector::MaskedLoadOp::create(
        b, f32, mask, ValueRange{row, firstKey}, visible, b.constant(f32, 0));
    // A mask may hold -inf, and the difference of two is no number.
    scores = arith::MaximumFOp::create(b, b.addF(scores, added), never);
  }
  if (auto window = op.getWindow()) {
    // Keys before position - window + 1 are out of sight.
    Value own = b.add(op.getPosition(), row);
    Value first = arith::SubIOp::create(
        b, arith::SubIOp::create(b, b.add(own, 1), b.index(*window)), firstKey);
    Value hidden = vector::CreateMaskOp::create(b, predicate, first);
    scores = arith::SelectOp::create(b, hidden, never, scores);
  }
  return arith::SelectOp::create(b, visible, scores, never);
}

void AttentionEmitter::emitRow(Value row, Value head) {
  Value kvHead = b.div(head, groupSize);
  Value keys = op.getCausal() ? b.add(b.add(op.getPosition(), row), 1) : total;
  Value first = b.index(0);
  if (auto window = op.getWindow()) {
    Value seen = b.index(*window);
    Value start = arith::MaxSIOp::create(
        b,
        arith::SubIOp::create(b, b.add(b.add(op.getPosition(), row), 1), seen),
        b.index(0));
    first = b.mul(b.div(start, block), block);
  }

  // Carried: the largest score, the sum of exponentials, the weighted values.
  SmallVector<Value> initial = {b.constant(b.getF32Type(), -1e30),
                                b.constant(b.getF32Type(), 0)};
  initial.append(vectors, b.constant(f32, 0));
  SmallVector<Value> result = b.loop(
      first, keys, block, initial,
      [&](Value firstKey, ValueRange carried) -> SmallVector<Value> {
        Value score =
            hide(scores(row, head, kvHead, firstKey), row, firstKey, keys);
        Value largest = arith::MaximumFOp::create(
            b, carried[0], b.reduce(vector::CombiningKind::MAXIMUMF, score));
        Value weight =
            math::ExpOp::create(b, b.subF(score, b.splat(largest, block)));
        Value shrink = math::ExpOp::create(b, b.subF(carried[0], largest));
        SmallVector<Value> next = {
            largest, b.addF(b.mulF(carried[1], shrink),
                            b.reduce(vector::CombiningKind::ADD, weight))};
        b.store(weight, weights, b.index(0));
        Value shrinkAll = b.splat(shrink, block);
        SmallVector<Value> sums;
        for (Value sum : carried.drop_front(2))
          sums.push_back(b.mulF(sum, shrinkAll));
        sums = b.loop(b.index(0), b.index(block), 4, sums,
                      [&](Value t, ValueRange inner) {
                        SmallVector<Value> acc(inner);
                        for (int64_t j = 0; j < 4; ++j) {
                          Value key = b.add(t, j);
                          Value factor =
                              b.splat(b.loadScalar(weights, key), block);
                          Value at = b.mul(b.add(firstKey, key), size);
                          for (int64_t v = 0; v < vectors; ++v)
                            acc[v] = b.fma(factor,
                                           cacheVector(b.index(1), kvHead,
                                                       b.add(at, v * block)),
                                           acc[v]);
                        }
                        return acc;
                      });
        llvm::append_range(next, sums);
        return next;
      });

  Value inverse =
      b.splat(b.divF(b.constant(b.getF32Type(), 1), result[1]), block);
  Value column = b.mul(head, size);
  for (int64_t v = 0; v < vectors; ++v)
    b.store(b.mulF(result[2 + v], inverse), op.getOut(),
            {row, b.add(column, v * block)});
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::AttentionOp op) {
  AttentionEmitter(b, op).emit();
  return success();
}

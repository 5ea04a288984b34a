// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over the cache. Query rows that read the same keys, those of a few
// tokens and of the heads that share them, go together in a tile: what is
// loaded of the cache serves them all. A tile takes keys in chunks:
//
//   scores[r][key] = q[r] . k[key]         16 keys a vector, for they are
//   stored
//                                          element by element
//   weights[r][key] = exp(score - largest) the softmax, computed online: what
//   was
//                                          summed before is scaled down when a
//                                          larger score turns up (Milakov and
//                                          Gimelshein, "Online normalizer
//                                          calculation for softmax", 2018)
//   sums[r] += weights[r][key] * v[key]

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
        groupSize(int64_t(op.getHeads()) / type.getDimSize(2)),
        kvHeads(type.getDimSize(2)), size(type.getDimSize(4)),
        vectors(size / block), f32(b.f32Vec(block)),
        stored(b.vec(block, type.getElementType())) {}

  void emit();

private:
  using Rows = SmallVector<Value>;

  void emitTile(int64_t rows, Value item, Value kvHead);
  void emitScores(int64_t rows, Value kvHead, Value firstKey, Value blocks);
  void emitSoftmax(int64_t rows, Value blocks);
  void emitSums(int64_t rows, Value kvHead, Value firstKey, Value blocks);
  Value finishScore(Value sum, Value row, Value firstKey, Value limit);
  Value hide(Value scores, Value row, Value firstKey, Value limit);

  Value token(Value item) { return b.div(item, groupSize); }
  Value column(Value item, Value kvHead) {
    Value head = b.add(b.mul(kvHead, groupSize), b.rem(item, groupSize));
    return b.mul(head, size);
  }
  Value cacheVector(int64_t plane, Value kvHead, Value at) {
    return b.toF32(
        b.load(stored, cache, {op.getLayer(), b.index(plane), kvHead, at}));
  }
  Value buffer(ArrayRef<int64_t> shape, Type element) {
    return memref::AllocaOp::create(b, MemRefType::get(shape, element),
                                    b.getI64IntegerAttr(64));
  }

  /// Keys of a chunk: so many that rescaling sums costs little, so few that
  /// their scores stay in the first cache.
  static constexpr int64_t chunk = 64;

  KernelBuilder &b;
  kernel::AttentionOp op;
  MemRefType type;
  int64_t groupSize, kvHeads, size, vectors;
  VectorType f32, stored;
  Value cache, total;
  /// Of the tile: [rows][size] queries and sums, [rows][chunk] scores, and
  /// numbers of each row.
  Value queries, sums, scores, tokens, limits, largest, divisors, shrinks;
};

} // namespace

void AttentionEmitter::emit() {
  // A score or a sum of each row and, for sums, two vectors of values.
  int64_t most = b.target.lanes >= block ? 8 : 4;
  cache = flatten(b, op.getCache());
  Type number = b.getF32Type(), index = b.getIndexType();
  queries = buffer({most, size}, number);
  sums = buffer({most, size}, number);
  scores = buffer({most, chunk}, number);
  for (Value *each : {&largest, &divisors, &shrinks})
    *each = buffer({most}, number);
  for (Value *each : {&tokens, &limits})
    *each = buffer({most}, index);

  Value count = b.size(op.getQuery(), 0);
  total = b.add(op.getPosition(), count);
  Value items = b.mul(count, groupSize);
  // Whole tiles if that leaves each thread several of them; else, when a token
  // is decoded, tiles of two, that all threads have work.
  Value many =
      arith::CmpIOp::create(b, arith::CmpIPredicate::uge, b.mul(items, kvHeads),
                            b.mul(b.threads, 4 * most));
  Value tile = arith::SelectOp::create(
      b, many, b.index(most), b.index(std::min<int64_t>(groupSize, 2)));
  Value tiles = arith::CeilDivUIOp::create(b, items, tile);
  // Later tokens of a causal prompt see more keys, so threads take turns.
  b.interleavedLoop(b.mul(tiles, kvHeads), [&](Value unit) {
    Value kvHead = b.rem(unit, kvHeads);
    Value done = b.mul(b.div(unit, kvHeads), tile);
    Value last = b.min(b.add(done, tile), items);
    for (int64_t rows = most; rows >= 1; rows /= 2) {
      Value whole = b.mul(b.div(b.sub(last, done), rows), rows);
      Value end = b.add(done, whole);
      b.loop(done, end, rows,
             [&](Value item) { emitTile(rows, item, kvHead); });
      done = end;
    }
  });
}

void AttentionEmitter::emitTile(int64_t rows, Value item, Value kvHead) {
  Value none = b.constant(f32, 0);
  Value scale = b.constant(f32, op.getScale().convertToDouble());
  b.loop(0, rows, 1, [&](Value r) {
    Value own = b.add(item, r), at = token(own), from = column(own, kvHead);
    b.loop(0, size, block, [&](Value i) {
      Value q = b.load(f32, op.getQuery(), {at, b.add(from, i)});
      b.store(b.mulF(q, scale), queries, {r, i});
      b.store(none, sums, {r, i});
    });
    Value limit =
        op.getCausal() ? b.add(b.add(op.getPosition(), at), 1) : total;
    memref::StoreOp::create(b, at, tokens, r);
    memref::StoreOp::create(b, limit, limits, r);
    memref::StoreOp::create(b, b.constant(b.getF32Type(), -1e30), largest, r);
    memref::StoreOp::create(b, b.constant(b.getF32Type(), 0), divisors, r);
  });
  // The last row of a causal tile sees the most keys, the first one the
  // earliest. Chunks begin in the same places for all rows: what a row does not
  // see has no weight, and is forgotten when it meets the first key that it
  // does.
  Value keys = b.loadScalar(limits, b.index(rows - 1));
  Value first = b.index(0);
  if (auto window = op.getWindow()) {
    Value limit = b.add(b.add(op.getPosition(), token(item)), 1);
    Value start = arith::MaxSIOp::create(
        b, arith::SubIOp::create(b, limit, b.index(*window)), b.index(0));
    first = b.mul(b.div(start, chunk), chunk);
  }
  b.loop(first, keys, chunk, [&](Value firstKey) {
    // What follows the last block of the cache may be anything.
    Value left = b.div(b.add(b.sub(keys, firstKey), block - 1), block);
    Value blocks = b.min(left, b.index(chunk / block));
    emitScores(rows, kvHead, firstKey, blocks);
    emitSoftmax(rows, blocks);
    emitSums(rows, kvHead, firstKey, blocks);
  });
  b.loop(0, rows, 1, [&](Value r) {
    Value own = b.add(item, r), to = column(own, kvHead);
    Value inverse =
        b.divF(b.constant(b.getF32Type(), 1), b.loadScalar(divisors, r));
    b.loop(0, size, block, [&](Value i) {
      Value sum = b.mulF(b.load(f32, sums, {r, i}), b.splat(inverse, block));
      b.store(sum, op.getOut(), {token(own), b.add(to, i)});
    });
  });
}

/// scores = q . k for the keys of the chunk's blocks.
void AttentionEmitter::emitScores(int64_t rows, Value kvHead, Value firstKey,
                                  Value blocks) {
  // Two chains hide some of the multiply-add's latency for few rows. As many
  // for all, so that a row's result does not depend on the tile that it is in.
  constexpr int64_t chains = 2, step = 4;
  b.loop(b.index(0), blocks, 1, [&](Value number) {
    Value key = b.add(firstKey, b.mul(number, block));
    Value start = b.mul(key, size);
    Rows acc =
        b.loop(b.index(0), b.index(size), step,
               Rows(rows * chains, b.constant(f32, 0)),
               [&](Value i, ValueRange carried) {
                 Rows next(carried);
                 for (int64_t j = 0; j < step; ++j) {
                   Value element = b.add(i, j);
                   Value k = cacheVector(0, kvHead,
                                         b.add(start, b.mul(element, block)));
                   for (int64_t r = 0; r < rows; ++r) {
                     Value q = b.loadScalar(queries, {b.index(r), element});
                     Value &sum = next[j % chains * rows + r];
                     sum = b.fma(b.splat(q, block), k, sum);
                   }
                 }
                 return next;
               });
    for (int64_t r = 0; r < rows; ++r) {
      Value sum = b.addF(acc[r], acc[rows + r]), row = b.index(r);
      b.store(finishScore(sum, b.loadScalar(tokens, row), key,
                          b.loadScalar(limits, row)),
              scores, {row, b.mul(number, block)});
    }
  });
}

Value AttentionEmitter::finishScore(Value sum, Value row, Value firstKey,
                                    Value limit) {
  if (auto cap = op.getSoftcap()) {
    double c = cap->convertToDouble();
    Value squashed =
        math::TanhOp::create(b, b.mulF(sum, b.constant(f32, 1 / c)));
    sum = b.mulF(squashed, b.constant(f32, c));
  }
  return hide(sum, row, firstKey, limit);
}

/// Adds the mask and gives keys that the row must not see a score that no
/// exponential survives.
Value AttentionEmitter::hide(Value scores, Value row, Value firstKey,
                             Value limit) {
  auto predicate = b.vec(block, b.getI1Type());
  // The difference may be negative, which create_mask takes as zero.
  Value visible = vector::CreateMaskOp::create(
      b, predicate, arith::SubIOp::create(b, limit, firstKey).getResult());
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

/// Scores become weights; what was summed before must shrink by `shrinks`.
void AttentionEmitter::emitSoftmax(int64_t rows, Value blocks) {
  Value keys = b.mul(blocks, block);
  b.loop(0, rows, 1, [&](Value r) {
    Value before = b.loadScalar(largest, r);
    Value most =
        b.loop(b.index(0), keys, block, b.splat(before, block),
               [&](Value key, ValueRange carried) -> SmallVector<Value> {
                 Value score = b.load(f32, scores, {r, key});
                 return {arith::MaximumFOp::create(b, carried[0], score)};
               })
            .front();
    Value now = b.reduce(vector::CombiningKind::MAXIMUMF, most);
    Value sum =
        b.loop(b.index(0), keys, block, b.constant(f32, 0),
               [&](Value key, ValueRange carried) -> SmallVector<Value> {
                 Value score = b.load(f32, scores, {r, key});
                 Value weight =
                     math::ExpOp::create(b, b.subF(score, b.splat(now, block)));
                 b.store(weight, scores, {r, key});
                 return {b.addF(carried[0], weight)};
               })
            .front();
    Value shrink = math::ExpOp::create(b, b.subF(before, now));
    Value divisor = b.addF(b.mulF(b.loadScalar(divisors, r), shrink),
                           b.reduce(vector::CombiningKind::ADD, sum));
    memref::StoreOp::create(b, now, largest, r);
    memref::StoreOp::create(b, shrink, shrinks, r);
    memref::StoreOp::create(b, divisor, divisors, r);
  });
}

/// sums = sums * shrink + weights . v
void AttentionEmitter::emitSums(int64_t rows, Value kvHead, Value firstKey,
                                Value blocks) {
  int64_t width = vectors % 2 == 0 ? 2 : 1;
  Value keys = b.mul(blocks, block);
  b.loop(0, size, width * block, [&](Value first) {
    auto place = [&](int64_t v) { return b.add(first, v * block); };
    Rows acc;
    for (int64_t r = 0; r < rows; ++r) {
      Value shrink = b.splat(b.loadScalar(shrinks, b.index(r)), block);
      for (int64_t v = 0; v < width; ++v)
        acc.push_back(
            b.mulF(b.load(f32, sums, {b.index(r), place(v)}), shrink));
    }
    acc = b.loop(b.index(0), keys, 1, acc, [&](Value key, ValueRange carried) {
      Rows next(carried);
      Value at = b.mul(b.add(firstKey, key), size);
      Rows values;
      for (int64_t v = 0; v < width; ++v)
        values.push_back(cacheVector(1, kvHead, b.add(at, place(v))));
      for (int64_t r = 0; r < rows; ++r) {
        Value weight = b.splat(b.loadScalar(scores, {b.index(r), key}), block);
        for (int64_t v = 0; v < width; ++v)
          next[r * width + v] = b.fma(weight, values[v], next[r * width + v]);
      }
      return next;
    });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < width; ++v)
        b.store(acc[r * width + v], sums, {b.index(r), place(v)});
  });
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::AttentionOp op) {
  AttentionEmitter(b, op).emit();
  return success();
}

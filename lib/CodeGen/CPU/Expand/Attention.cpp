// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over the cache. Query rows that read the same keys, those of a few
// tokens and of the heads that share them, go together in a tile: what is
// loaded of the cache serves them all. A tile takes keys in chunks:
//
//   scores[r][key] = q[r] . k[key]         16 keys a vector: an element of
//                                          each lies beside the others'
//   weights[r][key] = exp(score - largest) the softmax, computed online: what
//                                          was summed before shrinks when a
//                                          larger score turns up (Milakov and
//                                          Gimelshein, 2018)
//   sums[r] += weights[r][key] * v[key]

#include "Attention.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

/// Few rows over more than one chunk. The number of threads has no say, so that
/// it does not change results.
static Value isSplitOverKeys(KernelBuilder &b, Value items, Value total) {
  Value isFew = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, items,
                                      b.index(AttentionSplit::rows));
  Value isLong = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, total,
                                       b.index(AttentionSplit::chunk));
  return arith::AndIOp::create(b, isFew, isLong);
}

void AttentionEmitter::emit() {
  Type number = b.getF32Type(), index = b.getIndexType();
  queries = buffer({most, size}, number);
  sums = buffer({most, size}, number);
  scores = buffer({most, chunk}, number);
  for (Value *each : {&largest, &divisors, &shrinks, &newLargest, &added})
    *each = buffer({most}, number);
  for (Value *each : {&tokens, &limits})
    *each = buffer({most}, index);
  if (cache.isInt8()) {
    queryCodes = buffer({most, size / 2}, b.getI32Type());
    weightCodes = buffer({most, chunk / 2}, b.getI32Type());
    queryScales = buffer({most}, number);
  }

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
  Value segments = b.index(1);
  if (op.getPartials()) {
    isSplit = isSplitOverKeys(b, items, total);
    tile = arith::SelectOp::create(b, isSplit, items, tile);
    segments = arith::SelectOp::create(
        b, isSplit, b.index(AttentionSplit::segments), segments);
  }
  Value tiles = arith::CeilDivUIOp::create(b, items, tile);
  Value units = b.mul(b.mul(tiles, kvHeads), segments);
  Value firstUnit;
  if (isSplit)
    firstUnit =
        b.add(b.mul(b.thread, arith::DivUIOp::create(b, units, b.threads)),
              b.min(b.thread, arith::RemUIOp::create(b, units, b.threads)));
  // Later tokens of a causal prompt see more keys, so threads take turns. With
  // segments, which are alike, each has its own part of the cache.
  b.interleavedLoop(units, [&](Value unit) {
    if (isSplit)
      unit = arith::SelectOp::create(
          b, isSplit,
          b.add(firstUnit, arith::DivUIOp::create(b, unit, b.threads)), unit);
    Value segment = arith::RemUIOp::create(b, unit, segments);
    unit = arith::DivUIOp::create(b, unit, segments);
    Value kvHead = b.rem(unit, kvHeads);
    Value done = b.mul(b.div(unit, kvHeads), tile);
    Value last = b.min(b.add(done, tile), items);
    for (int64_t rows : {8, 4, 3, 2, 1}) {
      if (rows > most)
        continue;
      Value whole = b.mul(b.div(b.sub(last, done), rows), rows);
      Value end = b.add(done, whole);
      b.loop(done, end, rows,
             [&](Value item) { emitTile(rows, item, kvHead, segment); });
      done = end;
    }
  });
}

void AttentionEmitter::emitTile(int64_t rows, Value item, Value kvHead,
                                Value segment) {
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
    if (cache.isInt8())
      memref::StoreOp::create(
          b, roundRow(queries, queryCodes, r, b.index(size)), queryScales, r);
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
  if (isSplit) {
    // Whole chunks.
    constexpr int64_t most = AttentionSplit::segments * chunk;
    Value length = b.mul(b.div(b.add(total, most - 1), most), chunk);
    Value start = b.mul(segment, length);
    first = arith::MaxUIOp::create(b, first, start);
    Value end = b.min(keys, b.add(start, length));
    keys = arith::SelectOp::create(b, isSplit, end, keys);
  }
  b.loop(first, keys, chunk, [&](Value firstKey) {
    // What follows the last block of the cache may be anything.
    Value left = b.div(b.add(b.sub(keys, firstKey), block - 1), block);
    Value blocks = b.min(left, b.index(chunk / block));
    if (cache.isInt8()) {
      emitIntScores(rows, kvHead, firstKey, blocks);
      emitSoftmax(rows, blocks);
      emitIntSums(rows, kvHead, firstKey, blocks);
    } else {
      emitScores(rows, kvHead, firstKey, blocks);
      emitSoftmax(rows, blocks);
      emitSums(rows, kvHead, firstKey, blocks);
    }
  });
  if (!isSplit)
    return emitResults(rows, item, kvHead);
  auto either = scf::IfOp::create(b, isSplit, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(either.thenBlock());
  emitPartials(rows, item, kvHead, segment);
  b.setInsertionPointToStart(either.elseBlock());
  emitResults(rows, item, kvHead);
}

void AttentionEmitter::emitPartials(int64_t rows, Value item, Value kvHead,
                                    Value segment) {
  b.loop(0, rows, 1, [&](Value r) {
    Value row = b.add(item, r);
    auto place = [&](Value i) -> SmallVector<Value> {
      return {segment, kvHead, row, i};
    };
    b.loop(0, size, block, [&](Value i) {
      b.store(b.load(f32, sums, {r, i}), op.getPartials(), place(i));
    });
    memref::StoreOp::create(b, b.loadScalar(largest, r), op.getPartials(),
                            place(b.index(size)));
    memref::StoreOp::create(b, b.loadScalar(divisors, r), op.getPartials(),
                            place(b.index(size + 1)));
  });
}

void AttentionEmitter::emitResults(int64_t rows, Value item, Value kvHead) {
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
  // for all, so that a row's result does not depend on the tile that it is in;
  // one after the other where registers do not hold both.
  constexpr int64_t chains = 2, step = 8;
  int64_t together = fitsRegisters(rows * chains) ? chains : 1;
  b.loop(b.index(0), blocks, 1, [&](Value number) {
    Value key = b.add(firstKey, b.mul(number, block));
    Value start = b.mul(key, size);
    Rows acc;
    for (int64_t chain = 0; chain < chains; chain += together)
      llvm::append_range(
          acc,
          b.loop(b.index(0), b.index(size), step,
                 Rows(rows * together, b.constant(f32, 0)),
                 [&](Value i, ValueRange carried) {
                   Rows next(carried);
                   for (int64_t j = chain; j < step; ++j) {
                     int64_t own = j % chains - chain;
                     if (own < 0 || own >= together)
                       continue;
                     Value element = b.add(i, j);
                     Value k = cacheVector(CacheLayout::keys, kvHead,
                                           b.add(start, b.mul(element, block)));
                     for (int64_t r = 0; r < rows; ++r) {
                       Value q = b.loadScalar(queries, {b.index(r), element});
                       Value &sum = next[own * rows + r];
                       sum = b.fma(b.splat(q, block), k, sum);
                     }
                   }
                   return next;
                 }));
    prefetch(rows, CacheLayout::values, kvHead, start);
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
                 return {larger(carried[0], score)};
               })
            .front();
    Value now = largestLane(most);
    Value sum =
        b.loop(b.index(0), keys, block, b.constant(f32, 0),
               [&](Value key, ValueRange carried) -> SmallVector<Value> {
                 Value score = b.load(f32, scores, {r, key});
                 Value weight = exp(b.subF(score, b.splat(now, block)));
                 b.store(weight, scores, {r, key});
                 return {b.addF(carried[0], weight)};
               })
            .front();
    memref::StoreOp::create(b, now, newLargest, r);
    memref::StoreOp::create(b, b.reduce(vector::CombiningKind::ADD, sum), added,
                            r);
  });
  // Of all rows together; those that the tile does not have may be anything.
  VectorType numbers = b.f32Vec(most);
  Value first = b.index(0), now = b.load(numbers, newLargest, first);
  Value shrink = exp(b.subF(b.load(numbers, largest, first), now));
  Value divisor = b.fma(b.load(numbers, divisors, first), shrink,
                        b.load(numbers, added, first));
  b.store(now, largest, first);
  b.store(shrink, shrinks, first);
  b.store(divisor, divisors, first);
}

/// Asks for a block: tiles of few rows wait for nothing but memory, which stops
/// reading ahead at the end of each page. Behind the cache there may be
/// nothing, which does no harm.
void AttentionEmitter::prefetch(int64_t rows, int64_t plane, Value kvHead,
                                Value blockStart) {
  if (rows == most)
    return;
  int64_t line = 64 * 8 / cache.element.getIntOrFloatBitWidth();
  for (int64_t i = 0; i < cache.blockSize(); i += line)
    cache.prefetch(plane, kvHead, b.add(blockStart, i));
}

/// Vectors of a value that are summed up together: all that registers hold,
/// for what is read of the cache lies together.
int64_t AttentionEmitter::sumsWidth(int64_t rows) const {
  for (int64_t width : {4, 2})
    if (vectors % width == 0 && fitsRegisters(rows * width))
      return width;
  return 1;
}

/// sums = sums * shrink + weights . v
void AttentionEmitter::emitSums(int64_t rows, Value kvHead, Value firstKey,
                                Value blocks) {
  int64_t width = sumsWidth(rows);
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
    constexpr int64_t step = 4;
    acc = b.loop(
        b.index(0), keys, step, acc, [&](Value start, ValueRange carried) {
          Rows next(carried);
          for (int64_t j = 0; j < step; ++j) {
            Value key = b.add(start, j);
            Value at = b.mul(b.add(firstKey, key), size);
            Rows values;
            for (int64_t v = 0; v < width; ++v)
              values.push_back(cacheVector(CacheLayout::values, kvHead,
                                           b.add(at, place(v))));
            for (int64_t r = 0; r < rows; ++r) {
              Value weight =
                  b.splat(b.loadScalar(scores, {b.index(r), key}), block);
              for (int64_t v = 0; v < width; ++v)
                next[r * width + v] =
                    b.fma(weight, values[v], next[r * width + v]);
            }
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < width; ++v)
        b.store(acc[r * width + v], sums, {b.index(r), place(v)});
  });
}

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::MergeAttentionOp op) {
  auto type = cast<MemRefType>(op.getPartials().getType());
  int64_t segments = type.getDimSize(0), kvHeads = type.getDimSize(1);
  int64_t size = type.getDimSize(3) - AttentionSplit::numbers;
  int64_t groupSize = int64_t(op.getHeads()) / kvHeads;
  Value count = b.size(op.getOut(), 0), items = b.mul(count, groupSize);
  Value isSplit = isSplitOverKeys(b, items, b.add(op.getPosition(), count));
  Value units =
      arith::SelectOp::create(b, isSplit, b.mul(items, kvHeads), b.index(0));
  VectorType f32 = b.f32Vec(CacheLayout::block);
  b.splitLoop(units, [&](Value unit) {
    Value kvHead = b.rem(unit, kvHeads), item = b.div(unit, kvHeads);
    auto place = [&](int64_t segment, Value i) -> SmallVector<Value> {
      return {b.index(segment), kvHead, item, i};
    };
    SmallVector<Value> shares;
    for (int64_t s = 0; s < segments; ++s)
      shares.push_back(b.loadScalar(op.getPartials(), place(s, b.index(size))));
    Value largest = shares.front();
    for (Value score : ArrayRef(shares).drop_front())
      largest = arith::MaximumFOp::create(b, largest, score);
    Value divisor = b.constant(b.getF32Type(), 0);
    for (auto [s, share] : llvm::enumerate(shares)) {
      share = math::ExpOp::create(b, b.subF(share, largest));
      Value weights =
          b.loadScalar(op.getPartials(), place(s, b.index(size + 1)));
      divisor = b.addF(divisor, b.mulF(share, weights));
    }
    Value inverse = b.divF(b.constant(b.getF32Type(), 1), divisor);
    Value head = b.add(b.mul(kvHead, groupSize), b.rem(item, groupSize));
    b.loop(0, size, CacheLayout::block, [&](Value i) {
      Value sum = b.constant(f32, 0);
      for (auto [s, share] : llvm::enumerate(shares))
        sum = b.fma(b.splat(share, CacheLayout::block),
                    b.load(f32, op.getPartials(), place(s, i)), sum);
      b.store(b.mulF(sum, b.splat(inverse, CacheLayout::block)), op.getOut(),
              {b.div(item, groupSize), b.add(b.mul(head, size), i)});
    });
  });
  return success();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::AttentionOp op) {
  AttentionEmitter(b, op).emit();
  return success();
}

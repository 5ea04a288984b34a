// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over an int8 cache takes the way of Attention.cpp in integers:
// queries and weights become 16-bit numbers, whose products with bytes are
// summed exactly, in pairs. A key's scale multiplies its score, a value's scale
// its weight, so that nothing else is needed for each element.

#include "Attention.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

/// Rounds the first `count` numbers of a row to 16 bits and stores them in
/// pairs; returns what a code is worth.
Value AttentionEmitter::roundRow(Value source, Value target, Value row,
                                 Value count) {
  Value most = b.loop(b.index(0), count, block, b.constant(f32, 0),
                      [&](Value at, ValueRange carried) -> Rows {
                        Value size = math::AbsFOp::create(
                            b, b.load(f32, source, {row, at}));
                        return {larger(carried[0], size)};
                      })
                   .front();
  Value largest = largestLane(most);
  Value limit = b.constant(b.getF32Type(), 32767);
  Value none = b.constant(b.getF32Type(), 0);
  Value isZero =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, none);
  Value factor = b.splat(
      arith::SelectOp::create(b, isZero, none, b.divF(limit, largest)), block);
  b.loop(b.index(0), count, block, [&](Value at) {
    Value rounded = math::RoundEvenOp::create(
        b, b.mulF(b.load(f32, source, {row, at}), factor));
    Value code = arith::FPToSIOp::create(b, i32, rounded);
    Value words =
        arith::TruncIOp::create(b, b.vec(block, b.getI16Type()), code);
    b.store(b.bitcast(b.vec(block / 2, b.getI32Type()), words), target,
            {row, b.div(at, 2)});
  });
  return b.divF(largest, limit);
}

/// Two bytes for each of 16 lanes, as 16 bits.
Value AttentionEmitter::loadWords(int64_t plane, Value kvHead, Value at) {
  Value bytes = cache.load(b.vec(2 * block, cache.element), plane, kvHead, at);
  return arith::ExtSIOp::create(b, b.vec(2 * block, b.getI16Type()), bytes);
}

/// A pair of codes for all lanes.
Value AttentionEmitter::splatWord(Value buffer, int64_t row, Value at) {
  Value pair = b.splat(b.loadScalar(buffer, {b.index(row), at}), block);
  return b.bitcast(b.vec(2 * block, b.getI16Type()), pair);
}

void AttentionEmitter::emitIntScores(int64_t rows, Value kvHead, Value firstKey,
                                     Value blocks) {
  // As for floats, two chains, of pairs of elements.
  constexpr int64_t chains = 2, step = 4;
  b.loop(b.index(0), blocks, 1, [&](Value number) {
    Value key = b.add(firstKey, b.mul(number, block));
    Value start = cache.blockAt(key);
    Rows acc =
        b.loop(b.index(0), b.index(size / 2), step,
               Rows(rows * chains, b.constant(i32, 0)),
               [&](Value pair, ValueRange carried) {
                 Rows next(carried);
                 for (int64_t j = 0; j < step; ++j) {
                   Value at = b.add(pair, j);
                   Value k = loadWords(CacheLayout::keys, kvHead,
                                       b.add(start, b.mul(at, 2 * block)));
                   for (int64_t r = 0; r < rows; ++r) {
                     Value &sum = next[j % chains * rows + r];
                     sum = emitWordDot(b, sum, k, splatWord(queryCodes, r, at));
                   }
                 }
                 return next;
               });
    prefetch(rows, CacheLayout::values, kvHead, start);
    Value scales = cache.loadScales(CacheLayout::keys, kvHead, start);
    for (int64_t r = 0; r < rows; ++r) {
      Value row = b.index(r);
      Value sum = arith::SIToFPOp::create(
          b, f32, arith::AddIOp::create(b, acc[r], acc[rows + r]));
      Value scale = b.splat(b.loadScalar(queryScales, row), block);
      sum = b.mulF(sum, b.mulF(scales, scale));
      b.store(finishScore(sum, b.loadScalar(tokens, row), key,
                          b.loadScalar(limits, row)),
              scores, {row, b.mul(number, block)});
    }
  });
}

void AttentionEmitter::emitIntSums(int64_t rows, Value kvHead, Value firstKey,
                                   Value blocks) {
  Value keys = b.mul(blocks, block);
  b.loop(b.index(0), blocks, 1, [&](Value number) {
    Value at = b.mul(number, block);
    Value scales = cache.loadScales(CacheLayout::values, kvHead,
                                    cache.blockAt(b.add(firstKey, at)));
    b.loop(0, rows, 1, [&](Value r) {
      b.store(b.mulF(b.load(f32, scores, {r, at}), scales), scores, {r, at});
    });
  });
  Rows worth;
  for (int64_t r = 0; r < rows; ++r)
    worth.push_back(roundRow(scores, weightCodes, b.index(r), keys));

  int64_t width = sumsWidth(rows);
  b.loop(0, size, width * block, [&](Value first) {
    auto place = [&](int64_t v) { return b.add(first, v * block); };
    Rows acc = b.loop(
        b.index(0), blocks, 1, Rows(rows * width, b.constant(i32, 0)),
        [&](Value number, ValueRange carried) {
          Rows next(carried);
          Value at = b.mul(number, block);
          Value start = cache.blockAt(b.add(firstKey, at));
          prefetch(rows, CacheLayout::keys, kvHead,
                   cache.blockAt(b.add(firstKey, b.add(at, chunk))));
          for (int64_t pair = 0; pair < block / 2; ++pair) {
            Rows values;
            for (int64_t v = 0; v < width; ++v)
              values.push_back(loadWords(
                  CacheLayout::values, kvHead,
                  b.add(b.add(start, 2 * size * pair), b.mul(place(v), 2))));
            for (int64_t r = 0; r < rows; ++r) {
              Value weight =
                  splatWord(weightCodes, r, b.add(b.div(at, 2), pair));
              for (int64_t v = 0; v < width; ++v) {
                Value &sum = next[r * width + v];
                sum = emitWordDot(b, sum, values[v], weight);
              }
            }
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r) {
      Value row = b.index(r);
      Value shrink = b.splat(b.loadScalar(shrinks, row), block);
      Value scale = b.splat(worth[r], block);
      for (int64_t v = 0; v < width; ++v) {
        Value before = b.mulF(b.load(f32, sums, {row, place(v)}), shrink);
        Value added = arith::SIToFPOp::create(b, f32, acc[r * width + v]);
        b.store(b.fma(added, scale, before), sums, {row, place(v)});
      }
    }
  });
}

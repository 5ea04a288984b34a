// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention of many tokens by tensor cores, after FlashAttention-2 (Dao 2023).
// A block has the rows of one key-value head: all heads that share it, of some
// tokens. It goes through the positions in chunks, which its threads bring to
// shared memory as f16. A warp has 16 rows; what its lanes hold of a chunk's
// scores is, exponentials taken, what they hold of the first operand of the
// product with the values.

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class FlashEmitter {
public:
  FlashEmitter(GPUBuilder &b, const Attention &op, const FlashShape &shape,
               const Form &form)
      : b(b), op(op), shape(shape), group(shape.group), tokens(form.tokens),
        threads(form.warps * GPUBuilder::warpSize) {}

  LaunchShape emit();

private:
  using Values = GPUBuilder::Values;
  using Quad = std::array<Value, 4>;
  /// What a lane has of 16 rows by 8 columns: of rows g and g + 8 columns 2t
  /// and 2t + 1, t being its number among four.
  using Fragment = Values;
  /// Scores are logarithms to the base 2, at least `lowest`; the largest of
  /// those that a row has seen begins below that, and what it does not see is
  /// lower still.
  static constexpr double lowest = -1e30, none = -2e30, hidden = -3e38;
  static constexpr double log2e = 1.4426950408889634;

  /// What a lane reads of a matrix: one address for all of it would be turned
  /// with every row, two have known distances from those.
  struct LanePlace {
    const HalfMatrix &matrix;
    Value even, odd; ///< of even and odd steps
  };
  static constexpr int64_t stepBytes = 4 * HalfMatrix::quadBytes;
  static bool isSwizzled(const HalfMatrix &matrix) {
    return matrix.quads % 16 == 0;
  }

  /// Of a row of the block: its token, and its head.
  Value tokenOf(Value row) { return b.add(firstToken, b.div(row, group)); }
  Value headOf(Value row) {
    return b.add(b.mul(kvHead, group), b.rem(row, group));
  }
  /// Positions that a token may see end here, and begin there.
  Value limitOf(Value token) {
    return op.causal ? b.add(b.add(op.position, token), 1)
                     : b.add(op.position, op.rows);
  }
  Value beginOf(Value token) {
    return b.sub(b.add(b.add(op.position, token), 1), b.index(*op.window));
  }

  Value byteOf(const HalfMatrix &matrix, Value row, Value quad);
  void storeQuad(const HalfMatrix &matrix, Value row, Value quad,
                 const Quad &numbers);
  void fillQueries();
  void fillKeys(Value first);
  void fillValues(Value first);
  LanePlace placeOf(const HalfMatrix &matrix, Value first);
  /// Of row 8 * eight + g quad 4 * step + t.
  std::array<Value, 2> loadQuad(const LanePlace &place, int64_t eight,
                                int64_t step);
  SmallVector<Fragment> scores();
  void finishScores(SmallVector<Fragment> &scores, Value first);
  Values addChunk(Value first, ValueRange state);
  void store(ValueRange state);
  Value overLanes(Value value, GPUBuilder::Reduction kind);
  Value subF(Value a, Value c) { return arith::SubFOp::create(b, a, c); }

  GPUBuilder &b;
  const Attention &op;
  const FlashShape &shape;
  int64_t group, tokens, threads;
  Value memory, thread, kvHead, firstToken;
  Value g, t;      ///< the lane's
  Value rows[2];   ///< of the block, that the lane has
  Value limits[2]; ///< of their tokens
  Value begins[2];
  Value limit; ///< of the last token
  /// In chunks between these every row sees every position.
  Value seenByAllFrom, seenByAllTo;
};

} // namespace

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Which place a quad has depends on its row, so that threads that write quads
/// of every fourth row do not meet in a bank.
Value FlashEmitter::byteOf(const HalfMatrix &matrix, Value row, Value quad) {
  if (isSwizzled(matrix)) {
    Value turn = b.mul(b.rem(b.div(row, 4), 4), 4);
    quad = arith::XOrIOp::create(b, quad, turn);
  }
  return b.add(
      b.add(b.mul(row, matrix.rowBytes()), b.mul(quad, HalfMatrix::quadBytes)),
      matrix.firstByte);
}

void FlashEmitter::storeQuad(const HalfMatrix &matrix, Value row, Value quad,
                             const Quad &numbers) {
  auto pair = [&](Value low, Value high) -> Value {
    if (!low.getType().isF16())
      return saturatePair(b, low, high, b.getF16Type());
    Value both = vector::FromElementsOp::create(b, b.vec(2, b.getF16Type()),
                                                ValueRange{low, high});
    return b.bitcast(b.getI32Type(), both);
  };
  Value words = vector::FromElementsOp::create(
      b, b.vec(2, b.getI32Type()),
      ValueRange{pair(numbers[0], numbers[1]), pair(numbers[2], numbers[3])});
  b.store(words, memory, byteOf(matrix, row, quad), HalfMatrix::quadBytes);
}

/// Of rows `first`, a multiple of 16, and on.
FlashEmitter::LanePlace FlashEmitter::placeOf(const HalfMatrix &matrix,
                                              Value first) {
  Value byte = b.add(b.add(b.mul(b.add(first, g), matrix.rowBytes()),
                           b.mul(t, HalfMatrix::quadBytes)),
                     matrix.firstByte);
  if (!isSwizzled(matrix))
    return {matrix, byte, byte};
  Value turned = b.mul(b.div(g, 4), stepBytes);
  return {matrix, b.add(byte, turned), b.sub(byte, turned)};
}

std::array<Value, 2> FlashEmitter::loadQuad(const LanePlace &place,
                                            int64_t eight, int64_t step) {
  const HalfMatrix &matrix = place.matrix;
  if (isSwizzled(matrix))
    step ^= 2 * eight % 4;
  Value byte = b.add(step % 2 ? place.odd : place.even,
                     8 * eight * matrix.rowBytes() + step * stepBytes);
  Value words =
      b.load(b.vec(2, b.getI32Type()), memory, byte, HalfMatrix::quadBytes);
  return {b.extract(words, 0), b.extract(words, 1)};
}

/// Times the factor of scores. Rows behind the last token are as its own.
void FlashEmitter::fillQueries() {
  int64_t quads = shape.queries.quads;
  bool inWords = op.query.holdsWords();
  Value factor = b.f32(op.softcap ? op.scale : op.scale * log2e);
  b.loop(thread, b.index(shape.queries.rows * quads), threads, [&](Value i) {
    Value row = b.div(i, quads), quad = b.rem(i, quads);
    Value token = b.min(tokenOf(row), b.sub(op.rows, b.index(1)));
    Value column = b.add(b.mul(headOf(row), shape.size), b.mul(quad, 4));
    Values loaded;
    if (inWords)
      loaded = b.loadSome(op.query, token, column, 4);
    else
      for (int64_t j = 0; j < 4; ++j)
        loaded.push_back(b.load(op.query, token, b.add(column, j)));
    Quad numbers;
    for (int64_t j = 0; j < 4; ++j)
      numbers[j] = b.mulF(loaded[j], factor);
    storeQuad(shape.queries, row, quad, numbers);
  });
}

/// A thread takes four elements of four positions, as they lie side by side in
/// the cache, for each position by itself.
void FlashEmitter::fillKeys(Value first) {
  int64_t quads = shape.keys.quads, columns = Cache::block / 4;
  b.loop(thread, b.index(shape.chunk / 4 * quads), threads, [&](Value i) {
    Value element = b.mul(b.rem(b.div(i, columns), quads), 4);
    Value within = b.add(b.mul(b.div(i, columns * quads), Cache::block),
                         b.mul(b.rem(i, columns), 4));
    auto square =
        op.cache.loadSquare(b, Cache::Keys, kvHead, b.add(first, within),
                            /*gap=*/2, element);
    for (int64_t j = 0; j < 4; ++j)
      storeQuad(shape.keys, b.add(within, j), b.div(element, 4), square[j]);
  });
}

/// Here of positions 2t, 2t + 1, 2t + 8 and 2t + 9 for each element. What is
/// behind the last position may be no number, and zero times that neither.
void FlashEmitter::fillValues(Value first) {
  int64_t quads = shape.size / 4;
  b.loop(thread, b.index(shape.chunk / 4 * quads), threads, [&](Value i) {
    Value element = b.mul(b.rem(i, quads), 4), slot = b.div(i, quads);
    Value within =
        b.add(b.mul(b.div(slot, 4), Cache::block), b.mul(b.rem(slot, 4), 2));
    Value position = b.add(first, within);
    auto square = op.cache.loadSquare(b, Cache::Values, kvHead, position,
                                      /*gap=*/8, element);
    for (int64_t j = 0; j < 4; ++j) {
      Quad numbers;
      for (int64_t k = 0; k < 4; ++k) {
        Value number = square[k][j];
        Value zero =
            arith::ConstantOp::create(b, b.getZeroAttr(number.getType()));
        Value at = b.add(position, k / 2 * 8 + k % 2);
        numbers[k] = b.select(b.less(at, limit), number, zero);
      }
      storeQuad(shape.values, b.add(element, j), slot, numbers);
    }
  });
}

//===----------------------------------------------------------------------===//
// A chunk
//===----------------------------------------------------------------------===//

SmallVector<FlashEmitter::Fragment> FlashEmitter::scores() {
  SmallVector<Fragment> sums(shape.chunk / 8, Fragment(4, b.f32(0)));
  Value warp = b.div(thread, GPUBuilder::warpSize);
  LanePlace queries = placeOf(shape.queries, b.mul(warp, 16));
  LanePlace keys = placeOf(shape.keys, b.index(0));
  for (int64_t step = 0; step < shape.size / 16; ++step) {
    std::array<Value, 2> upper = loadQuad(queries, 0, step);
    std::array<Value, 2> lower = loadQuad(queries, 1, step);
    Value query[] = {upper[0], lower[0], upper[1], lower[1]};
    for (auto [tile, sum] : llvm::enumerate(sums))
      sum = multiplyHalves(b, query, loadQuad(keys, tile, step), sum);
  }
  return sums;
}

/// Soft cap and mask; scores of what a row does not see are `hidden`.
void FlashEmitter::finishScores(SmallVector<Fragment> &scores, Value first) {
  auto forEach = [&](auto change) {
    for (auto [tile, fragment] : llvm::enumerate(scores))
      for (int64_t i = 0; i < 4; ++i) {
        Value position =
            b.add(first, b.add(b.mul(t, 2), 8 * int64_t(tile) + i % 2));
        fragment[i] = change(fragment[i], position, i / 2);
      }
  };
  if (op.softcap)
    forEach([&](Value score, Value, int64_t) {
      Value squashed =
          math::TanhOp::create(b, b.mulF(score, b.f32(1 / *op.softcap)));
      return b.mulF(squashed, b.f32(*op.softcap * log2e));
    });
  // A mask may hold -inf, and the difference of two is no number.
  if (op.mask)
    forEach([&](Value score, Value position, int64_t half) -> Value {
      Value last = b.sub(op.rows, b.index(1));
      Value token = b.min(tokenOf(rows[half]), last);
      position = b.min(position, b.sub(limit, b.index(1)));
      Value at = b.add(b.mul(token, op.maskStride), position);
      Value added = b.fma(b.load(op.mask, b.index(0), at), b.f32(log2e), score);
      return arith::MaximumFOp::create(b, added, b.f32(lowest));
    });
  Value isSeen = b.less(b.add(first, shape.chunk - 1), seenByAllTo);
  if (seenByAllFrom)
    isSeen = arith::AndIOp::create(
        b, isSeen,
        arith::CmpIOp::create(b, arith::CmpIPredicate::uge, first,
                              seenByAllFrom));
  Values all;
  for (const Fragment &fragment : scores)
    llvm::append_range(all, fragment);
  Value isHidden = arith::XOrIOp::create(
      b, isSeen, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  all = b.onlyIf(isHidden, all, [&] {
    forEach([&](Value score, Value position, int64_t half) {
      Value seen = b.less(position, limits[half]);
      if (op.window)
        seen = arith::AndIOp::create(
            b, seen,
            arith::CmpIOp::create(b, arith::CmpIPredicate::uge, position,
                                  begins[half]));
      return b.select(seen, score, b.f32(hidden));
    });
    Values changed;
    for (const Fragment &fragment : scores)
      llvm::append_range(changed, fragment);
    return changed;
  });
  for (auto [tile, fragment] : llvm::enumerate(scores))
    fragment.assign(all.begin() + 4 * tile, all.begin() + 4 * tile + 4);
}

/// Over the four lanes that have a row.
Value FlashEmitter::overLanes(Value value, GPUBuilder::Reduction kind) {
  for (int64_t mask : {1, 2})
    value = b.combine(value, b.exchange(value, mask), kind);
  return value;
}

/// state: of both rows the largest score, then the sum of weights that the lane
/// has, then fragments of the sums of values.
FlashEmitter::Values FlashEmitter::addChunk(Value first, ValueRange state) {
  b.waitForBlock(); // until the last chunk is not read any more
  fillKeys(first);
  fillValues(first);
  b.waitForBlock();

  SmallVector<Fragment> weights = scores();
  finishScores(weights, first);
  Value largest[2], shrink[2], sum[2];
  for (int64_t half = 0; half < 2; ++half) {
    Value most = weights.front()[2 * half];
    for (const Fragment &fragment : weights)
      for (int64_t i = 0; i < 2; ++i)
        most =
            b.combine(most, fragment[2 * half + i], GPUBuilder::Reduction::Max);
    most = overLanes(most, GPUBuilder::Reduction::Max);
    largest[half] = b.combine(state[half], most, GPUBuilder::Reduction::Max);
    shrink[half] = b.exp2(subF(state[half], largest[half]));
    sum[half] = b.mulF(state[2 + half], shrink[half]);
  }
  for (Fragment &fragment : weights)
    for (int64_t i = 0; i < 4; ++i) {
      fragment[i] = b.exp2(subF(fragment[i], largest[i / 2]));
      sum[i / 2] = b.addF(sum[i / 2], fragment[i]);
    }

  Values next = {largest[0], largest[1], sum[0], sum[1]};
  SmallVector<std::array<Value, 4>> shares;
  for (int64_t step = 0; step < shape.chunk / 16; ++step) {
    const Fragment &one = weights[2 * step], &two = weights[2 * step + 1];
    FloatType half = b.getF16Type();
    shares.push_back({roundPair(b, one[0], one[1], half),
                      roundPair(b, one[2], one[3], half),
                      roundPair(b, two[0], two[1], half),
                      roundPair(b, two[2], two[3], half)});
  }
  LanePlace values = placeOf(shape.values, b.index(0));
  for (int64_t tile = 0; tile < shape.size / 8; ++tile) {
    Values sums;
    for (int64_t i = 0; i < 4; ++i)
      sums.push_back(b.mulF(state[4 + 4 * tile + i], shrink[i / 2]));
    for (auto [step, share] : llvm::enumerate(shares))
      sums = multiplyHalves(b, share, loadQuad(values, tile, step), sums);
    llvm::append_range(next, sums);
  }
  return next;
}

//===----------------------------------------------------------------------===//
// A block
//===----------------------------------------------------------------------===//

void FlashEmitter::store(ValueRange state) {
  for (int64_t half = 0; half < 2; ++half) {
    Value divisor = overLanes(state[2 + half], GPUBuilder::Reduction::Sum);
    Value inverse = arith::DivFOp::create(b, b.f32(1), divisor);
    Value token = tokenOf(rows[half]);
    Value isThere = arith::AndIOp::create(b, b.less(token, op.rows),
                                          b.less(rows[half], tokens * group));
    b.onlyIf(isThere, [&] {
      Value head = b.mul(headOf(rows[half]), shape.size);
      for (int64_t tile = 0; tile < shape.size / 8; ++tile) {
        Value column = b.add(head, b.add(b.mul(t, 2), 8 * tile));
        Values pair;
        for (int64_t i = 0; i < 2; ++i)
          pair.push_back(b.mulF(state[4 + 4 * tile + 2 * half + i], inverse));
        if (op.out.holdsWords()) {
          b.storeSome(pair, op.out, token, column);
          continue;
        }
        b.store(pair[0], op.out, token, column);
        b.store(pair[1], op.out, token, b.add(column, 1));
      }
    });
  }
}

LaunchShape FlashEmitter::emit() {
  memory = b.launchedMemory();
  thread = b.thread();
  kvHead = b.block('x');
  firstToken = b.mul(b.block('y'), tokens);
  Value lane = b.rem(thread, GPUBuilder::warpSize);
  Value warp = b.div(thread, GPUBuilder::warpSize);
  g = b.div(lane, 4);
  t = b.rem(lane, 4);
  for (int64_t half = 0; half < 2; ++half) {
    rows[half] = b.add(b.add(b.mul(warp, 16), g), 8 * half);
    Value token = tokenOf(rows[half]);
    limits[half] = limitOf(token);
    if (op.window)
      begins[half] = beginOf(token);
  }
  Value lastToken = b.min(b.add(firstToken, tokens), op.rows);
  lastToken = b.sub(lastToken, b.index(1));
  limit = limitOf(lastToken);
  seenByAllTo = limitOf(firstToken);
  Value first = b.index(0);
  if (op.window) {
    first = b.mul(b.div(beginOf(firstToken), shape.chunk), shape.chunk);
    seenByAllFrom = beginOf(lastToken);
  }
  fillQueries();
  Values initial = {b.f32(none), b.f32(none)};
  initial.append(2 + shape.size / 2, b.f32(0));
  store(b.loop(
      first, limit, shape.chunk, initial,
      [&](Value from, ValueRange state) { return addChunk(from, state); }));
  return {op.cache.heads, tokens, threads, shape.values.endByte()};
}

LaunchShape quantmlir::cuda::emitFlashAttention(GPUBuilder &b,
                                                const Attention &op,
                                                const FlashShape &shape,
                                                const Form &form) {
  return FlashEmitter(b, op, shape, form).emit();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"

using namespace mlir;
using namespace quantmlir::cpu;

int64_t MatmulTiling::numExperts() const {
  return experts ? cast<MemRefType>(experts.getType()).getDimSize(0) - 1 : 1;
}

void MatmulTiling::forWeights(
    llvm::function_ref<void(Value, Value, Value)> body) {
  if (!experts)
    return body(offset, b.index(0), b.size(out, 0));
  auto start = [&](Value expert) -> Value {
    return arith::IndexCastOp::create(b, b.getIndexType(),
                                      b.loadScalar(experts, expert));
  };
  b.loop(0, numExperts(), 1, [&](Value expert) {
    Value begin = start(expert), end = start(b.add(expert, 1));
    // Most have no rows when a token is decoded.
    Value any = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, begin, end);
    auto branch = scf::IfOp::create(b, any);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body(b.add(offset, b.mul(expert, layout.totalBytes)), begin, end);
  });
}

/// Full tiles first, then what is left in tiles of a power of two and so on
/// down to single rows, which is all there is when one token is decoded.
void MatmulTiling::emitTiles(int64_t tileRows, Value begin, Value end,
                             llvm::function_ref<void(int64_t, Value)> tile) {
  SmallVector<int64_t> counts = {tileRows};
  for (int64_t count = int64_t(llvm::PowerOf2Ceil(tileRows)) / 2; count >= 1;
       count /= 2)
    counts.push_back(count);
  Value done = begin;
  for (int64_t count : counts) {
    Value left = b.sub(end, done);
    Value next = b.add(done, b.mul(b.div(left, count), count));
    b.loop(done, next, count, [&](Value row) { tile(count, row); });
    done = next;
  }
}

void MatmulTiling::emit(int64_t tileRows, TileBody body) {
  forWeights([&](Value weight, Value begin, Value end) {
    b.splitLoop(b.index(layout.numPanels), [&](Value panel) {
      Value n = b.mul(panel, layout.panelRows);
      Value bytes = b.add(weight, b.mul(panel, layout.panelBytes));
      emitTiles(tileRows, begin, end, [&](int64_t count, Value row) {
        finish(body(count, row, bytes, n), row, n);
      });
    });
  });
}

void MatmulTiling::emitSums(int64_t tileRows, int64_t words, int64_t chunk,
                            Prepare prepare, AddSums addSums,
                            ScaleSum scaleSum) {
  forWeights([&](Value weight, Value begin, Value end) {
    b.splitLoop(b.index(layout.numPanels), [&](Value panel) {
      Value bytes = b.add(weight, b.mul(panel, layout.panelBytes));
      sumPanel(tileRows, words, chunk, b.mul(panel, layout.panelRows), bytes,
               begin, end, prepare, addSums, scaleSum);
    });
  });
}

void MatmulTiling::sumPanel(int64_t tileRows, int64_t words, int64_t chunk,
                            Value n, Value bytes, Value begin, Value end,
                            Prepare prepare, AddSums addSums,
                            ScaleSum scaleSum) {
  Value none = b.constant(b.f32Vec(layout.lanes), 0);
  SmallVector<Value> masks;
  for (int64_t v = 0; v < layout.vectors; ++v)
    masks.push_back(maskOf(n, v));
  auto column = [&](int64_t v) { return b.add(n, v * layout.lanes); };
  // Sums of chunks meet in the result.
  b.loop(begin, end, 1, [&](Value row) {
    for (int64_t v = 0; v < layout.vectors; ++v)
      storeMasked(none, {row, column(v)}, masks[v]);
  });
  b.loop(b.index(0), b.index(words), chunk, [&](Value word) {
    Value count = b.min(b.index(chunk), b.sub(b.index(words), word));
    prepare(bytes, word, count);
    emitTiles(tileRows, begin, end, [&](int64_t rows, Value row) {
      SmallVector<Value> sums;
      for (int64_t i = 0; i < rows * layout.vectors; ++i)
        sums.push_back(loadMasked(
            out, {b.add(row, i / layout.vectors), column(i % layout.vectors)},
            masks[i % layout.vectors]));
      sums = addSums(rows, row, bytes, word, count, sums);
      for (auto [i, sum] : llvm::enumerate(sums))
        storeMasked(
            sum, {b.add(row, i / layout.vectors), column(i % layout.vectors)},
            masks[i % layout.vectors]);
    });
  });
  b.loop(begin, end, 1, [&](Value row) {
    Tile tile(1);
    for (int64_t v = 0; v < layout.vectors; ++v)
      tile[0].push_back(
          scaleSum(loadMasked(out, {row, column(v)}, masks[v]), row, bytes, v));
    finish(tile, row, n);
  });
}

Value MatmulTiling::maskOf(Value n, int64_t v) {
  if (layout.n % layout.panelRows == 0)
    return {};
  // Columns past N are computed but not there to be stored. The difference may
  // be negative, which create_mask takes as zero.
  Value left =
      arith::SubIOp::create(b, b.index(layout.n), b.add(n, v * layout.lanes));
  return vector::CreateMaskOp::create(b, b.vec(layout.lanes, b.getI1Type()),
                                      left);
}

Value MatmulTiling::loadMasked(Value buffer, ValueRange indices, Value mask) {
  auto type = b.f32Vec(layout.lanes);
  if (!mask)
    return b.load(type, buffer, indices);
  return vector::MaskedLoadOp::create(b, type, buffer, indices, mask,
                                      b.constant(type, 0));
}

void MatmulTiling::storeMasked(Value vector, ValueRange indices, Value mask) {
  if (mask)
    vector::MaskedStoreOp::create(b, out, indices, mask, vector);
  else
    b.store(vector, out, indices);
}

void MatmulTiling::finish(const Tile &tile, Value row, Value n) {
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value column = b.add(n, v * layout.lanes), mask = maskOf(n, v);
    Value added = bias ? loadMasked(bias, column, mask) : Value();
    for (auto [m, vectors] : llvm::enumerate(tile)) {
      Value result = vectors[v], at = b.add(row, m);
      if (added)
        result = b.addF(result, added);
      if (residual)
        result = b.addF(result, loadMasked(residual, {at, column}, mask));
      storeMasked(result, {at, column}, mask);
    }
  }
}

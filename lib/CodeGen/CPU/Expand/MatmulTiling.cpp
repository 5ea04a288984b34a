// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"

using namespace mlir;
using namespace quantmlir::cpu;

void MatmulTiling::emit(int64_t tileRows, TileBody body) {
  Value rows = b.size(out, 0);
  b.splitLoop(b.index(layout.numPanels), [&](Value panel) {
    Value n = b.mul(panel, layout.panelRows);
    Value bytes = b.add(offset, b.mul(panel, layout.panelBytes));
    // Full tiles first, then what is left in tiles of a power of two and so on
    // down to single rows, which is all there is when one token is decoded.
    SmallVector<int64_t> counts = {tileRows};
    for (int64_t count = int64_t(llvm::PowerOf2Ceil(tileRows)) / 2; count >= 1;
         count /= 2)
      counts.push_back(count);
    Value done = b.index(0);
    for (int64_t count : counts) {
      Value left = b.sub(rows, done);
      Value end = b.add(done, b.mul(b.div(left, count), count));
      b.loop(done, end, count,
             [&](Value row) { finish(body(count, row, bytes, n), row, n); });
      done = end;
    }
  });
}

Value MatmulTiling::loadMasked(Value buffer, ValueRange indices, Value mask) {
  auto type = b.f32Vec(layout.lanes);
  if (!mask)
    return b.load(type, buffer, indices);
  return vector::MaskedLoadOp::create(b, type, buffer, indices, mask,
                                      b.constant(type, 0));
}

void MatmulTiling::finish(const Tile &tile, Value row, Value n) {
  bool ragged = layout.n % layout.panelRows != 0;
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value column = b.add(n, v * layout.lanes);
    Value mask;
    if (ragged) {
      // Columns past N are computed but not there to be stored. The difference
      // may be negative, which create_mask takes as zero.
      Value left = arith::SubIOp::create(b, b.index(layout.n), column);
      mask = vector::CreateMaskOp::create(b, b.vec(layout.lanes, b.getI1Type()),
                                          left);
    }
    Value added = bias ? loadMasked(bias, column, mask) : Value();
    for (auto [m, vectors] : llvm::enumerate(tile)) {
      Value result = vectors[v], at = b.add(row, m);
      if (added)
        result = b.addF(result, added);
      if (residual)
        result = b.addF(result, loadMasked(residual, {at, column}, mask));
      if (mask)
        vector::MaskedStoreOp::create(b, out, ValueRange{at, column}, mask,
                                      result);
      else
        b.store(result, out, {at, column});
    }
  }
}

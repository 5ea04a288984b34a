// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::MatmulFloatOp op) {
  PanelLayout layout(cast<qt::QuantTensorType>(op.getType()));
  FloatType stored = layout.form.floatType;
  int64_t width = stored.getIntOrFloatBitWidth() / 8, lanes = layout.lanes;
  VectorType f32 = b.f32Vec(lanes);
  auto raw = b.vec(lanes * width, b.getI8Type());
  // Unrolled so that the loads of several steps are under way at once.
  int64_t step = vectorLanes(layout.k, 4);

  auto body = [&](int64_t rows, Value row, Value panel, Value) {
    SmallVector<Value> zeros(rows * layout.vectors, b.constant(f32, 0));
    SmallVector<Value> sums = b.loop(
        b.index(0), b.index(layout.k), step, zeros,
        [&](Value k, ValueRange carried) {
          SmallVector<Value> acc(carried);
          Value at = b.add(panel, b.mul(k, layout.panelRows * width));
          for (int64_t i = 0; i < step; ++i) {
            SmallVector<Value> weights;
            for (int64_t v = 0; v < layout.vectors; ++v) {
              Value bytes =
                  b.load(raw, op.getWeights(),
                         b.add(at, (i * layout.panelRows + v * lanes) * width));
              weights.push_back(
                  b.toF32(b.bitcast(b.vec(lanes, stored), bytes)));
            }
            for (int64_t m = 0; m < rows; ++m) {
              Value x = b.splat(
                  b.loadScalar(op.getX(), {b.add(row, m), b.add(k, i)}), lanes);
              for (int64_t v = 0; v < layout.vectors; ++v) {
                Value &sum = acc[m * layout.vectors + v];
                sum = b.fma(weights[v], x, sum);
              }
            }
          }
          return acc;
        });
    MatmulTiling::Tile tile(rows);
    for (auto [i, sum] : llvm::enumerate(sums))
      tile[i / layout.vectors].push_back(sum);
    return tile;
  };
  MatmulTiling(b, layout, op.getOffset(), op.getOut(), op.getBias(),
               op.getResidual())
      .emit(op.getRows().value_or(b.target.rowsFloat), body);
  return success();
}

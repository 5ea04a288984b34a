// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Columns are few and rows many: threads share out the columns, each goes down
// its own twice, to find the loudest value and to part them.

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir::cpu;

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::SplitOutliersOp op) {
  Value x = op.getX();
  int64_t k = cast<MemRefType>(x.getType()).getDimSize(1);
  int64_t lanes = vectorLanes(k);
  if (lanes < 4)
    return op.emitOpError("has rows of ")
           << k << " values; CPU kernels need a multiple of 4";
  VectorType f32 = b.f32Vec(lanes);
  Value rows = b.size(x, 0), zero = b.constant(f32, 0);
  Value threshold = b.constant(f32, op.getThreshold().convertToDouble());
  auto isLoud = [&](Value magnitude) -> Value {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, magnitude,
                                 threshold);
  };
  b.splitLoop(b.index(k / lanes), [&](Value step) {
    Value column = b.mul(step, lanes);
    Value loudest =
        b.loop(b.index(0), rows, 1, zero,
               [&](Value row, ValueRange carried) -> SmallVector<Value> {
                 Value value =
                     math::AbsFOp::create(b, b.load(f32, x, {row, column}));
                 return {arith::MaximumFOp::create(b, carried[0], value)};
               })
            .front();
    Value loudColumns = isLoud(loudest);
    b.loop(b.index(0), rows, 1, [&](Value row) {
      Value value = b.load(f32, x, {row, column});
      Value loud = op.getPerToken() ? isLoud(math::AbsFOp::create(b, value))
                                    : loudColumns;
      b.store(arith::SelectOp::create(b, loud, zero, value), op.getInliers(),
              {row, column});
      b.store(arith::SelectOp::create(b, loud, value, zero), op.getOutliers(),
              {row, column});
    });
    Value flags =
        arith::ExtUIOp::create(b, b.vec(lanes, b.getI8Type()), loudColumns);
    b.store(b.bitcast(b.vec(lanes / 4, b.getI32Type()), flags), op.getColumns(),
            b.div(column, 4));
  });
  return success();
}

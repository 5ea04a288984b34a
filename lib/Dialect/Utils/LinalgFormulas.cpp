// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/Utils/LinalgFormulas.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace quantmlir;

Value quantmlir::emitLinear(LinalgEmitter &emit, OpBuilder &builder, Value x,
                            Value weight, Value bias, RankedTensorType type) {
  unsigned rank = type.getRank(), n = rank - 1, k = rank;
  SmallVector<OpFoldResult> loops = emit.sizes(x);
  OpFoldResult length = loops.pop_back_val();
  loops.push_back(emit.sizes(weight).front());
  SmallVector<OpFoldResult> sizes = loops;
  loops.push_back(length);

  SmallVector<unsigned> row = llvm::to_vector(llvm::seq(rank - 1));
  row.push_back(k);
  Value result = emit.reduce(
      loops, rank, /*init=*/0.0,
      {{x, emit.dims(rank + 1, row)}, {weight, emit.dims(rank + 1, {n, k})}},
      [](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
        Value product = arith::MulFOp::create(b, loc, v[0], v[1]);
        return arith::AddFOp::create(b, loc, acc, product);
      });
  if (!bias && result.getType() == type)
    return result;

  SmallVector<LinalgEmitter::Operand> operands = {
      {result, builder.getMultiDimIdentityMap(rank)}};
  if (bias)
    operands.push_back({bias, emit.dims(rank, {n})});
  return emit.map(type.getElementType(), sizes, operands,
                  [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                    if (v.size() == 1)
                      return v[0];
                    return arith::AddFOp::create(b, loc, v[0], v[1]);
                  });
}

Value quantmlir::emitGather(
    LinalgEmitter &emit, OpBuilder &builder, Value ids, OpFoldResult columns,
    RankedTensorType type,
    function_ref<Value(OpBuilder &, Location, ValueRange)> read) {
  unsigned rank = type.getRank();
  SmallVector<OpFoldResult> sizes = emit.sizes(ids);
  sizes.push_back(columns);
  AffineMap place = emit.dims(rank, llvm::to_vector(llvm::seq(rank - 1)));
  return emit.map(type.getElementType(), sizes, {{ids, place}},
                  [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                    Value row = arith::IndexCastOp::create(
                        b, loc, b.getIndexType(), v[0]);
                    Value column = linalg::IndexOp::create(b, loc, rank - 1);
                    return read(b, loc, {row, column});
                  });
}

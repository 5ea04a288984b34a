// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/Utils/LinalgFormulas.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

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

/// The expert of every row: how many of those behind the first start at or
/// before it.
static Value emitExpertOfRow(LinalgEmitter &emit, OpBuilder &builder,
                             ArrayRef<OpFoldResult> rows, Value experts) {
  Type i32 = builder.getI32Type();
  int64_t count =
      cast<RankedTensorType>(experts.getType()).getNumElements() - 1;
  return emit.map(i32, rows, {}, [&](OpBuilder &b, Location loc, ValueRange) {
    Value row = linalg::IndexOp::create(b, loc, 0);
    for (unsigned dim = 1; dim < rows.size(); ++dim) {
      Value size = getValueOrCreateConstantIndexOp(b, loc, rows[dim]);
      row = arith::MulIOp::create(b, loc, row, size);
      row = arith::AddIOp::create(b, loc, row,
                                  linalg::IndexOp::create(b, loc, dim));
    }
    row = arith::IndexCastOp::create(b, loc, i32, row);
    Value expert = arith::ConstantIntOp::create(b, loc, i32, 0);
    for (int64_t next = 1; next < count; ++next) {
      Value place = arith::ConstantIndexOp::create(b, loc, next);
      Value start = tensor::ExtractOp::create(b, loc, experts, place);
      Value started =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, start, row);
      expert = arith::AddIOp::create(
          b, loc, expert, arith::ExtUIOp::create(b, loc, i32, started));
    }
    return expert;
  });
}

Value quantmlir::emitExpertLinear(LinalgEmitter &emit, OpBuilder &builder,
                                  Value x, Value weight, Value experts,
                                  RankedTensorType type) {
  unsigned rank = type.getRank(), n = rank - 1, k = rank;
  SmallVector<OpFoldResult> loops = emit.sizes(x);
  OpFoldResult length = loops.pop_back_val();
  Value expertOfRow = emitExpertOfRow(emit, builder, loops, experts);
  loops.push_back(builder.getIndexAttr(type.getShape().back()));
  SmallVector<OpFoldResult> sizes = loops;
  loops.push_back(length);

  SmallVector<unsigned> row = llvm::to_vector(llvm::seq(rank - 1));
  AffineMap rows = emit.dims(rank + 1, row);
  row.push_back(k);
  Value result = emit.reduce(
      loops, rank, /*init=*/0.0,
      {{x, emit.dims(rank + 1, row)}, {expertOfRow, rows}},
      [&](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
        Value expert =
            arith::IndexCastOp::create(b, loc, b.getIndexType(), v[1]);
        Value height =
            arith::ConstantIndexOp::create(b, loc, type.getShape().back());
        Value place = arith::AddIOp::create(
            b, loc, arith::MulIOp::create(b, loc, expert, height),
            linalg::IndexOp::create(b, loc, n));
        Value w = tensor::ExtractOp::create(
            b, loc, weight,
            ValueRange{place, linalg::IndexOp::create(b, loc, k)});
        Value product = arith::MulFOp::create(
            b, loc, v[0], convertFloat(b, loc, w, emit.getCompute()));
        return arith::AddFOp::create(b, loc, acc, product);
      });
  if (result.getType() == type)
    return result;
  return emit.map(type.getElementType(), sizes,
                  {{result, builder.getMultiDimIdentityMap(rank)}},
                  [](OpBuilder &, Location, ValueRange v) { return v[0]; });
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

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The largest or smallest elements along an axis, in their order. The place of
// an element in it is the number of those that come before it, which compares
// all pairs: quick for the choices of experts, slow for whole vocabularies.

#include "Operators.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// Whether one element comes before another for its value.
static Value comesBefore(OpBuilder &b, Location loc, DataType type,
                         bool largest, Value x, Value y) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  if (isFloat(type))
    return arith::CmpFOp::create(b, loc, largest ? F::OGT : F::OLT, x, y);
  I predicate = isUnsigned(type) ? (largest ? I::ugt : I::ult)
                                 : (largest ? I::sgt : I::slt);
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}

static Value isEqual(OpBuilder &b, Location loc, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
}

/// Sums up, in i64, what a body makes of the elements of tensors: those of
/// `along` are taken at a loop of its own instead of at the axis.
static GraphValue
sumAlong(Importer &g, const Sizes &shape, int64_t axis, ArrayRef<Value> at,
         ArrayRef<Value> along,
         function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  unsigned rank = shape.size();
  SmallVector<AffineExpr> moved;
  for (unsigned dim = 0; dim < rank; ++dim)
    moved.push_back(g.b.getAffineDimExpr(dim == axis ? rank : dim));
  AffineMap here = g.b.getMultiDimIdentityMap(rank + 1).getMajorSubMap(rank),
            there = AffineMap::get(rank + 1, 0, moved, g.b.getContext());
  SmallVector<AffineMap> maps(at.size(), here);
  maps.append(along.size(), there);
  maps.push_back(here);
  SmallVector<Value> inputs(at);
  llvm::append_range(inputs, along);
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  loops.push_back(utils::IteratorType::reduction);
  RankedTensorType type = g.tensorType(DataType::Int64, shape);
  Value zero = g.constant(DataType::Int64, 0);
  Value empty = tensor::EmptyOp::create(g.b, shape, type.getElementType());
  Value filled = linalg::FillOp::create(g.b, zero, empty).getResult(0);
  auto sum = linalg::GenericOp::create(
      g.b, type, inputs, filled, maps, loops,
      [&](OpBuilder &b, Location loc, ValueRange e) {
        Value more = body(b, loc, e.drop_back());
        Value next = arith::AddIOp::create(b, loc, e.back(), more);
        linalg::YieldOp::create(b, loc, next);
      });
  return g.fromTensor(DataType::Int64, sum.getResult(0), shape);
}

static void importTopK(Importer &g) {
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", -1), x.rank());
  bool largest = g.integer("largest", 1) != 0;
  if (!axis || isBool(x.type))
    return g.fail("has no valid axis or type");
  Sizes count = g.readSizes(g.in(1));
  if (g.failed())
    return;
  int64_t k = count.size() == 1 ? staticSize(count[0]) : 0,
          whole = staticSize(x.shape[*axis]);
  if (count.size() != 1 || k == 0 || (k > 0 && whole >= 0 && k > whole))
    return g.fail("takes " + Twine(k) + " elements of " + Twine(whole));

  DataType type = x.type;
  Value source = g.tensor(x);
  GraphValue places =
      sumAlong(g, x.shape, *axis, {source}, {source},
               [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                 Value own = linalg::IndexOp::create(b, loc, *axis);
                 Value other = linalg::IndexOp::create(b, loc, x.rank());
                 // Of equal ones the first comes first.
                 Value earlier = arith::CmpIOp::create(
                     b, loc, arith::CmpIPredicate::slt, other, own);
                 Value before = arith::OrIOp::create(
                     b, loc, comesBefore(b, loc, type, largest, e[1], e[0]),
                     arith::AndIOp::create(b, loc, isEqual(b, loc, e[1], e[0]),
                                           earlier));
                 return arith::ExtUIOp::create(b, loc, b.getI64Type(), before);
               });
  Sizes shape = x.shape;
  shape[*axis] = count[0];
  GraphValue indices = sumAlong(
      g, shape, *axis, {}, {g.tensor(places)},
      [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Value wanted = linalg::IndexOp::create(b, loc, *axis);
        Value index = linalg::IndexOp::create(b, loc, x.rank());
        Type i64 = b.getI64Type();
        wanted = arith::IndexCastOp::create(b, loc, i64, wanted);
        index = arith::IndexCastOp::create(b, loc, i64, index);
        Value zero = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0));
        return arith::SelectOp::create(b, loc, isEqual(b, loc, e[0], wanted),
                                       index, zero);
      });
  GraphValue data = g.fromTensor(type, source, x.shape);
  g.result(0, gatherElements(g, data, indices, *axis));
  g.result(1, indices);
}

ArrayRef<Operator> onnx::topKOperators() {
  static constexpr Operator table[] = {
      {"TopK", 2, 2, importTopK},
  };
  return table;
}

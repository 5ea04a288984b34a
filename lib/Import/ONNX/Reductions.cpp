// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators that fold axes, and those made of such.

#include "Operators.h"
#include "Scalars.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

static constexpr double infinity = std::numeric_limits<double>::infinity();

/// An element and the accumulated number, to the next accumulated one.
template <typename FloatOp, typename IntOp>
static Value accumulate(OpBuilder &b, Location loc, ValueRange e) {
  if (isa<FloatType>(e[0].getType()))
    return FloatOp::create(b, loc, e[1], e[0]);
  return IntOp::create(b, loc, e[1], e[0]);
}

/// Where 16-bit floats are accumulated.
static Value startAt(Importer &g, DataType type, double number) {
  bool isSmall = type == DataType::Float16 || type == DataType::BFloat16;
  return isFloat(type) ? g.constant(isSmall ? DataType::Float : type, number)
                       : g.constant(type, int64_t(number));
}

GraphValue onnx::reduceSum(Importer &g, GraphValue &x, ArrayRef<int64_t> axes,
                           bool keep) {
  return g.reduce(x, axes, keep, startAt(g, x.type, 0),
                  accumulate<arith::AddFOp, arith::AddIOp>);
}

GraphValue onnx::reduceMax(Importer &g, GraphValue &x, ArrayRef<int64_t> axes,
                           bool keep) {
  unsigned bits = dataTypeBits(x.type);
  if (isFloat(x.type))
    return g.reduce(x, axes, keep, startAt(g, x.type, -infinity),
                    accumulate<arith::MaximumFOp, arith::MaxSIOp>);
  if (isUnsigned(x.type))
    return g.reduce(x, axes, keep, g.constant(x.type, 0),
                    accumulate<arith::MaximumFOp, arith::MaxUIOp>);
  return g.reduce(x, axes, keep, g.constant(x.type, llvm::minIntN(bits)),
                  accumulate<arith::MaximumFOp, arith::MaxSIOp>);
}

static GraphValue reduceMin(Importer &g, GraphValue &x, ArrayRef<int64_t> axes,
                            bool keep) {
  unsigned bits = dataTypeBits(x.type);
  if (isFloat(x.type))
    return g.reduce(x, axes, keep, startAt(g, x.type, infinity),
                    accumulate<arith::MinimumFOp, arith::MinSIOp>);
  if (isUnsigned(x.type))
    return g.reduce(x, axes, keep, g.constant(x.type, int64_t(-1)),
                    accumulate<arith::MinimumFOp, arith::MinUIOp>);
  return g.reduce(x, axes, keep, g.constant(x.type, llvm::maxIntN(bits)),
                  accumulate<arith::MinimumFOp, arith::MinSIOp>);
}

GraphValue onnx::reduceMean(Importer &g, GraphValue &x, ArrayRef<int64_t> axes,
                            bool keep) {
  SmallVector<OpFoldResult> sizes;
  for (int64_t axis : axes)
    sizes.push_back(x.shape[axis]);
  GraphValue count = g.fromElements(
      DataType::Int64, {}, {g.fromSize(g.product(sizes), DataType::Int64)});
  GraphValue divisor = g.cast(count, x.type);
  GraphValue sum = reduceSum(g, x, axes, keep);
  return g.binary<arith::DivFOp>(sum, divisor);
}

GraphValue onnx::softmax(Importer &g, GraphValue &x, int64_t axis) {
  GraphValue largest = reduceMax(g, x, axis, true);
  GraphValue moved = g.binary<arith::SubFOp>(x, largest);
  GraphValue power = applyFloat(g, moved, [](Float e) { return exp(e); });
  GraphValue sum = reduceSum(g, power, axis, true);
  return g.binary<arith::DivFOp>(power, sum);
}

GraphValue onnx::applyFloat(Importer &g, GraphValue &x,
                            function_ref<Float(Float)> formula) {
  return g.map(x.type, {&x},
               [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                 return formula(Float(b, loc, e[0]));
               });
}

static GraphValue square(Importer &g, GraphValue &x) {
  return g.map(x.type, {&x},
               [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                 if (isa<FloatType>(e[0].getType()))
                   return arith::MulFOp::create(b, loc, e[0], e[0]);
                 return arith::MulIOp::create(b, loc, e[0], e[0]);
               });
}

static GraphValue logSumExp(Importer &g, GraphValue &x, ArrayRef<int64_t> axes,
                            bool keep) {
  GraphValue largest = reduceMax(g, x, axes, /*keep=*/true);
  // Of nothing, or of infinities, there is no largest to subtract.
  GraphValue base = applyFloat(g, largest, [](Float e) {
    return e.constant(0).select(
        abs(e).compare(arith::CmpFPredicate::OEQ, e.constant(infinity)), e);
  });
  GraphValue moved = g.binary<arith::SubFOp>(x, base);
  GraphValue power = applyFloat(g, moved, [](Float e) { return exp(e); });
  GraphValue sum = reduceSum(g, power, axes, /*keep=*/true);
  GraphValue log =
      applyFloat(g, sum, [](Float e) { return e.unary<math::LogOp>(); });
  GraphValue result = g.binary<arith::AddFOp>(log, base);
  return keep ? result : g.squeeze(result, axes);
}

static void importReduce(Importer &g) {
  GraphValue &x = g.in(0);
  bool keep = g.integer("keepdims", 1) != 0;
  auto axes = g.axes("axes", 1, x.rank());
  if (!axes || g.failed())
    return;
  if (axes->empty() && g.integer("noop_with_empty_axes", 0) == 0)
    *axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  StringRef op = g.op();
  if (op == "ReduceMax" || op == "ReduceMin") {
    GraphValue numbers = g.asNumbers(x);
    GraphValue result = op == "ReduceMax" ? reduceMax(g, numbers, *axes, keep)
                                          : reduceMin(g, numbers, *axes, keep);
    result.type = x.type;
    return g.result(result);
  }
  if (isBool(x.type))
    return g.fail("is not supported for bool");
  if (op == "ReduceSum")
    return g.result(reduceSum(g, x, *axes, keep));
  if (op == "ReduceProd")
    return g.result(g.reduce(x, *axes, keep, startAt(g, x.type, 1),
                             accumulate<arith::MulFOp, arith::MulIOp>));
  if (op == "ReduceSumSquare") {
    GraphValue squares = square(g, x);
    return g.result(reduceSum(g, squares, *axes, keep));
  }
  if (!isFloat(x.type))
    return g.fail("is not supported for " + dataTypeName(x.type));
  if (op == "ReduceMean")
    return g.result(reduceMean(g, x, *axes, keep));
  if (op == "ReduceLogSumExp")
    return g.result(logSumExp(g, x, *axes, keep));
  GraphValue terms = op == "ReduceL1"
                         ? applyFloat(g, x, [](Float e) { return abs(e); })
                     : op == "ReduceL2" ? square(g, x)
                                        : x;
  GraphValue sum = reduceSum(g, terms, *axes, keep);
  if (op == "ReduceL2")
    sum = applyFloat(g, sum, [](Float e) { return e.unary<math::SqrtOp>(); });
  if (op == "ReduceLogSum")
    sum = applyFloat(g, sum, [](Float e) { return e.unary<math::LogOp>(); });
  g.result(sum);
}

static void importSoftmax(Importer &g) {
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", -1), x.rank());
  if (!axis || !requireFloat(g))
    return;
  if (g.op() == "Softmax")
    return g.result(softmax(g, x, *axis));
  GraphValue log = logSumExp(g, x, *axis, /*keep=*/true);
  g.result(g.binary<arith::SubFOp>(x, log));
}

/// The index along the axis of the first, or last, element that is `extreme`.
static GraphValue findIndex(Importer &g, GraphValue &x, GraphValue &extreme,
                            int64_t axis, bool last, bool keep) {
  // The elements are in a tensor, so that there is a loop to take them from.
  GraphValue source = g.fromTensor(x.type, g.tensor(x), x.shape);
  int64_t beyond = last ? -1 : std::numeric_limits<int64_t>::max();
  GraphValue indices = g.map(
      DataType::Int64, {&source, &extreme},
      [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Value hit = isFloat(x.type)
                        ? arith::CmpFOp::create(
                              b, loc, arith::CmpFPredicate::OEQ, e[0], e[1])
                              .getResult()
                        : arith::CmpIOp::create(
                              b, loc, arith::CmpIPredicate::eq, e[0], e[1])
                              .getResult();
        Value index = linalg::IndexOp::create(b, loc, axis);
        Value number =
            arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
        Value none =
            arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(beyond));
        return arith::SelectOp::create(b, loc, hit, number, none);
      });
  return last ? reduceMax(g, indices, axis, keep)
              : reduceMin(g, indices, axis, keep);
}

/// ArgMax and ArgMin.
static void importArg(Importer &g) {
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", 0), x.rank());
  bool last = g.integer("select_last_index", 0) != 0;
  bool keep = g.integer("keepdims", 1) != 0;
  if (!axis || g.failed())
    return;
  GraphValue extreme = g.op() == "ArgMax" ? reduceMax(g, x, *axis, true)
                                          : reduceMin(g, x, *axis, true);
  g.result(findIndex(g, x, extreme, *axis, last, keep));
}

static void importHardmax(Importer &g) {
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", -1), x.rank());
  if (!axis || !requireFloat(g))
    return;
  GraphValue extreme = reduceMax(g, x, *axis, true);
  GraphValue first = findIndex(g, x, extreme, *axis, false, true);
  GraphValue source = g.fromTensor(x.type, g.tensor(x), x.shape);
  g.result(g.map(x.type, {&source, &first},
                 [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   Value index = linalg::IndexOp::create(b, loc, *axis);
                   Value number = arith::IndexCastOp::create(
                       b, loc, b.getI64Type(), index);
                   Value hit = arith::CmpIOp::create(
                       b, loc, arith::CmpIPredicate::eq, number, e[1]);
                   return arith::UIToFPOp::create(b, loc, e[0].getType(), hit);
                 }));
}

static void importCumSum(Importer &g) {
  GraphValue &x = g.in(0);
  auto given = g.constantNumber(g.in(1));
  if (!given || isBool(x.type))
    return g.fail("has an axis that is computed");
  auto axis = g.axis(int64_t(*given), x.rank());
  bool exclusive = g.integer("exclusive", 0) != 0;
  bool reverse = g.integer("reverse", 0) != 0;
  if (!axis || g.failed())
    return;
  // Loop `rank` runs over what is added up to the element of the result.
  int64_t rank = x.rank();
  SmallVector<AffineExpr> from;
  for (int64_t dim = 0; dim < rank; ++dim)
    from.push_back(g.b.getAffineDimExpr(dim == *axis ? rank : dim));
  SmallVector<AffineMap> maps = {
      AffineMap::get(rank + 1, 0, from, g.b.getContext()),
      g.b.getMultiDimIdentityMap(rank + 1).getMajorSubMap(rank)};
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  loops.push_back(utils::IteratorType::reduction);
  RankedTensorType type = g.tensorType(x.type, x.shape);
  Value zero = g.constant(x.type, 0), source = g.tensor(x);
  Value empty = tensor::EmptyOp::create(g.b, x.shape, type.getElementType());
  Value filled = linalg::FillOp::create(g.b, zero, empty).getResult(0);
  using P = arith::CmpIPredicate;
  P predicate =
      reverse ? (exclusive ? P::sgt : P::sge) : (exclusive ? P::slt : P::sle);
  auto sum = linalg::GenericOp::create(
      g.b, type, source, filled, maps, loops,
      [&](OpBuilder &b, Location loc, ValueRange e) {
        Value from = linalg::IndexOp::create(b, loc, rank);
        Value to = linalg::IndexOp::create(b, loc, *axis);
        Value counts = arith::CmpIOp::create(b, loc, predicate, from, to);
        Value more = accumulate<arith::AddFOp, arith::AddIOp>(b, loc, e);
        Value next = arith::SelectOp::create(b, loc, counts, more, e[1]);
        linalg::YieldOp::create(b, loc, next);
      });
  g.result(g.fromTensor(x.type, sum.getResult(0), x.shape));
}

ArrayRef<Operator> onnx::reductionOperators() {
  static constexpr Operator table[] = {
      {"ReduceSum", 1, 2, importReduce},
      {"ReduceMean", 1, 2, importReduce},
      {"ReduceMax", 1, 2, importReduce},
      {"ReduceMin", 1, 2, importReduce},
      {"ReduceProd", 1, 2, importReduce},
      {"ReduceL1", 1, 2, importReduce},
      {"ReduceL2", 1, 2, importReduce},
      {"ReduceLogSum", 1, 2, importReduce},
      {"ReduceLogSumExp", 1, 2, importReduce},
      {"ReduceSumSquare", 1, 2, importReduce},
      {"Softmax", 1, 1, importSoftmax},
      {"LogSoftmax", 1, 1, importSoftmax},
      {"Hardmax", 1, 1, importHardmax},
      {"ArgMax", 1, 1, importArg},
      {"ArgMin", 1, 1, importArg},
      {"CumSum", 2, 2, importCumSum},
  };
  return table;
}

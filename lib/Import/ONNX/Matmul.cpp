// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of matrices. With a matrix of the file it is lm's linear, whose
// weight can be quantized.

#include "Operators.h"
#include "Scalars.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// A tensor whose last dimension is known to have `size` elements.
static Value withLastSize(Importer &g, GraphValue &x, OpFoldResult size) {
  Value tensor = g.tensor(x);
  x.shape.back() = size;
  RankedTensorType type = g.tensorType(x.type, x.shape);
  return type == tensor.getType()
             ? tensor
             : tensor::CastOp::create(g.b, type, tensor).getResult();
}

GraphValue onnx::linear(Importer &g, GraphValue x, Value rows, Value bias) {
  auto type = cast<RankedTensorType>(rows.getType());
  Sizes shape = x.shape;
  shape.back() = g.size(type.getDimSize(0));
  Value input = withLastSize(g, x, g.size(type.getDimSize(1)));
  Value product =
      lm::LinearOp::create(g.b, g.tensorType(x.type, shape), input, rows, bias);
  return g.fromTensor(x.type, product, shape);
}

GraphValue onnx::matmul(Importer &g, GraphValue &x, GraphValue &y) {
  if (x.rank() == 0 || y.rank() == 0) {
    g.fail("is a product with a scalar");
    return x;
  }
  int64_t k = staticSize(x.shape.back());
  int64_t other = staticSize(y.shape[y.rank() == 1 ? 0 : y.rank() - 2]);
  if (k >= 0 && other >= 0 && k != other) {
    g.fail("multiplies rows of " + Twine(k) + " by columns of " + Twine(other));
    return x;
  }
  if (x.type == DataType::Float && g.isWeight(y))
    return linear(g, x, g.weight(y, /*transposed=*/true), Value());

  // Vectors are matrices of one row or one column.
  GraphValue a = x.rank() == 1 ? g.unsqueeze(x, {0}) : x;
  GraphValue b = y.rank() == 1 ? g.unsqueeze(y, {1}) : y;
  ArrayRef<OpFoldResult> aShape = a.shape, bShape = b.shape;
  auto batch =
      g.broadcast(Sizes(aShape.drop_back(2)), Sizes(bShape.drop_back(2)));
  if (!batch)
    return x;
  // Loops: the batch, m, n, k.
  unsigned count = batch->size(), loops = count + 3;
  MLIRContext *context = g.b.getContext();
  auto mapOf = [&](GraphValue &operand, unsigned row, unsigned column) {
    SmallVector<AffineExpr> indices;
    unsigned own = operand.rank() - 2;
    for (unsigned dim = 0; dim < own; ++dim) {
      unsigned loop = count - own + dim;
      bool repeats = staticSize(operand.shape[dim]) == 1 &&
                     staticSize((*batch)[loop]) != 1;
      indices.push_back(repeats ? getAffineConstantExpr(0, context)
                                : getAffineDimExpr(loop, context));
    }
    indices.push_back(getAffineDimExpr(row, context));
    indices.push_back(getAffineDimExpr(column, context));
    return AffineMap::get(loops, 0, indices, context);
  };
  Sizes shape = *batch;
  shape.push_back(aShape[a.rank() - 2]);
  shape.push_back(bShape.back());
  GraphValue product = g.contract(a, mapOf(a, count, count + 2), b,
                                  mapOf(b, count + 2, count + 1), shape);
  SmallVector<int64_t> axes;
  if (x.rank() == 1)
    axes.push_back(count);
  if (y.rank() == 1)
    axes.push_back(count + 1);
  return axes.empty() ? product : g.squeeze(product, axes);
}

static void importMatMul(Importer &g) {
  if (!requireSameType(g))
    return;
  if (isBool(g.in(0).type))
    return g.fail("is not supported for bool");
  g.result(matmul(g, g.in(0), g.in(1)));
}

static GraphValue scale(Importer &g, GraphValue &x, double factor) {
  if (factor == 1)
    return x;
  GraphValue number = g.fromElements(x.type, {}, {g.constant(x.type, factor)});
  return g.binary<arith::MulFOp>(x, number);
}

static void importGemm(Importer &g) {
  if (!requireFloat(g))
    return;
  double alpha = g.number("alpha", 1), beta = g.number("beta", 1);
  GraphValue a = g.in(0), b = g.in(1);
  if (a.rank() != 2 || b.rank() != 2)
    return g.fail("has inputs that are no matrices");
  if (g.integer("transA", 0))
    a = g.transpose(a, {1, 0});
  if (g.integer("transB", 0))
    b = g.transpose(b, {1, 0});
  if (g.failed())
    return;
  int64_t k = staticSize(a.shape[1]), other = staticSize(b.shape[0]);
  if (k >= 0 && other >= 0 && k != other)
    return g.fail("multiplies rows of " + Twine(k) + " by columns of " +
                  Twine(other));
  // A bias belongs to the linear.
  bool isBias = g.has(2) && g.in(2).rank() == 1 && alpha == 1 && beta == 1 &&
                staticSize(g.in(2).shape[0]) == staticSize(b.shape[1]) &&
                staticSize(b.shape[1]) >= 0;
  if (isBias && a.type == DataType::Float && g.isWeight(b))
    return g.result(
        linear(g, a, g.weight(b, /*transposed=*/true), g.tensor(g.in(2))));
  GraphValue product = matmul(g, a, b);
  product = scale(g, product, alpha);
  if (g.failed() || !g.has(2))
    return g.result(product);
  GraphValue c = scale(g, g.in(2), beta);
  g.result(g.mapTo(product.type, product.shape, {&product, &c},
                   [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                     return arith::AddFOp::create(b, loc, e[0], e[1]);
                   }));
}

ArrayRef<Operator> onnx::matmulOperators() {
  static constexpr Operator table[] = {
      {"MatMul", 2, 2, importMatMul},
      {"Gemm", 2, 3, importGemm},
  };
  return table;
}

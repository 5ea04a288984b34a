// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products with, and lookups in, quantized matrices as lm's operations: the
// weight is the file's integers, and how the activation is rounded is said
// beside it.

#include "../DescribeInput.h"
#include "Operators.h"
#include "Patterns.h"
#include "mlir/AsmParser/AsmParser.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// The matrix as floats, of the weight that it is.
static Value loadMatrix(Importer &g, const QuantizedProduct &product) {
  const IntegerMatrix &matrix = product.matrix;
  auto logical = RankedTensorType::get({matrix.n, matrix.k}, g.b.getF32Type());
  auto scheme = cast<qt::QuantSchemeInterface>(
      mlir::parseAttribute(matrix.stored.scheme, g.b.getContext()));
  auto type = qt::QuantTensorType::get(logical, scheme);
  qt::WeightOp weight = g.declareMatrix(product, type);
  auto declareScale = [&] {
    Type one = RankedTensorType::get(1, g.b.getF32Type());
    return FlatSymbolRefAttr::get(
        g.b.getContext(),
        g.declare(matrix.stored.inputScale, one, WeightForm::AsUsed));
  };
  if (auto input = describeInput(g.b.getContext(), matrix.stored, declareScale))
    weight->setAttr(inputAttrName, input);
  Value loaded = qt::LoadOp::create(g.b, type, weight.getSymName());
  return qt::DequantizeOp::create(g.b, logical, loaded);
}

static GraphValue lookUp(Importer &g, const QuantizedProduct &product,
                         GraphValue ids) {
  if (ids.type != DataType::Int64 && ids.type != DataType::Int32) {
    g.fail("has indices of the type " + dataTypeName(ids.type));
    return ids;
  }
  Sizes shape = ids.shape;
  shape.push_back(g.size(product.matrix.k));
  // A single index is a list of one.
  Sizes rows = shape;
  if (ids.rank() == 0) {
    ids = g.unsqueeze(ids, {0});
    rows.insert(rows.begin(), g.size(1));
  }
  Value found =
      lm::EmbeddingOp::create(g.b, g.tensorType(DataType::Float, rows),
                              g.tensor(ids), loadMatrix(g, product));
  GraphValue result = g.fromTensor(DataType::Float, found, rows);
  return g.reshape(result, shape);
}

static GraphValue multiply(Importer &g, const QuantizedProduct &product,
                           GraphValue x) {
  int64_t k = x.rank() ? staticSize(x.shape.back()) : 0;
  if (!isFloat(x.type) || x.type == DataType::Double || x.rank() == 0 ||
      (k >= 0 && k != product.matrix.k)) {
    g.fail("multiplies " + dataTypeName(x.type) + " rows of " + Twine(k) +
           " by a quantized matrix of " + Twine(product.matrix.k) + " rows");
    return x;
  }
  GraphValue *bias = nullptr;
  if (!product.bias.empty() && !(bias = g.read(product.bias)))
    return x;
  // A vector of one number for each column belongs to the product.
  bool isVector = bias && bias->rank() == 1 && isFloat(bias->type) &&
                  staticSize(bias->shape[0]) == product.matrix.n;
  Value added;
  if (isVector) {
    GraphValue wide = g.cast(*bias, DataType::Float);
    added = g.tensor(wide);
  }
  GraphValue wide = g.cast(x, DataType::Float);
  GraphValue result = linear(g, wide, loadMatrix(g, product), added);
  result = g.cast(result, x.type);
  if (!bias || isVector)
    return result;
  if (bias->type != x.type)
    g.fail("has inputs of the types " + dataTypeName(x.type) + " and " +
           dataTypeName(bias->type));
  return g.failed() ? result : g.binary<arith::AddFOp>(result, *bias);
}

void onnx::importProduct(Importer &g, const QuantizedProduct &product) {
  if (!product.problem.empty())
    return g.fail(product.problem);
  SmallVector<GraphValue *> values;
  for (StringRef name : {product.x, product.xScale, product.xZero,
                         product.yScale, product.yZero}) {
    values.push_back(name.empty() ? nullptr : g.read(name));
    if (g.failed())
      return;
  }
  auto [x, xScale, xZero, yScale, yZero] =
      std::tie(values[0], values[1], values[2], values[3], values[4]);
  if (!x)
    return g.fail("lacks an input");
  if (product.isLookup) {
    const Tensor &scales = *g.file->constant(product.constants[1]);
    GraphValue rows = lookUp(g, product, *x);
    return g.failed() ? void() : g.result(g.cast(rows, scales.type));
  }
  GraphValue input = xScale ? dequantize(g, *x, *xScale, xZero) : *x;
  if (g.failed())
    return;
  GraphValue result = multiply(g, product, input);
  if (yScale && yZero && !g.failed())
    result = quantize(g, result, *yScale, *yZero);
  g.result(result);
}

/// What the table has for operators that are always products, but for nodes
/// that make nothing.
static void isProduct(Importer &g) { g.fail("has no result"); }

ArrayRef<Operator> onnx::productOperators() {
  static constexpr Operator table[] = {
      {"MatMulNBits", 3, 6, isProduct, microsoftDomain},
      {"GatherBlockQuantized", 3, 4, isProduct, microsoftDomain},
      {"DynamicQuantizeMatMul", 3, 5, isProduct, microsoftDomain},
      {"MatMulIntegerToFloat", 4, 7, isProduct, microsoftDomain},
  };
  return table;
}

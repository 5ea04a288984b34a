// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integers with scales: x ≈ scale · (code - zero point). Products of integers
// are exact in 32 bits; what is rounded is rounded as the operators say, halves
// to even, and cut off at the ends of the type.

#include "Operators.h"
#include "Scalars.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

static bool isCode(DataType type) {
  return !isFloat(type) && !isBool(type) && dataTypeBits(type) <= 16;
}

/// The smallest and the largest code of a type.
static std::pair<double, double> rangeOf(DataType type) {
  unsigned bits = dataTypeBits(type);
  if (isUnsigned(type))
    return {0, double((1 << bits) - 1)};
  return {-double(1 << (bits - 1)), double((1 << (bits - 1)) - 1)};
}

/// round(x) + zero, cut off.
static GraphValue toCodes(Importer &g, GraphValue &x, GraphValue *zero,
                          DataType type) {
  auto [low, high] = rangeOf(type);
  GraphValue rounded =
      applyFloat(g, x, [](Float e) { return e.unary<math::RoundEvenOp>(); });
  if (zero) {
    GraphValue offset = g.cast(*zero, x.type);
    rounded = g.binary<arith::AddFOp>(rounded, offset);
  }
  GraphValue cut =
      applyFloat(g, rounded, [&](Float e) { return min(max(e, low), high); });
  return g.cast(cut, type);
}

namespace {
/// How scales and zero points lie beside the values: one for all, one for each
/// index of an axis, or one for each block along it.
struct Layout {
  GraphValue values;
  int64_t axis = 0;
  bool blocked = false;

  /// A scale or zero point in a shape that broadcasts to the values.
  GraphValue align(Importer &g, GraphValue &parameter) const {
    if (blocked)
      return g.unsqueeze(parameter, {axis + 1});
    if (parameter.rank() != 1 || staticSize(parameter.shape[0]) == 1)
      return parameter.rank() == 1 ? g.squeeze(parameter, {0}) : parameter;
    SmallVector<int64_t> behind =
        llvm::to_vector(llvm::seq<int64_t>(1, values.rank() - axis));
    return behind.empty() ? parameter : g.unsqueeze(parameter, behind);
  }
};
} // namespace

/// The layout that the node's inputs 0 (values) and 1 (scales) have. The values
/// of blocks get a dimension for them.
static std::optional<Layout> findLayout(Importer &g) {
  GraphValue &x = g.in(0), &scale = g.in(1);
  Layout layout{x};
  int64_t block = g.integer("block_size", 0);
  if (scale.rank() == 0)
    return layout;
  auto axis = g.axis(g.integer("axis", 1), std::max<int64_t>(x.rank(), 1));
  if (!axis || g.failed())
    return std::nullopt;
  layout.axis = *axis;
  if (scale.rank() == 1)
    return layout;
  int64_t whole = x.rank() == scale.rank() ? staticSize(x.shape[*axis]) : -1;
  if (block < 1 || whole < 0 || whole % block) {
    g.fail("has scales of no supported shape");
    return std::nullopt;
  }
  Sizes split = x.shape;
  split[*axis] = g.size(whole / block);
  split.insert(split.begin() + *axis + 1, g.size(block));
  layout.values = g.reshape(x, split);
  layout.blocked = true;
  return layout;
}

static void importQuantizeLinear(Importer &g) {
  GraphValue &x = g.in(0);
  DataType type =
      g.has(2) ? g.in(2).type
               : DataType(g.integer("output_dtype", int64_t(DataType::UInt8)));
  if (!isFloat(x.type) || x.type != g.in(1).type || !isCode(type) ||
      dataTypeBits(type) < 8)
    return g.fail("is not supported for " + dataTypeName(x.type) + " and " +
                  dataTypeName(type));
  std::optional<Layout> layout = findLayout(g);
  if (!layout)
    return;
  GraphValue scale = layout->align(g, g.in(1));
  GraphValue steps = g.binary<arith::DivFOp>(layout->values, scale), zero;
  if (g.has(2))
    zero = layout->align(g, g.in(2));
  GraphValue codes = toCodes(g, steps, g.has(2) ? &zero : nullptr, type);
  g.result(g.reshape(codes, x.shape));
}

static void importDequantizeLinear(Importer &g) {
  GraphValue &x = g.in(0), &scales = g.in(1);
  if ((!isCode(x.type) && x.type != DataType::Int32) || !isFloat(scales.type) ||
      (g.has(2) && g.in(2).type != x.type))
    return g.fail("is not supported for " + dataTypeName(x.type));
  std::optional<Layout> layout = findLayout(g);
  if (!layout)
    return;
  GraphValue codes = g.cast(layout->values, DataType::Int32);
  if (g.has(2)) {
    GraphValue aligned = layout->align(g, g.in(2));
    GraphValue zero = g.cast(aligned, DataType::Int32);
    codes = g.binary<arith::SubIOp>(codes, zero);
  }
  GraphValue numbers = g.cast(codes, scales.type);
  GraphValue scale = layout->align(g, scales);
  GraphValue result = g.binary<arith::MulFOp>(numbers, scale);
  g.result(g.reshape(result, x.shape));
}

static void importDynamicQuantizeLinear(Importer &g) {
  GraphValue &x = g.in(0);
  if (x.type != DataType::Float)
    return g.fail("is not supported for " + dataTypeName(x.type));
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  GraphValue high = reduceMax(g, x, axes, /*keep=*/false);
  GraphValue negated = applyFloat(g, x, [](Float e) { return -e; });
  GraphValue low = reduceMax(g, negated, axes, /*keep=*/false);
  // 0 is a number that has a code.
  GraphValue above = applyFloat(g, high, [](Float e) { return max(e, 0); });
  GraphValue below = applyFloat(g, low, [](Float e) { return max(e, 0); });
  GraphValue range = g.binary<arith::AddFOp>(above, below);
  GraphValue scale = applyFloat(g, range, [](Float e) { return e / 255; });
  GraphValue steps = g.binary<arith::DivFOp>(below, scale);
  GraphValue zero = toCodes(g, steps, nullptr, DataType::UInt8);
  GraphValue values = g.binary<arith::DivFOp>(x, scale);
  g.result(0, toCodes(g, values, &zero, DataType::UInt8));
  g.result(1, scale);
  g.result(2, zero);
}

/// Codes without their zero point, in 32 bits. Zero points of rows have a
/// dimension for the columns added; those of columns need none.
static GraphValue subtractZero(Importer &g, GraphValue &codes, GraphValue *zero,
                               bool ofRows) {
  GraphValue wide = g.cast(codes, DataType::Int32);
  if (!zero)
    return wide;
  GraphValue offset = g.cast(*zero, DataType::Int32);
  if (ofRows && offset.rank() == 1 && staticSize(offset.shape[0]) != 1)
    offset = g.unsqueeze(offset, {1});
  return g.binary<arith::SubIOp>(wide, offset);
}

GraphValue onnx::dequantize(Importer &g, GraphValue &codes, GraphValue &scale,
                            GraphValue *zero) {
  if (!isCode(codes.type) || !isFloat(scale.type)) {
    g.fail("has no codes to multiply");
    return codes;
  }
  GraphValue whole = subtractZero(g, codes, zero, /*ofRows=*/false);
  GraphValue numbers = g.cast(whole, scale.type);
  return g.binary<arith::MulFOp>(numbers, scale);
}

GraphValue onnx::quantize(Importer &g, GraphValue &x, GraphValue &scale,
                          GraphValue &zero) {
  if (!isCode(zero.type) || scale.type != x.type) {
    g.fail("has scales of different types");
    return x;
  }
  GraphValue steps = g.binary<arith::DivFOp>(x, scale);
  return toCodes(g, steps, &zero, zero.type);
}

static void importMatMulInteger(Importer &g) {
  if (!isCode(g.in(0).type) || !isCode(g.in(1).type))
    return g.fail("has no codes to multiply");
  GraphValue a = subtractZero(g, g.in(0), g.has(2) ? &g.in(2) : nullptr, true);
  GraphValue b = subtractZero(g, g.in(1), g.has(3) ? &g.in(3) : nullptr, false);
  if (!g.failed())
    g.result(matmul(g, a, b));
}

static void importQLinearMatMul(Importer &g) {
  DataType type = g.in(7).type, real = g.in(1).type;
  for (unsigned scale : {1, 4, 6})
    if (!isFloat(g.in(scale).type) || g.in(scale).type != real)
      return g.fail("has scales of different types");
  if (!isCode(g.in(0).type) || !isCode(g.in(3).type) || !isCode(type))
    return g.fail("has no codes to multiply");
  GraphValue a = subtractZero(g, g.in(0), &g.in(2), true);
  GraphValue b = subtractZero(g, g.in(3), &g.in(5), false);
  if (g.failed())
    return;
  GraphValue product = matmul(g, a, b);
  if (g.failed())
    return;
  GraphValue ofRows = g.in(1);
  if (ofRows.rank() == 1 && staticSize(ofRows.shape[0]) != 1)
    ofRows = g.unsqueeze(ofRows, {1});
  DataType compute = real == DataType::Double ? real : DataType::Float;
  GraphValue number = g.cast(product, compute);
  GraphValue left = g.cast(ofRows, compute), right = g.cast(g.in(4), compute),
             out = g.cast(g.in(6), compute);
  GraphValue scale = g.binary<arith::MulFOp>(left, right);
  GraphValue factor = g.binary<arith::DivFOp>(scale, out);
  GraphValue steps = g.binary<arith::MulFOp>(number, factor);
  g.result(toCodes(g, steps, &g.in(7), type));
}

ArrayRef<Operator> onnx::quantizedOperators() {
  static constexpr Operator table[] = {
      {"QuantizeLinear", 2, 3, importQuantizeLinear},
      {"DequantizeLinear", 2, 3, importDequantizeLinear},
      {"DynamicQuantizeLinear", 1, 1, importDynamicQuantizeLinear},
      {"MatMulInteger", 2, 4, importMatMulInteger},
      {"QLinearMatMul", 8, 8, importQLinearMatMul},
  };
  return table;
}

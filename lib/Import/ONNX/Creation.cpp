// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors of constants, and of nothing but their index.

#include "Operators.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

static void importConstantOfShape(Importer &g) {
  Sizes shape = g.readSizes(g.in(0));
  if (g.failed())
    return;
  DataType type = DataType::Float;
  Value number;
  if (const NodeAttribute *value = g.attribute("value")) {
    GraphValue constant;
    constant.type = type = value->tensor.type;
    constant.shape = g.sizes(value->tensor.shape);
    constant.constant = &value->tensor;
    auto known = g.elementType(type) ? g.elements(constant) : std::nullopt;
    if (!known || known->size() != 1)
      return g.fail("has no valid value");
    number = known->front();
  } else {
    number = g.constant(type, 0);
  }
  g.result(g.fromSplat(type, number, shape));
}

/// The forms of Constant that are no tensor; tensors are no nodes.
static void importConstant(Importer &g) {
  SmallVector<Value> elements;
  if (const NodeAttribute *value = g.attribute("value_int")) {
    (void)value;
    elements.push_back(g.constant(DataType::Int64, g.integer("value_int", 0)));
    return g.result(g.fromElements(DataType::Int64, {}, elements));
  }
  if (g.attribute("value_float")) {
    elements.push_back(g.constant(DataType::Float, g.number("value_float", 0)));
    return g.result(g.fromElements(DataType::Float, {}, elements));
  }
  if (auto list = g.integers("value_ints")) {
    for (int64_t each : *list)
      elements.push_back(g.constant(DataType::Int64, each));
    return g.result(
        g.fromElements(DataType::Int64, int64_t(elements.size()), elements));
  }
  const NodeAttribute *list = g.attribute("value_floats");
  if (!list || list->kind != NodeAttribute::Kind::Floats)
    return g.fail("has no value of a supported form");
  for (float each : list->numbers)
    elements.push_back(g.constant(DataType::Float, double(each)));
  g.result(g.fromElements(DataType::Float, int64_t(elements.size()), elements));
}

static void importRange(Importer &g) {
  DataType type = g.in(0).type;
  if (!requireSameType(g))
    return;
  auto start = g.elements(g.in(0)), limit = g.elements(g.in(1));
  std::optional<double> step = g.constantNumber(g.in(2));
  if (!start || !limit || start->size() != 1 || limit->size() != 1 || !step ||
      *step == 0 || isBool(type))
    return g.fail("has no bounds that are known");
  OpFoldResult count;
  auto first = g.constantNumber(g.in(0)), last = g.constantNumber(g.in(1));
  if (first && last) {
    double exact = std::ceil((*last - *first) / *step);
    if (!(exact < double(int64_t(1) << 40)))
      return g.fail("is too long");
    count = g.size(std::max<int64_t>(int64_t(exact), 0));
  } else if (isFloat(type) || *step < 1) {
    return g.fail("has no bounds that are known");
  } else {
    count =
        g.sub(g.toSize(limit->front(), type), g.toSize(start->front(), type));
    if (*step != 1)
      count = g.div(g.add(count, g.size(int64_t(*step) - 1)),
                    g.size(int64_t(*step)));
  }
  Value from = start->front(), by = g.elements(g.in(2))->front();
  auto at = [&](OpBuilder &b, Location loc, Value i) -> Value {
    if (isFloat(type)) {
      Value number = arith::SIToFPOp::create(b, loc, by.getType(), i);
      Value moved = arith::MulFOp::create(b, loc, number, by);
      return arith::AddFOp::create(b, loc, from, moved);
    }
    Value number = i;
    if (by.getType() != i.getType())
      number = arith::TruncIOp::create(b, loc, by.getType(), i);
    Value moved = arith::MulIOp::create(b, loc, number, by);
    return arith::AddIOp::create(b, loc, from, moved);
  };
  if (int64_t number = staticSize(count); number >= 0 && number <= 64) {
    SmallVector<Value> elements;
    for (int64_t i = 0; i < number; ++i)
      elements.push_back(
          g.scalar(type, g.constant(DataType::Int64, i),
                   [&](OpBuilder &b, Location loc, ValueRange e) {
                     return at(b, loc, e[0]);
                   }));
    return g.result(g.fromElements(type, number, elements));
  }
  g.result(
      g.generate(type, {count}, [&](OpBuilder &b, Location loc, ValueRange e) {
        Value i = arith::IndexCastOp::create(b, loc, b.getI64Type(), e[0]);
        return at(b, loc, i);
      }));
}

static void importEyeLike(Importer &g) {
  GraphValue &x = g.in(0);
  int64_t type = g.integer("dtype", int64_t(x.type));
  if (x.rank() != 2 || type < 0 || type > int64_t(DataType::BFloat16) ||
      !g.elementType(DataType(type)))
    return g.fail("is no matrix of a supported type");
  Value k = g.index(g.size(g.integer("k", 0)));
  Value one = g.constant(DataType(type), 1),
        zero = g.constant(DataType(type), 0);
  g.result(g.generate(DataType(type), x.shape,
                      [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
                        Value moved = arith::AddIOp::create(b, loc, at[0], k);
                        Value hit = arith::CmpIOp::create(
                            b, loc, arith::CmpIPredicate::eq, moved, at[1]);
                        return arith::SelectOp::create(b, loc, hit, one, zero);
                      }));
}

ArrayRef<Operator> onnx::creationOperators() {
  static constexpr Operator table[] = {
      {"ConstantOfShape", 1, 1, importConstantOfShape},
      {"Constant", 0, 0, importConstant},
      {"Range", 3, 3, importRange},
      {"EyeLike", 1, 1, importEyeLike},
  };
  return table;
}

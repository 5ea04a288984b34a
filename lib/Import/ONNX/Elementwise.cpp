// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators of which an element of the result comes from one element of each
// input.

#include "Operators.h"
#include "Scalars.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

bool onnx::requireFloat(Importer &g) {
  for (GraphValue *input : g.all())
    if (input && !isFloat(input->type)) {
      g.fail("is not supported for " + dataTypeName(input->type));
      return false;
    }
  return requireSameType(g);
}

bool onnx::requireSameType(Importer &g) {
  for (GraphValue *input : g.all())
    if (input && input->type != g.in(0).type) {
      g.fail("has inputs of the types " + dataTypeName(g.in(0).type) + " and " +
             dataTypeName(input->type));
      return false;
    }
  return true;
}

/// An element from those of two numbers of one type: an op for floats, signed
/// and unsigned integers.
template <typename FloatOp, typename SignedOp, typename UnsignedOp>
static Value emitBinary(OpBuilder &b, Location loc, DataType type, Value x,
                        Value y) {
  if (isFloat(type))
    return FloatOp::create(b, loc, x, y);
  if (isUnsigned(type))
    return UnsignedOp::create(b, loc, x, y);
  return SignedOp::create(b, loc, x, y);
}

/// All inputs, one after the other: Sum and Max have any number of them.
template <typename FloatOp, typename SignedOp, typename UnsignedOp>
static void importArithmetic(Importer &g) {
  DataType type = g.in(0).type;
  if (!requireSameType(g))
    return;
  if (isBool(type))
    return g.fail("is not supported for bool");
  GraphValue result = g.in(0);
  for (unsigned i = 1; i < g.all().size() && !g.failed(); ++i)
    result = g.map(type, {&result, &g.in(i)},
                   [&](OpBuilder &b, Location loc, ValueRange e) {
                     return emitBinary<FloatOp, SignedOp, UnsignedOp>(
                         b, loc, type, e[0], e[1]);
                   });
  g.result(result);
}

static void importMean(Importer &g) {
  if (!requireFloat(g))
    return;
  GraphValue sum = g.in(0);
  for (unsigned i = 1; i < g.all().size() && !g.failed(); ++i)
    sum = g.binary<arith::AddFOp>(sum, g.in(i));
  double count = double(g.all().size());
  g.result(g.map(sum.type, {&sum},
                 [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return Float(b, loc, e[0]) / count;
                 }));
}

static void importMod(Importer &g) {
  DataType type = g.in(0).type;
  if (!requireSameType(g))
    return;
  if (isBool(type))
    return g.fail("is not supported for bool");
  bool likeC = g.integer("fmod", 0) != 0 || isUnsigned(type);
  if (isFloat(type) && !likeC)
    return g.fail("of floats needs fmod = 1");
  g.result(g.map(
      type, {&g.in(0), &g.in(1)},
      [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Value rest = emitBinary<arith::RemFOp, arith::RemSIOp, arith::RemUIOp>(
            b, loc, type, e[0], e[1]);
        if (likeC)
          return rest;
        // The sign of the divisor, as in Python.
        Value zero =
            arith::ConstantOp::create(b, loc, b.getZeroAttr(rest.getType()));
        auto negative = [&](Value x) -> Value {
          return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x,
                                       zero);
        };
        Value differ =
            arith::XOrIOp::create(b, loc, negative(rest), negative(e[1]));
        Value some =
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, rest, zero);
        Value moves = arith::AndIOp::create(b, loc, differ, some);
        Value moved = arith::AddIOp::create(b, loc, rest, e[1]);
        return arith::SelectOp::create(b, loc, moves, moved, rest);
      }));
}

static void importPow(Importer &g) {
  GraphValue &base = g.in(0);
  if (isBool(base.type) || isBool(g.in(1).type))
    return g.fail("is not supported for bool");
  std::optional<double> power = g.constantNumber(g.in(1));
  if (isFloat(base.type) && (power == 2.0 || power == 0.5))
    return g.result(
        g.map(base.type, {&base, &g.in(1)},
              [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                Float x(b, loc, e[0]);
                return power == 2.0 ? x * x : x.unary<math::SqrtOp>();
              }));
  // Integers up to 2^53 are exact as doubles.
  DataType type = isFloat(base.type) ? base.type : DataType::Double;
  GraphValue x = g.cast(base, type), y = g.cast(g.in(1), type);
  GraphValue result = g.binary<math::PowFOp>(x, y);
  g.result(g.cast(result, base.type));
}

template <typename Op> static void importFloatUnary(Importer &g) {
  if (!requireFloat(g))
    return;
  g.result(g.map(g.in(0).type, {&g.in(0)},
                 [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return Op::create(b, loc, e[0]);
                 }));
}

static void importReciprocal(Importer &g) {
  if (!requireFloat(g))
    return;
  g.result(g.map(g.in(0).type, {&g.in(0)},
                 [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return 1.0 / Float(b, loc, e[0]);
                 }));
}

/// Abs, Neg and Sign, of floats and integers.
static void importSigned(Importer &g) {
  DataType type = g.in(0).type;
  if (isBool(type))
    return g.fail("is not supported for bool");
  StringRef op = g.op();
  g.result(g.map(
      type, {&g.in(0)}, [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Value x = e[0];
        if (isFloat(type)) {
          Float f(b, loc, x);
          if (op == "Abs")
            return abs(f);
          if (op == "Neg")
            return -f;
          return f.constant(1).select(f > 0.0,
                                      f.constant(-1).select(f < 0.0, f));
        }
        auto constant = [&](int64_t number) -> Value {
          return arith::ConstantOp::create(
              b, loc, b.getIntegerAttr(x.getType(), number));
        };
        if (op == "Neg")
          return arith::SubIOp::create(b, loc, constant(0), x);
        if (op == "Abs")
          return isUnsigned(type) ? x
                                  : math::AbsIOp::create(b, loc, x).getResult();
        Value one = constant(1);
        if (isUnsigned(type))
          return arith::MinUIOp::create(b, loc, x, one);
        Value low = arith::MaxSIOp::create(b, loc, x, constant(-1));
        return arith::MinSIOp::create(b, loc, low, one);
      }));
}

//===----------------------------------------------------------------------===//
// Truth
//===----------------------------------------------------------------------===//

namespace {
struct Predicates {
  arith::CmpFPredicate ofFloats;
  arith::CmpIPredicate ofSigned, ofUnsigned;
};
} // namespace

static void importCompare(Importer &g) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  if (!requireSameType(g))
    return;
  StringRef op = g.op();
  Predicates predicates =
      op == "Less"             ? Predicates{F::OLT, I::slt, I::ult}
      : op == "Greater"        ? Predicates{F::OGT, I::sgt, I::ugt}
      : op == "LessOrEqual"    ? Predicates{F::OLE, I::sle, I::ule}
      : op == "GreaterOrEqual" ? Predicates{F::OGE, I::sge, I::uge}
                               : Predicates{F::OEQ, I::eq, I::eq};
  DataType type = g.in(0).type;
  g.result(g.map(
      DataType::Bool, {&g.in(0), &g.in(1)},
      [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        if (isFloat(type))
          return arith::CmpFOp::create(b, loc, predicates.ofFloats, e[0], e[1]);
        return arith::CmpIOp::create(b, loc,
                                     isUnsigned(type) ? predicates.ofUnsigned
                                                      : predicates.ofSigned,
                                     e[0], e[1]);
      }));
}

template <typename Op, bool ofBools> static void importBits(Importer &g) {
  DataType type = g.in(0).type;
  if (!requireSameType(g))
    return;
  if (isFloat(type) || isBool(type) != ofBools)
    return g.fail("is not supported for " + dataTypeName(type));
  g.result(g.map(type, {&g.in(0), &g.in(1)},
                 [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return Op::create(b, loc, e[0], e[1]);
                 }));
}

/// Not and BitwiseNot.
static void importNot(Importer &g) {
  DataType type = g.in(0).type;
  if (isFloat(type) || isBool(type) != (g.op() == "Not"))
    return g.fail("is not supported for " + dataTypeName(type));
  g.result(g.map(type, {&g.in(0)},
                 [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   Value ones = arith::ConstantOp::create(
                       b, loc, b.getIntegerAttr(e[0].getType(), -1));
                   return arith::XOrIOp::create(b, loc, e[0], ones);
                 }));
}

static void importBitShift(Importer &g) {
  DataType type = g.in(0).type;
  if (!requireSameType(g))
    return;
  if (!isUnsigned(type))
    return g.fail("is not supported for " + dataTypeName(type));
  bool left = g.string("direction", "") == "LEFT";
  g.result(g.map(type, {&g.in(0), &g.in(1)},
                 [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   if (left)
                     return arith::ShLIOp::create(b, loc, e[0], e[1]);
                   return arith::ShRUIOp::create(b, loc, e[0], e[1]);
                 }));
}

static void importWhere(Importer &g) {
  GraphValue &condition = g.in(0), &x = g.in(1), &y = g.in(2);
  if (!isBool(condition.type) || x.type != y.type)
    return g.fail("needs a bool and two inputs of one type");
  g.result(g.map(x.type, {&condition, &x, &y},
                 [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return arith::SelectOp::create(b, loc, e[0], e[1], e[2]);
                 }));
}

static void importIsNaN(Importer &g) {
  if (!requireFloat(g))
    return;
  g.result(g.map(DataType::Bool, {&g.in(0)},
                 [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return arith::CmpFOp::create(
                       b, loc, arith::CmpFPredicate::UNO, e[0], e[0]);
                 }));
}

static void importIsInf(Importer &g) {
  if (!requireFloat(g))
    return;
  bool positive = g.integer("detect_positive", 1) != 0;
  bool negative = g.integer("detect_negative", 1) != 0;
  double infinity = std::numeric_limits<double>::infinity();
  g.result(g.map(
      DataType::Bool, {&g.in(0)},
      [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Float x(b, loc, e[0]);
        auto is = [&](double number) {
          return x.compare(arith::CmpFPredicate::OEQ, x.constant(number));
        };
        if (positive && negative)
          return arith::OrIOp::create(b, loc, is(infinity), is(-infinity));
        if (!positive && !negative)
          return arith::ConstantOp::create(b, loc, b.getBoolAttr(false));
        return is(positive ? infinity : -infinity);
      }));
}

//===----------------------------------------------------------------------===//
// The same numbers
//===----------------------------------------------------------------------===//

static void castTo(Importer &g, DataType type) {
  if (!g.elementType(type) || dataTypeBits(type) < 8)
    return g.fail("casts to " + dataTypeName(type) +
                  ", which is not supported");
  if (dataTypeBits(g.in(0).type) < 8)
    return g.fail("casts from " + dataTypeName(g.in(0).type) +
                  ", which is not supported");
  g.result(g.cast(g.in(0), type));
}

static void importCast(Importer &g) {
  int64_t to = g.integer("to", 0);
  if (to < 0 || to > int64_t(DataType::Float8E8M0))
    return g.fail("casts to the unknown type " + Twine(to));
  castTo(g, DataType(to));
}

static void importCastLike(Importer &g) { castTo(g, g.in(1).type); }

static void importIdentity(Importer &g) { g.result(g.in(0)); }

static void importDropout(Importer &g) {
  if (g.has(2) && g.constantNumber(g.in(2)) != 0.0)
    return g.fail("is not supported for training");
  g.result(0, g.in(0));
  g.result(1, g.fromSplat(DataType::Bool, g.constant(DataType::Bool, 1),
                          g.in(0).shape));
}

ArrayRef<Operator> onnx::elementwiseOperators() {
  using namespace arith;
  static constexpr Operator table[] = {
      {"Add", 2, 2, importArithmetic<AddFOp, AddIOp, AddIOp>},
      {"Sub", 2, 2, importArithmetic<SubFOp, SubIOp, SubIOp>},
      {"Mul", 2, 2, importArithmetic<MulFOp, MulIOp, MulIOp>},
      {"Div", 2, 2, importArithmetic<DivFOp, DivSIOp, DivUIOp>},
      {"Sum", 1, anyNumber, importArithmetic<AddFOp, AddIOp, AddIOp>},
      {"Max", 1, anyNumber, importArithmetic<MaximumFOp, MaxSIOp, MaxUIOp>},
      {"Min", 1, anyNumber, importArithmetic<MinimumFOp, MinSIOp, MinUIOp>},
      {"Mean", 1, anyNumber, importMean},
      {"Mod", 2, 2, importMod},
      {"Pow", 2, 2, importPow},
      {"Abs", 1, 1, importSigned},
      {"Neg", 1, 1, importSigned},
      {"Sign", 1, 1, importSigned},
      {"Floor", 1, 1, importFloatUnary<math::FloorOp>},
      {"Ceil", 1, 1, importFloatUnary<math::CeilOp>},
      {"Round", 1, 1, importFloatUnary<math::RoundEvenOp>},
      {"Sqrt", 1, 1, importFloatUnary<math::SqrtOp>},
      {"Reciprocal", 1, 1, importReciprocal},
      {"Exp", 1, 1, importFloatUnary<math::ExpOp>},
      {"Log", 1, 1, importFloatUnary<math::LogOp>},
      {"Erf", 1, 1, importFloatUnary<math::ErfOp>},
      {"Sin", 1, 1, importFloatUnary<math::SinOp>},
      {"Cos", 1, 1, importFloatUnary<math::CosOp>},
      {"Tan", 1, 1, importFloatUnary<math::TanOp>},
      {"Asin", 1, 1, importFloatUnary<math::AsinOp>},
      {"Acos", 1, 1, importFloatUnary<math::AcosOp>},
      {"Atan", 1, 1, importFloatUnary<math::AtanOp>},
      {"Sinh", 1, 1, importFloatUnary<math::SinhOp>},
      {"Cosh", 1, 1, importFloatUnary<math::CoshOp>},
      {"Tanh", 1, 1, importFloatUnary<math::TanhOp>},
      {"Asinh", 1, 1, importFloatUnary<math::AsinhOp>},
      {"Acosh", 1, 1, importFloatUnary<math::AcoshOp>},
      {"Atanh", 1, 1, importFloatUnary<math::AtanhOp>},
      {"Equal", 2, 2, importCompare},
      {"Less", 2, 2, importCompare},
      {"LessOrEqual", 2, 2, importCompare},
      {"Greater", 2, 2, importCompare},
      {"GreaterOrEqual", 2, 2, importCompare},
      {"And", 2, 2, importBits<AndIOp, true>},
      {"Or", 2, 2, importBits<OrIOp, true>},
      {"Xor", 2, 2, importBits<XOrIOp, true>},
      {"Not", 1, 1, importNot},
      {"BitwiseAnd", 2, 2, importBits<AndIOp, false>},
      {"BitwiseOr", 2, 2, importBits<OrIOp, false>},
      {"BitwiseXor", 2, 2, importBits<XOrIOp, false>},
      {"BitwiseNot", 1, 1, importNot},
      {"BitShift", 2, 2, importBitShift},
      {"Where", 3, 3, importWhere},
      {"IsNaN", 1, 1, importIsNaN},
      {"IsInf", 1, 1, importIsInf},
      {"Cast", 1, 1, importCast},
      {"CastLike", 2, 2, importCastLike},
      {"Identity", 1, 1, importIdentity},
      {"Dropout", 1, 3, importDropout},
  };
  return table;
}

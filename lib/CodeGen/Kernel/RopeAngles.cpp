// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/Kernel/RopeAngles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;

static constexpr double pi = 3.14159265358979323846;

SmallVector<double> quantmlir::kernel::ropeFrequencies(kernel::RopeOp op) {
  double base = op.getBase().convertToDouble();
  int64_t rotary = op.getRotarySize();
  std::optional<ArrayRef<double>> divisors = op.getDivisors();
  SmallVector<double> values;
  for (int64_t i = 0; i < rotary / 2; ++i)
    values.push_back(std::pow(base, -2.0 * double(i) / double(rotary)) /
                     (divisors ? (*divisors)[i] : 1));
  return values;
}

namespace {

/// f64, or vectors of them, and of integers as many.
class Doubles {
public:
  Doubles(ImplicitLocOpBuilder &b, Type type)
      : b(b), type(type),
        integers(type.isF64() ? Type(b.getI64Type())
                              : cast<VectorType>(type).clone(b.getI64Type())) {}

  Value constant(double value) { return splat(type, b.getF64FloatAttr(value)); }
  Value integer(int64_t value) {
    return splat(integers, b.getI64IntegerAttr(value));
  }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }
  /// By Horner's rule; coefficients from the highest down.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value result = constant(coefficients.front());
    for (double coefficient : coefficients.drop_front())
      result = fma(result, x, constant(coefficient));
    return result;
  }
  Value round(Value x) { return arith::FPToSIOp::create(b, integers, x); }

private:
  Value splat(Type type, TypedAttr value) {
    if (auto shaped = dyn_cast<ShapedType>(type))
      value = DenseElementsAttr::get(shaped, Attribute(value));
    return arith::ConstantOp::create(b, value);
  }

  ImplicitLocOpBuilder &b;
  Type type, integers;
};

} // namespace

std::pair<Value, Value> quantmlir::kernel::emitCosSin(ImplicitLocOpBuilder &b,
                                                      Value angle) {
  Doubles d(b, angle.getType());
  // angle = r + turns * pi/2 with |r| <= pi/4, pi/2 in two parts.
  Value turns = math::RoundEvenOp::create(b, d.mul(angle, d.constant(2 / pi)));
  Value r = d.fma(turns, d.constant(-1.5707963267948966), angle);
  r = d.fma(turns, d.constant(-6.123233995736766e-17), r);
  // Taylor series: the first term left out is below 1e-12 at pi/4.
  Value square = d.mul(r, r);
  Value sine =
      d.mul(r, d.polynomial(square, {-1.0 / 39916800, 1.0 / 362880, -1.0 / 5040,
                                     1.0 / 120, -1.0 / 6, 1}));
  Value cosine =
      d.polynomial(square, {1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320,
                            -1.0 / 720, 1.0 / 24, -0.5, 1});
  // Quarter turns exchange the two and change signs.
  Value quarter = d.round(turns);
  auto isSet = [&](Value value, int64_t bit) -> Value {
    Value masked = arith::AndIOp::create(b, value, d.integer(bit));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked,
                                 d.integer(0));
  };
  auto negateIf = [&](Value condition, Value value) -> Value {
    return arith::SelectOp::create(b, condition,
                                   arith::NegFOp::create(b, value), value);
  };
  Value odd = isSet(quarter, 1);
  Value cosResult = arith::SelectOp::create(b, odd, sine, cosine);
  Value sinResult = arith::SelectOp::create(b, odd, cosine, sine);
  Value next = arith::AddIOp::create(b, quarter, d.integer(1));
  return {negateIf(isSet(next, 2), cosResult),
          negateIf(isSet(quarter, 2), sinResult)};
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Angles grow to the context length in radians, where f32 has four digits after
// the point left, so they are computed and reduced in f64. A row's sines and
// cosines serve all its heads.

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

static constexpr double pi = 3.14159265358979323846;

/// A polynomial by Horner's rule; coefficients from the highest down.
static Value emitPolynomial(KernelBuilder &b, Value x,
                            ArrayRef<double> coefficients) {
  Value result = b.constant(x.getType(), coefficients.front());
  for (double coefficient : coefficients.drop_front())
    result = b.fma(result, x, b.constant(x.getType(), coefficient));
  return result;
}

/// Cosine and sine of an f64 vector, good to 1e-11 for |angle| below 1e9.
static std::pair<Value, Value> emitCosSin(KernelBuilder &b, Value angle) {
  Type type = angle.getType();
  // angle = r + turns * pi/2 with |r| <= pi/4, pi/2 in two parts.
  Value turns =
      math::RoundEvenOp::create(b, b.mulF(angle, b.constant(type, 2 / pi)));
  Value r = b.fma(turns, b.constant(type, -1.5707963267948966), angle);
  r = b.fma(turns, b.constant(type, -6.123233995736766e-17), r);
  // Taylor series: the first term left out is below 1e-12 at pi/4.
  Value square = b.mulF(r, r);
  Value sine = b.mulF(r, emitPolynomial(b, square,
                                        {-1.0 / 39916800, 1.0 / 362880,
                                         -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1}));
  Value cosine = emitPolynomial(b, square,
                                {1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320,
                                 -1.0 / 720, 1.0 / 24, -0.5, 1});
  // Quarter turns exchange the two and change signs.
  int64_t lanes = cast<VectorType>(type).getDimSize(0);
  auto i64 = b.vec(lanes, b.getI64Type());
  Value quarter = arith::FPToSIOp::create(b, i64, turns);
  auto isSet = [&](Value value, int64_t bit) -> Value {
    Value masked =
        arith::AndIOp::create(b, value, b.constant(i64, double(bit)));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked,
                                 b.constant(i64, 0));
  };
  auto negateIf = [&](Value condition, Value value) -> Value {
    return arith::SelectOp::create(b, condition,
                                   arith::NegFOp::create(b, value), value);
  };
  Value odd = isSet(quarter, 1);
  Value cosResult = arith::SelectOp::create(b, odd, sine, cosine);
  Value sinResult = arith::SelectOp::create(b, odd, cosine, sine);
  Value next = arith::AddIOp::create(b, quarter, b.constant(i64, 1));
  return {negateIf(isSet(next, 2), cosResult),
          negateIf(isSet(quarter, 2), sinResult)};
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::RopeOp op) {
  int64_t size = cast<MemRefType>(op.getX().getType()).getShape().back();
  int64_t headSize = op.getHeadSize(), rotary = op.getRotarySize();
  int64_t heads = size / headSize, pairs = rotary / 2;
  int64_t lanes = vectorLanes(pairs, 8);
  auto f64 = b.vec(lanes, b.getF64Type());
  auto f32 = b.f32Vec(lanes);
  double base = op.getBase().convertToDouble();
  std::optional<ArrayRef<double>> divisors = op.getDivisors();

  auto frequencies = [&](int64_t first) -> Value {
    SmallVector<double> values;
    for (int64_t i = first; i < first + lanes; ++i)
      values.push_back(std::pow(base, -2.0 * double(i) / double(rotary)) /
                       (divisors ? (*divisors)[i] : 1));
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(f64, ArrayRef<double>(values)));
  };

  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    Value position = arith::IndexCastOp::create(b, b.getI64Type(),
                                                b.add(op.getPosition(), row));
    Value turn =
        b.splat(arith::SIToFPOp::create(b, b.getF64Type(), position), lanes);
    for (int64_t pair = 0; pair < pairs; pair += lanes) {
      auto [cos64, sin64] = emitCosSin(b, b.mulF(turn, frequencies(pair)));
      Value cos = b.toF32(cos64), sin = b.toF32(sin64);
      b.loop(0, heads, 1, [&](Value head) {
        Value start = b.mul(head, headSize);
        auto rotate = [&](Value first, Value second) {
          Value a = b.subF(b.mulF(first, cos), b.mulF(second, sin));
          Value c = b.addF(b.mulF(first, sin), b.mulF(second, cos));
          return std::pair(a, c);
        };
        if (op.getStyle() == lm::RopeStyle::Half) {
          SmallVector<Value> low = {row, b.add(start, pair)};
          SmallVector<Value> high = {row, b.add(start, pair + pairs)};
          auto [first, second] =
              rotate(b.load(f32, op.getX(), low), b.load(f32, op.getX(), high));
          b.store(first, op.getOut(), low);
          b.store(second, op.getOut(), high);
          return;
        }
        SmallVector<Value> at = {row, b.add(start, 2 * pair)};
        Value both = b.load(b.f32Vec(2 * lanes), op.getX(), at);
        auto apart = vector::DeinterleaveOp::create(b, both);
        auto [first, second] = rotate(apart.getRes1(), apart.getRes2());
        b.store(vector::InterleaveOp::create(b, first, second), op.getOut(),
                at);
      });
    }
    // What is not rotated is carried over.
    if (rotary < headSize) {
      int64_t rest = vectorLanes(headSize - rotary);
      b.loop(0, heads, 1, [&](Value head) {
        b.loop(rotary, headSize, rest, [&](Value element) {
          SmallVector<Value> at = {row, b.add(b.mul(head, headSize), element)};
          b.store(b.load(b.f32Vec(rest), op.getX(), at), op.getOut(), at);
        });
      });
    }
  });
  return success();
}

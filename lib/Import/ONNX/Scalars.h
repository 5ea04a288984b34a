// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_SCALARS_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_SCALARS_H

// Float scalars that are written as formulas: `x * tanh(log1p(exp(x)))`.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace quantmlir::onnx {

class Float {
public:
  Float(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value)
      : b(&b), loc(loc), value(value) {}
  operator mlir::Value() const { return value; }

  /// A constant of the same type.
  Float constant(double number) const {
    return {*b, loc,
            mlir::arith::ConstantOp::create(
                *b, loc, b->getFloatAttr(value.getType(), number))};
  }
  template <typename Op> Float unary() const {
    return {*b, loc, Op::create(*b, loc, value)};
  }
  template <typename Op> Float binary(Float other) const {
    return {*b, loc, Op::create(*b, loc, value, other.value)};
  }
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, Float y) const {
    return mlir::arith::CmpFOp::create(*b, loc, predicate, value, y.value);
  }
  Float select(mlir::Value condition, Float otherwise) const {
    return {*b, loc,
            mlir::arith::SelectOp::create(*b, loc, condition, value,
                                          otherwise.value)};
  }

private:
  mlir::OpBuilder *b;
  mlir::Location loc;
  mlir::Value value;
};

inline Float operator+(Float x, Float y) {
  return x.binary<mlir::arith::AddFOp>(y);
}
inline Float operator-(Float x, Float y) {
  return x.binary<mlir::arith::SubFOp>(y);
}
inline Float operator*(Float x, Float y) {
  return x.binary<mlir::arith::MulFOp>(y);
}
inline Float operator/(Float x, Float y) {
  return x.binary<mlir::arith::DivFOp>(y);
}
inline Float operator-(Float x) { return x.unary<mlir::arith::NegFOp>(); }
inline Float operator+(Float x, double y) { return x + x.constant(y); }
inline Float operator-(Float x, double y) { return x - x.constant(y); }
inline Float operator*(Float x, double y) { return x * x.constant(y); }
inline Float operator/(Float x, double y) { return x / x.constant(y); }
inline Float operator/(double x, Float y) { return y.constant(x) / y; }
inline Float exp(Float x) { return x.unary<mlir::math::ExpOp>(); }
inline Float tanh(Float x) { return x.unary<mlir::math::TanhOp>(); }
inline Float abs(Float x) { return x.unary<mlir::math::AbsFOp>(); }
inline Float max(Float x, Float y) {
  return x.binary<mlir::arith::MaximumFOp>(y);
}
inline Float min(Float x, Float y) {
  return x.binary<mlir::arith::MinimumFOp>(y);
}
inline Float max(Float x, double y) { return max(x, x.constant(y)); }
inline Float min(Float x, double y) { return min(x, x.constant(y)); }
inline mlir::Value operator>(Float x, double y) {
  return x.compare(mlir::arith::CmpFPredicate::OGT, x.constant(y));
}
inline mlir::Value operator<(Float x, double y) {
  return x.compare(mlir::arith::CmpFPredicate::OLT, x.constant(y));
}

} // namespace quantmlir::onnx

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_SCALARS_H

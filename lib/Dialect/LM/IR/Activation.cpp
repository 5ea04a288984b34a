// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir::lm;

Value quantmlir::lm::emitActivation(OpBuilder &builder, Location loc,
                                    ActivationKind kind, Value x) {
  ImplicitLocOpBuilder b(loc, builder);
  auto constant = [&](double value) -> Value {
    Type type = x.getType();
    TypedAttr attr = b.getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto shaped = dyn_cast<ShapedType>(type))
      attr = DenseElementsAttr::get(shaped, attr);
    return arith::ConstantOp::create(b, attr);
  };
  auto mul = [&](Value lhs, Value rhs) -> Value {
    return arith::MulFOp::create(b, lhs, rhs);
  };
  auto add = [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  };
  auto onePlusExpOfMinusX = [&]() -> Value {
    Value minus = arith::NegFOp::create(b, x);
    return add(constant(1), math::ExpOp::create(b, minus));
  };

  switch (kind) {
  case ActivationKind::Silu:
    return arith::DivFOp::create(b, x, onePlusExpOfMinusX());
  case ActivationKind::Sigmoid:
    return arith::DivFOp::create(b, constant(1), onePlusExpOfMinusX());
  case ActivationKind::Gelu: {
    Value erf =
        math::ErfOp::create(b, mul(x, constant(0.70710678118654752440)));
    return mul(mul(x, constant(0.5)), add(constant(1), erf));
  }
  case ActivationKind::GeluTanh: {
    Value cube = mul(mul(x, x), x);
    Value inner = mul(constant(0.79788456080286535588),
                      add(x, mul(constant(0.044715), cube)));
    Value tanh = math::TanhOp::create(b, inner);
    return mul(mul(x, constant(0.5)), add(constant(1), tanh));
  }
  case ActivationKind::Relu:
    // maximumf, not maxnumf: a NaN must stay visible.
    return arith::MaximumFOp::create(b, x, constant(0));
  case ActivationKind::Tanh:
    return math::TanhOp::create(b, x);
  }
  llvm_unreachable("unknown activation");
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activation functions. Those that lm has are lm's only where they are one
// operator; what exporters write as several is found by raising.

#include "Operators.h"
#include "Scalars.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// x -> f(x), for floats.
static void importFormula(Importer &g, function_ref<Float(Float)> formula) {
  if (g.failed() || !requireFloat(g))
    return;
  g.result(g.map(g.in(0).type, {&g.in(0)},
                 [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   return formula(Float(b, loc, e[0]));
                 }));
}

static Float sigmoid(Float x) { return 1.0 / (exp(-x) + 1); }

/// log(1 + exp(x)), which overflows for no x.
static Float softplus(Float x) {
  return max(x, 0) + exp(-abs(x)).unary<math::Log1pOp>();
}

static void importRelu(Importer &g) {
  GraphValue &x = g.in(0);
  if (isFloat(x.type))
    return importFormula(g, [](Float x) { return max(x, 0); });
  if (isBool(x.type) || isUnsigned(x.type))
    return g.fail("is not supported for " + dataTypeName(x.type));
  g.result(g.map(
      x.type, {&x}, [](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Value zero =
            arith::ConstantOp::create(b, loc, b.getZeroAttr(e[0].getType()));
        return arith::MaxSIOp::create(b, loc, e[0], zero);
      }));
}

static void importLeakyRelu(Importer &g) {
  double alpha = g.number("alpha", 0.01);
  importFormula(g, [&](Float x) { return (x * alpha).select(x < 0, x); });
}

static void importPRelu(Importer &g) {
  if (!requireFloat(g))
    return;
  g.result(g.mapTo(g.in(0).type, g.in(0).shape, {&g.in(0), &g.in(1)},
                   [](OpBuilder &b, Location loc, ValueRange e) -> Value {
                     Float x(b, loc, e[0]), slope(b, loc, e[1]);
                     return (x * slope).select(x < 0, x);
                   }));
}

static void importElu(Importer &g) {
  double alpha = g.number("alpha", 1);
  importFormula(
      g, [&](Float x) { return ((exp(x) - 1) * alpha).select(x < 0, x); });
}

static void importSelu(Importer &g) {
  double alpha = g.number("alpha", 1.67326319217681884765625);
  double gamma = g.number("gamma", 1.05070102214813232421875);
  importFormula(g, [&](Float x) {
    return (x * gamma).select(x > 0, (exp(x) * alpha - alpha) * gamma);
  });
}

static void importCelu(Importer &g) {
  double alpha = g.number("alpha", 1);
  importFormula(g, [&](Float x) {
    return max(x, 0) + min((exp(x / alpha) - 1) * alpha, 0);
  });
}

static void importHardSigmoid(Importer &g) {
  double alpha = g.number("alpha", 0.2), beta = g.number("beta", 0.5);
  importFormula(g, [&](Float x) { return max(min(x * alpha + beta, 1), 0); });
}

static void importHardSwish(Importer &g) {
  importFormula(g, [](Float x) { return x * max(min(x / 6 + 0.5, 1), 0); });
}

static void importSigmoid(Importer &g) { importFormula(g, sigmoid); }
static void importSoftplus(Importer &g) { importFormula(g, softplus); }
static void importSoftsign(Importer &g) {
  importFormula(g, [](Float x) { return x / (abs(x) + 1); });
}
static void importMish(Importer &g) {
  importFormula(g, [](Float x) { return x * tanh(softplus(x)); });
}

static void importThresholdedRelu(Importer &g) {
  double alpha = g.number("alpha", 1);
  importFormula(g, [&](Float x) { return x.select(x > alpha, x.constant(0)); });
}

static void importShrink(Importer &g) {
  double lambda = g.number("lambd", 0.5), bias = g.number("bias", 0);
  importFormula(g, [&](Float x) {
    return (x + bias).select(x < -lambda,
                             (x - bias).select(x > lambda, x.constant(0)));
  });
}

static void importLM(Importer &g, lm::ActivationKind kind) {
  if (g.failed() || !requireFloat(g))
    return;
  GraphValue &x = g.in(0);
  Value tensor = g.tensor(x);
  g.result(g.fromTensor(
      x.type, lm::ActivationOp::create(g.b, tensor.getType(), kind, tensor),
      x.shape));
}

static void importGelu(Importer &g) {
  StringRef how = g.string("approximate", "none");
  if (how != "none" && how != "tanh")
    return g.fail("the approximation is unknown");
  importLM(g, how == "none" ? lm::ActivationKind::Gelu
                            : lm::ActivationKind::GeluTanh);
}

static void importSwish(Importer &g) {
  double alpha = g.number("alpha", 1);
  if (alpha == 1)
    return importLM(g, lm::ActivationKind::Silu);
  importFormula(g, [&](Float x) { return x * sigmoid(x * alpha); });
}

static void importFastGelu(Importer &g) {
  if (g.has(1))
    return g.fail("with a bias is not supported");
  importLM(g, lm::ActivationKind::GeluTanh);
}

static void importClip(Importer &g) {
  DataType type = g.in(0).type;
  if (!requireSameType(g))
    return;
  if (isBool(type))
    return g.fail("is not supported for bool");
  SmallVector<GraphValue *> operands = {&g.in(0)};
  for (unsigned i : {1, 2})
    if (g.has(i))
      operands.push_back(&g.in(i));
  bool hasLow = g.has(1), hasHigh = g.has(2);
  g.result(g.mapTo(
      type, g.in(0).shape, operands,
      [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
        Value x = e[0];
        if (hasLow)
          x = isFloat(type)
                  ? arith::MaximumFOp::create(b, loc, x, e[1]).getResult()
              : isUnsigned(type)
                  ? arith::MaxUIOp::create(b, loc, x, e[1]).getResult()
                  : arith::MaxSIOp::create(b, loc, x, e[1]).getResult();
        if (hasHigh)
          x = isFloat(type)
                  ? arith::MinimumFOp::create(b, loc, x, e.back()).getResult()
              : isUnsigned(type)
                  ? arith::MinUIOp::create(b, loc, x, e.back()).getResult()
                  : arith::MinSIOp::create(b, loc, x, e.back()).getResult();
        return x;
      }));
}

ArrayRef<Operator> onnx::activationOperators() {
  static constexpr Operator table[] = {
      {"Relu", 1, 1, importRelu},
      {"LeakyRelu", 1, 1, importLeakyRelu},
      {"PRelu", 2, 2, importPRelu},
      {"ThresholdedRelu", 1, 1, importThresholdedRelu},
      {"Elu", 1, 1, importElu},
      {"Selu", 1, 1, importSelu},
      {"Celu", 1, 1, importCelu},
      {"Sigmoid", 1, 1, importSigmoid},
      {"HardSigmoid", 1, 1, importHardSigmoid},
      {"HardSwish", 1, 1, importHardSwish},
      {"Softplus", 1, 1, importSoftplus},
      {"Softsign", 1, 1, importSoftsign},
      {"Mish", 1, 1, importMish},
      {"Shrink", 1, 1, importShrink},
      {"Clip", 1, 3, importClip},
      {"Gelu", 1, 1, importGelu},
      {"Swish", 1, 1, importSwish},
      {"Gelu", 1, 1, importGelu, microsoftDomain},
      {"FastGelu", 1, 2, importFastGelu, microsoftDomain},
  };
  return table;
}

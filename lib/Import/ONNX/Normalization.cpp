// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Norms. Those along the last axis with a gain for each element are lm's.

#include "Operators.h"
#include "Scalars.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// 1 / sqrt(x + eps)
static GraphValue inverseRoot(Importer &g, GraphValue &x, double eps) {
  return applyFloat(
      g, x, [&](Float e) { return 1.0 / (e + eps).unary<math::SqrtOp>(); });
}

static GraphValue meanSquare(Importer &g, GraphValue &x,
                             ArrayRef<int64_t> axes) {
  GraphValue squares = g.binary<arith::MulFOp>(x, x);
  return reduceMean(g, squares, axes, /*keep=*/true);
}

namespace {
/// A norm over some axes, without gain.
struct Normalized {
  GraphValue values, mean, inverse;
};
} // namespace

static Normalized normalize(Importer &g, GraphValue &x, ArrayRef<int64_t> axes,
                            double eps) {
  Normalized norm;
  norm.mean = reduceMean(g, x, axes, /*keep=*/true);
  GraphValue centred = g.binary<arith::SubFOp>(x, norm.mean);
  GraphValue variance = meanSquare(g, centred, axes);
  norm.inverse = inverseRoot(g, variance, eps);
  norm.values = g.binary<arith::MulFOp>(centred, norm.inverse);
  return norm;
}

static SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(first, rank));
}

/// Whether a vector is one number for each element of the last axis.
static bool isGain(GraphValue &gain, const GraphValue &x) {
  return gain.rank() == 1 && x.rank() >= 1 && staticSize(gain.shape[0]) >= 0 &&
         gain.shape[0] == x.shape.back() && gain.type == x.type;
}

static void importLayerNormalization(Importer &g) {
  if (!requireFloat(g))
    return;
  GraphValue &x = g.in(0), &gain = g.in(1);
  auto axis = g.axis(g.integer("axis", -1), x.rank());
  double eps = g.number("epsilon", 1e-5);
  if (!axis || g.failed())
    return;
  bool hasBias = g.has(2);
  if (*axis == x.rank() - 1 && isGain(gain, x) &&
      (!hasBias || isGain(g.in(2), x)) && !g.wants(1) && !g.wants(2)) {
    Value tensor = g.tensor(x);
    return g.result(g.fromTensor(
        x.type,
        lm::LayerNormOp::create(g.b, tensor.getType(), tensor, g.tensor(gain),
                                hasBias ? g.tensor(g.in(2)) : Value(),
                                g.b.getF64FloatAttr(eps)),
        x.shape));
  }
  // Small floats are normalized in f32, as the operator's stash_type says.
  GraphValue wide = x.type == DataType::Double ? x : g.cast(x, DataType::Float);
  Normalized norm = normalize(g, wide, axesFrom(*axis, x.rank()), eps);
  GraphValue values = g.cast(norm.values, x.type);
  GraphValue scaled = g.binary<arith::MulFOp>(values, gain);
  g.result(0, hasBias ? g.binary<arith::AddFOp>(scaled, g.in(2)) : scaled);
  g.result(1, norm.mean);
  g.result(2, norm.inverse);
}

/// x / rms(x) * gain, along the last axes.
static GraphValue rmsNorm(Importer &g, GraphValue &x, GraphValue &gain,
                          int64_t axis, double eps) {
  if (axis == x.rank() - 1 && isGain(gain, x)) {
    Value tensor = g.tensor(x);
    return g.fromTensor(x.type,
                        lm::RMSNormOp::create(g.b, tensor.getType(), tensor,
                                              g.tensor(gain),
                                              g.b.getF64FloatAttr(eps)),
                        x.shape);
  }
  GraphValue wide = x.type == DataType::Double ? x : g.cast(x, DataType::Float);
  GraphValue mean = meanSquare(g, wide, axesFrom(axis, x.rank()));
  GraphValue inverse = inverseRoot(g, mean, eps);
  GraphValue values = g.binary<arith::MulFOp>(wide, inverse);
  GraphValue narrow = g.cast(values, x.type);
  return g.binary<arith::MulFOp>(narrow, gain);
}

static void importRMSNormalization(Importer &g) {
  if (!requireFloat(g))
    return;
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", -1), x.rank());
  double eps = g.number("epsilon", 1e-5);
  if (axis && !g.failed())
    g.result(rmsNorm(g, x, g.in(1), *axis, eps));
}

/// A norm of a sum, which is a result, too: of LayerNorm (with beta and bias)
/// and of RMSNorm (with bias).
static void importSkipNormalization(Importer &g) {
  if (!requireFloat(g))
    return;
  bool isLayerNorm = g.op() == "SkipLayerNormalization";
  double eps = g.number("epsilon", 1e-5);
  GraphValue sum = g.binary<arith::AddFOp>(g.in(0), g.in(1));
  unsigned bias = isLayerNorm ? 4 : 3;
  if (g.has(bias))
    sum = g.binary<arith::AddFOp>(sum, g.in(bias));
  bool hasBeta = isLayerNorm && g.has(3);
  if (g.failed() || !isGain(g.in(2), sum) || (hasBeta && !isGain(g.in(3), sum)))
    return g.fail("has no gain for each element of the last axis");
  g.result(3, sum);
  if (!isLayerNorm)
    return g.result(rmsNorm(g, sum, g.in(2), sum.rank() - 1, eps));
  Value tensor = g.tensor(sum);
  g.result(g.fromTensor(
      sum.type,
      lm::LayerNormOp::create(g.b, tensor.getType(), tensor, g.tensor(g.in(2)),
                              hasBeta ? g.tensor(g.in(3)) : Value(),
                              g.b.getF64FloatAttr(eps)),
      sum.shape));
}

/// A vector with a number for each channel, the second axis.
static GraphValue perChannel(Importer &g, GraphValue &vector, int64_t rank) {
  return g.unsqueeze(vector, axesFrom(1, std::max<int64_t>(rank - 1, 1)));
}

static bool requireVectors(Importer &g, unsigned first, unsigned last) {
  if (!requireFloat(g))
    return false;
  bool fits = g.in(0).rank() >= 2;
  for (unsigned i = first; fits && i <= last; ++i)
    fits = g.in(i).rank() == 1;
  if (!fits)
    g.fail("has no vectors for its channels");
  return fits;
}

static void importBatchNormalization(Importer &g) {
  if (!requireVectors(g, 1, 4))
    return;
  double eps = g.number("epsilon", 1e-5);
  if (g.integer("training_mode", 0))
    return g.fail("is not supported for training");
  GraphValue &x = g.in(0);
  GraphValue gain = perChannel(g, g.in(1), x.rank());
  GraphValue bias = perChannel(g, g.in(2), x.rank());
  GraphValue mean = perChannel(g, g.in(3), x.rank());
  GraphValue variance = perChannel(g, g.in(4), x.rank());
  GraphValue inverse = inverseRoot(g, variance, eps);
  GraphValue centred = g.binary<arith::SubFOp>(x, mean);
  GraphValue values = g.binary<arith::MulFOp>(centred, inverse);
  GraphValue scaled = g.binary<arith::MulFOp>(values, gain);
  g.result(g.binary<arith::AddFOp>(scaled, bias));
}

static void importInstanceNormalization(Importer &g) {
  if (!requireVectors(g, 1, 2))
    return;
  double eps = g.number("epsilon", 1e-5);
  GraphValue &x = g.in(0);
  Normalized norm = normalize(g, x, axesFrom(2, x.rank()), eps);
  GraphValue gain = perChannel(g, g.in(1), x.rank());
  GraphValue bias = perChannel(g, g.in(2), x.rank());
  GraphValue scaled = g.binary<arith::MulFOp>(norm.values, gain);
  g.result(g.binary<arith::AddFOp>(scaled, bias));
}

static void importGroupNormalization(Importer &g) {
  if (!requireVectors(g, 1, 2))
    return;
  double eps = g.number("epsilon", 1e-5);
  int64_t groups = g.integer("num_groups", 0);
  GraphValue &x = g.in(0);
  int64_t channels = staticSize(x.shape[1]);
  if (g.opset() < 21)
    return g.fail("has a gain for each group before opset 21, which is not "
                  "supported");
  if (groups < 1 || channels < 0 || channels % groups)
    return g.fail("has no groups of equal size");
  Sizes split = x.shape;
  split[1] = g.size(groups);
  split.insert(split.begin() + 2, g.size(channels / groups));
  GraphValue parts = g.reshape(x, split);
  Normalized norm = normalize(g, parts, axesFrom(2, parts.rank()), eps);
  GraphValue whole = g.reshape(norm.values, x.shape);
  GraphValue gain = perChannel(g, g.in(1), x.rank());
  GraphValue bias = perChannel(g, g.in(2), x.rank());
  GraphValue scaled = g.binary<arith::MulFOp>(whole, gain);
  g.result(g.binary<arith::AddFOp>(scaled, bias));
}

static void importLpNormalization(Importer &g) {
  if (!requireFloat(g))
    return;
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", -1), x.rank());
  int64_t p = g.integer("p", 2);
  if (!axis || (p != 1 && p != 2))
    return g.fail("has no valid axis or p");
  GraphValue terms = p == 1 ? applyFloat(g, x, [](Float e) { return abs(e); })
                            : g.binary<arith::MulFOp>(x, x);
  GraphValue sum = reduceSum(g, terms, *axis, /*keep=*/true);
  if (p == 2)
    sum = applyFloat(g, sum, [](Float e) { return e.unary<math::SqrtOp>(); });
  // A row of zeros stays one.
  GraphValue divisor = applyFloat(g, sum, [](Float e) {
    return e.constant(1).select(
        e.compare(arith::CmpFPredicate::OEQ, e.constant(0)), e);
  });
  g.result(g.binary<arith::DivFOp>(x, divisor));
}

static void importMeanVarianceNormalization(Importer &g) {
  if (!requireFloat(g))
    return;
  GraphValue &x = g.in(0);
  SmallVector<int64_t> axes = {0, 2, 3};
  if (auto given = g.integers("axes"))
    axes.assign(given->begin(), given->end());
  for (int64_t &axis : axes) {
    auto positive = g.axis(axis, x.rank());
    if (!positive)
      return;
    axis = *positive;
  }
  GraphValue mean = reduceMean(g, x, axes, /*keep=*/true);
  GraphValue centred = g.binary<arith::SubFOp>(x, mean);
  GraphValue variance = meanSquare(g, centred, axes);
  GraphValue deviation = applyFloat(
      g, variance, [](Float e) { return e.unary<math::SqrtOp>() + 1e-9; });
  g.result(g.binary<arith::DivFOp>(centred, deviation));
}

ArrayRef<Operator> onnx::normalizationOperators() {
  static constexpr Operator table[] = {
      {"LayerNormalization", 2, 3, importLayerNormalization},
      {"RMSNormalization", 2, 2, importRMSNormalization},
      // ONNX Runtime writes this one into ONNX's own domain.
      {"SimplifiedLayerNormalization", 2, 2, importRMSNormalization},
      {"BatchNormalization", 5, 5, importBatchNormalization},
      {"InstanceNormalization", 3, 3, importInstanceNormalization},
      {"GroupNormalization", 3, 3, importGroupNormalization},
      {"LpNormalization", 1, 1, importLpNormalization},
      {"MeanVarianceNormalization", 1, 1, importMeanVarianceNormalization},
      {"SkipLayerNormalization", 3, 5, importSkipNormalization,
       microsoftDomain},
      {"SkipSimplifiedLayerNormalization", 3, 4, importSkipNormalization,
       microsoftDomain},
  };
  return table;
}

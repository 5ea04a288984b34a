// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "QuantizeActivations.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/Quantize/Ranges.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

/// Values per scale of an activation, where the recipe leaves it to us.
static constexpr int64_t activationGroup = 32;

/// What "auto" means beside integer weights.
static std::string groupedScheme(const LaneForm &weights, int64_t k) {
  // Kernels sum up to the smaller group, which must divide the larger one.
  bool divides = weights.group == k || weights.group % activationGroup == 0 ||
                 activationGroup % weights.group == 0;
  return "#qt.int<8, group = " +
         std::to_string(divides ? activationGroup : weights.group) + ">";
}

Value ActivationQuantizer::quantize(OpBuilder &builder,
                                    QuantizableOpInterface op,
                                    QuantSchemeInterface weights,
                                    const RecipeRule &rule, StringRef scale) {
  OpOperand *operand = op.getActivationOperand();
  if (!operand)
    return Value();
  Value x = operand->get();
  auto type = cast<RankedTensorType>(x.getType());
  int64_t k = type.getShape().back();
  LaneForm form = weights.getLaneForm(k);
  RecipeText text = rule.activations;
  if (text.text == "float" ||
      (text.text == "auto" && form.kind == LaneForm::Kind::Float))
    return x;
  if (text.text == "auto")
    text.text = groupedScheme(form, k);
  if (rule.staticActivations && scale.empty())
    text = rule.staticActivations->perToken;
  QuantSchemeInterface scheme = rules.parse(text);
  if (rule.outlierThreshold)
    x = inliersOf(builder, x, rule.outlierThreshold);
  Value &known = quantized[{x, Attribute(scheme)}];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfterValue(x);
  Value reach;
  if (!scale.empty())
    reach =
        LoadOp::create(builder, op.getLoc(),
                       RankedTensorType::get(1, builder.getF32Type()), scale);
  known = QuantizeOp::create(builder, op.getLoc(),
                             QuantTensorType::get(type, scheme), x,
                             /*multiplier=*/Value(), reach);
  return known;
}

/// The activation without its outliers.
Value ActivationQuantizer::inliersOf(OpBuilder &builder, Value x,
                                     double threshold) {
  Value &known = inliers[{x, Attribute(builder.getF64FloatAttr(threshold))}];
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(x);
    auto split =
        SplitOutliersOp::create(builder, x.getLoc(), x.getType(), x.getType(),
                                x, builder.getF64FloatAttr(threshold),
                                /*per_token=*/UnitAttr());
    known = split.getInliers();
  }
  return known;
}

Value ActivationQuantizer::addOutliers(OpBuilder &builder, MatmulOp matmul) {
  auto quantize = matmul.getX().getDefiningOp<QuantizeOp>();
  auto split = quantize ? quantize.getInput().getDefiningOp<SplitOutliersOp>()
                        : SplitOutliersOp();
  if (!split)
    return matmul;
  auto outlying =
      MatmulOp::create(builder, matmul.getLoc(), matmul.getType(),
                       split.getOutliers(), matmul.getW(), /*bias=*/Value());
  return arith::AddFOp::create(builder, matmul.getLoc(), matmul, outlying);
}

/// The scale with which a scheme with one scale for all just holds `reach`.
static llvm::Expected<float> scaleFor(QuantSchemeInterface scheme,
                                      float reach) {
  std::vector<std::vector<uint8_t>> parts(
      scheme.getStorageParts({1, 1}).size());
  if (llvm::Error error = scheme.quantizeMatrix(reach, 1, 1, parts))
    return std::move(error);
  SmallVector<ArrayRef<uint8_t>> bytes(parts.begin(), parts.end());
  UnpackedRows rows;
  if (llvm::Error error = scheme.unpackRows(bytes, 1, 1, 0, 1, rows))
    return std::move(error);
  return rows.scales.front();
}

llvm::Expected<std::optional<float>>
quantmlir::qt::chooseStaticScale(QuantSchemeInterface scheme,
                                 const StaticActivations &how,
                                 const ActivationStatistics &seen) {
  using Range = StaticActivations::Range;
  if (how.maxCrest && seen.crest() > *how.maxCrest)
    return std::nullopt;
  if (how.range != Range::Extremes && seen.histogram.empty())
    return llvm::createStringError(
        "statistics that were collected before '" + seen.site +
        "' was smoothed have no histogram of it; ranges other than extremes "
        "need tokens");
  llvm::Expected<float> unit = scaleFor(scheme, 1);
  if (!unit)
    return unit.takeError();
  double reach = seen.absMax();
  switch (how.range) {
  case Range::Extremes:
    break;
  case Range::MSE:
    reach = mseRange(seen.histogram, reach, 1 / *unit);
    break;
  case Range::KL:
    reach = klRange(seen.histogram, reach, 1 / *unit);
    break;
  case Range::Percentile:
    reach = percentileRange(seen.histogram, reach, how.percentile / 100);
    break;
  }
  return scaleFor(scheme, float(reach));
}

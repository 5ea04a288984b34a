// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "QuantizeActivations.h"
#include "ChannelScaling.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quant-mlir/Dialect/QT/Transforms/ActivationScheme.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

/// Values per scale of an activation, where the recipe leaves it to us. Weights
/// with blocks of 256 values, as GGUF's K types have, take more: their kernels
/// multiply scales as integers as long as the activation's stays the same.
/// llama.cpp gives such activations one scale for 256.
static int64_t preferredGroup(const LaneForm &weights, int64_t k) {
  int64_t block = weights.group == k ? 0 : weights.group;
  return std::max(block, weights.scaleBlock) >= 256 ? 128 : 32;
}

std::string quantmlir::qt::chooseActivationScheme(const LaneForm &weights,
                                                  int64_t k) {
  if (weights.kind == LaneForm::Kind::Float)
    return "float";
  // Kernels sum up to the smaller group, which must divide the larger one.
  int64_t group = preferredGroup(weights, k);
  bool divides = weights.group == k || weights.group % group == 0 ||
                 group % weights.group == 0;
  return "#qt.int<8, group = " +
         std::to_string(divides ? group : weights.group) + ">";
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
  if (text.text == "auto")
    text.text = chooseActivationScheme(form, k);
  if (text.text == "float")
    return x;
  if (rule.staticActivations && scale.empty())
    text = rule.staticActivations->perToken;
  QuantSchemeInterface scheme = rules.parse(text);
  if (rule.outlierThreshold)
    x = inliersOf(builder, x, rule.outlierThreshold);
  Value &known = quantized[{
      x, builder.getArrayAttr({scheme, builder.getStringAttr(scale)})}];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfterValue(x);
  Value multiplier;
  auto multiplied = fusesProducts ? findMultiplier(x) : std::nullopt;
  if (multiplied) {
    fusedProducts.push_back(x.getDefiningOp());
    x = multiplied->activation;
    multiplier = multiplied->multiplier;
  }
  Value reach;
  if (!scale.empty())
    reach =
        LoadOp::create(builder, op.getLoc(),
                       RankedTensorType::get(1, builder.getF32Type()), scale);
  known = QuantizeOp::create(builder, op.getLoc(),
                             QuantTensorType::get(type, scheme), x, multiplier,
                             reach);
  return known;
}

Value ActivationQuantizer::round(OpBuilder &builder, QuantizableOpInterface op,
                                 QuantSchemeInterface weights,
                                 const RecipeRule &rule) {
  Value made = quantize(builder, op, weights, rule, /*scale=*/"");
  auto quantizeOp = made ? made.getDefiningOp<QuantizeOp>() : QuantizeOp();
  if (!quantizeOp)
    return made;
  Value &known = rounded[made];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(quantizeOp);
  Location loc = quantizeOp.getLoc();
  known =
      DequantizeOp::create(builder, loc, quantizeOp.getInput().getType(), made);
  if (auto split = quantizeOp.getInput().getDefiningOp<SplitOutliersOp>())
    known = arith::AddFOp::create(builder, loc, known, split.getOutliers());
  return known;
}

void ActivationQuantizer::eraseFusedProducts() {
  while (!fusedProducts.empty()) {
    Operation *op = fusedProducts.pop_back_val();
    if (!isOpTriviallyDead(op))
      continue;
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp();
          producer && producer->hasOneUse())
        fusedProducts.push_back(producer);
    op->erase();
  }
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
  auto outlying = MatmulOp::create(builder, matmul.getLoc(), matmul.getType(),
                                   split.getOutliers(), matmul.getW(),
                                   /*bias=*/Value(), matmul.getExperts());
  return arith::AddFOp::create(builder, matmul.getLoc(), matmul, outlying);
}

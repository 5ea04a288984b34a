// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/IR/Builders.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Dialect/QT/IR/Experts.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::lm;

#define GET_OP_CLASSES
#include "quant-mlir/Dialect/LM/IR/LMOps.cpp.inc"

/// Checks that an optional vector operand has shape [size].
static LogicalResult verifyVector(Operation *op, Value vector, int64_t size,
                                  StringRef rule, StringRef what) {
  if (!vector)
    return success();
  auto type = cast<RankedTensorType>(vector.getType());
  if (type.getShape() != ArrayRef<int64_t>(size))
    return op->emitOpError() << rule << ": " << what << " must have shape ["
                             << size << "], got " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// linear, embedding
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::verify() {
  RankedTensorType x = getX().getType(), w = getWeight().getType(),
                   y = getType();
  if (w.getRank() != 2)
    return emitOpError("C1: the weight must be [N, K], got ") << w;
  if (x.getRank() < 1 || x.getShape().back() != w.getDimSize(1))
    return emitOpError("C1: x and weight must agree on K: ")
           << x << " and " << w;
  FailureOr<int64_t> each =
      qt::verifyExperts(*this, getExperts(), getBias(), w.getDimSize(0));
  if (failed(each))
    return failure();
  int64_t n = *each;
  if (y.getRank() != x.getRank() ||
      y.getShape().drop_back() != x.getShape().drop_back() ||
      y.getShape().back() != n)
    return emitOpError("C1: the result must have x's shape with N = ")
           << n << " last, got " << y;
  return verifyVector(*this, getBias(), n, "C2", "the bias");
}

OpOperand &LinearOp::getWeightOperand() { return getWeightMutable(); }
OpOperand *LinearOp::getActivationOperand() { return &getXMutable(); }
OpOperand *LinearOp::getBiasOperand() {
  MutableOperandRange bias = getBiasMutable();
  return bias.empty() ? nullptr : &bias[0];
}
bool LinearOp::isRouted() { return bool(getExperts()); }
Operation *LinearOp::createQuantized(OpBuilder &builder, Value weight,
                                     Value activation) {
  return qt::MatmulOp::create(builder, getLoc(), getType(), activation, weight,
                              getBias(), getExperts());
}

/// The operand, and the optional one after it if it is there.
static SmallVector<OpOperand *> withOptional(OpOperand &operand,
                                             MutableOperandRange optional) {
  SmallVector<OpOperand *> operands = {&operand};
  for (OpOperand &other : optional)
    operands.push_back(&other);
  return operands;
}

SmallVector<OpOperand *> LinearOp::getChannelOperands() {
  // A channel is a row of each expert.
  if (getExperts())
    return {};
  return withOptional(getWeightMutable(), getBiasMutable());
}

LogicalResult EmbeddingOp::verify() {
  RankedTensorType ids = getIds().getType(), table = getTable().getType();
  if (table.getRank() != 2)
    return emitOpError("C1: the table must be [V, E], got ") << table;
  SmallVector<int64_t> expected(ids.getShape());
  expected.push_back(table.getDimSize(1));
  if (getType().getShape() != ArrayRef(expected))
    return emitOpError("C1: the result must have ids' shape with E = ")
           << table.getDimSize(1) << " appended, got " << getType();
  return success();
}

OpOperand &EmbeddingOp::getWeightOperand() { return getTableMutable(); }
OpOperand *EmbeddingOp::getActivationOperand() { return nullptr; }
Operation *EmbeddingOp::createQuantized(OpBuilder &builder, Value weight,
                                        Value /*activation*/) {
  return qt::GatherOp::create(builder, getLoc(), getType(), getIds(), weight);
}

//===----------------------------------------------------------------------===//
// route
//===----------------------------------------------------------------------===//

/// What the results of a route are, of scores [T, E].
static SmallVector<Type> routeTypes(RankedTensorType scores, int64_t top) {
  Type i32 = IntegerType::get(scores.getContext(), 32);
  int64_t chosen[] = {scores.getDimSize(0), top};
  auto places = RankedTensorType::get(chosen, i32);
  return {scores.clone(chosen), places, places,
          RankedTensorType::get(scores.getDimSize(1) + 1, i32)};
}

void RouteOp::build(OpBuilder &builder, OperationState &state, Value scores,
                    int64_t top, bool normalize) {
  build(builder, state,
        routeTypes(cast<RankedTensorType>(scores.getType()), top), scores, top,
        normalize);
}

LogicalResult RouteOp::verify() {
  RankedTensorType scores = getScores().getType();
  int64_t top = getTop();
  if (scores.getRank() != 2 || scores.isDynamicDim(1))
    return emitOpError("C1: scores must be [T, E] with a static E, got ")
           << scores;
  if (top < 1 || top > scores.getDimSize(1))
    return emitOpError("C1: top = ")
           << top << " is not between 1 and " << scores.getDimSize(1);
  SmallVector<Type> types = routeTypes(scores, top);
  for (auto [type, wanted] : llvm::zip_equal(getResultTypes(), types))
    if (type != wanted)
      return emitOpError("C1: a result must be ") << wanted << ", got " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// norms, rope
//===----------------------------------------------------------------------===//

SmallVector<OpOperand *> RMSNormOp::getChannelOperands() {
  return {&getGainMutable()};
}
SmallVector<OpOperand *> LayerNormOp::getChannelOperands() {
  return withOptional(getGainMutable(), getBiasMutable());
}

LogicalResult RMSNormOp::verify() {
  return verifyVector(*this, getGain(), getType().getShape().back(), "C1",
                      "the gain");
}

LogicalResult LayerNormOp::verify() {
  int64_t size = getType().getShape().back();
  if (failed(verifyVector(*this, getGain(), size, "C1", "the gain")))
    return failure();
  return verifyVector(*this, getBias(), size, "C1", "the bias");
}

LogicalResult RopeOp::verify() {
  RankedTensorType type = getType();
  int64_t size = getHeadSize();
  if (type.getRank() < 2 || size < 1 || type.isDynamicDim(type.getRank() - 1) ||
      type.getShape().back() % size != 0)
    return emitOpError("C1: x must be [..., tokens, heads * head_size] with "
                       "head_size = ")
           << size << ", got " << type;
  if (getRotated() % 2 != 0 || getRotated() > size || getRotated() < 2)
    return emitOpError("C2: ") << getRotated() << " elements of a head of "
                               << size << " cannot be rotated in pairs";
  if (std::optional<ArrayRef<double>> divisors = getDivisors())
    if (int64_t(divisors->size()) != getRotated() / 2 ||
        !llvm::all_of(*divisors, [](double x) { return x > 0; }))
      return emitOpError("C3: divisors must be ")
             << getRotated() / 2 << " positive numbers";
  return success();
}

//===----------------------------------------------------------------------===//
// attention
//===----------------------------------------------------------------------===//

void AttentionOp::build(OpBuilder &builder, OperationState &state, Value query,
                        Value key, Value value, int64_t heads, int64_t kvHeads,
                        double scale, bool causal) {
  build(builder, state, query.getType(), query, key, value, /*cache=*/Value(),
        /*position=*/Value(), /*mask=*/Value(), /*layer=*/IntegerAttr(),
        builder.getI64IntegerAttr(heads), builder.getI64IntegerAttr(kvHeads),
        builder.getF64FloatAttr(scale),
        causal ? builder.getUnitAttr() : UnitAttr(), /*window=*/IntegerAttr(),
        /*softcap=*/FloatAttr());
}

void AttentionOp::build(OpBuilder &builder, OperationState &state, Value query,
                        Value key, Value value, Value cache, int64_t layer,
                        Value position, int64_t heads, int64_t kvHeads,
                        double scale) {
  build(builder, state, query.getType(), query, key, value, cache, position,
        /*mask=*/Value(), builder.getI64IntegerAttr(layer),
        builder.getI64IntegerAttr(heads), builder.getI64IntegerAttr(kvHeads),
        builder.getF64FloatAttr(scale), builder.getUnitAttr(),
        /*window=*/IntegerAttr(), /*softcap=*/FloatAttr());
}

LogicalResult AttentionOp::verify() {
  auto q = cast<RankedTensorType>(getQuery().getType());
  auto k = cast<RankedTensorType>(getKey().getType());
  auto v = cast<RankedTensorType>(getValue().getType());
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0)
    return emitOpError("C1: heads = ")
           << heads << " must be a multiple of kv_heads = " << kvHeads;
  if (q.getRank() < 2 || k.getRank() != q.getRank() || k != v ||
      q.getShape().back() % heads != 0 ||
      q.getShape().back() / heads * kvHeads != k.getShape().back())
    return emitOpError("C1: query must be [..., tokens, heads * size], key and "
                       "value [..., tokens, kv_heads * size], got ")
           << q << ", " << k << " and " << v;
  if (!!getCache() != !!getPosition() || !!getCache() != getLayer().has_value())
    return emitOpError("C2: cache, layer and position come together");
  if (getCache()) {
    auto cache = cast<KVCacheType>(getCache().getType());
    if (cache.getKvHeads() != kvHeads || cache.getHeadSize() != getHeadSize())
      return emitOpError("C2: ") << cache << " does not have " << kvHeads
                                 << " heads of " << getHeadSize();
    if (*getLayer() < 0 || *getLayer() >= cache.getLayers())
      return emitOpError("C2: ") << cache << " has no layer " << *getLayer();
  }
  if (getMask() && cast<RankedTensorType>(getMask().getType()).getRank() != 2)
    return emitOpError("C3: the mask must be [tokens, keys], got ")
           << getMask().getType();
  return success();
}

void AttentionOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  for (OpOperand &operand : getCacheMutable()) {
    effects.emplace_back(MemoryEffects::Read::get(), &operand);
    effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

OpOperand *AttentionOp::getChannelSource() { return &getValueMutable(); }
int64_t AttentionOp::getSourceChannel(int64_t channel) {
  int64_t size = getHeadSize(), head = channel / size;
  return head / (getHeads() / getKvHeads()) * size + channel % size;
}

OpOperand *ActivationOp::getChannelSource() {
  // relu(c * x) = c * relu(x) for c > 0; the others are not homogeneous.
  return getKind() == ActivationKind::Relu ? &getXMutable() : nullptr;
}

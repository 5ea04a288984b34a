// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where does a dynamic size come from? torch-mlir measures each tensor again,
// so two sizes that are equal are rarely the same SSA value. Every operation
// that hands a size on is looked through, up to a function argument if
// possible.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

static Size staticSize(int64_t constant) {
  Size size;
  size.constant = constant;
  return size;
}

Size raise::traceSize(Value scalar) {
  while (auto cast = scalar.getDefiningOp<arith::IndexCastOp>())
    scalar = cast.getIn();
  APInt constant;
  if (matchPattern(scalar, m_ConstantInt(&constant)))
    return staticSize(constant.getSExtValue());
  if (auto dim = scalar.getDefiningOp<tensor::DimOp>())
    if (std::optional<int64_t> index = dim.getConstantIndex())
      return traceSize(dim.getSource(), *index);
  Size size;
  size.value = scalar;
  return size;
}

static Size traceSize(OpFoldResult size) {
  if (auto attr = dyn_cast<Attribute>(size))
    return staticSize(cast<IntegerAttr>(attr).getInt());
  return raise::traceSize(cast<Value>(size));
}

/// The operand whose dimension `dim` an lm operation's result shares.
static Value sameShapedOperand(Operation *op, int64_t dim, int64_t rank) {
  bool last = dim + 1 == rank;
  if (auto linear = dyn_cast<LinearOp>(op))
    return last ? Value() : linear.getX();
  if (auto embedding = dyn_cast<EmbeddingOp>(op))
    return last ? Value() : embedding.getIds();
  if (isa<RMSNormOp, LayerNormOp, RopeOp, AttentionOp, ActivationOp>(op))
    return op->getOperand(0);
  if (OpTrait::hasElementwiseMappableTraits(op))
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        return operand;
  return Value();
}

Size raise::traceSize(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return staticSize(type.getDimSize(dim));
  Size here;
  here.value = tensor;
  here.dim = dim;
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return here;
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return ::traceSize(empty.getMixedSizes()[dim]);
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return traceSize(
        destination.getTiedOpOperand(cast<OpResult>(tensor))->get(), dim);
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return traceSize(cast.getSource(), dim);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (slice.getSourceType().getRank() == type.getRank())
      return ::traceSize(slice.getMixedSizes()[dim]);
    return here;
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return ::traceSize(getMixedValues(expand.getStaticOutputShape(),
                                      expand.getOutputShape(),
                                      op->getContext())[dim]);
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    // A group of unit dimensions and one other has the other's size.
    std::optional<int64_t> only;
    ReassociationIndices group = collapse.getReassociationIndices()[dim];
    for (int64_t from : group) {
      if (collapse.getSrcType().getDimSize(from) == 1)
        continue;
      if (only)
        return here;
      only = from;
    }
    return only ? traceSize(collapse.getSrc(), *only) : staticSize(1);
  }
  if (auto reshape = dyn_cast<tensor::ReshapeOp>(op)) {
    if (auto shape = reshape.getShape().getDefiningOp<tensor::FromElementsOp>())
      return traceSize(shape.getElements()[dim]);
    return here;
  }
  if (Value operand = sameShapedOperand(op, dim, type.getRank()))
    return traceSize(operand, dim);
  return here;
}

OpFoldResult raise::materialize(OpBuilder &builder, Location loc,
                                const Size &size) {
  if (size.isStatic())
    return builder.getIndexAttr(size.constant);
  if (size.dim >= 0)
    return tensor::getMixedSize(builder, loc, size.value, size.dim);
  if (isa<IndexType>(size.value.getType()))
    return size.value;
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                    size.value)
      .getResult();
}

SmallVector<OpFoldResult> raise::materializeSizes(OpBuilder &builder,
                                                  Location loc, Value tensor) {
  SmallVector<OpFoldResult> sizes;
  auto type = cast<RankedTensorType>(tensor.getType());
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    Size size = traceSize(tensor, dim);
    // A size that is known better than the type says would not fit the type.
    if (size.isStatic() && type.isDynamicDim(dim))
      sizes.push_back(
          arith::ConstantIndexOp::create(builder, loc, size.constant)
              .getResult());
    else
      sizes.push_back(materialize(builder, loc, size));
  }
  return sizes;
}

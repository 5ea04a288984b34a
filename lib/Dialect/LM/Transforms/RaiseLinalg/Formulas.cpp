// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The formulas that more than one pattern looks for.

#include "Matchers.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

std::optional<double> raise::matchNumber(Reader &reader, const Expr *e) {
  e = reader.value(e);
  if (e->kind == Expr::Kind::Number)
    return e->number;
  return std::nullopt;
}

Scaled raise::peelScale(Reader &reader, const Expr *e) {
  Scaled scaled{1, e};
  while (true) {
    const Expr *v = reader.value(scaled.inner);
    if (v->is(Fn::Neg)) {
      scaled = {-scaled.scale, v->operands[0]};
    } else if (v->is(Fn::Div)) {
      std::optional<double> by = matchNumber(reader, v->operands[1]);
      if (!by || *by == 0)
        return scaled;
      scaled = {scaled.scale / *by, v->operands[0]};
    } else if (v->is(Fn::Mul)) {
      std::optional<double> left = matchNumber(reader, v->operands[0]),
                            right = matchNumber(reader, v->operands[1]);
      if (!left == !right)
        return scaled;
      scaled = {scaled.scale * (left ? *left : *right),
                v->operands[left ? 1 : 0]};
    } else {
      return scaled;
    }
  }
}

std::optional<Sum> raise::matchSum(Reader &reader, const Expr *e) {
  e = reader.value(e);
  if (!e->isReduction(Fn::Add) || e->dims.size() != 1 ||
      matchNumber(reader, e->operands[1]) != 0.0)
    return std::nullopt;
  return Sum{e->dims[0], e->operands[0]};
}

std::optional<Sum> raise::matchMean(Reader &reader, const Expr *e) {
  Scaled scaled = peelScale(reader, e);
  std::optional<Sum> sum = matchSum(reader, scaled.inner);
  if (!sum)
    return std::nullopt;
  Size size = reader.sizeOf(sum->dim);
  if (!size.isStatic() ||
      std::abs(scaled.scale * double(size.constant) - 1) > 1e-6)
    return std::nullopt;
  return sum;
}

Value raise::findVector(Reader &reader, const Expr *e, AffineExpr dim,
                        Type elementType) {
  for (const Expr *view : reader.views(e)) {
    RankedTensorType type = view->type();
    if (type.getElementType() != elementType)
      continue;
    // All of the other indices are 0, along dimensions of size 1.
    int64_t found = -1;
    bool fits = true;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (view->indices[i] == dim && found < 0 && isWhole(reader, view, i))
        found = i;
      else
        fits &= type.getDimSize(i) == 1;
    }
    if (fits && found >= 0)
      return view->tensor;
  }
  return Value();
}

Value raise::flatten(OpBuilder &builder, Location loc, Value vector) {
  int64_t rank = cast<RankedTensorType>(vector.getType()).getRank();
  if (rank == 1)
    return vector;
  auto all = llvm::to_vector<2>(llvm::seq<int64_t>(0, rank));
  return tensor::CollapseShapeOp::create(
      builder, loc, vector, SmallVector<ReassociationIndices>{all});
}

bool raise::isWhole(Reader &reader, const Expr *view, int64_t dim) {
  return view->type().getDimSize(dim) ==
         reader.sizeOf(view->indices[dim]).constant;
}

Value raise::asTensor(Reader &reader, const Expr *e,
                      ArrayRef<AffineExpr> indices, Type elementType) {
  for (const Expr *view : reader.views(e)) {
    if (view->type().getElementType() != elementType ||
        ArrayRef(view->indices) != indices)
      continue;
    bool whole = true;
    for (int64_t dim = 0; dim < view->type().getRank(); ++dim)
      whole &= isWhole(reader, view, dim);
    if (whole)
      return view->tensor;
  }
  return Value();
}

bool raise::isElementwise(linalg::LinalgOp op) {
  if (op->getNumResults() != 1 || op.getNumReductionLoops() != 0 ||
      !op.hasPureTensorSemantics())
    return false;
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  return type && isa<FloatType>(type.getElementType()) &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity();
}

int64_t raise::countUnits(Value value) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  return llvm::find_if(shape, [](int64_t size) { return size != 1; }) -
         shape.begin();
}

SmallVector<ReassociationIndices> raise::frontGroups(int64_t rank,
                                                     int64_t units) {
  SmallVector<ReassociationIndices> groups(rank - units);
  for (int64_t dim = 0; dim < rank; ++dim)
    groups[std::max<int64_t>(0, dim - units)].push_back(dim);
  return groups;
}

void Remarks::leave(Operation *op, const Twine &why) {
  if (seen.insert(op).second)
    op->emitRemark() << why;
}

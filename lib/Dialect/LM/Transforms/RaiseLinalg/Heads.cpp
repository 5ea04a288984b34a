// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where the heads of an attention come from.
//
// Of the views of queries, keys or values one has the tokens right in front of
// the heads, [batch.., tokens, heads, size], or still has head and column in one
// dimension, [batch.., tokens, heads * size] at head * size + column. Which head a
// row of scores reads from shows in the head's index.

#include "Attention.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

Value Heads::merge(OpBuilder &builder, Location loc) const {
  if (merged)
    return tensor;
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0; dim + 2 < rank; ++dim)
    groups.push_back({dim});
  groups.push_back({rank - 2, rank - 1});
  return tensor::CollapseShapeOp::create(builder, loc, tensor, groups);
}

/// Reads a view as a tensor with heads, if it is one.
static std::optional<Heads> asHeads(Reader &reader, const Expr *view,
                             AffineExpr token, AffineExpr column,
                             Type elementType) {
  RankedTensorType type = view->type();
  int64_t rank = type.getRank(), size = reader.sizeOf(column).constant;
  if (type.getElementType() != elementType || rank < 2)
    return std::nullopt;
  ArrayRef<AffineExpr> at = view->indices;
  Heads heads;
  heads.tensor = view->tensor;
  heads.size = size;
  int64_t tokenDim;
  if (rank >= 3 && at[rank - 1] == column && at[rank - 3] == token &&
      type.getDimSize(rank - 1) == size && !type.isDynamicDim(rank - 2)) {
    tokenDim = rank - 3;
    heads.head = at[rank - 2];
    heads.numHeads = type.getDimSize(rank - 2);
  } else if (at[rank - 2] == token && !type.isDynamicDim(rank - 1) &&
             type.getDimSize(rank - 1) % size == 0) {
    // head * size + column
    AffineExpr head = reader.simplify((at[rank - 1] - column).floorDiv(size));
    if (reader.simplify(head * size + column) != at[rank - 1])
      return std::nullopt;
    tokenDim = rank - 2;
    heads.merged = true;
    heads.head = head;
    heads.numHeads = type.getDimSize(rank - 1) / size;
  } else {
    return std::nullopt;
  }
  if (traceSize(view->tensor, tokenDim) == reader.sizeOf(token)) {
    heads.batch.assign(at.begin(), at.begin() + tokenDim);
    for (AffineExpr e : heads.batch)
      if (dependsOn(e, token) || dependsOn(e, column))
        return std::nullopt;
    if (!dependsOn(heads.head, token) && !dependsOn(heads.head, column))
      return heads;
  }
  return std::nullopt;
}

SmallVector<Heads> raise::findHeads(Reader &reader, const Expr *e, AffineExpr token,
                             AffineExpr column, Type elementType) {
  SmallVector<Heads> found;
  for (const Expr *view : reader.views(e))
    if (auto heads = asHeads(reader, view, token, column, elementType))
      found.push_back(*heads);
  return found;
}

Value raise::splitHeads(OpBuilder &builder, Location loc, Value result,
                 const Heads &heads) {
  auto type = cast<RankedTensorType>(result.getType());
  int64_t rank = type.getRank();
  SmallVector<int64_t> shape(type.getShape().drop_back());
  shape.append({heads.numHeads, heads.size});
  SmallVector<OpFoldResult> sizes = materializeSizes(builder, loc, result);
  sizes.pop_back();
  sizes.append({builder.getIndexAttr(heads.numHeads),
                builder.getIndexAttr(heads.size)});
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0; dim + 1 < rank; ++dim)
    groups.push_back({dim});
  groups.push_back({rank - 1, rank});
  Value split = tensor::ExpandShapeOp::create(
      builder, loc, RankedTensorType::get(shape, type.getElementType()), result,
      groups, sizes);
  // Tokens and heads change places.
  std::swap(sizes[rank - 2], sizes[rank - 1]);
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, rank + 1));
  std::swap(order[rank - 2], order[rank - 1]);
  Value empty =
      tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  return linalg::TransposeOp::create(builder, loc, split, empty, order)
      ->getResult(0);
}

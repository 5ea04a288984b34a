// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where the heads of an attention come from.
//
// Of the views of queries, keys or values one has the tokens right in front of
// the heads, [batch.., tokens, heads, size], or still has head and column in
// one dimension, [batch.., tokens, heads * size] at head * size + column. If
// something was computed after the heads had been moved to the front, such as a
// rotation, they are moved back. Which head a row of scores reads from shows in
// the head's index.

#include "Attention.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <algorithm>

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

/// A transposition of two dimensions.
static Value swapDims(OpBuilder &builder, Location loc, Value tensor, int64_t a,
                      int64_t b) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<OpFoldResult> sizes = materializeSizes(builder, loc, tensor);
  std::swap(sizes[a], sizes[b]);
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  std::swap(order[a], order[b]);
  Value empty =
      tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  return linalg::TransposeOp::create(builder, loc, tensor, empty, order)
      ->getResult(0);
}

Value Heads::merge(OpBuilder &builder, Location loc) const {
  if (layout == Merged)
    return tensor;
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  Value split = tensor;
  if (layout == Front)
    split = swapDims(builder, loc, tensor, rank - 3, rank - 2);
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0; dim + 2 < rank; ++dim)
    groups.push_back({dim});
  groups.push_back({rank - 2, rank - 1});
  return tensor::CollapseShapeOp::create(builder, loc, split, groups);
}

/// Reads a view as a tensor with heads in this layout, if it is one.
static std::optional<Heads> asHeads(Reader &reader, const Expr *view,
                                    Heads::Layout layout, AffineExpr token,
                                    AffineExpr column, Type elementType) {
  RankedTensorType type = view->type();
  int64_t rank = type.getRank(), size = reader.sizeOf(column).constant;
  bool merged = layout == Heads::Merged;
  if (type.getElementType() != elementType || rank < (merged ? 2 : 3))
    return std::nullopt;
  ArrayRef<AffineExpr> at = view->indices;
  Heads heads;
  heads.tensor = view->tensor;
  heads.layout = layout;
  heads.size = size;
  // Where the token is, where the head is, and how many batch dimensions.
  int64_t tokenDim = layout == Heads::Split ? rank - 3 : rank - 2;
  int64_t headDim = merged                   ? rank - 1
                    : layout == Heads::Split ? rank - 2
                                             : rank - 3;
  int64_t numBatch = std::min(tokenDim, headDim);
  if (at[tokenDim] != token || !isWhole(reader, view, tokenDim) ||
      type.isDynamicDim(headDim))
    return std::nullopt;
  if (merged) {
    if (type.getDimSize(headDim) % size != 0)
      return std::nullopt;
    heads.numHeads = type.getDimSize(headDim) / size;
    heads.head = reader.simplify((at[headDim] - column).floorDiv(size));
    if (reader.simplify(heads.head * size + column) != at[headDim])
      return std::nullopt;
  } else {
    if (at[rank - 1] != column || !isWhole(reader, view, rank - 1))
      return std::nullopt;
    heads.numHeads = type.getDimSize(headDim);
    heads.head = at[headDim];
  }
  heads.batch.assign(at.begin(), at.begin() + numBatch);
  SmallVector<AffineExpr> others(heads.batch);
  others.push_back(heads.head);
  if (llvm::any_of(others, [&](AffineExpr e) {
        return dependsOn(e, token) || dependsOn(e, column);
      }))
    return std::nullopt;
  return heads;
}

SmallVector<Heads> raise::findHeads(Reader &reader, const Expr *e,
                                    AffineExpr token, AffineExpr column,
                                    Type elementType) {
  SmallVector<Heads> found;
  if (!reader.sizeOf(column).isStatic())
    return found;
  SmallVector<const Expr *> views = reader.views(e);
  auto add = [&](const Expr *view, Heads::Layout layout) {
    if (auto heads = asHeads(reader, view, layout, token, column, elementType))
      found.push_back(*heads);
  };
  for (const Expr *view : views)
    for (Heads::Layout layout : {Heads::Split, Heads::Merged})
      add(view, layout);
  for (const Expr *view : views)
    add(view, Heads::Front);
  // Every [.., tokens, size] can be read as one head in a large batch. That
  // comes last: heads side by side are what attention is made for, even where
  // it costs a transposition to bring them there.
  std::stable_partition(found.begin(), found.end(),
                        [](const Heads &heads) { return heads.numHeads > 1; });
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
  sizes.append(
      {builder.getIndexAttr(heads.numHeads), builder.getIndexAttr(heads.size)});
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0; dim + 1 < rank; ++dim)
    groups.push_back({dim});
  groups.push_back({rank - 1, rank});
  Value split = tensor::ExpandShapeOp::create(
      builder, loc, RankedTensorType::get(shape, type.getElementType()), result,
      groups, sizes);
  return swapDims(builder, loc, split, rank - 2, rank - 1);
}

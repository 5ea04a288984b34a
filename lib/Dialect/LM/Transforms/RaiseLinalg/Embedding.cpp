// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A lookup: a generic over ids that extracts table[id, d] element by element.
// torch-mlir asserts in the body that the id lies within the table. The
// assertion goes: `lm.embedding` leaves ids outside the table undefined and the
// runtime checks them before it calls.
//
// Where the ids are known there is nothing to look up: BERT's positions 0, 1,
// 2, .. are the first rows of their table, its token types one row for all
// tokens.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
struct RaiseEmbedding : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    auto generic = cast<linalg::LinalgOp>(op.getOperation());
    if (!isElementwise(generic))
      return rewriter.notifyMatchFailure(
          op, "computes no float tensor element by element");
    auto extract = op.getBody()
                       ->getTerminator()
                       ->getOperand(0)
                       .getDefiningOp<tensor::ExtractOp>();
    if (!extract || extract->getParentOp() != op)
      return rewriter.notifyMatchFailure(op, "yields no extracted element");
    RankedTensorType table = extract.getTensor().getType();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (table.getRank() != 2 || type.getRank() < 1 ||
        type.getShape().back() != table.getDimSize(1))
      return rewriter.notifyMatchFailure(op, "looks no rows of a table up");
    if (op->isAncestor(extract.getTensor().getParentRegion()->getParentOp()))
      return rewriter.notifyMatchFailure(op, "the table is made in the body");

    Reader reader(op->getContext());
    const Expr *root = reader.read(op->getResult(0));
    const Expr *row =
        reader.scalar(generic, extract.getIndices()[0], root->indices);
    const Expr *column =
        reader.scalar(generic, extract.getIndices()[1], root->indices);
    if (column->kind != Expr::Kind::Index ||
        column->indices[0] != root->indices.back())
      return rewriter.notifyMatchFailure(
          op, "the column is not the result's last dimension");
    const Expr *known = reader.value(row);
    if (known->kind == Expr::Kind::Index)
      return replaceByRows(op, rewriter, reader, extract.getTensor(),
                           known->indices[0], root);
    for (const Expr *ids : reader.views(row)) {
      RankedTensorType idType = ids->type();
      if (!idType.getElementType().isSignlessInteger() ||
          idType.getShape() != type.getShape().drop_back() ||
          ArrayRef(ids->indices) != ArrayRef(root->indices).drop_back())
        continue;
      rewriter.replaceOpWithNewOp<EmbeddingOp>(op, type, ids->tensor,
                                               extract.getTensor());
      return success();
    }
    return rewriter.notifyMatchFailure(
        op, "the row is not the element of a tensor of ids");
  }

private:
  /// Rows `row` of the table, where `row` is a number or one of root's dims.
  static LogicalResult replaceByRows(linalg::GenericOp op,
                                     PatternRewriter &rewriter, Reader &reader,
                                     Value table, AffineExpr row,
                                     const Expr *root) {
    Location loc = op.getLoc();
    RankedTensorType type = root->type();
    auto tableType = cast<RankedTensorType>(table.getType());
    auto constant = dyn_cast<AffineConstantExpr>(row);
    const AffineExpr *dim = llvm::find(root->indices, row);
    bool isDim = !constant && dim != root->indices.end();
    if (!constant && !isDim)
      return rewriter.notifyMatchFailure(op, "the row is computed");
    Size numRows = reader.sizeOf(row);
    int64_t last = constant ? constant.getValue() : numRows.constant - 1;
    if ((constant || numRows.isStatic()) &&
        (last < 0 || last >= tableType.getDimSize(0)))
      return rewriter.notifyMatchFailure(op, "a row is not in the table");

    // The rows as a slice: [width] or [rows, width].
    int64_t width = tableType.getDimSize(1);
    OpFoldResult zero = rewriter.getIndexAttr(0),
                 one = rewriter.getIndexAttr(1);
    OpFoldResult first = constant ? rewriter.getIndexAttr(last) : zero;
    OpFoldResult count = constant ? one : materialize(rewriter, loc, numRows);
    SmallVector<int64_t> shape = {width};
    if (isDim)
      shape.insert(shape.begin(), numRows.constant);
    Value rows = tensor::ExtractSliceOp::create(
        rewriter, loc, RankedTensorType::get(shape, type.getElementType()),
        table, ArrayRef{first, zero},
        ArrayRef<OpFoldResult>{count, rewriter.getIndexAttr(width)},
        ArrayRef{one, one});

    // Repeated over all of the result's other dimensions, but for unit ones in
    // front.
    int64_t units = countUnits(op->getResult(0));
    units = std::min<int64_t>(units, type.getRank() - 1);
    SmallVector<OpFoldResult> sizes =
        materializeSizes(rewriter, loc, op->getResult(0));
    int64_t inner = type.getRank() - units;
    SmallVector<AffineExpr> from = {rewriter.getAffineDimExpr(inner - 1)};
    if (isDim)
      from.insert(from.begin(), rewriter.getAffineDimExpr(
                                    dim - root->indices.begin() - units));
    AffineMap map = AffineMap::get(inner, 0, from, op.getContext());
    if (!map.isIdentity()) {
      Value empty = tensor::EmptyOp::create(rewriter, loc,
                                            ArrayRef(sizes).drop_front(units),
                                            type.getElementType());
      SmallVector<AffineMap> maps = {map,
                                     rewriter.getMultiDimIdentityMap(inner)};
      SmallVector<utils::IteratorType> loops(inner,
                                             utils::IteratorType::parallel);
      rows = linalg::GenericOp::create(
                 rewriter, loc, empty.getType(), rows, empty, maps, loops,
                 [](OpBuilder &b, Location l, ValueRange elements) {
                   linalg::YieldOp::create(b, l, elements[0]);
                 })
                 .getResult(0);
    }
    if (units > 0)
      rows = tensor::ExpandShapeOp::create(
          rewriter, loc, type, rows, frontGroups(type.getRank(), units), sizes);
    rewriter.replaceOp(op, rows);
    return success();
  }
};
} // namespace

void raise::populateEmbedding(RewritePatternSet &patterns) {
  patterns.add<RaiseEmbedding>(patterns.getContext());
}

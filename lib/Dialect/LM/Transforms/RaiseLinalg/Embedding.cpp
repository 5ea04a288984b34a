// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A lookup: a generic over ids that extracts table[id, d] element by element.
// torch-mlir asserts in the body that the id lies within the table. The assertion
// goes: `lm.embedding` leaves ids outside the table undefined and the runtime
// checks them before it calls.

#include "Matchers.h"
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
    const Expr *row = reader.scalar(generic, extract.getIndices()[0],
                                    root->indices);
    const Expr *column = reader.scalar(generic, extract.getIndices()[1],
                                       root->indices);
    if (column->kind != Expr::Kind::Index ||
        column->indices[0] != root->indices.back())
      return rewriter.notifyMatchFailure(
          op, "the column is not the result's last dimension");
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
};
} // namespace

void raise::populateEmbedding(RewritePatternSet &patterns) {
  patterns.add<RaiseEmbedding>(patterns.getContext());
}

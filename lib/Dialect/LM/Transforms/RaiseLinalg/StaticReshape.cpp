// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// With dynamic sizes torch-mlir reshapes by `tensor.reshape` and a computed
// shape. If each size of the one side can be told to be a size of the other, a
// product of sizes of the other, or 1, it is really expand_shape or
// collapse_shape.
//
//   %s = tensor.from_elements %c1, %c12, %n, %n
//   tensor.reshape %x(%s) : (tensor<12x?x?xf32>, ..) -> tensor<1x12x?x?xf32>
//
// where both dynamic sizes of %x are %n as well: [[0, 1], [2], [3]].

#include "Matchers.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

/// Groups of dimensions of `fine`, one per dimension of `coarse`, with equal
/// products; nothing if that cannot be seen.
static std::optional<SmallVector<ReassociationIndices>>
groupSizes(ArrayRef<Size> fine, ArrayRef<Size> coarse) {
  SmallVector<ReassociationIndices> groups;
  size_t next = 0;
  for (const Size &size : coarse) {
    ReassociationIndices group;
    // Unit dimensions may come first, then either the same size...
    while (next < fine.size() && fine[next].constant == 1 && size.constant != 1)
      group.push_back(next++);
    if (next < fine.size() && fine[next] == size) {
      group.push_back(next++);
    } else if (size.isStatic()) {
      // ... or static ones with that product.
      int64_t product = 1;
      while (next < fine.size() && product < size.constant &&
             fine[next].isStatic()) {
        product *= fine[next].constant;
        group.push_back(next++);
      }
      if (product != size.constant || group.empty())
        return std::nullopt;
    } else {
      return std::nullopt;
    }
    groups.push_back(group);
  }
  if (groups.empty())
    return std::nullopt;
  for (; next < fine.size(); ++next) {
    if (fine[next].constant != 1)
      return std::nullopt;
    groups.back().push_back(next);
  }
  return groups;
}

namespace {
struct MakeReshapeStatic : OpRewritePattern<tensor::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    auto from = dyn_cast<RankedTensorType>(op.getSource().getType());
    auto to = dyn_cast<RankedTensorType>(op.getType());
    if (!from || !to || from.getRank() == to.getRank())
      return rewriter.notifyMatchFailure(op, "has no two different ranks");
    SmallVector<Size> before, after;
    for (int64_t dim = 0; dim < from.getRank(); ++dim)
      before.push_back(traceSize(op.getSource(), dim));
    for (int64_t dim = 0; dim < to.getRank(); ++dim)
      after.push_back(traceSize(op.getResult(), dim));
    bool expands = to.getRank() > from.getRank();
    auto groups =
        expands ? groupSizes(after, before) : groupSizes(before, after);
    if (!groups)
      return rewriter.notifyMatchFailure(
          op, "the sizes before and after cannot be told to be equal");
    if (expands) {
      SmallVector<OpFoldResult> sizes =
          materializeSizes(rewriter, op.getLoc(), op.getResult());
      rewriter.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, to, op.getSource(),
                                                         *groups, sizes);
      return success();
    }
    // A collapsed type may be less static than the one asked for.
    Value collapsed = tensor::CollapseShapeOp::create(rewriter, op.getLoc(),
                                                      op.getSource(), *groups);
    if (collapsed.getType() != to)
      collapsed = tensor::CastOp::create(rewriter, op.getLoc(), to, collapsed);
    rewriter.replaceOp(op, collapsed);
    return success();
  }
};
} // namespace

void raise::populateStaticReshape(RewritePatternSet &patterns) {
  patterns.add<MakeReshapeStatic>(patterns.getContext());
}

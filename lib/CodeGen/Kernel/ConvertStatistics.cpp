// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelPattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;

/// Columns that kernel.gram takes at once: a multiple of what the register
/// tiles of all targets cover.
static constexpr int64_t gramColumns = 32;

/// A new buffer for the rows of `x` in the order that kernel.gram wants.
static Value allocateColumns(OpBuilder &builder, Location loc, Value x) {
  auto rows = cast<MemRefType>(x.getType());
  ArrayRef<int64_t> leading = rows.getShape().drop_back();
  SmallVector<int64_t> shape = {
      int64_t(llvm::divideCeil(rows.getShape().back(), gramColumns))};
  llvm::append_range(shape, leading);
  shape.push_back(gramColumns);
  SmallVector<Value> sizes;
  if (rows.isDynamicDim(0))
    sizes.push_back(memref::DimOp::create(builder, loc, x, 0));
  Value packed = memref::AllocOp::create(
      builder, loc, MemRefType::get(shape, rows.getElementType()), sizes);
  if (leading.size() == 1)
    return packed;
  SmallVector<ReassociationIndices> groups = {
      {0}, {}, {int64_t(shape.size()) - 1}};
  for (size_t dim = 0; dim < leading.size(); ++dim)
    groups[1].push_back(dim + 1);
  return memref::CollapseShapeOp::create(builder, loc, packed, groups);
}

/// Fails if the rows of an activation cannot be told, or bounded.
static LogicalResult checkRows(Operation *op, RankedTensorType type) {
  if (!type.getElementType().isF32())
    return op->emitOpError("observes ") << type << "; kernels read f32";
  ArrayRef<int64_t> leading = type.getShape().drop_back();
  if (leading.empty())
    return op->emitOpError("observes ") << type << ", which has no rows";
  if (ShapedType::isDynamicShape(leading.drop_front()))
    return op->emitOpError("has dynamic leading dimensions besides the rows");
  return success();
}

namespace {

template <typename Op> struct StatisticsPattern : KernelPattern<Op> {
  using KernelPattern<Op>::KernelPattern;

protected:
  static Value packColumns(OpBuilder &builder, Location loc, Value x) {
    Value packed = allocateColumns(builder, loc, x);
    kernel::PackColumnsOp::create(
        builder, loc, KernelPattern<Op>::asRows(builder, loc, x), packed);
    return packed;
  }
};

struct ObservePattern : StatisticsPattern<qt::ObserveOp> {
  using StatisticsPattern::StatisticsPattern;

  LogicalResult
  matchAndRewrite(qt::ObserveOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    using qt::Statistics;
    if (failed(checkRows(op, op.getX().getType())))
      return failure();
    Location loc = op.getLoc();
    Value x = asRows(rewriter, loc, adaptor.getX());

    llvm::SmallDenseMap<Statistics, Value> results;
    for (Statistics one : qt::listStatistics(op.getStatistics()))
      results[one] = memref::AllocOp::create(
          rewriter, loc, bufferType(op.getResultOf(one).getType()));
    Value range = results.lookup(Statistics::Range);
    Value sum = results.lookup(Statistics::Sum);
    Value sumAbs = results.lookup(Statistics::SumAbs);
    if (range || sum || sumAbs)
      kernel::ObserveChannelsOp::create(rewriter, loc, x, range, sum, sumAbs);
    if (Value gram = results.lookup(Statistics::Gram))
      kernel::GramOp::create(rewriter, loc,
                             packColumns(rewriter, loc, adaptor.getX()),
                             /*right=*/Value(), gram);
    if (Value histogram = results.lookup(Statistics::Histogram))
      emitHistogram(rewriter, loc, x, histogram);

    SmallVector<Value> values;
    for (Statistics one : qt::listStatistics(op.getStatistics()))
      values.push_back(results.lookup(one));
    rewriter.replaceOp(op, values);
    return success();
  }

private:
  /// Shares of the rows that are counted apart.
  static constexpr int64_t histogramParts = 16;

  static void emitHistogram(OpBuilder &builder, Location loc, Value x,
                            Value out) {
    auto type = cast<MemRefType>(out.getType());
    Value parts = memref::AllocOp::create(
        builder, loc,
        MemRefType::get({histogramParts, type.getDimSize(0)},
                        type.getElementType()));
    kernel::HistogramOp::create(builder, loc, x, parts);
    Value zero = arith::ConstantIntOp::create(builder, loc, 0, 32);
    linalg::FillOp::create(builder, loc, zero, out);
    AffineExpr bin = builder.getAffineDimExpr(0);
    AffineExpr part = builder.getAffineDimExpr(1);
    SmallVector<AffineMap> maps = {
        AffineMap::get(2, 0, {part, bin}, builder.getContext()),
        AffineMap::get(2, 0, bin)};
    linalg::GenericOp::create(
        builder, loc, parts, out, maps,
        {utils::IteratorType::parallel, utils::IteratorType::reduction},
        [](OpBuilder &body, Location bodyLoc, ValueRange args) {
          Value sum = arith::AddIOp::create(body, bodyLoc, args[0], args[1]);
          linalg::YieldOp::create(body, bodyLoc, sum);
        });
  }
};

struct CrossGramPattern : StatisticsPattern<qt::CrossGramOp> {
  using StatisticsPattern::StatisticsPattern;

  LogicalResult
  matchAndRewrite(qt::CrossGramOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (failed(checkRows(op, op.getLhs().getType())) ||
        failed(checkRows(op, op.getRhs().getType())))
      return failure();
    Location loc = op.getLoc();
    Value out = memref::AllocOp::create(rewriter, loc,
                                        bufferType(op.getResult().getType()));
    Value left = packColumns(rewriter, loc, adaptor.getLhs());
    Value right = packColumns(rewriter, loc, adaptor.getRhs());
    kernel::GramOp::create(rewriter, loc, left, right, out);
    rewriter.replaceOp(op, out);
    return success();
  }
};

} // namespace

void quantmlir::kernel::populateStatisticsPatterns(RewritePatternSet &patterns,
                                                   const TypeConverter &types) {
  patterns.add<ObservePattern, CrossGramPattern>(types, patterns.getContext());
}

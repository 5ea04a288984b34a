// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Norms, rope and attention become kernels.

#include "KernelPattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quant-mlir/CodeGen/Kernel/AttentionSplit.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;

namespace {

struct RMSNormPattern : KernelPattern<lm::RMSNormOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(lm::RMSNormOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value out =
        allocate(rewriter, loc, bufferType(op.getType()), adaptor.getX());
    kernel::RMSNormOp::create(
        rewriter, loc, asRows(rewriter, loc, adaptor.getX()), adaptor.getGain(),
        asRows(rewriter, loc, out), op.getEpsAttr());
    rewriter.replaceOp(op, out);
    return success();
  }
};

struct LayerNormPattern : KernelPattern<lm::LayerNormOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(lm::LayerNormOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value out =
        allocate(rewriter, loc, bufferType(op.getType()), adaptor.getX());
    kernel::LayerNormOp::create(
        rewriter, loc, asRows(rewriter, loc, adaptor.getX()), adaptor.getGain(),
        adaptor.getBias(), asRows(rewriter, loc, out), op.getEpsAttr());
    rewriter.replaceOp(op, out);
    return success();
  }
};

struct RopePattern : KernelPattern<lm::RopeOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(lm::RopeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    for (int64_t size : op.getType().getShape().drop_back(2))
      if (size != 1)
        return op.emitOpError("is batched; kernels take one sequence");
    Value out =
        allocate(rewriter, loc, bufferType(op.getType()), adaptor.getX());
    kernel::RopeOp::create(
        rewriter, loc, asRows(rewriter, loc, adaptor.getX()),
        adaptor.getPosition(), asRows(rewriter, loc, out), op.getHeadSizeAttr(),
        rewriter.getI64IntegerAttr(op.getRotated()), op.getBaseAttr(),
        op.getStyleAttr(), op.getDivisorsAttr());
    rewriter.replaceOp(op, out);
    return success();
  }
};

struct AttentionPattern : KernelPattern<lm::AttentionOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(lm::AttentionOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    for (int64_t size : op.getQuery().getType().getShape().drop_back(2))
      if (size != 1)
        return op.emitOpError("is batched; kernels take one sequence");
    if (op.getHeadSize() % 16 != 0)
      return op.emitOpError("has heads of ")
             << op.getHeadSize() << "; kernels need a multiple of 16";
    Value out =
        allocate(rewriter, loc, bufferType(op.getType()), adaptor.getQuery());
    Value query = asRows(rewriter, loc, adaptor.getQuery());
    Value key = asRows(rewriter, loc, adaptor.getKey());
    Value value = asRows(rewriter, loc, adaptor.getValue());

    Value cache = adaptor.getCache(), position = adaptor.getPosition();
    Value layer = arith::ConstantIndexOp::create(rewriter, loc,
                                                 op.getLayer().value_or(0));
    if (!cache) {
      // Without a cache, keys and values still want the cache's order.
      position = arith::ConstantIndexOp::create(rewriter, loc, 0);
      cache = temporaryCache(rewriter, loc, op, key);
    }
    kernel::CacheWriteOp::create(rewriter, loc, key, value, cache, layer,
                                 position);
    Value rows = asRows(rewriter, loc, out), partials;
    if (op.getCache())
      partials = memref::AllocOp::create(
          rewriter, loc,
          MemRefType::get({AttentionSplit::segments, op.getKvHeads(),
                           AttentionSplit::rows,
                           op.getHeadSize() + AttentionSplit::numbers},
                          rewriter.getF32Type()));
    kernel::AttentionOp::create(
        rewriter, loc, query, cache, layer, position, adaptor.getMask(),
        partials, rows, op.getHeadsAttr(), op.getScaleAttr(),
        op.getCausalAttr(), op.getWindowAttr(), op.getSoftcapAttr());
    if (partials)
      kernel::MergeAttentionOp::create(rewriter, loc, partials, position, rows,
                                       op.getHeadsAttr());
    rewriter.replaceOp(op, out);
    return success();
  }

private:
  static Value temporaryCache(OpBuilder &builder, Location loc,
                              lm::AttentionOp op, Value key) {
    auto keyType = cast<MemRefType>(key.getType());
    int64_t tokens = keyType.getDimSize(0);
    SmallVector<Value> sizes;
    if (keyType.isDynamicDim(0)) {
      Value count = memref::DimOp::create(builder, loc, key, 0);
      Value block = arith::ConstantIndexOp::create(builder, loc, positionBlock);
      Value blocks = arith::CeilDivUIOp::create(builder, loc, count, block);
      sizes.push_back(arith::MulIOp::create(builder, loc, blocks, block));
    } else {
      tokens = llvm::alignTo(tokens, positionBlock);
    }
    auto type =
        MemRefType::get({1, 2, op.getKvHeads(), tokens, op.getHeadSize()},
                        keyType.getElementType());
    return memref::AllocOp::create(builder, loc, type, sizes);
  }
};

} // namespace

void quantmlir::kernel::populateLayerPatterns(RewritePatternSet &patterns,
                                              const TypeConverter &types) {
  patterns.add<RMSNormPattern, LayerNormPattern, RopePattern, AttentionPattern>(
      types, patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From values to buffers. The ops of a model's graph are large and few, so each
// gets a buffer of its own here and kernel-plan-workspace lets them share
// memory; the general machinery of bufferization is only needed for the linalg
// between them, which stays on tensors until after this pass.

#include "AttentionSplit.h"
#include "KernelPattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "quant-mlir/CodeGen/CPU/PanelLayout.h"
#include "quant-mlir/CodeGen/CPU/Passes.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

namespace quantmlir::cpu {
#define GEN_PASS_DEF_CONVERTTOKERNELPASS
#include "quant-mlir/CodeGen/CPU/Passes.h.inc"
} // namespace quantmlir::cpu

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;
using kernel::KernelDialect;

/// Positions of a cache come in blocks of this many: see kernel.cache_write.
static constexpr int64_t positionBlock = 16;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static MemRefType cacheBuffer(lm::KVCacheType type) {
  Type element = type.getElementType();
  int64_t scale = element.isInteger(8) ? lm::KVCacheType::scaleBytes : 0;
  return MemRefType::get({type.getLayers(), 2, type.getKvHeads(),
                          ShapedType::kDynamic, type.getHeadSize() + scale},
                         element);
}

/// Codes, scales and sums of a quantized activation (or its rounded values), as
/// kernel.quantize, round and encode leave them; rows of all leading dimensions
/// together.
static LogicalResult activationBuffers(qt::QuantTensorType type,
                                       SmallVectorImpl<Type> &results) {
  MLIRContext *context = type.getContext();
  int64_t count = type.getNumRows(), k = type.getRowLength();
  Type i32 = IntegerType::get(context, 32), f32 = Float32Type::get(context);
  if (auto pairs = dyn_cast_or_null<qt::PairsAttr>(type.getLayout())) {
    results.push_back(MemRefType::get({count, pairs.getStride() / 4}, i32));
    if (pairs.getGroup())
      results.push_back(
          MemRefType::get({count, llvm::divideCeil(k, pairs.getGroup())}, f32));
    return success();
  }
  auto rows = dyn_cast_or_null<qt::RowsAttr>(type.getLayout());
  if (!rows)
    return failure();
  if (!rows.getSums()) { // rounded, but floats
    results.push_back(MemRefType::get({count, k}, f32));
    return success();
  }
  results.push_back(MemRefType::get({count, rows.getStride() / 4}, i32));
  results.push_back(
      MemRefType::get({count, llvm::divideCeil(k, rows.getGroup())}, f32));
  results.push_back(
      MemRefType::get({count, llvm::divideCeil(k, rows.getSums())}, i32));
  return success();
}

namespace {

struct BufferTypeConverter : TypeConverter {
  BufferTypeConverter() {
    addConversion([](Type type) { return type; });
    addConversion([](RankedTensorType type) {
      return MemRefType::get(type.getShape(), type.getElementType());
    });
    addConversion([](lm::KVCacheType type) { return cacheBuffer(type); });
    addConversion(
        [](qt::QuantTensorType type,
           SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
          // A packed weight is its offset.
          if (isa_and_nonnull<qt::PanelsAttr>(type.getLayout())) {
            results.push_back(IndexType::get(type.getContext()));
            return success();
          }
          return activationBuffers(type, results);
        });
    addTargetMaterialization([](OpBuilder &builder, MemRefType type,
                                ValueRange inputs, Location loc) -> Value {
      return bufferization::ToBufferOp::create(builder, loc, type,
                                               inputs.front());
    });
    addSourceMaterialization([](OpBuilder &builder, RankedTensorType type,
                                ValueRange inputs, Location loc) -> Value {
      return bufferization::ToTensorOp::create(builder, loc, type,
                                               inputs.front(),
                                               /*restrict=*/true);
    });
  }
};

//===----------------------------------------------------------------------===//
// Weights and quantized tensors
//===----------------------------------------------------------------------===//

struct LoadPattern : KernelPattern<qt::LoadOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::LoadOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto weight = SymbolTable::lookupNearestSymbolFrom<qt::WeightOp>(
        op, op.getWeightAttr());
    if (!weight.getOffset())
      return op.emitOpError("reads ")
             << op.getWeightAttr()
             << ", which has no place in the packed weights (--cpu-pack)";
    Value offset = arith::ConstantIndexOp::create(rewriter, op.getLoc(),
                                                  *weight.getOffset());
    if (isa<qt::QuantTensorType>(op.getType())) {
      rewriter.replaceOp(op, offset);
      return success();
    }
    rewriter.replaceOpWithNewOp<memref::ViewOp>(
        op, bufferType(op.getType()), weightsOf(op), offset, ValueRange());
    return success();
  }
};

struct QuantizePattern : KernelPattern<qt::QuantizeOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::QuantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Type> types;
    if (failed(activationBuffers(op.getType(), types)))
      return op.emitOpError(
          "makes an activation without a layout (--cpu-pack)");
    Value x = asRows(rewriter, op.getLoc(), adaptor.getInput());
    SmallVector<Value> buffers;
    for (Type type : types)
      buffers.push_back(
          allocate(rewriter, op.getLoc(), cast<MemRefType>(type), x));
    qt::QuantTensorType type = op.getType();
    SmallVector<qt::StoragePart> parts =
        type.getScheme().getStorageParts(type.getShape());
    // One for all, and not known: its values decide.
    bool perTensor = parts.size() > 1 && !adaptor.getScale() &&
                     parts[1].shape == ArrayRef<int64_t>(1);
    qt::LaneForm form = type.getScheme().getLaneForm(type.getRowLength());
    if (auto pairs = dyn_cast<qt::PairsAttr>(type.getLayout())) {
      kernel::EncodeOp::create(
          rewriter, op.getLoc(), x, adaptor.getMultiplier(), adaptor.getScale(),
          buffers[0], buffers.size() > 1 ? buffers[1] : Value(), form.floatType,
          pairs.getGroup() ? pairs.getGroup() : type.getRowLength(), perTensor);
      rewriter.replaceOpWithMultiple(op, {buffers});
      return success();
    }
    auto layout = cast<qt::RowsAttr>(type.getLayout());
    if (!layout.getSums()) {
      Type rounded = form.floatType;
      if (form.kind != qt::LaneForm::Kind::Float)
        rounded = rewriter.getI8Type();
      kernel::RoundOp::create(rewriter, op.getLoc(), x, adaptor.getMultiplier(),
                              adaptor.getScale(), buffers[0], rounded,
                              layout.getGroup(), perTensor);
    } else {
      kernel::QuantizeOp::create(
          rewriter, op.getLoc(), x, adaptor.getMultiplier(), adaptor.getScale(),
          buffers[0], buffers[1], buffers[2], layout.getGroup(),
          layout.getSums(), perTensor);
    }
    rewriter.replaceOpWithMultiple(op, {buffers});
    return success();
  }
};

/// Of an activation, which kernel.round has left as floats.
struct DequantizePattern : KernelPattern<qt::DequantizeOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::DequantizeOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto layout =
        dyn_cast_or_null<qt::RowsAttr>(op.getInput().getType().getLayout());
    if (!layout || layout.getSums())
      return rewriter.notifyMatchFailure(op, "not a rounded activation");
    MemRefType type = bufferType(op.getType());
    if (type.getRank() != 2)
      return op.emitOpError("makes ")
             << op.getType() << "; the CPU kernel makes matrices";
    rewriter.replaceOp(op, adaptor.getInput().front());
    return success();
  }
};

struct SplitOutliersPattern : KernelPattern<qt::SplitOutliersOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::SplitOutliersOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value x = adaptor.getInput();
    MemRefType type = bufferType(op.getInput().getType());
    Value inliers = allocate(rewriter, loc, type, x);
    Value outliers = allocate(rewriter, loc, type, x);
    auto columnsType =
        MemRefType::get({int64_t(llvm::divideCeil(type.getShape().back(), 4))},
                        rewriter.getI32Type());
    Value columns = memref::AllocOp::create(rewriter, loc, columnsType);
    kernel::SplitOutliersOp::create(rewriter, loc, asRows(rewriter, loc, x),
                                    asRows(rewriter, loc, inliers),
                                    asRows(rewriter, loc, outliers), columns,
                                    op.getThreshold(), op.getPerToken());
    rewriter.replaceOp(op, {inliers, outliers});
    return success();
  }

  /// If `buffer` is the outliers' half of an activation, which columns of it
  /// are not zero; else null.
  static Value columnsOf(Value buffer) {
    for (Operation *user : buffer.getUsers()) {
      if (auto collapse = dyn_cast<memref::CollapseShapeOp>(user))
        if (Value columns = columnsOf(collapse))
          return columns;
      auto split = dyn_cast<kernel::SplitOutliersOp>(user);
      if (split && split.getOutliers() == buffer)
        return split.getColumns();
    }
    return Value();
  }
};

struct MatmulPattern : KernelPattern<qt::MatmulOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::MatmulOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value bias =
        adaptor.getBias().empty() ? Value() : adaptor.getBias().front();
    Value offset = adaptor.getW().front(), weights = weightsOf(op);
    qt::QuantTensorType w = op.getW().getType();
    auto x = dyn_cast<qt::QuantTensorType>(op.getX().getType());
    bool isFloat = w.getScheme().getLaneForm(w.getRowLength()).kind ==
                   qt::LaneForm::Kind::Float;
    auto pairs = x ? dyn_cast<qt::PairsAttr>(x.getLayout()) : qt::PairsAttr();
    bool isRounded =
        x && !pairs && !cast<qt::RowsAttr>(x.getLayout()).getSums();
    if (isFloat && x && !isRounded && !pairs)
      return op.emitOpError("multiplies ")
             << op.getX().getType() << " by " << w
             << ": there is no CPU kernel for this pair";

    auto resultType = bufferType(op.getType());
    auto type = TypeAttr::get(w);
    if (x && resultType.getRank() != 2 && !resultType.hasStaticShape())
      return op.emitOpError("has dynamic leading dimensions besides the rows");
    if (!x || isRounded) {
      Value input = adaptor.getX().front();
      Value out = allocate(rewriter, loc, resultType, input);
      kernel::MatmulFloatOp::create(
          rewriter, loc, asRows(rewriter, loc, input),
          SplitOutliersPattern::columnsOf(input), weights, offset, bias,
          /*residual=*/Value(), asRows(rewriter, loc, out), type,
          /*rows=*/IntegerAttr());
      rewriter.replaceOp(op, out);
      return success();
    }
    ValueRange parts = adaptor.getX();
    Value out = allocate(rewriter, loc, resultType, parts[0]);
    if (pairs) {
      kernel::MatmulBF16Op::create(
          rewriter, loc, parts[0], parts.size() > 1 ? parts[1] : Value(),
          weights, offset, bias, /*residual=*/Value(),
          asRows(rewriter, loc, out), type,
          rewriter.getI64IntegerAttr(pairs.getGroup() ? pairs.getGroup()
                                                      : x.getRowLength()),
          /*rows=*/IntegerAttr());
      rewriter.replaceOp(op, out);
      return success();
    }
    kernel::MatmulIntOp::create(
        rewriter, loc, parts[0], parts[1], parts[2], weights, offset, bias,
        /*residual=*/Value(), asRows(rewriter, loc, out), type,
        rewriter.getI64IntegerAttr(
            cast<qt::RowsAttr>(x.getLayout()).getGroup()),
        /*rows=*/IntegerAttr());
    rewriter.replaceOp(op, out);
    return success();
  }
};

struct GatherPattern : KernelPattern<qt::GatherOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::GatherOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value ids = adaptor.getIds();
    if (!isa<qt::PanelsAttr>(op.getTable().getType().getLayout()))
      return rewriter.notifyMatchFailure(op, "table without a layout");
    Value out = allocate(rewriter, loc, bufferType(op.getType()), ids);
    int64_t rank = cast<MemRefType>(ids.getType()).getRank();
    if (rank != 1) {
      ReassociationIndices all;
      for (int64_t dim = 0; dim < rank; ++dim)
        all.push_back(dim);
      ids = memref::CollapseShapeOp::create(
          rewriter, loc, ids, ArrayRef<ReassociationIndices>{all});
    }
    kernel::GatherOp::create(rewriter, loc, ids, weightsOf(op),
                             adaptor.getTable(), asRows(rewriter, loc, out),
                             TypeAttr::get(op.getTable().getType()));
    rewriter.replaceOp(op, out);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Norms, rope, attention
//===----------------------------------------------------------------------===//

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
        return op.emitOpError("is batched; CPU kernels take one sequence");
    Value out =
        allocate(rewriter, loc, bufferType(op.getType()), adaptor.getX());
    kernel::RopeOp::create(rewriter, loc, asRows(rewriter, loc, adaptor.getX()),
                           adaptor.getPosition(), asRows(rewriter, loc, out),
                           op.getHeadSizeAttr(),
                           rewriter.getI64IntegerAttr(op.getRotated()),
                           op.getBaseAttr(), op.getStyleAttr());
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
        return op.emitOpError("is batched; CPU kernels take one sequence");
    if (op.getHeadSize() % 16 != 0)
      return op.emitOpError("has heads of ")
             << op.getHeadSize() << "; CPU kernels need a multiple of 16";
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

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct ConvertToKernel : cpu::impl::ConvertToKernelPassBase<ConvertToKernel> {
  using ConvertToKernelPassBase::ConvertToKernelPassBase;
  void runOnOperation() override;
};

} // namespace

/// An activation function is elementwise code like any other between kernels.
static void lowerActivation(lm::ActivationOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getType());
  Value init = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, op.getX()),
      type.getElementType());
  SmallVector<AffineMap> maps(2,
                              builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc, type, op.getX(), init, maps, iterators,
      [&](OpBuilder &body, Location bodyLoc, ValueRange args) {
        linalg::YieldOp::create(
            body, bodyLoc,
            lm::emitActivation(body, bodyLoc, op.getKind(), args[0]));
      });
  op.replaceAllUsesWith(generic.getResult(0));
  op.erase();
}

/// A product whose weight is computed by the program, not stored, has nothing
/// to pack: it becomes plain loops.
static LogicalResult lowerUnpackedLinears(ModuleOp module) {
  SmallVector<Operation *> linears;
  module.walk([&](lm::LinearOp op) { linears.push_back(op); });
  if (linears.empty())
    return success();
  RewritePatternSet patterns(module.getContext());
  lm::populateLowerToLinalgPatterns(patterns);
  GreedyRewriteConfig config;
  config.setStrictness(GreedyRewriteStrictness::ExistingOps);
  return applyOpPatternsGreedily(linears, std::move(patterns), config);
}

/// Attention that kernels do not take, of several sequences or with heads of an
/// odd size, becomes plain loops.
static LogicalResult lowerOtherAttentions(ModuleOp module) {
  MLIRContext *context = module.getContext();
  TypeConverter converter;
  converter.addConversion([](Type type) { return type; });
  RewritePatternSet patterns(context);
  lm::populateLowerAttentionPatterns(patterns, converter);
  ConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  target.addDynamicallyLegalOp<lm::AttentionOp>([](lm::AttentionOp op) {
    return op.getCache() ||
           (cast<RankedTensorType>(op.getType()).getRank() == 2 &&
            op.getHeadSize() % 16 == 0);
  });
  return applyPartialConversion(module, target, std::move(patterns));
}

/// Results are buffers that the caller reads; there is no place for a number.
static LogicalResult checkResults(func::FuncOp function) {
  for (Type type : function.getResultTypes())
    if (!isa<RankedTensorType>(type))
      return function.emitOpError("returns ")
             << type << "; compiled functions return tensors";
  return success();
}

/// If `buffer` is a fresh allocation that one matmul fills and `use` alone
/// reads, that matmul.
static Operation *soleWriter(Value buffer, Operation *use) {
  if (!buffer.getDefiningOp<memref::AllocOp>() ||
      !llvm::hasNItems(buffer.getUses(), 2))
    return nullptr;
  for (Operation *user : buffer.getUsers())
    if (user != use &&
        isa<kernel::MatmulIntOp, kernel::MatmulBF16Op, kernel::MatmulFloatOp>(
            user))
      return user;
  return nullptr;
}

/// x + x·Wᵀ: the addition moves into the matmul's last step.
static void foldResidual(arith::AddFOp add) {
  for (auto [matmulSide, otherSide] : {std::pair(add.getLhs(), add.getRhs()),
                                       std::pair(add.getRhs(), add.getLhs())}) {
    auto toTensor = matmulSide.getDefiningOp<bufferization::ToTensorOp>();
    if (!toTensor || !toTensor->hasOneUse())
      continue;
    Operation *matmul = soleWriter(toTensor.getBuffer(), toTensor);
    auto other = otherSide.getDefiningOp<bufferization::ToTensorOp>();
    auto type = cast<MemRefType>(toTensor.getBuffer().getType());
    if (!matmul || !other || type.getRank() != 2)
      continue;
    auto setResidual = [&](auto op) {
      if (op.getResidual())
        return false;
      op.getResidualMutable().assign(other.getBuffer());
      return true;
    };
    bool done = llvm::TypeSwitch<Operation *, bool>(matmul)
                    .Case<kernel::MatmulIntOp, kernel::MatmulBF16Op,
                          kernel::MatmulFloatOp>(
                        [&](auto op) { return setResidual(op); });
    if (!done)
      continue;
    // The other operand may be computed after the matmul was.
    matmul->moveBefore(add);
    toTensor->moveBefore(add);
    add.replaceAllUsesWith(toTensor.getResult());
    add.erase();
    return;
  }
}

void ConvertToKernel::runOnOperation() {
  ModuleOp module = getOperation();
  MLIRContext *context = &getContext();
  if (batch < positionBlock || batch % positionBlock != 0) {
    module.emitError("the batch must be a positive multiple of ")
        << positionBlock << ", not " << int64_t(batch);
    return signalPassFailure();
  }
  SmallVector<lm::ActivationOp> activations;
  module.walk([&](lm::ActivationOp op) { activations.push_back(op); });
  llvm::for_each(activations, lowerActivation);
  if (failed(lowerUnpackedLinears(module)) ||
      failed(lowerOtherAttentions(module)))
    return signalPassFailure();

  auto bytes =
      MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 8));
  for (auto function : module.getOps<func::FuncOp>()) {
    if (failed(checkResults(function)))
      return signalPassFailure();
    function->setAttr(KernelDialect::batchAttrName,
                      IntegerAttr::get(IntegerType::get(context, 64), batch));
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
      if (isa<lm::KVCacheType>(type))
        function.setArgAttr(index, KernelDialect::roleAttrName,
                            StringAttr::get(context, "cache"));
    auto role = DictionaryAttr::get(
        context, NamedAttribute(KernelDialect::roleAttrName,
                                StringAttr::get(context, "weights")));
    if (failed(function.insertArgument(function.getNumArguments(), bytes, role,
                                       function.getLoc())))
      return signalPassFailure();
  }

  BufferTypeConverter types;
  ConversionTarget target(*context);
  target.addIllegalDialect<lm::LMDialect, qt::QTDialect>();
  target.addLegalOp<qt::WeightOp>();
  target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
    return types.isSignatureLegal(op.getFunctionType());
  });
  target.addDynamicallyLegalOp<func::ReturnOp>(
      [&](func::ReturnOp op) { return types.isLegal(op); });
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  RewritePatternSet patterns(context);
  patterns.add<LoadPattern, QuantizePattern, DequantizePattern,
               SplitOutliersPattern, MatmulPattern, GatherPattern,
               RMSNormPattern, LayerNormPattern, RopePattern, AttentionPattern>(
      types, context);
  populateStatisticsPatterns(patterns, types);
  populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                 types);
  populateReturnOpTypeConversionPattern(patterns, types);
  if (failed(applyFullConversion(module, target, std::move(patterns))))
    return signalPassFailure();

  SmallVector<arith::AddFOp> additions;
  module.walk([&](arith::AddFOp op) {
    if (isa<RankedTensorType>(op.getType()))
      additions.push_back(op);
  });
  llvm::for_each(additions, foldResidual);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights become offsets into what is packed, quantized activations buffers of
// their parts, and the qt ops on them kernels.

#include "KernelPattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;

LogicalResult
quantmlir::kernel::activationBuffers(qt::QuantTensorType type,
                                     SmallVectorImpl<Type> &results) {
  MLIRContext *context = type.getContext();
  int64_t k = type.getRowLength();
  Type i32 = IntegerType::get(context, 32), f32 = Float32Type::get(context);
  // Only a dimension that is one of the program's can be bounded.
  SmallVector<int64_t> rowShape(type.getShape().drop_back());
  if (!ShapedType::isDynamicShape(rowShape))
    rowShape = {type.getNumRows()};
  auto add = [&](int64_t size, Type element) {
    SmallVector<int64_t> shape(rowShape);
    shape.push_back(size);
    results.push_back(MemRefType::get(shape, element));
  };
  if (auto pairs = dyn_cast_or_null<qt::PairsAttr>(type.getLayout())) {
    add(pairs.getStride() / 4, i32);
    if (pairs.getGroup())
      add(llvm::divideCeil(k, pairs.getGroup()), f32);
    return success();
  }
  if (auto bytes = dyn_cast_or_null<qt::BytesAttr>(type.getLayout())) {
    add(bytes.getStride() / 4, i32);
    add(llvm::divideCeil(k, bytes.getGroup()), f32);
    return success();
  }
  auto rows = dyn_cast_or_null<qt::RowsAttr>(type.getLayout());
  if (!rows)
    return failure();
  if (!rows.getSums()) { // rounded, but floats
    add(k, f32);
    return success();
  }
  add(rows.getStride() / 4, i32);
  add(llvm::divideCeil(k, rows.getGroup()), f32);
  add(llvm::divideCeil(k, rows.getSums()), i32);
  return success();
}

namespace {

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
    SmallVector<Value> buffers, rows;
    for (Type type : types) {
      buffers.push_back(allocate(rewriter, op.getLoc(), cast<MemRefType>(type),
                                 adaptor.getInput()));
      rows.push_back(asRows(rewriter, op.getLoc(), buffers.back()));
    }
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
          rows[0], rows.size() > 1 ? rows[1] : Value(), form.floatType,
          pairs.getGroup() ? pairs.getGroup() : type.getRowLength(), perTensor,
          /*bytes=*/false);
      rewriter.replaceOpWithMultiple(op, {buffers});
      return success();
    }
    if (auto bytes = dyn_cast<qt::BytesAttr>(type.getLayout())) {
      kernel::EncodeOp::create(rewriter, op.getLoc(), x,
                               adaptor.getMultiplier(), adaptor.getScale(),
                               rows[0], rows[1], form.floatType,
                               bytes.getGroup(), perTensor, /*bytes=*/true);
      rewriter.replaceOpWithMultiple(op, {buffers});
      return success();
    }
    auto layout = cast<qt::RowsAttr>(type.getLayout());
    if (!layout.getSums()) {
      Type rounded = form.floatType;
      if (form.kind != qt::LaneForm::Kind::Float)
        rounded = rewriter.getI8Type();
      kernel::RoundOp::create(rewriter, op.getLoc(), x, adaptor.getMultiplier(),
                              adaptor.getScale(), rows[0], rounded,
                              layout.getGroup(), perTensor);
    } else {
      kernel::QuantizeOp::create(rewriter, op.getLoc(), x,
                                 adaptor.getMultiplier(), adaptor.getScale(),
                                 rows[0], rows[1], rows[2], layout.getGroup(),
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
    Value rounded = adaptor.getInput().front();
    if (rounded.getType() != bufferType(op.getType()))
      return op.emitOpError("makes ")
             << op.getType() << "; the kernel makes matrices";
    rewriter.replaceOp(op, rounded);
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

/// The weight, or what each of its experts has of it.
static qt::QuantTensorType weightOfOne(qt::MatmulOp op) {
  qt::QuantTensorType w = op.getW().getType();
  int64_t rows = w.getShape()[0] / op.getNumExperts();
  return qt::QuantTensorType::get(w.getContext(), {rows, w.getRowLength()},
                                  w.getElementType(), w.getScheme(),
                                  w.getLayout());
}

struct MatmulPattern : KernelPattern<qt::MatmulOp> {
  using KernelPattern::KernelPattern;

  LogicalResult
  matchAndRewrite(qt::MatmulOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value bias =
        adaptor.getBias().empty() ? Value() : adaptor.getBias().front();
    Value offset = adaptor.getW().front(), weights = weightsOf(op);
    Value experts =
        adaptor.getExperts().empty() ? Value() : adaptor.getExperts().front();
    qt::QuantTensorType w = weightOfOne(op);
    auto x = dyn_cast<qt::QuantTensorType>(op.getX().getType());
    bool isFloat = w.getScheme().getLaneForm(w.getRowLength()).kind ==
                   qt::LaneForm::Kind::Float;
    auto pairs = x ? dyn_cast<qt::PairsAttr>(x.getLayout()) : qt::PairsAttr();
    auto bytes = x ? dyn_cast<qt::BytesAttr>(x.getLayout()) : qt::BytesAttr();
    bool isRounded =
        x && !pairs && !bytes && !cast<qt::RowsAttr>(x.getLayout()).getSums();
    if (isFloat && x && !isRounded && !pairs && !bytes)
      return op.emitOpError("multiplies ")
             << op.getX().getType() << " by " << w
             << ": there is no kernel for this pair";

    auto resultType = bufferType(op.getType());
    auto type = TypeAttr::get(w);
    // Numbers of 16 bits that weights are not stored in pairs for.
    bool isHalf = pairs && cast<qt::PanelsAttr>(w.getLayout()).getDepth() != 2;
    if (!x || isRounded || isHalf) {
      Value input = adaptor.getX().front();
      TypeAttr codes;
      if (isHalf)
        codes = TypeAttr::get(
            x.getScheme().getLaneForm(x.getRowLength()).floatType);
      Value out = allocate(rewriter, loc, resultType, input);
      kernel::MatmulFloatOp::create(
          rewriter, loc, asRows(rewriter, loc, input),
          SplitOutliersPattern::columnsOf(input), weights, offset, bias,
          /*residual=*/Value(), experts, asRows(rewriter, loc, out), type,
          codes, /*rows=*/IntegerAttr());
      rewriter.replaceOp(op, out);
      return success();
    }
    Value out = allocate(rewriter, loc, resultType, adaptor.getX().front());
    SmallVector<Value> parts =
        llvm::map_to_vector(adaptor.getX(), [&](Value part) {
          return asRows(rewriter, loc, part);
        });
    if (pairs) {
      kernel::MatmulBF16Op::create(
          rewriter, loc, parts[0], parts.size() > 1 ? parts[1] : Value(),
          weights, offset, bias, /*residual=*/Value(), experts,
          asRows(rewriter, loc, out), type,
          rewriter.getI64IntegerAttr(pairs.getGroup() ? pairs.getGroup()
                                                      : x.getRowLength()),
          /*rows=*/IntegerAttr());
      rewriter.replaceOp(op, out);
      return success();
    }
    if (bytes) {
      qt::LaneForm form = x.getScheme().getLaneForm(x.getRowLength());
      kernel::MatmulFloat8Op::create(
          rewriter, loc, parts[0], parts[1], weights, offset, bias,
          /*residual=*/Value(), experts, asRows(rewriter, loc, out),
          form.floatType, w, bytes.getGroup(), /*rows=*/IntegerAttr());
      rewriter.replaceOp(op, out);
      return success();
    }
    kernel::MatmulIntOp::create(
        rewriter, loc, parts[0], parts[1], parts[2], weights, offset, bias,
        /*residual=*/Value(), experts, asRows(rewriter, loc, out), type,
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

} // namespace

void quantmlir::kernel::populateQuantizedPatterns(RewritePatternSet &patterns,
                                                  const TypeConverter &types) {
  patterns.add<LoadPattern, QuantizePattern, DequantizePattern,
               SplitOutliersPattern, MatmulPattern, GatherPattern>(
      types, patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each qt operation computes. Nothing here knows a format: a scheme emits
// how one of its elements is read, and the formula around it is the same for
// all.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Dialect/Utils/LinalgFormulas.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

/// Runs a scheme's decode on i32 scalars.
class ScalarEvaluator final : public LaneEvaluator {
public:
  ScalarEvaluator(OpBuilder &builder, Location loc)
      : builder(builder), loc(loc) {}

  Lane constant(int64_t value) override {
    return wrap(arith::ConstantOp::create(builder, loc,
                                          builder.getI32IntegerAttr(value)));
  }
  Lane add(Lane a, Lane b) override {
    return wrap(builder.createOrFold<arith::AddIOp>(loc, a.value, b.value));
  }
  Lane subtract(Lane a, Lane b) override {
    return wrap(builder.createOrFold<arith::SubIOp>(loc, a.value, b.value));
  }
  Lane lookup(ArrayRef<int8_t> table, Lane code) override {
    Value entries = arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(
            RankedTensorType::get(table.size(), builder.getI8Type()), table));
    Value index = builder.createOrFold<arith::IndexCastOp>(
        loc, builder.getIndexType(), code.value);
    Value entry = builder.createOrFold<tensor::ExtractOp>(loc, entries, index);
    return wrap(
        builder.createOrFold<arith::ExtSIOp>(loc, builder.getI32Type(), entry));
  }

private:
  static Lane wrap(Value value) { return {0, value}; }
  OpBuilder &builder;
  Location loc;
};

} // namespace

Value quantmlir::qt::emitDequantizedElement(OpBuilder &builder, Location loc,
                                            QuantTensorType type,
                                            ValueRange parts,
                                            ValueRange indices) {
  QuantSchemeInterface scheme = type.getScheme();
  int64_t k = type.getRowLength();
  LaneForm form = scheme.getLaneForm(k);
  Element element = scheme.emitElement(builder, loc, parts, indices, k);
  if (form.kind == LaneForm::Kind::Float)
    return element.value;

  ScalarEvaluator scalars(builder, loc);
  Value lane = scheme.decodeLane(scalars, {0, element.code}).value;
  if (form.offset != 0)
    lane = scalars.subtract({0, lane}, scalars.constant(form.offset)).value;
  Value number =
      builder.createOrFold<arith::SIToFPOp>(loc, builder.getF32Type(), lane);
  Value value = builder.createOrFold<arith::MulFOp>(loc, element.scale, number);
  if (form.hasMinimum)
    value = builder.createOrFold<arith::AddFOp>(loc, value, element.minimum);
  return value;
}

void quantmlir::qt::addPartsConversion(TypeConverter &converter) {
  converter.addConversion(
      [](QuantTensorType type,
         SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
        for (const StoragePart &part :
             type.getScheme().getStorageParts(type.getShape()))
          results.push_back(
              RankedTensorType::get(part.shape, part.elementType));
        return success();
      });
}

/// The whole tensor in floats.
static Value emitDequantize(LinalgEmitter &emit, OpBuilder &builder,
                            Location loc, QuantTensorType type,
                            ValueRange parts) {
  // The first part has the logical dimensions, but for the last.
  SmallVector<OpFoldResult> sizes = emit.sizes(parts.front());
  sizes.resize(type.getRank());
  sizes.back() = builder.getIndexAttr(type.getRowLength());
  return emit.map(type.getElementType(), sizes, {},
                  [&](OpBuilder &b, Location loc, ValueRange) {
                    SmallVector<Value> indices;
                    for (unsigned loop = 0; loop < sizes.size(); ++loop)
                      indices.push_back(linalg::IndexOp::create(b, loc, loop));
                    return emitDequantizedElement(b, loc, type, parts, indices);
                  });
}

static LinalgEmitter emitterFor(OpBuilder &builder, Location loc, Type type) {
  return LinalgEmitter(builder, loc,
                       getComputeType(getElementTypeOrSelf(type)));
}

namespace {

struct LowerAssemble : OpConversionPattern<AssembleOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(AssembleOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithMultiple(op, ArrayRef{adaptor.getParts()});
    return success();
  }
};

struct LowerParts : OpConversionPattern<PartsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(PartsOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getInput());
    return success();
  }
};

struct LowerQuantize : OpConversionPattern<QuantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(QuantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> parts;
    if (failed(op.getType().getScheme().emitQuantize(
            rewriter, op.getLoc(), adaptor.getInput(), parts)))
      return rewriter.notifyMatchFailure(
          op, "the scheme cannot be made by a program");
    rewriter.replaceOpWithMultiple(op, ArrayRef{ValueRange(parts)});
    return success();
  }
};

struct LowerDequantize : OpConversionPattern<DequantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(DequantizeOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op.getLoc(), op.getType());
    rewriter.replaceOp(op, emitDequantize(emit, rewriter, op.getLoc(),
                                          op.getInput().getType(),
                                          adaptor.getInput()));
    return success();
  }
};

struct LowerMatmul : OpConversionPattern<MatmulOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MatmulOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op.getLoc(), op.getType());
    Value x = adaptor.getX().front();
    if (auto type = dyn_cast<QuantTensorType>(op.getX().getType()))
      x = emitDequantize(emit, rewriter, op.getLoc(), type, adaptor.getX());
    Value w = emitDequantize(emit, rewriter, op.getLoc(), op.getW().getType(),
                             adaptor.getW());
    Value bias = op.getBias() ? adaptor.getBias().front() : Value();
    rewriter.replaceOp(op, emitLinear(emit, rewriter, x, w, bias,
                                      cast<RankedTensorType>(op.getType())));
    return success();
  }
};

struct LowerGather : OpConversionPattern<GatherOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(GatherOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    LinalgEmitter emit = emitterFor(rewriter, op.getLoc(), op.getType());
    QuantTensorType type = op.getTable().getType();
    ValueRange parts = adaptor.getTable();
    rewriter.replaceOp(
        op, emitGather(emit, rewriter, adaptor.getIds().front(),
                       rewriter.getIndexAttr(type.getRowLength()),
                       cast<RankedTensorType>(op.getType()),
                       [&](OpBuilder &b, Location loc, ValueRange indices) {
                         return emitDequantizedElement(b, loc, type, parts,
                                                       indices);
                       }));
    return success();
  }
};

} // namespace

void quantmlir::qt::populateLowerToLinalgPatterns(
    RewritePatternSet &patterns, const TypeConverter &converter) {
  patterns.add<LowerAssemble, LowerParts, LowerQuantize, LowerDequantize,
               LowerMatmul, LowerGather>(converter, patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each qt operation computes. Nothing here knows a format: a scheme emits
// how one of its elements is read, and the formula around it is the same for
// all.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Dialect/Utils/LinalgFormulas.h"
#include "quant-mlir/Quantize/Histogram.h"
#include <limits>

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
  Lane lookup(ArrayRef<uint8_t> table, Lane code) override {
    Value entry = emitLookup(
        builder, loc,
        DenseElementsAttr::get(
            RankedTensorType::get(table.size(), builder.getI8Type()), table),
        code.value);
    return wrap(
        builder.createOrFold<arith::ExtUIOp>(loc, builder.getI32Type(), entry));
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
    return form.scaleType ? builder.createOrFold<arith::MulFOp>(
                                loc, element.scale, element.value)
                          : element.value;
  if (!form.numbers.empty()) {
    Value number = emitLookup(
        builder, loc,
        DenseElementsAttr::get(
            RankedTensorType::get(form.numbers.size(), builder.getF32Type()),
            form.numbers),
        element.code);
    return builder.createOrFold<arith::MulFOp>(loc, element.scale, number);
  }

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
    Value input = adaptor.getInput();
    if (Value multiplier = adaptor.getMultiplier()) {
      LinalgEmitter emit = emitterFor(rewriter, op.getLoc(), input.getType());
      SmallVector<OpFoldResult> sizes = emit.sizes(input);
      unsigned rank = sizes.size();
      input = emit.map(getElementTypeOrSelf(input.getType()), sizes,
                       {{input, rewriter.getMultiDimIdentityMap(rank)},
                        {multiplier, emit.dims(rank, {rank - 1})}},
                       [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                         return arith::MulFOp::create(b, loc, v[0], v[1]);
                       });
    }
    SmallVector<Value> parts;
    if (failed(op.getType().getScheme().emitQuantize(
            rewriter, op.getLoc(), input, adaptor.getScale(), parts)))
      return rewriter.notifyMatchFailure(
          op, "the scheme cannot be made by a program");
    rewriter.replaceOpWithMultiple(op, ArrayRef{ValueRange(parts)});
    return success();
  }
};

struct LowerSplitOutliers : OpConversionPattern<SplitOutliersOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(SplitOutliersOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Value x = adaptor.getInput();
    LinalgEmitter emit = emitterFor(rewriter, op.getLoc(), x.getType());
    SmallVector<OpFoldResult> sizes = emit.sizes(x);
    unsigned rank = sizes.size();
    AffineMap identity = rewriter.getMultiDimIdentityMap(rank);
    AffineMap column = emit.dims(rank, {rank - 1});
    Value loudest;
    if (!op.getPerToken()) {
      // Of each column: its loop first, then all others.
      SmallVector<OpFoldResult> loops = {sizes.back()};
      llvm::append_range(loops, ArrayRef(sizes).drop_back());
      SmallVector<unsigned> place =
          llvm::to_vector(llvm::seq<unsigned>(1, rank));
      place.push_back(0);
      loudest = emit.reduce(
          loops, /*parallel=*/1, /*init=*/0.0, {{x, emit.dims(rank, place)}},
          [](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
            return arith::MaximumFOp::create(
                b, loc, acc, math::AbsFOp::create(b, loc, v[0]));
          });
    }
    SmallVector<Value> results;
    for (bool outlying : {false, true}) {
      SmallVector<LinalgEmitter::Operand> operands = {{x, identity}};
      if (loudest)
        operands.push_back({loudest, column});
      results.push_back(emit.map(
          getElementTypeOrSelf(x.getType()), sizes, operands,
          [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
            auto constant = [&](double value) -> Value {
              return arith::ConstantOp::create(
                  b, loc, b.getFloatAttr(emit.getCompute(), value));
            };
            Value magnitude =
                loudest ? v[1] : math::AbsFOp::create(b, loc, v[0]).getResult();
            Value loud = arith::CmpFOp::create(
                b, loc, arith::CmpFPredicate::OGE, magnitude,
                constant(op.getThreshold().convertToDouble()));
            Value zero = constant(0);
            return outlying ? arith::SelectOp::create(b, loc, loud, v[0], zero)
                            : arith::SelectOp::create(b, loc, loud, zero, v[0]);
          }));
    }
    rewriter.replaceOp(op, results);
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
    auto type = cast<RankedTensorType>(op.getType());
    if (op.getExperts()) {
      rewriter.replaceOp(op,
                         emitExpertLinear(emit, rewriter, x, w,
                                          adaptor.getExperts().front(), type));
      return success();
    }
    Value bias = op.getBias() ? adaptor.getBias().front() : Value();
    rewriter.replaceOp(op, emitLinear(emit, rewriter, x, w, bias, type));
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

/// The formulas of `qt.observe`, each as a sum over all rows.
class ObserveEmitter {
public:
  ObserveEmitter(OpBuilder &builder, Location loc, Value x)
      : builder(builder), loc(loc), x(x),
        emit(builder, loc, builder.getF32Type()), xSizes(emit.sizes(x)),
        rows(xSizes.size() - 1) {}

  Value compute(Statistics statistic, RankedTensorType type) {
    switch (statistic) {
    case Statistics::Range:
      return range(type);
    case Statistics::Sum:
      return perChannel(0,
                        [](OpBuilder &b, Location loc, Value sum,
                           ValueRange element) -> Value {
                          return arith::AddFOp::create(b, loc, sum, element[0]);
                        });
    case Statistics::SumAbs:
      return perChannel(0,
                        [](OpBuilder &b, Location loc, Value sum,
                           ValueRange element) -> Value {
                          Value magnitude =
                              math::AbsFOp::create(b, loc, element[0]);
                          return arith::AddFOp::create(b, loc, sum, magnitude);
                        });
    case Statistics::Gram:
      return gram();
    case Statistics::Histogram:
      return histogram(type);
    }
    llvm_unreachable("one statistic at a time");
  }

private:
  /// Loops: `first` that index the result, then the rows of x.
  SmallVector<OpFoldResult> loopSizes(ArrayRef<OpFoldResult> first) {
    SmallVector<OpFoldResult> sizes(first);
    llvm::append_range(sizes, ArrayRef(xSizes).drop_back());
    return sizes;
  }
  /// x with its channel indexed by loop `channel`.
  LinalgEmitter::Operand operand(unsigned parallel, unsigned channel) {
    SmallVector<unsigned> which;
    for (unsigned row = 0; row < rows; ++row)
      which.push_back(parallel + row);
    which.push_back(channel);
    return {x, emit.dims(parallel + rows, which)};
  }
  Value perChannel(double init, LinalgEmitter::ReduceBody body) {
    return emit.reduce(loopSizes(xSizes.back()), 1, init, {operand(1, 0)},
                       body);
  }
  Value range(RankedTensorType type) {
    double infinity = std::numeric_limits<double>::infinity();
    Value least = perChannel(
        infinity,
        [](OpBuilder &b, Location loc, Value old, ValueRange element) -> Value {
          return arith::MinimumFOp::create(b, loc, old, element[0]);
        });
    Value most = perChannel(
        -infinity,
        [](OpBuilder &b, Location loc, Value old, ValueRange element) -> Value {
          return arith::MaximumFOp::create(b, loc, old, element[0]);
        });
    SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(2), xSizes.back()};
    return emit.map(
        type.getElementType(), sizes,
        {{least, emit.dims(2, {1})}, {most, emit.dims(2, {1})}},
        [](OpBuilder &b, Location loc, ValueRange elements) -> Value {
          Value row = linalg::IndexOp::create(b, loc, 0);
          Value zero = arith::ConstantIndexOp::create(b, loc, 0);
          Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                              row, zero);
          return arith::SelectOp::create(b, loc, first, elements[0],
                                         elements[1]);
        });
  }
  Value gram() {
    SmallVector<OpFoldResult> channels(2, xSizes.back());
    return emit.reduce(
        loopSizes(channels), 2, 0, {operand(2, 0), operand(2, 1)},
        [](OpBuilder &b, Location loc, Value sum,
           ValueRange elements) -> Value {
          Value product =
              arith::MulFOp::create(b, loc, elements[0], elements[1]);
          return arith::AddFOp::create(b, loc, sum, product);
        });
  }
  /// Every bin looks at every value: slow, and plain to read.
  Value histogram(RankedTensorType type) {
    OpFoldResult bins = builder.getIndexAttr(histogramBins);
    SmallVector<OpFoldResult> sizes = loopSizes(bins);
    sizes.push_back(xSizes.back());
    SmallVector<unsigned> which;
    for (unsigned dim = 1; dim < sizes.size(); ++dim)
      which.push_back(dim);
    auto isInBin = [](OpBuilder &b, Location loc, Value value) -> Value {
      Type i32 = b.getI32Type();
      auto number = [&](int64_t n) -> Value {
        return arith::ConstantIntOp::create(b, loc, i32, n);
      };
      Value bits = arith::BitcastOp::create(b, loc, i32, value);
      bits = arith::AndIOp::create(b, loc, bits, number(0x7FFFFFFF));
      Value bin = arith::ShRUIOp::create(b, loc, bits, number(histogramShift));
      bin = arith::SubIOp::create(b, loc, bin, number(histogramBase));
      bin = arith::MaxSIOp::create(b, loc, bin, number(0));
      bin = arith::MinSIOp::create(b, loc, bin, number(histogramBins - 1));
      Value own = arith::IndexCastOp::create(
          b, loc, i32, linalg::IndexOp::create(b, loc, 0));
      return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, bin, own);
    };
    // Counted in f32, which is exact up to 2^24.
    Value counts = emit.reduce(
        sizes, 1, 0, {{x, emit.dims(sizes.size(), which)}},
        [&](OpBuilder &b, Location loc, Value sum, ValueRange elements) {
          Value one = arith::UIToFPOp::create(b, loc, b.getF32Type(),
                                              isInBin(b, loc, elements[0]));
          return arith::AddFOp::create(b, loc, sum, one).getResult();
        });
    return emit.map(type.getElementType(), bins, {{counts, emit.dims(1, {0})}},
                    [&](OpBuilder &b, Location loc, ValueRange elements) {
                      return arith::FPToSIOp::create(
                                 b, loc, type.getElementType(), elements[0])
                          .getResult();
                    });
  }

  OpBuilder &builder;
  Location loc;
  Value x;
  LinalgEmitter emit;
  SmallVector<OpFoldResult> xSizes;
  unsigned rows; ///< dimensions in front of the channels
};

struct LowerObserve : OpConversionPattern<ObserveOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(ObserveOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ObserveEmitter emitter(rewriter, op.getLoc(), adaptor.getX().front());
    SmallVector<Value> results;
    for (auto [one, type] :
         llvm::zip(listStatistics(op.getStatistics()), op.getResultTypes()))
      results.push_back(emitter.compute(one, cast<RankedTensorType>(type)));
    rewriter.replaceOp(op, results);
    return success();
  }
};

struct LowerCrossGram : OpConversionPattern<CrossGramOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(CrossGramOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Value lhs = adaptor.getLhs().front(), rhs = adaptor.getRhs().front();
    LinalgEmitter emit(rewriter, op.getLoc(), rewriter.getF32Type());
    SmallVector<OpFoldResult> rows = emit.sizes(lhs);
    // Loops: i, j, then the rows.
    SmallVector<OpFoldResult> sizes = {rows.pop_back_val(),
                                       emit.sizes(rhs).back()};
    llvm::append_range(sizes, rows);
    auto operand = [&](Value value, unsigned channel) {
      SmallVector<unsigned> which =
          llvm::to_vector(llvm::seq<unsigned>(2, sizes.size()));
      which.push_back(channel);
      return LinalgEmitter::Operand{value, emit.dims(sizes.size(), which)};
    };
    rewriter.replaceOp(
        op, emit.reduce(sizes, 2, 0, {operand(lhs, 0), operand(rhs, 1)},
                        [](OpBuilder &b, Location loc, Value sum,
                           ValueRange elements) -> Value {
                          Value product = arith::MulFOp::create(
                              b, loc, elements[0], elements[1]);
                          return arith::AddFOp::create(b, loc, sum, product);
                        }));
    return success();
  }
};

} // namespace

void quantmlir::qt::populateLowerToLinalgPatterns(
    RewritePatternSet &patterns, const TypeConverter &converter) {
  patterns.add<LowerAssemble, LowerParts, LowerQuantize, LowerSplitOutliers,
               LowerDequantize, LowerMatmul, LowerGather, LowerObserve,
               LowerCrossGram>(converter, patterns.getContext());
}

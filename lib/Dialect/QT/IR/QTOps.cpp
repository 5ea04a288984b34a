// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "quant-mlir/Dialect/QT/IR/Experts.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/Histogram.h"

using namespace mlir;
using namespace quantmlir::qt;

static ParseResult parseWholeType(OpAsmParser &parser, Type &type) {
  return parser.parseType(type);
}

static void printWholeType(OpAsmPrinter &printer, Operation *, Type type) {
  printer << type;
}

/// `[range, gram]`
static ParseResult parseStatistics(OpAsmParser &parser,
                                   StatisticsAttr &statistics) {
  Statistics parsed = {};
  auto parseOne = [&]() -> ParseResult {
    StringRef word;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&word))
      return failure();
    std::optional<Statistics> statistic = symbolizeStatistics(word);
    if (!statistic)
      return parser.emitError(loc)
             << "unknown statistic '" << word << "'; known are range, sum, "
             << "sum_abs, gram, histogram";
    parsed = parsed | *statistic;
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, parseOne))
    return failure();
  statistics = StatisticsAttr::get(parser.getContext(), parsed);
  return success();
}

static void printStatistics(OpAsmPrinter &printer, Operation *,
                            StatisticsAttr statistics) {
  printer << "[";
  llvm::interleaveComma(
      listStatistics(statistics.getValue()), printer,
      [&](Statistics one) { printer << stringifyStatistics(one); });
  printer << "]";
}

#define GET_OP_CLASSES
#include "quant-mlir/Dialect/QT/IR/QTOps.cpp.inc"

//===----------------------------------------------------------------------===//
// weight, load
//===----------------------------------------------------------------------===//

void WeightOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     Type type, StringRef file, StringRef tensor) {
  build(builder, state, builder.getStringAttr(name), TypeAttr::get(type),
        builder.getStringAttr(file),
        tensor.empty() || tensor == name ? StringAttr()
                                         : builder.getStringAttr(tensor),
        IntegerAttr());
}

LogicalResult WeightOp::verify() {
  if (auto quantized = dyn_cast<QuantTensorType>(getType())) {
    if (ShapedType::isDynamicShape(quantized.getShape()))
      return emitOpError("C1: a weight's shape must be static, got ")
             << quantized;
    return success();
  }
  auto tensor = dyn_cast<RankedTensorType>(getType());
  if (!tensor || !tensor.hasStaticShape() ||
      !isa<FloatType>(tensor.getElementType()))
    return emitOpError("C1: the type must be a statically shaped float tensor "
                       "or !qt.tensor, got ")
           << getType();
  return success();
}

LogicalResult LoadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight =
      symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError("C1: there is no qt.weight ") << getWeightAttr();
  if (weight.getType() != getType())
    return emitOpError("C1: ") << getWeightAttr() << " is declared as "
                               << weight.getType() << ", not " << getType();
  return success();
}

//===----------------------------------------------------------------------===//
// assemble, parts
//===----------------------------------------------------------------------===//

static LogicalResult verifyParts(Operation *op, QuantTensorType type,
                                 TypeRange parts) {
  SmallVector<StoragePart> expected =
      type.getScheme().getStorageParts(type.getShape());
  if (parts.size() != expected.size())
    return op->emitOpError("C1: ")
           << type << " is stored as " << expected.size() << " parts, got "
           << parts.size();
  for (auto [index, part, actual] : llvm::enumerate(expected, parts)) {
    auto wanted = RankedTensorType::get(part.shape, part.elementType);
    if (actual != wanted)
      return op->emitOpError("C1: part ")
             << index << (part.suffix.empty() ? "" : " (")
             << part.suffix.ltrim('.') << (part.suffix.empty() ? "" : ")")
             << " of " << type << " must be " << wanted << ", got " << actual;
  }
  return success();
}

LogicalResult AssembleOp::verify() {
  return verifyParts(*this, getType(), getParts().getTypes());
}

OpFoldResult AssembleOp::fold(FoldAdaptor) {
  // assemble(parts(x)) is x.
  auto parts = getParts().empty() ? PartsOp()
                                  : getParts().front().getDefiningOp<PartsOp>();
  if (parts && parts.getInput().getType() == getType() &&
      llvm::equal(parts.getParts(), getParts()))
    return parts.getInput();
  return {};
}

LogicalResult PartsOp::verify() {
  return verifyParts(*this, getInput().getType(), getParts().getTypes());
}

LogicalResult PartsOp::fold(FoldAdaptor,
                            SmallVectorImpl<OpFoldResult> &results) {
  // parts(assemble(...)) are its operands.
  auto assemble = getInput().getDefiningOp<AssembleOp>();
  if (!assemble)
    return failure();
  llvm::append_range(results, assemble.getParts());
  return success();
}

//===----------------------------------------------------------------------===//
// quantize, dequantize
//===----------------------------------------------------------------------===//

static LogicalResult verifySameTensor(Operation *op, Type floats,
                                      QuantTensorType quantized) {
  if (floats != quantized.getLogicalType())
    return op->emitOpError("C1: shape and element type must agree: ")
           << floats << " and " << quantized;
  return success();
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifySameTensor(*this, getInput().getType(), getType())))
    return failure();
  QuantTensorType type = getType();
  auto vectorOf = [&](int64_t size) {
    return RankedTensorType::get({size}, Float32Type::get(getContext()));
  };
  if (getMultiplier() &&
      getMultiplier().getType() != vectorOf(type.getRowLength()))
    return emitOpError("C2: the multiplier must be ")
           << vectorOf(type.getRowLength()) << ", got "
           << getMultiplier().getType();
  if (!getScale())
    return success();
  if (getScale().getType() != vectorOf(1))
    return emitOpError("C3: the scale must be ")
           << vectorOf(1) << ", got " << getScale().getType();
  SmallVector<StoragePart> parts =
      type.getScheme().getStorageParts(type.getShape());
  if (parts.size() != 2 || ArrayRef(parts[1].shape) != ArrayRef<int64_t>(1))
    return emitOpError("C3: ")
           << type.getScheme() << " has not one scale for the whole tensor";
  return success();
}

LogicalResult SplitOutliersOp::verify() {
  if (!(getThreshold().convertToDouble() > 0))
    return emitOpError("C1: the threshold must be positive");
  return success();
}

LogicalResult DequantizeOp::verify() {
  return verifySameTensor(*this, getType(), getInput().getType());
}

//===----------------------------------------------------------------------===//
// matmul, gather
//===----------------------------------------------------------------------===//

static ArrayRef<int64_t> shapeOf(Type type) {
  if (auto quantized = dyn_cast<QuantTensorType>(type))
    return quantized.getShape();
  return cast<RankedTensorType>(type).getShape();
}

FailureOr<int64_t> quantmlir::qt::verifyExperts(Operation *op, Value experts,
                                                Value bias, int64_t rows) {
  if (!experts)
    return rows;
  auto type = cast<RankedTensorType>(experts.getType());
  int64_t count = type.getRank() == 1 ? type.getDimSize(0) - 1 : 0;
  if (count < 1 || rows % count != 0)
    return op->emitOpError("C3: experts must be [E + 1] and the weight's ")
           << rows << " rows a multiple of E, got " << type;
  if (bias)
    return op->emitOpError("C3: experts have no bias");
  return rows / count;
}

LogicalResult MatmulOp::verify() {
  ArrayRef<int64_t> x = shapeOf(getX().getType()),
                    w = getW().getType().getShape();
  ArrayRef<int64_t> y = shapeOf(getType());
  if (w.size() != 2)
    return emitOpError("C1: the weight must be [N, K], got ")
           << getW().getType();
  if (x.empty() || x.back() != w[1])
    return emitOpError("C1: x and w must agree on K: ")
           << getX().getType() << " and " << getW().getType();
  FailureOr<int64_t> each = verifyExperts(*this, getExperts(), getBias(), w[0]);
  if (failed(each))
    return failure();
  int64_t n = *each;
  if (y.size() != x.size() || y.drop_back() != x.drop_back() || y.back() != n)
    return emitOpError("C1: the result must have x's shape with N = ")
           << n << " last, got " << getType();
  if (getBias() && shapeOf(getBias().getType()) != ArrayRef<int64_t>(n))
    return emitOpError("C2: the bias must have shape [")
           << n << "], got " << getBias().getType();
  return success();
}

LogicalResult GatherOp::verify() {
  ArrayRef<int64_t> table = getTable().getType().getShape();
  if (table.size() != 2)
    return emitOpError("C1: the table must be [V, E], got ")
           << getTable().getType();
  RankedTensorType result = getType();
  SmallVector<int64_t> expected(getIds().getType().getShape());
  expected.push_back(table[1]);
  if (result.getShape() != ArrayRef(expected))
    return emitOpError("C1: the result must have ids' shape with E = ")
           << table[1] << " appended, got " << result;
  return success();
}

//===----------------------------------------------------------------------===//
// observe
//===----------------------------------------------------------------------===//

SmallVector<Statistics> quantmlir::qt::listStatistics(Statistics statistics) {
  SmallVector<Statistics> list;
  for (Statistics one : {Statistics::Range, Statistics::Sum, Statistics::SumAbs,
                         Statistics::Gram, Statistics::Histogram})
    if (bitEnumContainsAll(statistics, one))
      list.push_back(one);
  return list;
}

RankedTensorType quantmlir::qt::statisticType(MLIRContext *context,
                                              Statistics statistic,
                                              int64_t channels) {
  Type f32 = Float32Type::get(context);
  switch (statistic) {
  case Statistics::Range:
    return RankedTensorType::get({2, channels}, f32);
  case Statistics::Sum:
  case Statistics::SumAbs:
    return RankedTensorType::get({channels}, f32);
  case Statistics::Gram:
    return RankedTensorType::get({channels, channels}, f32);
  case Statistics::Histogram:
    return RankedTensorType::get({histogramBins},
                                 IntegerType::get(context, 32));
  }
  llvm_unreachable("a set of statistics has no type");
}

void ObserveOp::build(OpBuilder &builder, OperationState &state, Value x,
                      Statistics statistics, StringRef site,
                      ArrayAttr readers) {
  int64_t channels = cast<RankedTensorType>(x.getType()).getShape().back();
  SmallVector<Type> types;
  for (Statistics one : listStatistics(statistics))
    types.push_back(statisticType(builder.getContext(), one, channels));
  build(builder, state, types, x, statistics, site, readers);
}

LogicalResult ObserveOp::verify() {
  auto type = getX().getType();
  if (type.getRank() == 0 || ShapedType::isDynamic(type.getShape().back()))
    return emitOpError("C1: the last dimension must be static, got ") << type;
  SmallVector<Statistics> list = listStatistics(getStatistics());
  if (list.empty() || list.size() != getNumResults())
    return emitOpError("C2: has ") << list.size() << " statistics, but "
                                   << getNumResults() << " results";
  for (auto [one, result] : llvm::zip(list, getResultTypes())) {
    RankedTensorType wanted = statisticType(getContext(), one, getChannels());
    if (result != wanted)
      return emitOpError("C2: ") << stringifyStatistics(one) << " is " << wanted
                                 << ", got " << result;
  }
  return success();
}

LogicalResult CrossGramOp::verify() {
  RankedTensorType lhs = getLhs().getType(), rhs = getRhs().getType();
  auto result = cast<RankedTensorType>(getResult().getType());
  auto isStatic = [](RankedTensorType type) {
    return type.getRank() > 0 && !ShapedType::isDynamic(type.getShape().back());
  };
  if (!isStatic(lhs) || !isStatic(rhs))
    return emitOpError("C1: the last dimensions must be static, got ")
           << lhs << " and " << rhs;
  auto wanted = RankedTensorType::get(
      {lhs.getShape().back(), rhs.getShape().back()}, lhs.getElementType());
  if (result != wanted)
    return emitOpError("C1: the result is ") << wanted << ", got " << result;
  if (failed(verifyCompatibleShape(lhs.getShape().drop_back(),
                                   rhs.getShape().drop_back())))
    return emitOpError("C2: the rows of ")
           << lhs << " and " << rhs << " do not match";
  return success();
}

Value ObserveOp::getResultOf(Statistics statistic) {
  for (auto [one, result] :
       llvm::zip(listStatistics(getStatistics()), getResults()))
    if (one == statistic)
      return result;
  return {};
}

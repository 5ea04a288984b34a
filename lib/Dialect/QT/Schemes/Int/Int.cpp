// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Uniform integers. Interchange files keep signed codes; kernels want unsigned
// ones (x86's integer dot product multiplies unsigned by signed bytes), so
// unpacking adds 2^(bits-1), which the lane form names as the offset.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "quant-mlir/Quantize/RoundToNearest.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;
using Granularity = IntFormat::Granularity;

#define GET_ATTRDEF_CLASSES
#include "Int.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Int.cpp.inc"

namespace quantmlir::qt {
void registerIntScheme(QTDialect &dialect) { dialect.addAttribute<IntAttr>(); }
} // namespace quantmlir::qt

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

static StringRef granularityName(Granularity granularity) {
  switch (granularity) {
  case Granularity::Tensor:
    return "tensor";
  case Granularity::Channel:
    return "channel";
  case Granularity::Token:
    return "token";
  case Granularity::Group:
    return "group";
  }
  llvm_unreachable("unknown granularity");
}

Attribute IntAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  unsigned bits = 0;
  StringRef keyword;
  if (parser.parseLess() || parser.parseInteger(bits) || parser.parseComma())
    return {};
  SMLoc keywordLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return {};
  std::optional<Granularity> granularity;
  for (Granularity candidate : {Granularity::Tensor, Granularity::Channel,
                                Granularity::Token, Granularity::Group})
    if (keyword == granularityName(candidate))
      granularity = candidate;
  if (!granularity) {
    parser.emitError(keywordLoc)
        << "expected tensor, channel, token or group, got '" << keyword << "'";
    return {};
  }
  int64_t group = 0;
  if (*granularity == Granularity::Group &&
      (parser.parseEqual() || parser.parseInteger(group)))
    return {};

  FloatType scaleType = Float32Type::get(parser.getContext());
  bool asymmetric = false;
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("scale"))) {
      if (parser.parseEqual() || parser.parseType(scaleType))
        return {};
      continue;
    }
    IntegerType zeroType;
    SMLoc zeroLoc;
    if (parser.parseKeyword("zero") || parser.parseEqual())
      return {};
    zeroLoc = parser.getCurrentLocation();
    if (parser.parseType(zeroType))
      return {};
    if (zeroType.getWidth() != bits) {
      parser.emitError(zeroLoc)
          << "zero points have the width of the codes, i" << bits;
      return {};
    }
    asymmetric = true;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<IntAttr>(loc, parser.getContext(), bits,
                                    *granularity, group, scaleType, asymmetric);
}

void IntAttr::print(AsmPrinter &printer) const {
  printer << "<" << getBits() << ", " << granularityName(getGranularity());
  if (getGranularity() == Granularity::Group)
    printer << " = " << getGroup();
  if (!getScaleType().isF32())
    printer << ", scale = " << getScaleType();
  if (getAsymmetric())
    printer << ", zero = i" << getBits();
  printer << ">";
}

LogicalResult IntAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              unsigned bits, Granularity granularity,
                              int64_t group, FloatType scaleType,
                              bool asymmetric) {
  if (bits < 2 || bits > 8)
    return emitError() << "#qt.int has 2 to 8 bits, not " << bits;
  if (granularity == Granularity::Group && group < 1)
    return emitError() << "#qt.int: a group has at least 1 value, not "
                       << group;
  if (!scaleType.isF32() && !scaleType.isF16() && !scaleType.isBF16())
    return emitError() << "#qt.int: scales are f32, f16 or bf16, not "
                       << scaleType;
  return success();
}

//===----------------------------------------------------------------------===//
// QuantSchemeInterface
//===----------------------------------------------------------------------===//

/// Values per scale in a row of `k`.
static int64_t groupLength(IntAttr scheme, int64_t k) {
  return scheme.getGranularity() == Granularity::Group
             ? std::min(scheme.getGroup(), k)
             : k;
}

LogicalResult
IntAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                      ArrayRef<int64_t> shape, Type) const {
  if (ShapedType::isDynamic(shape.back()))
    return emitError() << "#qt.int: the length of a row must be static";
  return success();
}

SmallVector<StoragePart>
IntAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  Type i8 = IntegerType::get(getContext(), 8);
  SmallVector<int64_t> scales(shape);
  if (getGranularity() == Granularity::Tensor)
    scales = {1};
  else
    scales.back() =
        llvm::divideCeil(shape.back(), groupLength(*this, shape.back()));
  SmallVector<StoragePart> parts = {{".codes", i8, llvm::to_vector(shape)},
                                    {".scales", getScaleType(), scales}};
  if (getAsymmetric())
    parts.push_back({".zeros", i8, scales});
  return parts;
}

LaneForm IntAttr::getLaneForm(int64_t k) const {
  LaneForm form;
  form.codeBits = getBits();
  form.group = groupLength(*this, k);
  form.offset = getAsymmetric() ? 0 : 1 << (getBits() - 1);
  form.hasMinimum = getAsymmetric();
  form.scaleType = getScaleType();
  // scale * zero has more digits than a half.
  form.minimumType = Float32Type::get(getContext());
  return form;
}

static float readScale(const uint8_t *bytes, int64_t index, FloatType type) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, bytes + 4 * index, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, bytes + 2 * index, 2);
  return type.isF16() ? f16ToF32(half) : bf16ToF32(half);
}

llvm::Error IntAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts, int64_t,
                                int64_t k, int64_t first, int64_t count,
                                UnpackedRows &rows) const {
  LaneForm form = getLaneForm(k);
  int64_t groups = llvm::divideCeil(k, form.group);
  rows.codes.resize(count * k);
  for (int64_t i = 0; i < count * k; ++i)
    rows.codes[i] = uint8_t(parts[0][first * k + i] + form.offset) &
                    uint8_t((1 << getBits()) - 1);

  rows.scales.resize(count * groups);
  rows.minimums.resize(getAsymmetric() ? count * groups : 0);
  for (int64_t i = 0; i < count * groups; ++i) {
    int64_t stored =
        getGranularity() == Granularity::Tensor ? 0 : first * groups + i;
    rows.scales[i] = readScale(parts[1].data(), stored, getScaleType());
    if (getAsymmetric())
      rows.minimums[i] = -rows.scales[i] * parts[2][stored];
  }
  return llvm::Error::success();
}

llvm::Error
IntAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                        MutableArrayRef<std::vector<uint8_t>> parts) const {
  IntFormat format;
  format.bits = getBits();
  format.granularity = getGranularity();
  format.group = getGroup();
  format.asymmetric = getAsymmetric();
  format.scaleType = getScaleType().isF32()   ? IntFormat::ScaleType::F32
                     : getScaleType().isF16() ? IntFormat::ScaleType::F16
                                              : IntFormat::ScaleType::BF16;
  llvm::Expected<IntMatrix> matrix = roundToNearest(values, n, k, format);
  if (!matrix)
    return matrix.takeError();
  parts[0].assign(matrix->codes.begin(), matrix->codes.end());
  int64_t scaleBytes = getScaleType().getWidth() / 8;
  parts[1].resize(matrix->scales.size() * scaleBytes);
  for (auto [index, scale] : llvm::enumerate(matrix->scales)) {
    uint8_t *target = parts[1].data() + index * scaleBytes;
    if (scaleBytes == 4) {
      std::memcpy(target, &scale, 4);
    } else {
      uint16_t half =
          getScaleType().isF16() ? f32ToF16(scale) : f32ToBF16(scale);
      std::memcpy(target, &half, 2);
    }
  }
  if (getAsymmetric())
    parts[2].assign(matrix->zeros.begin(), matrix->zeros.end());
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The reference as IR
//===----------------------------------------------------------------------===//

/// Where the scale of a logical element is.
static SmallVector<Value> scaleIndices(OpBuilder &builder, Location loc,
                                       IntAttr scheme, ValueRange indices,
                                       int64_t k) {
  if (scheme.getGranularity() == Granularity::Tensor)
    return {arith::ConstantIndexOp::create(builder, loc, 0)};
  SmallVector<Value> place(indices);
  Value length =
      arith::ConstantIndexOp::create(builder, loc, groupLength(scheme, k));
  place.back() =
      builder.createOrFold<arith::DivUIOp>(loc, indices.back(), length);
  return place;
}

Element IntAttr::emitElement(OpBuilder &builder, Location loc, ValueRange parts,
                             ValueRange indices, int64_t k) const {
  LaneForm form = getLaneForm(k);
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI32IntegerAttr(value));
  };
  SmallVector<Value> place = scaleIndices(builder, loc, *this, indices, k);

  Element element;
  Value code = builder.createOrFold<tensor::ExtractOp>(loc, parts[0], indices);
  code = builder.createOrFold<arith::ExtUIOp>(loc, i32, code);
  code = builder.createOrFold<arith::AddIOp>(loc, code, constant(form.offset));
  element.code = builder.createOrFold<arith::AndIOp>(
      loc, code, constant((1 << getBits()) - 1));
  Value scale = builder.createOrFold<tensor::ExtractOp>(loc, parts[1], place);
  element.scale = convertFloat(builder, loc, scale, f32);
  if (getAsymmetric()) {
    Value zero = builder.createOrFold<tensor::ExtractOp>(loc, parts[2], place);
    zero = builder.createOrFold<arith::ExtUIOp>(loc, i32, zero);
    zero = builder.createOrFold<arith::SIToFPOp>(loc, f32, zero);
    Value minus = builder.createOrFold<arith::NegFOp>(loc, element.scale);
    element.minimum = builder.createOrFold<arith::MulFOp>(loc, minus, zero);
  }
  return element;
}

/// The largest magnitude of the values that share a scale, for every scale.
static Value emitAbsMax(LinalgEmitter &emit, OpBuilder &builder, Location loc,
                        IntAttr scheme, Value input, int64_t k) {
  SmallVector<OpFoldResult> sizes = emit.sizes(input);
  unsigned rank = sizes.size();
  auto larger = [](OpBuilder &b, Location loc, Value acc, Value x) -> Value {
    Value magnitude = math::AbsFOp::create(b, loc, x);
    return arith::MaximumFOp::create(b, loc, acc, magnitude);
  };
  if (scheme.getGranularity() == Granularity::Tensor) {
    Value scalar = emit.reduce(
        sizes, /*parallel=*/0, /*init=*/0.0,
        {{input, builder.getMultiDimIdentityMap(rank)}},
        [&](OpBuilder &b, Location loc, Value acc, ValueRange elements) {
          return larger(b, loc, acc, elements[0]);
        });
    auto type = RankedTensorType::get({1}, emit.getCompute());
    return tensor::ExpandShapeOp::create(builder, loc, type, scalar,
                                         ArrayRef<ReassociationIndices>{});
  }

  // Loops: rows, groups, values of a group. The last group of a row may be
  // shorter; reading its last value again does not change the maximum.
  int64_t length = groupLength(scheme, k);
  SmallVector<OpFoldResult> loops(sizes.begin(), sizes.end() - 1);
  loops.push_back(builder.getIndexAttr(llvm::divideCeil(k, length)));
  loops.push_back(builder.getIndexAttr(length));
  return emit.reduce(
      loops, rank, /*init=*/0.0, {},
      [&](OpBuilder &b, Location loc, Value acc, ValueRange) {
        SmallVector<Value> place;
        for (unsigned loop = 0; loop <= rank; ++loop)
          place.push_back(linalg::IndexOp::create(b, loc, loop));
        Value inGroup = place.pop_back_val(), group = place.pop_back_val();
        Value column = arith::AddIOp::create(
            b, loc,
            arith::MulIOp::create(
                b, loc, group, arith::ConstantIndexOp::create(b, loc, length)),
            inGroup);
        place.push_back(arith::MinUIOp::create(
            b, loc, column, arith::ConstantIndexOp::create(b, loc, k - 1)));
        Value x = tensor::ExtractOp::create(b, loc, input, place);
        return larger(b, loc, acc, convertFloat(b, loc, x, emit.getCompute()));
      });
}

LogicalResult IntAttr::emitQuantize(OpBuilder &builder, Location loc,
                                    Value input,
                                    SmallVectorImpl<Value> &parts) const {
  // Values made by a program are quantized symmetrically: kernels want signed
  // activations.
  if (getAsymmetric())
    return failure();
  auto type = cast<RankedTensorType>(input.getType());
  int64_t k = type.getShape().back();
  // The grid of roundToNearest.
  double half = 1 << (getBits() - 1), highest = half - 1;
  double lowest = getBits() == 8 ? -127 : -half;
  double steps = getBits() == 8 ? 127 : half - 0.5;
  LinalgEmitter emit(builder, loc, builder.getF32Type());
  SmallVector<OpFoldResult> sizes = emit.sizes(input);
  unsigned rank = sizes.size();
  AffineMap identity = builder.getMultiDimIdentityMap(rank);
  auto constant = [](OpBuilder &b, Location loc, double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  };

  Value absMax = emitAbsMax(emit, builder, loc, *this, input, k);
  SmallVector<OpFoldResult> scaleSizes = emit.sizes(absMax);
  Value scales =
      emit.map(getScaleType(), scaleSizes,
               {{absMax, builder.getMultiDimIdentityMap(scaleSizes.size())}},
               [&](OpBuilder &b, Location loc, ValueRange elements) -> Value {
                 return arith::DivFOp::create(b, loc, elements[0],
                                              constant(b, loc, steps));
               });

  Value codes = emit.map(
      builder.getI8Type(), sizes, {{input, identity}},
      [&](OpBuilder &b, Location loc, ValueRange elements) -> Value {
        SmallVector<Value> indices;
        for (unsigned loop = 0; loop < rank; ++loop)
          indices.push_back(linalg::IndexOp::create(b, loc, loop));
        // The scale as it is stored, so that a rounded one costs no accuracy.
        Value scale = tensor::ExtractOp::create(
            b, loc, scales, scaleIndices(b, loc, *this, indices, k));
        scale = convertFloat(b, loc, scale, b.getF32Type());
        Value zero = constant(b, loc, 0);
        Value ratio = arith::DivFOp::create(b, loc, elements[0], scale);
        Value code = math::RoundEvenOp::create(b, loc, ratio);
        code =
            arith::MinimumFOp::create(b, loc, code, constant(b, loc, highest));
        code =
            arith::MaximumFOp::create(b, loc, code, constant(b, loc, lowest));
        // A group of zeros has scale 0.
        Value isZero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                             scale, zero);
        code = arith::SelectOp::create(b, loc, isZero, zero, code);
        return arith::FPToSIOp::create(b, loc, b.getI8Type(), code);
      });
  parts.append({codes, scales});
  return success();
}

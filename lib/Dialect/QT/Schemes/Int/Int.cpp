// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Uniform integers. Interchange files keep signed codes; kernels want unsigned
// ones (x86's integer dot product multiplies unsigned by signed bytes), so
// unpacking adds 2^(bits-1), which the lane form names as the offset.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Schemes/Groups.h"
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
  SmallVector<StoragePart> parts = {
      {".codes", i8, llvm::to_vector(shape), /*isSigned=*/!getAsymmetric()},
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
    rows.scales[i] = readScale(parts[1], stored, getScaleType());
    if (getAsymmetric())
      rows.minimums[i] = -rows.scales[i] * parts[2][stored];
  }
  return llvm::Error::success();
}

static IntFormat formatOf(IntAttr scheme) {
  IntFormat format;
  format.bits = scheme.getBits();
  format.granularity = scheme.getGranularity();
  format.group = scheme.getGroup();
  format.asymmetric = scheme.getAsymmetric();
  format.scaleType = scheme.getScaleType().isF32() ? IntFormat::ScaleType::F32
                     : scheme.getScaleType().isF16()
                         ? IntFormat::ScaleType::F16
                         : IntFormat::ScaleType::BF16;
  return format;
}

llvm::Error
IntAttr::quantizeMatrix(ArrayRef<float> values, int64_t n, int64_t k,
                        MutableArrayRef<std::vector<uint8_t>> parts) const {
  IntFormat format = formatOf(*this);
  llvm::Expected<IntMatrix> matrix = roundToNearest(values, n, k, format);
  if (!matrix)
    return matrix.takeError();
  parts[0].assign(matrix->codes.begin(), matrix->codes.end());
  parts[1] = writeScales(matrix->scales, getScaleType());
  if (getAsymmetric())
    parts[2].assign(matrix->zeros.begin(), matrix->zeros.end());
  return llvm::Error::success();
}

int64_t IntAttr::getRowsPerScale(int64_t n) const {
  return getGranularity() == Granularity::Tensor ? n : 1;
}

std::unique_ptr<Grid> IntAttr::makeGrid(int64_t) const {
  return std::make_unique<IntGrid>(formatOf(*this));
}

llvm::Error
IntAttr::storeCodes(const ChosenCodes &chosen, int64_t n, int64_t k,
                    MutableArrayRef<std::vector<uint8_t>> parts) const {
  LaneForm form = getLaneForm(k);
  int64_t groups = llvm::divideCeil(k, form.group);
  if (llvm::Error error =
          checkChosen(chosen, n, k, groups, 1 << getBits(), getAsymmetric()))
    return error;
  bool perTensor = getGranularity() == Granularity::Tensor;
  llvm::Expected<std::vector<float>> scales =
      sharedScales(chosen.scales, n, groups, perTensor ? n : 1);
  if (!scales)
    return scales.takeError();
  parts[0].resize(n * k);
  for (auto [stored, code] : llvm::zip_equal(parts[0], chosen.codes))
    stored = uint8_t(code - form.offset);
  parts[1] = writeScales(*scales, getScaleType());
  if (!getAsymmetric())
    return llvm::Error::success();
  parts[2].assign(chosen.zeros.begin(),
                  perTensor ? chosen.zeros.begin() + 1 : chosen.zeros.end());
  if (perTensor && !llvm::all_equal(chosen.zeros))
    return llvm::createStringError(std::errc::invalid_argument,
                                   "all rows share a zero point, but theirs "
                                   "differ");
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The reference as IR
//===----------------------------------------------------------------------===//

/// `groupLength`, or 0 if all values share a scale.
static int64_t sharingLength(IntAttr scheme, int64_t k) {
  return scheme.getGranularity() == Granularity::Tensor
             ? 0
             : groupLength(scheme, k);
}

Element IntAttr::emitElement(OpBuilder &builder, Location loc, ValueRange parts,
                             ValueRange indices, int64_t k) const {
  LaneForm form = getLaneForm(k);
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI32IntegerAttr(value));
  };
  SmallVector<Value> place =
      emitScaleIndices(builder, loc, indices, sharingLength(*this, k));

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

LogicalResult IntAttr::emitQuantize(OpBuilder &builder, Location loc,
                                    Value input, Value scale,
                                    SmallVectorImpl<Value> &parts) const {
  // Values made by a program are quantized symmetrically: kernels want signed
  // activations.
  if (getAsymmetric() || (scale && getGranularity() != Granularity::Tensor))
    return failure();
  auto type = cast<RankedTensorType>(input.getType());
  int64_t k = type.getShape().back(), length = sharingLength(*this, k);
  // The grid of roundToNearest.
  double half = 1 << (getBits() - 1), highest = half - 1;
  double lowest = getBits() == 8 ? -127 : -half;
  double steps = getBits() == 8 ? 127 : half - 0.5;
  LinalgEmitter emit(builder, loc, builder.getF32Type());
  auto constant = [](OpBuilder &b, Location loc, double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  };

  bool given = bool(scale);
  Value source =
      given ? scale : emitAbsMax(emit, builder, loc, input, k, length);
  SmallVector<OpFoldResult> scaleSizes = emit.sizes(source);
  Value scales =
      emit.map(getScaleType(), scaleSizes,
               {{source, builder.getMultiDimIdentityMap(scaleSizes.size())}},
               [&](OpBuilder &b, Location loc, ValueRange elements) -> Value {
                 if (given)
                   return elements[0];
                 return arith::DivFOp::create(b, loc, elements[0],
                                              constant(b, loc, steps));
               });

  auto encode = [&](OpBuilder &b, Location loc, Value x, Value scale) -> Value {
    Value zero = constant(b, loc, 0);
    Value ratio = arith::DivFOp::create(b, loc, x, scale);
    Value code = math::RoundEvenOp::create(b, loc, ratio);
    code = arith::MinimumFOp::create(b, loc, code, constant(b, loc, highest));
    code = arith::MaximumFOp::create(b, loc, code, constant(b, loc, lowest));
    // A group of zeros has scale 0.
    Value isZero =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, scale, zero);
    code = arith::SelectOp::create(b, loc, isZero, zero, code);
    return arith::FPToSIOp::create(b, loc, b.getI8Type(), code);
  };
  parts.append({emitCodes(emit, builder, loc, input, scales, length,
                          builder.getI8Type(), encode),
                scales});
  return success();
}

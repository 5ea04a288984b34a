// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Floats. Plain ones are a scheme so that a float weight takes the same road
// through recipes, packing and kernels as a quantized one; small ones have
// scales. The numbers are in Quantize/ScaledFloat.h.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Schemes/Groups.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"
#include "quant-mlir/Quantize/Codebook.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "quant-mlir/Quantize/ScaledFloat.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;
using Granularity = ScaledFloatFormat::Granularity;

#define GET_ATTRDEF_CLASSES
#include "Float.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Float.cpp.inc"

namespace quantmlir::qt {
void registerFloatScheme(QTDialect &dialect) {
  dialect.addAttribute<FloatSchemeAttr>();
}
} // namespace quantmlir::qt

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

static std::pair<StringRef, Granularity> granularities[] = {
    {"tensor", Granularity::Tensor}, {"channel", Granularity::Channel},
    {"token", Granularity::Token},   {"group", Granularity::Group},
    {"block", Granularity::Block},
};

Attribute FloatSchemeAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  FloatType type, scaleType = Float32Type::get(parser.getContext());
  if (parser.parseLess() || parser.parseType(type))
    return {};
  Granularity granularity = Granularity::None;
  SmallVector<int64_t, 2> block = {1, 0};
  if (succeeded(parser.parseOptionalComma())) {
    StringRef keyword;
    SMLoc keywordLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword))
      return {};
    for (auto [name, candidate] : granularities)
      if (keyword == name)
        granularity = candidate;
    if (granularity == Granularity::None) {
      parser.emitError(keywordLoc)
          << "expected tensor, channel, token, group or block, got '" << keyword
          << "'";
      return {};
    }
    if (granularity == Granularity::Group &&
        (parser.parseEqual() || parser.parseInteger(block[1])))
      return {};
    if (granularity == Granularity::Block) {
      block.clear();
      SMLoc blockLoc = parser.getCurrentLocation();
      if (parser.parseEqual() ||
          parser.parseDimensionList(block, /*allowDynamic=*/false,
                                    /*withTrailingX=*/false))
        return {};
      if (block.size() != 2) {
        parser.emitError(blockLoc) << "expected rows and columns of a block, "
                                      "such as 128x128";
        return {};
      }
    }
    if (succeeded(parser.parseOptionalComma()) &&
        (parser.parseKeyword("scale") || parser.parseEqual() ||
         parser.parseType(scaleType)))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<FloatSchemeAttr>(loc, parser.getContext(), type,
                                            granularity, block[0], block[1],
                                            scaleType);
}

void FloatSchemeAttr::print(AsmPrinter &printer) const {
  printer << "<" << getType();
  for (auto [name, granularity] : granularities)
    if (getGranularity() == granularity)
      printer << ", " << name;
  if (getGranularity() == Granularity::Group)
    printer << " = " << getColumns();
  if (getGranularity() == Granularity::Block)
    printer << " = " << getRows() << "x" << getColumns();
  if (!getScaleType().isF32())
    printer << ", scale = " << getScaleType();
  printer << ">";
}

LogicalResult
FloatSchemeAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        FloatType type, Granularity granularity, int64_t rows,
                        int64_t columns, FloatType scaleType) {
  bool plain = type.isF32() || type.isF16() || type.isBF16();
  if (!plain && !getSmallFloat(type))
    return emitError() << "#qt.float stores f32, f16, bf16, f8E4M3FN, f8E5M2 "
                          "or f4E2M1FN, not "
                       << type;
  if (plain != (granularity == Granularity::None))
    return emitError() << "#qt.float: " << type
                       << (plain ? " has no scales"
                                 : " needs to know what shares a scale: "
                                   "tensor, channel, token, group or block");
  if ((granularity == Granularity::Group ||
       granularity == Granularity::Block) &&
      (rows < 1 || columns < 1))
    return emitError() << "#qt.float: a group has at least 1 value";
  bool powers = isa<Float8E8M0FNUType>(scaleType);
  bool nested = isa<Float8E4M3FNType>(scaleType);
  if (!scaleType.isF32() && !scaleType.isF16() && !scaleType.isBF16() &&
      !powers && !nested)
    return emitError() << "#qt.float: scales are f32, f16, bf16, f8E8M0FNU or "
                          "f8E4M3FN, not "
                       << scaleType;
  if ((powers || nested) && granularity != Granularity::Group)
    return emitError() << "#qt.float: scales of type " << scaleType
                       << " are those of groups";
  if (nested && !isa<Float4E2M1FNType>(type))
    return emitError() << "#qt.float: scales of type f8E4M3FN belong to "
                          "f4E2M1FN, not "
                       << type;
  return success();
}

//===----------------------------------------------------------------------===//
// QuantSchemeInterface
//===----------------------------------------------------------------------===//

static bool isPlain(FloatSchemeAttr scheme) {
  return scheme.getGranularity() == Granularity::None;
}
static bool isFourBit(FloatSchemeAttr scheme) {
  return isa<Float4E2M1FNType>(scheme.getType());
}
/// NVFP4: scales are divided by one f32.
static bool hasGlobal(FloatSchemeAttr scheme) {
  return isa<Float8E4M3FNType>(scheme.getScaleType());
}

static ScaledFloatFormat formatOf(FloatSchemeAttr scheme) {
  using Scale = ScaledFloatFormat::Scale;
  ScaledFloatFormat format;
  format.element = *getSmallFloat(scheme.getType());
  format.blockRows =
      scheme.getGranularity() == Granularity::Tensor ? 0 : scheme.getRows();
  format.blockColumns = scheme.getColumns();
  FloatType type = scheme.getScaleType();
  format.scale = type.isF32()                   ? Scale::F32
                 : type.isF16()                 ? Scale::F16
                 : type.isBF16()                ? Scale::BF16
                 : isa<Float8E8M0FNUType>(type) ? Scale::E8M0
                                                : Scale::E4M3;
  return format;
}

LogicalResult
FloatSchemeAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                              ArrayRef<int64_t> shape, Type) const {
  if (isPlain(*this))
    return success();
  if (ShapedType::isDynamic(shape.back()))
    return emitError() << "#qt.float: the length of a row must be static";
  if (getGranularity() == Granularity::Block &&
      (ShapedType::isDynamicShape(shape) || shape.size() != 2))
    return emitError() << "#qt.float: blocks are for matrices of a static "
                          "shape";
  return success();
}

SmallVector<StoragePart>
FloatSchemeAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  if (isPlain(*this))
    return {{"", getType(), llvm::to_vector(shape)}};
  ScaledFloatFormat format = formatOf(*this);
  SmallVector<int64_t> scales(shape);
  if (getGranularity() == Granularity::Tensor) {
    scales = {1};
  } else {
    scales.back() =
        llvm::divideCeil(shape.back(), format.columns(shape.back()));
    if (getGranularity() == Granularity::Block)
      scales[0] = llvm::divideCeil(shape[0], getRows());
  }
  Type codes = isFourBit(*this) ? Type(IntegerType::get(getContext(), 8))
                                : Type(getType());
  SmallVector<StoragePart> parts = {{".codes", codes, llvm::to_vector(shape)},
                                    {".scales", getScaleType(), scales}};
  if (hasGlobal(*this))
    parts.push_back({".global", Float32Type::get(getContext()), {1}});
  return parts;
}

LaneForm FloatSchemeAttr::getLaneForm(int64_t k) const {
  LaneForm form;
  if (isPlain(*this)) {
    form.kind = LaneForm::Kind::Float;
    form.group = k;
    form.floatType = getType();
    return form;
  }
  form.group = formatOf(*this).columns(k);
  // What holds scales times a power of two (below, and in packed weights).
  form.scaleType =
      getScaleType().isBF16() || isa<Float8E8M0FNUType>(getScaleType())
          ? FloatType(BFloat16Type::get(getContext()))
          : FloatType(Float32Type::get(getContext()));
  if (!isFourBit(*this)) {
    form.kind = LaneForm::Kind::Float;
    form.floatType = getType();
    return form;
  }
  // Twice a number is an integer from -12 to 12.
  form.codeBits = 4;
  form.laneBits = 5;
  form.offset = 12;
  return form;
}

Lane FloatSchemeAttr::decodeLane(LaneEvaluator &evaluator, Lane code) const {
  return isFourBit(*this) ? evaluator.lookup(e2m1Lanes, code) : code;
}

static void unpackPlain(FloatType type, const uint8_t *source,
                        std::vector<float> &values) {
  int64_t bytes = type.getWidth() / 8;
  for (float &value : values) {
    if (bytes == 4) {
      std::memcpy(&value, source, 4);
    } else {
      uint16_t half;
      std::memcpy(&half, source, 2);
      value = type.isF16() ? f16ToF32(half) : bf16ToF32(half);
    }
    source += bytes;
  }
}

llvm::Error FloatSchemeAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts,
                                        int64_t n, int64_t k, int64_t first,
                                        int64_t count,
                                        UnpackedRows &rows) const {
  if (isPlain(*this)) {
    rows.values.resize(count * k);
    unpackPlain(getType(),
                parts[0].data() + first * k * (getType().getWidth() / 8),
                rows.values);
    return llvm::Error::success();
  }
  ScaledFloatFormat format = formatOf(*this);
  ArrayRef<uint8_t> codes = parts[0].slice(first * k, count * k);
  if (isFourBit(*this)) {
    rows.codes.resize(codes.size());
    for (auto [target, code] : llvm::zip_equal(rows.codes, codes))
      target = code & 15;
  } else {
    rows.values.resize(codes.size());
    for (auto [target, code] : llvm::zip_equal(rows.values, codes))
      target = smallFloatToF32(format.element, code);
  }
  int64_t groups = llvm::divideCeil(k, format.columns(k));
  rows.scales.resize(count * groups);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t stored = (first + row) / format.rows(n) * groups + group;
      float scale = readStoredScale(parts[1], stored, format.scale);
      if (hasGlobal(*this))
        scale /= readScale(parts[2], 0, Float32Type::get(getContext()));
      rows.scales[row * groups + group] =
          isFourBit(*this) ? scale * 0.5f : scale;
    }
  return llvm::Error::success();
}

static llvm::Error storePlain(FloatType type, ArrayRef<float> values, int64_t k,
                              std::vector<uint8_t> &part) {
  int64_t bytes = type.getWidth() / 8;
  part.resize(values.size() * bytes);
  uint8_t *target = part.data();
  if (bytes == 4) {
    std::memcpy(target, values.data(), values.size() * 4);
    return llvm::Error::success();
  }
  for (auto [index, value] : llvm::enumerate(values)) {
    uint16_t half = type.isF16() ? f32ToF16(value) : f32ToBF16(value);
    uint16_t infinity = type.isF16() ? 0x7C00 : 0x7F80;
    if ((half & 0x7FFF) == infinity && std::isfinite(value))
      return llvm::createStringError(
          std::errc::result_out_of_range,
          "row %lld, column %lld is %g, too large for %s",
          (long long)(index / k), (long long)(index % k), value,
          type.isF16() ? "f16" : "bf16");
    std::memcpy(target + index * 2, &half, 2);
  }
  return llvm::Error::success();
}

llvm::Error FloatSchemeAttr::quantizeMatrix(
    ArrayRef<float> values, int64_t n, int64_t k,
    MutableArrayRef<std::vector<uint8_t>> parts) const {
  if (isPlain(*this))
    return storePlain(getType(), values, k, parts[0]);
  ScaledFloatFormat format = formatOf(*this);
  llvm::Expected<ScaledFloatMatrix> matrix =
      quantizeScaledFloat(values, n, k, format);
  if (!matrix)
    return matrix.takeError();
  parts[0] = std::move(matrix->codes);
  parts[1] = storeScales(matrix->scales, format.scale);
  if (hasGlobal(*this))
    parts[2] = writeScales(matrix->global, Float32Type::get(getContext()));
  return llvm::Error::success();
}

int64_t FloatSchemeAttr::getRowsPerScale(int64_t n) const {
  return isPlain(*this) ? 1 : formatOf(*this).rows(n);
}

std::unique_ptr<Grid> FloatSchemeAttr::makeGrid(int64_t) const {
  // Scales that depend on a number of the whole tensor are nothing that rows
  // can choose.
  if (isPlain(*this) || hasGlobal(*this))
    return nullptr;
  FloatType type = getScaleType();
  ScaleFormat scales = type.isF32()    ? ScaleFormat::Type::F32
                       : type.isF16()  ? ScaleFormat::Type::F16
                       : type.isBF16() ? ScaleFormat::Type::BF16
                                       : ScaleFormat::Type::E8M0;
  int64_t group = getColumns();
  if (isa<Float8E5M2Type>(getType()))
    return std::make_unique<CodebookGrid>(CodebookGrid::e5m2(group, scales));
  if (!isFourBit(*this))
    return std::make_unique<CodebookGrid>(CodebookGrid::e4m3(group, scales));
  // Codes are stored with the scale of twice the number.
  CodebookGrid exact = CodebookGrid::e2m1(group, scales);
  SmallVector<float> doubled(exact.getTable());
  for (float &number : doubled)
    number *= 2;
  return std::make_unique<CodebookGrid>(doubled, group, scales);
}

llvm::Error
FloatSchemeAttr::storeCodes(const ChosenCodes &chosen, int64_t n, int64_t k,
                            MutableArrayRef<std::vector<uint8_t>> parts) const {
  if (isPlain(*this) || hasGlobal(*this))
    return llvm::createStringError(
        std::errc::not_supported,
        "codes cannot be stored in this format, only rounded to it");
  ScaledFloatFormat format = formatOf(*this);
  int64_t groups = llvm::divideCeil(k, format.columns(k));
  if (llvm::Error error =
          checkChosen(chosen, n, k, groups, isFourBit(*this) ? 16 : 256,
                      /*zeros=*/false))
    return error;
  llvm::Expected<std::vector<float>> scales =
      sharedScales(chosen.scales, n, groups, format.rows(n));
  if (!scales)
    return scales.takeError();
  // As unpackRows gives them: of twice the number.
  if (isFourBit(*this))
    for (float &scale : *scales)
      scale *= 2;
  parts[0].assign(chosen.codes.begin(), chosen.codes.end());
  parts[1] = storeScales(*scales, format.scale);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The reference as IR
//===----------------------------------------------------------------------===//

Element FloatSchemeAttr::emitElement(OpBuilder &builder, Location loc,
                                     ValueRange parts, ValueRange indices,
                                     int64_t k) const {
  auto extract = [&](unsigned part, ValueRange place) -> Value {
    return builder.createOrFold<tensor::ExtractOp>(loc, parts[part], place);
  };
  Element element;
  if (isPlain(*this)) {
    element.value = extract(0, indices);
    return element;
  }
  Type f32 = builder.getF32Type();
  if (isFourBit(*this)) {
    Value mask =
        arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(15));
    Value code = builder.createOrFold<arith::ExtUIOp>(loc, builder.getI32Type(),
                                                      extract(0, indices));
    element.code = builder.createOrFold<arith::AndIOp>(loc, code, mask);
  } else {
    element.value = emitSmallFloatValue(builder, loc, extract(0, indices));
  }

  int64_t length =
      getGranularity() == Granularity::Tensor ? 0 : formatOf(*this).columns(k);
  SmallVector<Value> place = emitScaleIndices(builder, loc, indices, length);
  if (getGranularity() == Granularity::Block)
    place[0] = builder.createOrFold<arith::DivUIOp>(
        loc, place[0], arith::ConstantIndexOp::create(builder, loc, getRows()));
  Value scale = extract(1, place);
  scale = getScaleType().getWidth() == 8
              ? emitSmallFloatValue(builder, loc, scale)
              : convertFloat(builder, loc, scale, f32);
  if (hasGlobal(*this)) {
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    scale = builder.createOrFold<arith::DivFOp>(loc, scale, extract(2, zero));
  }
  if (isFourBit(*this)) {
    Value half =
        arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.5f));
    scale = builder.createOrFold<arith::MulFOp>(loc, scale, half);
  }
  element.scale = scale;
  return element;
}

LogicalResult
FloatSchemeAttr::emitQuantize(OpBuilder &builder, Location loc, Value input,
                              Value scale,
                              SmallVectorImpl<Value> &parts) const {
  if (isPlain(*this)) {
    if (scale)
      return failure();
    LinalgEmitter emit(builder, loc,
                       getComputeType(getElementTypeOrSelf(input.getType())));
    SmallVector<OpFoldResult> sizes = emit.sizes(input);
    AffineMap identity = builder.getMultiDimIdentityMap(sizes.size());
    parts.push_back(emit.map(getType(), sizes, {{input, identity}},
                             [](OpBuilder &, Location, ValueRange elements) {
                               return elements.front();
                             }));
    return success();
  }
  bool perTensor = getGranularity() == Granularity::Tensor;
  if (isFourBit(*this) || getGranularity() == Granularity::Block ||
      getScaleType().getWidth() == 8 || (scale && !perTensor))
    return failure();

  SmallFloat element = *getSmallFloat(getType());
  int64_t k = cast<RankedTensorType>(input.getType()).getShape().back();
  int64_t length = perTensor ? 0 : formatOf(*this).columns(k);
  LinalgEmitter emit(builder, loc, builder.getF32Type());
  auto constant = [](OpBuilder &b, Location loc, float value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  };
  bool given = bool(scale);
  Value source =
      given ? scale : emitAbsMax(emit, builder, loc, input, k, length);
  SmallVector<OpFoldResult> scaleSizes = emit.sizes(source);
  Value scales = emit.map(
      getScaleType(), scaleSizes,
      {{source, builder.getMultiDimIdentityMap(scaleSizes.size())}},
      [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
        if (given)
          return v[0];
        // As quantizeScaledFloat: nothing is divided by zero.
        Value ratio = arith::DivFOp::create(
            b, loc, v[0], constant(b, loc, smallFloatMax(element)));
        Value isZero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                             v[0], constant(b, loc, 0));
        return arith::SelectOp::create(b, loc, isZero,
                                       constant(b, loc, 0x1p-23f), ratio);
      });
  Value codes =
      emitCodes(emit, builder, loc, input, scales, length, getType(),
                [&](OpBuilder &b, Location loc, Value x, Value scale) -> Value {
                  Value ratio = arith::DivFOp::create(b, loc, x, scale);
                  Value code = emitSmallFloatCode(b, loc, element, ratio);
                  return arith::BitcastOp::create(b, loc, getType(), code);
                });
  parts.append({codes, scales});
  return success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Source of the format: bitsandbytes' 4-bit tensors. The numbers are in
// Quantize/Codebook.h.

#include "quant-mlir/Quantize/Codebook.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Schemes/Groups.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

#define GET_ATTRDEF_CLASSES
#include "Codebook.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Codebook.cpp.inc"

namespace quantmlir::qt {
void registerCodebookScheme(QTDialect &dialect) {
  dialect.addAttribute<CodebookSchemeAttr>();
}
} // namespace quantmlir::qt

Attribute CodebookSchemeAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseLess())
    return {};
  SMLoc nameLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return {};
  if (name != "nf4" && name != "fp4") {
    parser.emitError(nameLoc) << "expected nf4 or fp4, got '" << name << "'";
    return {};
  }
  int64_t group = 0, nested = 0;
  if (parser.parseComma() || parser.parseKeyword("group") ||
      parser.parseEqual() || parser.parseInteger(group))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("nested") || parser.parseEqual() ||
       parser.parseInteger(nested)))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<CodebookSchemeAttr>(
      loc, parser.getContext(), name == "nf4" ? Codebook::NF4 : Codebook::FP4,
      group, nested);
}

void CodebookSchemeAttr::print(AsmPrinter &printer) const {
  printer << "<" << (getTable() == Codebook::NF4 ? "nf4" : "fp4")
          << ", group = " << getGroup();
  if (getNested())
    printer << ", nested = " << getNested();
  printer << ">";
}

LogicalResult
CodebookSchemeAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                           Codebook, int64_t group, int64_t nested) {
  if (group < 1)
    return emitError() << "#qt.codebook: a group has at least 1 value, not "
                       << group;
  if (nested < 0)
    return emitError() << "#qt.codebook: a block of scales has at least 1, not "
                       << nested;
  return success();
}

static int64_t groupLength(CodebookSchemeAttr scheme, int64_t k) {
  return std::min(scheme.getGroup(), k);
}

LogicalResult
CodebookSchemeAttr::verifyTensor(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> shape, Type) const {
  if (ShapedType::isDynamicShape(shape))
    return emitError() << "#qt.codebook: the shape must be static";
  return success();
}

SmallVector<StoragePart>
CodebookSchemeAttr::getStorageParts(ArrayRef<int64_t> shape) const {
  Type i8 = IntegerType::get(getContext(), 8);
  Type f32 = Float32Type::get(getContext());
  SmallVector<int64_t> scales(shape);
  scales.back() =
      llvm::divideCeil(shape.back(), groupLength(*this, shape.back()));
  SmallVector<StoragePart> parts = {{".codes", i8, llvm::to_vector(shape)}};
  if (!getNested()) {
    parts.push_back({".scales", f32, scales});
    return parts;
  }
  int64_t count = llvm::product_of(scales);
  parts.push_back({".scales", i8, scales});
  parts.push_back(
      {".nested_scales", f32, {int64_t(llvm::divideCeil(count, getNested()))}});
  parts.push_back({".nested_map", f32, {256}});
  parts.push_back({".nested_offset", f32, {1}});
  return parts;
}

LaneForm CodebookSchemeAttr::getLaneForm(int64_t k) const {
  LaneForm form;
  form.codeBits = 4;
  form.laneBits = 8;
  form.group = groupLength(*this, k);
  form.offset = 127;
  form.scaleType = Float32Type::get(getContext());
  form.numbers = codebookTable(getTable());
  form.laneFactor = float(codebookLaneFactor(getTable()));
  return form;
}

Lane CodebookSchemeAttr::decodeLane(LaneEvaluator &evaluator, Lane code) const {
  return evaluator.lookup(codebookLanes(getTable()), code);
}

llvm::Error CodebookSchemeAttr::unpackRows(ArrayRef<ArrayRef<uint8_t>> parts,
                                           int64_t, int64_t k, int64_t first,
                                           int64_t count,
                                           UnpackedRows &rows) const {
  int64_t groups = llvm::divideCeil(k, groupLength(*this, k));
  ArrayRef<uint8_t> codes = parts[0].slice(first * k, count * k);
  rows.codes.resize(codes.size());
  for (auto [target, code] : llvm::zip_equal(rows.codes, codes))
    target = code & 15;
  rows.scales.resize(count * groups);
  FloatType f32 = Float32Type::get(getContext());
  for (auto [index, scale] : llvm::enumerate(rows.scales)) {
    int64_t stored = first * groups + index;
    if (!getNested()) {
      scale = readScale(parts[1], stored, f32);
      continue;
    }
    scale = readScale(parts[3], parts[1][stored], f32) *
                readScale(parts[2], stored / getNested(), f32) +
            readScale(parts[4], 0, f32);
  }
  return llvm::Error::success();
}

/// Scales as storage parts, behind the codes.
static void storeScaleParts(CodebookSchemeAttr scheme, ArrayRef<float> scales,
                            MutableArrayRef<std::vector<uint8_t>> parts) {
  FloatType f32 = Float32Type::get(scheme.getContext());
  if (!scheme.getNested()) {
    parts[1] = writeScales(scales, f32);
    return;
  }
  NestedScales nested = nestScales(scales, scheme.getNested());
  parts[1] = std::move(nested.codes);
  parts[2] = writeScales(nested.scales, f32);
  parts[3] = writeScales(dynamicMap(), f32);
  parts[4] = writeScales(nested.offset, f32);
}

llvm::Error CodebookSchemeAttr::quantizeMatrix(
    ArrayRef<float> values, int64_t n, int64_t k,
    MutableArrayRef<std::vector<uint8_t>> parts) const {
  llvm::Expected<CodebookMatrix> matrix =
      quantizeCodebook(getTable(), values, n, k, groupLength(*this, k));
  if (!matrix)
    return matrix.takeError();
  parts[0] = std::move(matrix->codes);
  storeScaleParts(*this, matrix->scales, parts);
  return llvm::Error::success();
}

std::unique_ptr<Grid> CodebookSchemeAttr::makeGrid(int64_t) const {
  return std::make_unique<CodebookGrid>(getTable() == Codebook::NF4
                                            ? CodebookGrid::nf4(getGroup())
                                            : CodebookGrid::fp4(getGroup()));
}

llvm::Error CodebookSchemeAttr::storeCodes(
    const ChosenCodes &chosen, int64_t n, int64_t k,
    MutableArrayRef<std::vector<uint8_t>> parts) const {
  int64_t groups = llvm::divideCeil(k, groupLength(*this, k));
  if (llvm::Error error =
          checkChosen(chosen, n, k, groups, /*codes=*/16, /*zeros=*/false))
    return error;
  parts[0].assign(chosen.codes.begin(), chosen.codes.end());
  storeScaleParts(*this, chosen.scales, parts);
  return llvm::Error::success();
}

Element CodebookSchemeAttr::emitElement(OpBuilder &builder, Location loc,
                                        ValueRange parts, ValueRange indices,
                                        int64_t k) const {
  Type i32 = builder.getI32Type();
  int64_t length = groupLength(*this, k);
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI32IntegerAttr(value));
  };
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  auto extract = [&](unsigned part, ValueRange place) -> Value {
    return builder.createOrFold<tensor::ExtractOp>(loc, parts[part], place);
  };
  Element element;
  Value code =
      builder.createOrFold<arith::ExtUIOp>(loc, i32, extract(0, indices));
  element.code = builder.createOrFold<arith::AndIOp>(loc, code, constant(15));
  SmallVector<Value> place = emitScaleIndices(builder, loc, indices, length);
  element.scale = extract(1, place);
  if (!getNested())
    return element;

  // Blocks of scales run over all of them: the place as one number.
  ArrayRef<int64_t> sizes =
      cast<RankedTensorType>(parts[1].getType()).getShape();
  Value flat = place.front();
  for (auto [size, next] :
       llvm::zip(sizes.drop_front(), ArrayRef<Value>(place).drop_front())) {
    flat = builder.createOrFold<arith::MulIOp>(loc, flat, index(size));
    flat = builder.createOrFold<arith::AddIOp>(loc, flat, next);
  }
  Value block =
      builder.createOrFold<arith::DivUIOp>(loc, flat, index(getNested()));
  // Codes are unsigned, and an index is not made of such an i8 directly.
  Value scaleCode =
      builder.createOrFold<arith::ExtUIOp>(loc, i32, element.scale);
  scaleCode = builder.createOrFold<arith::IndexCastOp>(
      loc, builder.getIndexType(), scaleCode);
  Value scale = builder.createOrFold<arith::MulFOp>(loc, extract(3, scaleCode),
                                                    extract(2, block));
  element.scale =
      builder.createOrFold<arith::AddFOp>(loc, scale, extract(4, index(0)));
  return element;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace quantmlir::qt;

#include "quant-mlir/Dialect/QT/IR/QTAttrInterfaces.cpp.inc"
#include "quant-mlir/Dialect/QT/IR/QTDialect.cpp.inc"
#include "quant-mlir/Dialect/QT/IR/QTEnums.cpp.inc"
#include "quant-mlir/Dialect/QT/IR/QTOpInterfaces.cpp.inc"
#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "quant-mlir/Dialect/QT/IR/QTAttrs.cpp.inc"

namespace quantmlir::qt {
#define QT_SCHEME(Name) void register##Name##Scheme(QTDialect &dialect);
#include "quant-mlir/Dialect/QT/Schemes/Schemes.def"
} // namespace quantmlir::qt

void QTDialect::initialize() {
  registerTypes();
  addAttribute<PanelsAttr>();
  addAttribute<RowsAttr>();
  addAttribute<PairsAttr>();
  addAttribute<BytesAttr>();
#define QT_SCHEME(Name) register##Name##Scheme(*this);
#include "quant-mlir/Dialect/QT/Schemes/Schemes.def"
  addOperations<
#define GET_OP_LIST
#include "quant-mlir/Dialect/QT/IR/QTOps.cpp.inc"
      >();
}

Attribute QTDialect::parseAttribute(DialectAsmParser &parser, Type) const {
  StringRef mnemonic;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&mnemonic))
    return {};
  auto found = hooks.find(mnemonic);
  if (found == hooks.end()) {
    std::string known;
    for (auto &entry : hooks)
      known += (known.empty() ? "" : ", ") + entry.first().str();
    parser.emitError(loc) << "unknown attribute 'qt." << mnemonic
                          << "'; known are " << known;
    return {};
  }
  return found->second.parse(parser);
}

void QTDialect::printAttribute(Attribute attr,
                               DialectAsmPrinter &printer) const {
  for (auto &entry : hooks) {
    if (attr.getAbstractAttribute().getName() != ("qt." + entry.first()).str())
      continue;
    printer << entry.first();
    entry.second.print(attr, printer);
    return;
  }
  llvm_unreachable("attribute of an unregistered class");
}

double quantmlir::qt::getBitsPerValue(QuantSchemeInterface scheme,
                                      ArrayRef<int64_t> shape) {
  double bits = 0, values = 1;
  for (int64_t size : shape)
    values *= size;
  LaneForm form = scheme.getLaneForm(shape.back());
  for (const StoragePart &part : scheme.getStorageParts(shape)) {
    double count = 1;
    for (int64_t size : part.shape)
      count *= size;
    // Codes and zero points take a byte each in interchange files, but only
    // their own bits where they are packed.
    bool isCode = part.suffix == ".codes" || part.suffix == ".zeros";
    unsigned width = isCode && form.codeBits
                         ? form.codeBits
                         : part.elementType.getIntOrFloatBitWidth();
    bits += count * width;
  }
  return bits / values;
}

llvm::Expected<std::vector<float>>
quantmlir::qt::dequantizeRows(QuantSchemeInterface scheme,
                              ArrayRef<ArrayRef<uint8_t>> parts, int64_t n,
                              int64_t k, int64_t first, int64_t count) {
  UnpackedRows rows;
  if (llvm::Error error = scheme.unpackRows(parts, n, k, first, count, rows))
    return std::move(error);
  LaneForm form = scheme.getLaneForm(k);
  int64_t groups = llvm::divideCeil(k, form.group);
  if (form.kind == LaneForm::Kind::Float) {
    if (form.scaleType)
      for (int64_t row = 0; row < count; ++row)
        for (int64_t col = 0; col < k; ++col)
          rows.values[row * k + col] *=
              rows.scales[row * groups + col / form.group];
    return std::move(rows.values);
  }

  NumberEvaluator numbers;
  float table[256];
  for (int64_t code = 0; code < int64_t(1) << form.codeBits; ++code)
    table[code] =
        form.numbers.empty()
            ? scheme.decodeLane(numbers, {code, {}}).number - form.offset
            : form.numbers[code];

  // The scale, or the minimum, of a column.
  auto read = [&](const float *row, int64_t col) {
    float number = row[col / form.group];
    return form.scaleBlock ? row[groups + col / form.scaleBlock] * number
                           : number;
  };
  int64_t columns = form.getScaleColumns(k);
  std::vector<float> values(count * k);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t col = 0; col < k; ++col) {
      float value = read(rows.scales.data() + row * columns, col) *
                    table[rows.codes[row * k + col]];
      if (form.hasMinimum)
        value += read(rows.minimums.data() + row * columns, col);
      values[row * k + col] = value;
    }
  return values;
}

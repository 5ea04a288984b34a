// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/IR/Builders.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir::qt;

#define GET_TYPEDEF_CLASSES
#include "quant-mlir/Dialect/QT/IR/QTTypes.cpp.inc"

void QTDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "quant-mlir/Dialect/QT/IR/QTTypes.cpp.inc"
      >();
}

int64_t QuantTensorType::getNumRows() const {
  int64_t rows = 1;
  for (int64_t size : getShape().drop_back())
    rows = ShapedType::isDynamic(size) ? size : rows * size;
  return rows;
}

Type QuantTensorType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type elementType;
  Attribute schemeAttr, layout;
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/true) ||
      parser.parseType(elementType) || parser.parseComma())
    return {};
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseAttribute(schemeAttr))
    return {};
  auto scheme = dyn_cast<QuantSchemeInterface>(schemeAttr);
  if (!scheme) {
    parser.emitError(loc) << "expected a quantization scheme such as "
                             "#qt.int<8, channel>, got "
                          << schemeAttr;
    return {};
  }
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(layout))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<QuantTensorType>(loc, parser.getContext(), shape,
                                            elementType, scheme, layout);
}

void QuantTensorType::print(AsmPrinter &printer) const {
  printer << "<";
  printer.printDimensionList(getShape());
  printer << "x" << getElementType() << ", " << getScheme();
  if (getLayout())
    printer << ", " << getLayout();
  printer << ">";
}

LogicalResult
QuantTensorType::verify(function_ref<InFlightDiagnostic()> emitError,
                        ArrayRef<int64_t> shape, Type elementType,
                        QuantSchemeInterface scheme, Attribute layout) {
  if (shape.empty())
    return emitError() << "!qt.tensor C1: the rank must be at least 1";
  if (!isa<FloatType>(elementType))
    return emitError() << "!qt.tensor C1: the element type is that of the "
                          "numbers and must be a float, got "
                       << elementType;
  return scheme.verifyTensor(emitError, shape, elementType);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "DescribeInput.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantmlir;

DictionaryAttr
quantmlir::describeInput(MLIRContext *context, const StoredMatrix &stored,
                         llvm::function_ref<FlatSymbolRefAttr()> declareScale) {
  Builder b(context);
  SmallVector<NamedAttribute> input;
  if (stored.inputScheme == "float")
    input.push_back(b.getNamedAttr("scheme", b.getStringAttr("float")));
  else if (!stored.inputScheme.empty())
    input.push_back(b.getNamedAttr(
        "scheme", mlir::parseAttribute(stored.inputScheme, context)));
  if (!stored.inputScale.empty())
    input.push_back(b.getNamedAttr("scale", declareScale()));
  if (stored.outliers)
    input.push_back(
        b.getNamedAttr("outliers", b.getF64FloatAttr(stored.outliers)));
  return input.empty() ? DictionaryAttr() : b.getDictionaryAttr(input);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/QT/IR/ParseScheme.h"
#include "mlir/AsmParser/AsmParser.h"

using namespace mlir;
using namespace quantmlir::qt;

QuantSchemeInterface quantmlir::qt::parseScheme(StringRef text,
                                                MLIRContext *context,
                                                std::string *why) {
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (why && why->empty())
      *why = diagnostic.str();
    return success();
  });
  return dyn_cast_or_null<QuantSchemeInterface>(parseAttribute(text, context));
}

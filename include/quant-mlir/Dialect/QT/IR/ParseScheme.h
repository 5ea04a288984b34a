// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_PARSESCHEME_H
#define QUANT_MLIR_DIALECT_QT_IR_PARSESCHEME_H

#include "quant-mlir/Dialect/QT/IR/QT.h"

namespace quantmlir::qt {

/// A scheme as in the IR. Null if it is none; `why` then says what the parser
/// does, or is empty.
QuantSchemeInterface parseScheme(llvm::StringRef text,
                                 mlir::MLIRContext *context,
                                 std::string *why = nullptr);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_IR_PARSESCHEME_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTWEIGHEDSCHEME_H
#define QUANT_MLIR_DIALECT_QT_IR_QTWEIGHEDSCHEME_H

#include "quant-mlir/Dialect/QT/IR/QT.h"

#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.h.inc"

#endif // QUANT_MLIR_DIALECT_QT_IR_QTWEIGHEDSCHEME_H

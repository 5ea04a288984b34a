// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QT_H
#define QUANT_MLIR_DIALECT_QT_IR_QT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quant-mlir/Dialect/QT/IR/QTScheme.h"
#include "llvm/ADT/StringMap.h"

#include "quant-mlir/Dialect/QT/IR/QTAttrInterfaces.h.inc"
#include "quant-mlir/Dialect/QT/IR/QTDialect.h.inc"
#include "quant-mlir/Dialect/QT/IR/QTEnums.h.inc"
#include "quant-mlir/Dialect/QT/IR/QTOpInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quant-mlir/Dialect/QT/IR/QTAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "quant-mlir/Dialect/QT/IR/QTTypes.h.inc"

#define GET_OP_CLASSES
#include "quant-mlir/Dialect/QT/IR/QTOps.h.inc"

namespace quantmlir::qt {

/// The type of one statistic of an activation with `channels` channels.
mlir::RankedTensorType statisticType(mlir::MLIRContext *context,
                                     Statistics statistic, int64_t channels);
/// The single statistics of a set, in the order of `qt.observe`'s results.
llvm::SmallVector<Statistics> listStatistics(Statistics statistics);

/// Bits per value that a tensor of this static shape takes, all parts counted.
double getBitsPerValue(QuantSchemeInterface scheme,
                       llvm::ArrayRef<int64_t> shape);

/// Rows `first` to `first + count` of a stored tensor as floats, row-major.
/// The reference for every kernel. `parts` as in
/// QuantSchemeInterface::unpackRows.
llvm::Expected<std::vector<float>>
dequantizeRows(QuantSchemeInterface scheme,
               llvm::ArrayRef<llvm::ArrayRef<uint8_t>> parts, int64_t n,
               int64_t k, int64_t first, int64_t count);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_IR_QT_H

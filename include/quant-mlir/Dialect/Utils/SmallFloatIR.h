// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_UTILS_SMALLFLOATIR_H
#define QUANT_MLIR_DIALECT_UTILS_SMALLFLOATIR_H

// Quantize/SmallFloat.h as a program, in integer operations that every target
// has: LLVM knows no conversion of such types.

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "quant-mlir/Quantize/SmallFloat.h"
#include <optional>

namespace quantmlir {

/// f8E4M3FN, f8E5M2 or f4E2M1FN as we call them.
std::optional<SmallFloat> getSmallFloat(mlir::Type type);

/// The nearest number that `type` holds, as f32: saturating, halves to even,
/// NaN stays. `x` is an f32 or a vector of them.
mlir::Value emitSmallFloatRounding(mlir::OpBuilder &builder, mlir::Location loc,
                                   SmallFloat type, mlir::Value x);

/// Its code, an i8. `x` is an f32.
mlir::Value emitSmallFloatCode(mlir::OpBuilder &builder, mlir::Location loc,
                               SmallFloat type, mlir::Value x);

/// The f32 that an f8E4M3FN, f8E5M2 or f8E8M0FNU number is, by a table.
mlir::Value emitSmallFloatValue(mlir::OpBuilder &builder, mlir::Location loc,
                                mlir::Value number);

} // namespace quantmlir

#endif // QUANT_MLIR_DIALECT_UTILS_SMALLFLOATIR_H

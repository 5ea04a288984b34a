// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_UTILS_LINALGFORMULAS_H
#define QUANT_MLIR_DIALECT_UTILS_LINALGFORMULAS_H

// The formulas that lm and qt operations share.

#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"

namespace quantmlir {

/// x·Wᵀ + b: `x` is [..., K], `weight` [N, K], `bias` [N] or null; the result,
/// of type `type`, is [..., N].
mlir::Value emitLinear(LinalgEmitter &emit, mlir::OpBuilder &builder,
                       mlir::Value x, mlir::Value weight, mlir::Value bias,
                       mlir::RankedTensorType type);

/// The same with E matrices [N, K] in `weight`, one below the other: rows
/// experts[e] to experts[e + 1] of x, counted through all leading dimensions,
/// meet number e.
mlir::Value emitExpertLinear(LinalgEmitter &emit, mlir::OpBuilder &builder,
                             mlir::Value x, mlir::Value weight,
                             mlir::Value experts, mlir::RankedTensorType type);

/// result[..., e] = read(ids[...], e), for e below `columns`.
mlir::Value
emitGather(LinalgEmitter &emit, mlir::OpBuilder &builder, mlir::Value ids,
           mlir::OpFoldResult columns, mlir::RankedTensorType type,
           llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                          mlir::ValueRange indices)>
               read);

} // namespace quantmlir

#endif // QUANT_MLIR_DIALECT_UTILS_LINALGFORMULAS_H

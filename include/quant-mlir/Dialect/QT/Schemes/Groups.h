// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_SCHEMES_GROUPS_H
#define QUANT_MLIR_DIALECT_QT_SCHEMES_GROUPS_H

// What formats share that store codes and, beside them, a scale for every group
// of a row, every row or the whole tensor.

#include "quant-mlir/Dialect/QT/IR/QTScheme.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"

namespace quantmlir::qt {

/// Scale `index` of a storage part of f32, f16 or bf16.
float readScale(llvm::ArrayRef<uint8_t> bytes, int64_t index,
                mlir::FloatType type);

/// Scales as the bytes of such a part, rounded to its type.
std::vector<uint8_t> writeScales(llvm::ArrayRef<float> scales,
                                 mlir::FloatType type);

/// Checks the sizes of chosen codes, that codes lie below `codes` and that
/// there are zero points if and only if `zeros`.
llvm::Error checkChosen(const ChosenCodes &chosen, int64_t n, int64_t k,
                        int64_t groups, int64_t codes, bool zeros);

/// Of scales [n, groups] those that are stored if `rows` of them share one (n
/// for all, then also all groups). Fails if they differ.
llvm::Expected<std::vector<float>> sharedScales(llvm::ArrayRef<float> scales,
                                                int64_t n, int64_t groups,
                                                int64_t rows);

/// Where the scale of a logical element is: its row and group, or 0 if `length`
/// is 0: one scale for all.
llvm::SmallVector<mlir::Value> emitScaleIndices(mlir::OpBuilder &builder,
                                                mlir::Location loc,
                                                mlir::ValueRange indices,
                                                int64_t length);

/// The largest magnitude of the values that share a scale, for every scale:
/// groups of `length` values of a row of k, or all values for length 0.
mlir::Value emitAbsMax(LinalgEmitter &emit, mlir::OpBuilder &builder,
                       mlir::Location loc, mlir::Value input, int64_t k,
                       int64_t length);

/// Codes of `type` from the elements of `input` and their scales.
mlir::Value
emitCodes(LinalgEmitter &emit, mlir::OpBuilder &builder, mlir::Location loc,
          mlir::Value input, mlir::Value scales, int64_t length,
          mlir::Type type,
          llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                         mlir::Value x, mlir::Value scale)>
              encode);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_SCHEMES_GROUPS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTVALUES_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTVALUES_H

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Import/WeightSource.h"

namespace quantmlir::qt {

/// The type of the numbers that a weight stands for.
mlir::RankedTensorType getLogicalType(WeightOp weight);

/// The weight that a value is loaded from, as it is or dequantized; null if it
/// is no such value.
WeightOp findWeight(mlir::Value value);

/// The numbers of a weight, row-major, all of them finite. The error names
/// file, tensor and place of the first that is not.
llvm::Expected<std::vector<float>> readFloats(WeightOp weight,
                                              WeightSource &source);

/// Fails, at the weight, if any weight of the module is in `file`, which is
/// about to be overwritten.
mlir::LogicalResult checkNotOverwritten(mlir::ModuleOp module,
                                        llvm::StringRef file);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTVALUES_H

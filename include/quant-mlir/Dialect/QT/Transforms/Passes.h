// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_H
#define QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/DialectConversion.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"

namespace quantmlir::qt {

#define GEN_PASS_DECL
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"

class CalibrationProvider;

/// `qt-quantize` that takes statistics of activations from `provider` (which
/// may be null) unless the options name a file.
std::unique_ptr<mlir::Pass>
createQuantizePass(const QuantizePassOptions &options,
                   std::shared_ptr<CalibrationProvider> provider);
/// Likewise.
std::unique_ptr<mlir::Pass>
createSmoothPass(const SmoothPassOptions &options,
                 std::shared_ptr<CalibrationProvider> provider);
std::unique_ptr<mlir::Pass>
createAWQPass(const AWQPassOptions &options,
              std::shared_ptr<CalibrationProvider> provider);

/// The `qt.load` that a float weight comes from, directly or through
/// `qt.dequantize`; null if there is none.
LoadOp getWeightSource(mlir::Value weight);

/// Emits the number, f32 (or the type of the scheme's own floats), that the
/// element at `indices` of a stored tensor stands for:
/// scale * (decode(code) - offset) + minimum. `parts` are the tensors that the
/// scheme stores it as.
mlir::Value emitDequantizedElement(mlir::OpBuilder &builder, mlir::Location loc,
                                   QuantTensorType type, mlir::ValueRange parts,
                                   mlir::ValueRange indices);

/// Lowers every qt op but `qt.weight` and `qt.load`; `converter` turns
/// quantized tensors into their parts, see `addPartsConversion`.
void populateLowerToLinalgPatterns(mlir::RewritePatternSet &patterns,
                                   const mlir::TypeConverter &converter);

/// `!qt.tensor` to the types of the tensors it is stored as.
void addPartsConversion(mlir::TypeConverter &converter);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_KERNEL_ROPEANGLES_H
#define QUANT_MLIR_CODEGEN_KERNEL_ROPEANGLES_H

// What all targets share of kernel.rope. Angles grow to the context length in
// radians, where f32 has four digits after the point left, so they are computed
// and reduced in f64.

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::kernel {

/// The angle of each rotated pair at position 1.
llvm::SmallVector<double> ropeFrequencies(kernel::RopeOp op);

/// Cosine and sine of an f64 or a vector of them, good to 1e-11 for |angle|
/// below 1e9.
std::pair<mlir::Value, mlir::Value> emitCosSin(mlir::ImplicitLocOpBuilder &b,
                                               mlir::Value angle);

} // namespace quantmlir::kernel

#endif // QUANT_MLIR_CODEGEN_KERNEL_ROPEANGLES_H

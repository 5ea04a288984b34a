// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_LAUNCH_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_LAUNCH_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace quantmlir::cuda {

/// Declares a function of C, once.
void declareFunction(mlir::ModuleOp module, llvm::StringRef name,
                     llvm::ArrayRef<mlir::Type> arguments);

/// Pointers to the values, one behind the other and a null at the end, in the
/// function's frame.
mlir::Value putInMemory(mlir::ImplicitLocOpBuilder &b, mlir::ValueRange values);

/// Replaces a launch by `launcher(code, pointers to the arguments, blocks along
/// x, along y, threads, bytes of shared memory)`. Arguments of fewer bits are
/// widened to 64, of which a function reads the first.
void callLauncher(
    mlir::gpu::LaunchFuncOp op, llvm::StringRef launcher,
    llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &)> code);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_LAUNCH_H

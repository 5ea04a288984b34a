// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_GPU_PASSES_H
#define QUANT_MLIR_CODEGEN_GPU_PASSES_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quantmlir::cuda {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_CODEGEN_GPU_PASSES_H

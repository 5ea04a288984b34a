// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_KERNEL_PASSES_H
#define QUANT_MLIR_CODEGEN_KERNEL_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quantmlir::kernel {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"

} // namespace quantmlir::kernel

#endif // QUANT_MLIR_CODEGEN_KERNEL_PASSES_H

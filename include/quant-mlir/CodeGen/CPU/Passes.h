// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_CPU_PASSES_H
#define QUANT_MLIR_CODEGEN_CPU_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quantmlir::cpu {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "quant-mlir/CodeGen/CPU/Passes.h.inc"

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_CODEGEN_CPU_PASSES_H

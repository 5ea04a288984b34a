// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TARGET_KERNELLIBRARY_H
#define QUANT_MLIR_TARGET_KERNELLIBRARY_H

// Kernels for applications that want no model: `quantc --kernels LIST.yaml`.
//
//   rows: 512                      # the most rows of a call; 128 by default
//   kernels:
//     up: {op: matmul, n: 14336, k: 4096, recipe: w4a16, norm: 1.0e-5}
//     down: {op: matmul, n: 4096, k: 14336, recipe: w4a16, residual: true}
//     attend: {op: attention, heads: 32, kv_heads: 8, head_size: 128}
//
// See docs/howto/kernels.md.

#include "mlir/IR/OwningOpRef.h"
#include "quant-mlir/Target/Compile.h"

namespace quantmlir {

/// A list as a module: a function on tensors for each kernel. `rows` becomes
/// what the list says. Errors name file and line.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
readKernelList(llvm::StringRef path, mlir::MLIRContext *context, int64_t &rows);

/// Compiles such a module: NAME.o, NAME.h, NAME.json, which describes the
/// kernels, quant_runtime.h, for a GPU NAME.ptx and NAME.cubin, and for this
/// machine's architecture NAME.a and NAME.so with the runtime in them. Each
/// file appears whole or not at all. The module is changed.
llvm::Error compileKernels(mlir::ModuleOp module,
                           const CompileOptions &options);

} // namespace quantmlir

#endif // QUANT_MLIR_TARGET_KERNELLIBRARY_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TOOLS_COMMON_READMODEL_H
#define QUANT_MLIR_TOOLS_COMMON_READMODEL_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace quantmlir {

/// The MODEL of a command line: a .gguf file, a Hugging Face folder or an .mlir
/// file.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
readModel(llvm::StringRef path, mlir::MLIRContext *context);

} // namespace quantmlir

#endif // QUANT_MLIR_TOOLS_COMMON_READMODEL_H

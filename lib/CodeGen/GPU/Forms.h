// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_FORMS_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_FORMS_H

#include "mlir/IR/Operation.h"

namespace quantmlir::cuda {

/// One way to run a kernel, as `gpu.forms` has it.
struct Form {
  llvm::StringRef name;
  int64_t tokens; ///< rows of the activation that a block takes
  int64_t warps;  ///< of a block
};

inline constexpr llvm::StringLiteral formsAttrName = "gpu.forms";

void setForms(mlir::Operation *op, llvm::ArrayRef<Form> forms);
/// An error at `op` unless there are forms, and sensible ones.
llvm::FailureOr<llvm::SmallVector<Form>> getForms(mlir::Operation *op);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_FORMS_H

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
  /// Most rows of a call that it is for; 0: `tokens`.
  int64_t most = 0;
  int64_t rows = 0;   ///< of the weight that a block takes, if not one panel
  int64_t stages = 0; ///< copies of a tile that are on their way or in use
  /// Whether weights are scaled before they are multiplied, not sums of a
  /// group.
  int64_t scaled = 0;
  /// Least positions that a call sees, if it is not for all: of attention.
  int64_t positions = 0;

  /// Whether products read activations from shared memory by themselves.
  bool readsMemory() const { return name == "wgmma"; }
  /// Whether a block has rows of the weight, by tokens, in steps along K.
  bool isTiled() const { return name == "tiles" || readsMemory(); }
  int64_t mostRows() const { return most ? most : tokens; }
};

inline constexpr llvm::StringLiteral formsAttrName = "gpu.forms";

void setForms(mlir::Operation *op, llvm::ArrayRef<Form> forms);
/// An error at `op` unless there are forms, and sensible ones.
llvm::FailureOr<llvm::SmallVector<Form>> getForms(mlir::Operation *op);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_FORMS_H

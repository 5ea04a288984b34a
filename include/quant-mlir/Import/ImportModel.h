// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_IMPORTMODEL_H
#define QUANT_MLIR_IMPORT_IMPORTMODEL_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace quantmlir {

/// Reads a GGUF file of one of the architectures of docs/architectures.md
/// (tensors of all types that weights may have) as a module with one function,
///
///   @forward(%tokens: tensor<?xi32>, %position: index, %outputs: index,
///            %cache: !lm.kv_cache<...>) -> tensor<?xVOCABxf32>
///
/// which appends the tokens to the cache at `position` and returns the logits
/// of the last `outputs` of them. Weights stay in the file. Errors are one line
/// that names the file and what is wrong or not supported.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importGGUF(llvm::StringRef path, mlir::MLIRContext *context);

/// Reads a Hugging Face folder (config.json and safetensors, sharded or not;
/// F32, F16, BF16, or quantized, see Import/Checkpoint.h) of model type
/// "bert", whose function is
///
///   @forward(%tokens: tensor<?xi32>) -> tensor<?xHIDDENxf32>
///
/// and returns the last hidden states of one sentence (segment 0 throughout),
/// or of one of the decoders, as `importGGUF`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importHF(llvm::StringRef folder, mlir::MLIRContext *context);

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_IMPORTMODEL_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_IMPORTMODEL_H
#define QUANT_MLIR_IMPORT_IMPORTMODEL_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

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

/// Reads an ONNX file (docs/onnx.md says which operators) as a module whose
/// function @forward has the graph's inputs, by their names as `lm.name`, and
/// its outputs in their order. A dimension without a size has the one that
/// `sizes` gives to its name, or is dynamic. Weights stay in the file.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importONNX(llvm::StringRef path, mlir::MLIRContext *context,
           const llvm::StringMap<int64_t> &sizes = {});

/// The operators that `importONNX` knows, sorted; those of a domain that is not
/// ONNX's own as "DOMAIN.NAME".
std::vector<std::string> listONNXOperators();

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_IMPORTMODEL_H

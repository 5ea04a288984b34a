// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_EXPORTHF_H
#define QUANT_MLIR_EXPORT_EXPORTHF_H

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Export/OutputFolder.h"
#include "quant-mlir/Import/CheckpointEncoder.h"

namespace quantmlir {

/// Writes a module that was imported from a Hugging Face folder and quantized
/// as such a folder: the quantized matrices as `encoder` stores them, weights
/// that smoothing or GPTQ have changed, and the rest (tensors, config.json with
/// another quantization_config, the tokenizer) as it is in the source. What
/// cannot be said there is an error that names the weight.
llvm::Error exportHF(mlir::ModuleOp module, CheckpointEncoder &encoder,
                     OutputFolder &output);

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_EXPORTHF_H

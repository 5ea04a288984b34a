// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_EXPORTGGUF_H
#define QUANT_MLIR_EXPORT_EXPORTGGUF_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace quantmlir {

/// Writes an imported module, quantized or not, as a GGUF file, with the
/// weights as the module has them. If its source is such a file, with all of
/// its keys; if it is a Hugging Face folder, with keys for its configuration
/// and tokenizer. What GGUF files cannot say is an error that names the weight
/// or file: other schemes than theirs, a choice of how activations are rounded,
/// weights that have no place.
llvm::Error exportGGUF(mlir::ModuleOp module, llvm::StringRef path);

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_EXPORTGGUF_H

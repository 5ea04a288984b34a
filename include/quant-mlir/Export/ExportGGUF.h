// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_EXPORTGGUF_H
#define QUANT_MLIR_EXPORT_EXPORTGGUF_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace quantmlir {

/// Writes a module that was imported from a GGUF file, and quantized or not, as
/// such a file: with all keys of its source, and the weights as the module has
/// them. What GGUF files cannot say is an error that names the weight: other
/// schemes than theirs, a choice of how activations are rounded, weights that
/// the source does not have.
llvm::Error exportGGUF(mlir::ModuleOp module, llvm::StringRef path);

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_EXPORTGGUF_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_TENSORNAMES_H
#define QUANT_MLIR_IMPORT_TENSORNAMES_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace quantmlir {

/// What GGUF files call the tensor of a decoder that Hugging Face's folders
/// call `name`; empty if they have no such tensor. `architecture` is its name
/// in GGUF files.
std::string toGGUFName(llvm::StringRef name, llvm::StringRef architecture);

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_TENSORNAMES_H

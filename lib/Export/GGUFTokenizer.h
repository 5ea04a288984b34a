// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_EXPORT_GGUFTOKENIZER_H
#define QUANT_MLIR_LIB_EXPORT_GGUFTOKENIZER_H

#include "quant-mlir/Export/GGUFKeys.h"

namespace quantmlir {

/// Sets the keys that describe the tokenizer of a Hugging Face folder: its
/// tokens, of which the model has `vocabulary`, merges, way to cut text into
/// words, special tokens and chat template. Fails if it is no byte-level BPE or
/// cuts text in a way that has no name in GGUF files.
llvm::Error describeTokenizer(llvm::StringRef folder, int64_t vocabulary,
                              GGUFKeys &keys);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_EXPORT_GGUFTOKENIZER_H

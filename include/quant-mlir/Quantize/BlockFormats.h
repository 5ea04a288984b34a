// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H
#define QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// GGUF block types that are encoded by a formula, without a search.
enum class BlockFormat { Q4_0, Q4_1, Q8_0 };

/// Encodes rows of whole blocks of 32 values, byte for byte as ggml's reference
/// quantizers do. `bytes` is resized. The error names the first value that is
/// not finite.
llvm::Error encodeBlocks(BlockFormat format, llvm::ArrayRef<float> values,
                         std::vector<uint8_t> &bytes);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The block formats of GGUF files that need no search: 32 consecutive values of
// a row share a scale. Bit for bit what ggml reads and writes.
//
//   q4_0  f16 d, 16 bytes of codes             d * (q - 8)
//   q4_1  f16 d, f16 m, 16 bytes of codes      d * q + m
//   q8_0  f16 d, 32 signed bytes               d * q
//
// Byte j of 4-bit codes has value j in its low nibble and value j + 16 in its
// high one.

#ifndef QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H
#define QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

enum class BlockFormat { Q4_0, Q4_1, Q8_0 };

/// Values that share a block, in every format.
inline constexpr int64_t blockLength = 32;

/// Bytes of one block: 18, 20 or 34.
int64_t blockBytes(BlockFormat format);

/// "q4_0", "q4_1" or "q8_0".
llvm::StringRef blockFormatName(BlockFormat format);

/// Quantizes `values`, row after row, into `bytes` (resized). Fails if their
/// number is not a multiple of 32 (rows are whole blocks, so a matrix is one
/// array here), if a value is not finite, or if a scale or minimum exceeds f16;
/// the message names the index of the value or block.
llvm::Error encodeBlocks(BlockFormat format, llvm::ArrayRef<float> values,
                         std::vector<uint8_t> &bytes);

/// The values of `bytes`, one f32 rounding per operation as ggml does. Fails if
/// the sizes do not belong together.
llvm::Error decodeBlocks(BlockFormat format, llvm::ArrayRef<uint8_t> bytes,
                         llvm::MutableArrayRef<float> values);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

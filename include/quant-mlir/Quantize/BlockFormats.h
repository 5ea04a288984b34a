// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The block formats of GGUF files: encoders. What a block means is said once,
// by its scheme (Dialect/QT/Schemes).
//
// Formats of 32 values whose scales follow from the largest values are written
// bit for bit as ggml writes them. Those whose scales are searched (IQ4_NL and
// the super-blocks of 256 values, Q2_K to Q6_K) have no such rule: here the
// squared error is made small.

#ifndef QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H
#define QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

enum class BlockFormat {
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  IQ4_NL,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K
};

/// Values of one block: 32 or 256.
int64_t blockValues(BlockFormat format);

/// Bytes of one block.
int64_t blockBytes(BlockFormat format);

/// As GGUF's tools write it, in lower case: "q4_0", "q4_K".
llvm::StringRef blockFormatName(BlockFormat format);

/// Quantizes `values`, row after row, into `bytes` (resized). Fails if their
/// number is not a multiple of a block's (rows are whole blocks, so a matrix is
/// one array here), if a value is not finite, or if a scale or minimum exceeds
/// f16; the message names the index of the value or block.
llvm::Error encodeBlocks(BlockFormat format, llvm::ArrayRef<float> values,
                         std::vector<uint8_t> &bytes);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

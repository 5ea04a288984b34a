// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The block formats of GGUF files: encoders. What a block means is said once,
// by its scheme (Dialect/QT/Schemes/GGUF).
//
// Formats whose scales follow from the largest values are written bit for bit
// as ggml writes them. Those whose scales are searched (the K and IQ types)
// have no such rule: here the squared error is made small; in Q3_K values
// count by their magnitude. If columns count differently, scales of
// Q4_0 to Q5_1 are searched, too. Q2_0 is only read.

#ifndef QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H
#define QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

enum class BlockFormat {
#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF) NAME,
#include "quant-mlir/Quantize/BlockFormats.def"
};

struct BlockFacts {
  const char *name; ///< that of recipes and schemes: "q4_0", "q4_K"
  int64_t values, bytes;
};

/// In the order of the enumeration.
inline constexpr BlockFacts blockFacts[] = {
#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF)                       \
  {#MNEMONIC, VALUES, BYTES},
#include "quant-mlir/Quantize/BlockFormats.def"
};

constexpr const BlockFacts &factsOf(BlockFormat format) {
  return blockFacts[size_t(format)];
}

/// Quantizes `values`, row after row, into `bytes` (resized). Fails if their
/// number is not a multiple of a block's (rows are whole blocks, so a matrix is
/// one array here), if a value is not finite, or if a scale or minimum exceeds
/// f16; the message names the index of the value or block.
///
/// `importance`, if given, has as many numbers as a row: how much the squared
/// error of each column counts, such as the mean square of what it is
/// multiplied with. IQ1 and IQ2 need it; types whose scales follow from the
/// largest value alone (Q8_0, ternary ones and floats) do not look at it.
llvm::Error encodeBlocks(BlockFormat format, llvm::ArrayRef<float> values,
                         std::vector<uint8_t> &bytes,
                         llvm::ArrayRef<float> importance = {});

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_BLOCKFORMATS_H

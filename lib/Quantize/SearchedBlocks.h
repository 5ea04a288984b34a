// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_QUANTIZE_SEARCHEDBLOCKS_H
#define QUANT_MLIR_LIB_QUANTIZE_SEARCHEDBLOCKS_H

#include "quant-mlir/Quantize/BlockFormats.h"

namespace quantmlir {

/// Encodes one block of a format whose scales are searched: the K, IQ3 and IQ4
/// types. `x` is finite; false if a scale is too large for f16.
bool encodeSearched(BlockFormat format, const float *x, uint8_t *block);

/// The same for one format each; `block` is zeros.
bool encodeIQ3_XXS(const float *x, uint8_t *block);
bool encodeIQ3_S(const float *x, uint8_t *block);
bool encodeIQ4_NL(const float *x, uint8_t *block);
bool encodeIQ4_XS(const float *x, uint8_t *block);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_QUANTIZE_SEARCHEDBLOCKS_H

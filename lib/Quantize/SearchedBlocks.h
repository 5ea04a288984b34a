// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_QUANTIZE_SEARCHEDBLOCKS_H
#define QUANT_MLIR_LIB_QUANTIZE_SEARCHEDBLOCKS_H

#include "quant-mlir/Quantize/BlockFormats.h"

namespace quantmlir {

/// Encodes one block of a format whose scales can be searched, into zeros. `x`
/// is finite; the error of each value counts as much as its weight, which is
/// positive. False if a scale is too large for f16.
bool encodeSearched(BlockFormat format, const float *x, const float *weights,
                    uint8_t *block);

/// The same for those of them whose numbers are an integer times a scale.
bool encodeLanes(BlockFormat format, const float *x, const float *weights,
                 uint8_t *block);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_QUANTIZE_SEARCHEDBLOCKS_H

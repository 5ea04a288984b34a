// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where to clip an activation that is quantized with one scale for all tokens.
// A few tokens have values far outside the others; a range that holds them
// makes the step coarse for all. What the text had is given as `counts`, the
// histogram of |x| of Histogram.h, and `largest`, the largest |x|, which no
// result exceeds (the last bin that is not empty reaches beyond it).
//
//   percentile   leaves out a given share of the values
//   MSE          least mean squared error of rounding and clipping together
//   KL           the distribution of the quantized values is most like that of
//                the originals (as TensorRT calibrates)

#ifndef QUANT_MLIR_QUANTIZE_RANGES_H
#define QUANT_MLIR_QUANTIZE_RANGES_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace quantmlir {

/// The range that holds `share` (0 to 1) of the values. 0 if there are none,
/// here and below.
double percentileRange(llvm::ArrayRef<int64_t> counts, double largest,
                       double share);

/// For symmetric integers with codes up to `levels`: step = range / levels.
double mseRange(llvm::ArrayRef<int64_t> counts, double largest,
                double levels = 127);
double klRange(llvm::ArrayRef<int64_t> counts, double largest,
               double levels = 127);

/// The mean squared error behind mseRange.
double rangeError(llvm::ArrayRef<int64_t> counts, double largest, double range,
                  double levels = 127);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_RANGES_H

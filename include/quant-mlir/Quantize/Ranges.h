// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where to clip an activation that is quantized with one scale for all tokens.
// A few tokens have values far outside the others; a range that holds them
// makes the step coarse for all. What the text had is given as a histogram of
// |x|: `counts[i]` values lie between `edge(i)` and `edge(i + 1)`, of whatever
// widths. `largest` is the largest |x|, an upper end for all results (the last
// edge may lie beyond it).
//
//   percentile   leaves out a given share of the values
//   MSE          least mean squared error of rounding and clipping together
//   KL           the distribution of the quantized values is most like that of
//                the originals (as TensorRT calibrates)

#ifndef QUANT_MLIR_QUANTIZE_RANGES_H
#define QUANT_MLIR_QUANTIZE_RANGES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>

namespace quantmlir {

struct Histogram {
  llvm::ArrayRef<double> counts;
  llvm::function_ref<double(int64_t)> edge;
  double largest;
};

/// The range that holds `share` (0 to 1) of the values. 0 if there are none,
/// here and below.
double percentileRange(const Histogram &histogram, double share);

/// For symmetric integers with codes up to `levels`: step = range / levels.
double mseRange(const Histogram &histogram, int levels = 127);
double klRange(const Histogram &histogram, int levels = 127);

/// The mean squared error behind mseRange.
double rangeError(const Histogram &histogram, double range, int levels = 127);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_RANGES_H

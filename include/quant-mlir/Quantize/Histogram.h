// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Histograms of magnitudes whose bins do not depend on the data: counts of
// different calls, runs and machines add up, and no range has to be known
// before the first token. Every octave [2^e, 2^(e+1)) is cut into 32 equal
// bins, so a bin is 1/32 to 1/64 of its value wide; 64 octaves reach from 2^-40
// to 2^24. The bin of a number is then its exponent and the first five bits of
// its mantissa:
//
//   bin(x) = clamp((bits(|x|) >> 18) - (127 - 40) * 32, 0, 2047)
//
// What is smaller (zeros too) counts in the first bin, what is larger in the
// last.

#ifndef QUANT_MLIR_QUANTIZE_HISTOGRAM_H
#define QUANT_MLIR_QUANTIZE_HISTOGRAM_H

#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace quantmlir {

inline constexpr int64_t histogramBins = 2048;
/// log2 of the bins in an octave.
inline constexpr int histogramOctaveBits = 5;
/// The lower edge of bin 0 is two to the power of this.
inline constexpr int histogramLowest = -40;
/// How far the bits of a float are shifted, and what is subtracted then.
inline constexpr int histogramShift = 23 - histogramOctaveBits;
inline constexpr int32_t histogramBase = (127 + histogramLowest)
                                         << histogramOctaveBits;

inline int64_t histogramBin(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value) & 0x7FFFFFFF;
  int32_t bin = int32_t(bits >> histogramShift) - histogramBase;
  return std::clamp<int32_t>(bin, 0, histogramBins - 1);
}

/// The smallest magnitude of a bin; that of bin 2048 is where the last ends.
inline double histogramEdge(int64_t bin) {
  int64_t octave = bin >> histogramOctaveBits;
  double step = double(bin & ((1 << histogramOctaveBits) - 1)) /
                (1 << histogramOctaveBits);
  return std::ldexp(1 + step, int(octave) + histogramLowest);
}

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_HISTOGRAM_H

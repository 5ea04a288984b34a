// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_QUANTIZE_ROUNDTONEAREST_H
#define QUANT_MLIR_QUANTIZE_ROUNDTONEAREST_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// A uniform integer format of 2 to 8 bits.
struct IntFormat {
  enum class Granularity { Tensor, Channel, Token, Group };
  enum class ScaleType { F32, F16, BF16 };
  unsigned bits = 8;
  Granularity granularity = Granularity::Channel;
  int64_t group = 0; ///< values per scale, for Granularity::Group
  bool asymmetric = false;
  ScaleType scaleType = ScaleType::F32;
};

/// A matrix [N, K] on an integer grid with G scales a row (one in all for
/// Granularity::Tensor).
struct IntMatrix {
  /// [N, K]; signed, or unsigned as a bit pattern for asymmetric formats.
  std::vector<int8_t> codes;
  /// [N, G], already rounded to the scale type.
  std::vector<float> scales;
  /// [N, G], asymmetric formats only.
  std::vector<uint8_t> zeros;
};

/// Rounds a row-major matrix to the nearest point of the grid, ties to even.
///
/// Symmetric: scale = absmax / 127 with codes -127..127 at 8 bits, absmax /
/// (2^(b-1) - 1/2) with codes -2^(b-1)..2^(b-1)-1 below. Asymmetric: the range
/// is widened to contain 0, scale = (max - min) / (2^b - 1), zero = round(-min
/// / scale). Scales are rounded to their type before the codes are computed, so
/// that what is stored is what was used. A group of zeros has scale 0.
///
/// Errors name the row and column of a value that is not finite, or a scale
/// that overflows its type.
llvm::Expected<IntMatrix> roundToNearest(llvm::ArrayRef<float> values,
                                         int64_t n, int64_t k,
                                         const IntFormat &format);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_ROUNDTONEAREST_H

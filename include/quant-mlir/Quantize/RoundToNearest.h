// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Round-to-nearest for uniform integers: the scale comes from the range of the
// values that share it, the codes from rounding. No data, no search.
//
//   symmetric    value = scale * code
//     8 bits     scale = absmax / 127             code in [-127, 127]
//     b bits     scale = absmax / (2^(b-1) - 0.5) code in [-2^(b-1), 2^(b-1)-1]
//   asymmetric   value = scale * (code - zero)    code, zero in [0, 2^b - 1]
//                scale = (max - min) / (2^b - 1), 0 counted among the values
//
// The half in b bits: 4-bit codes reach from -8 to 7, so dividing by 7.5 loses
// half a step at either end instead of never using -8. At 8 bits the gain is
// gone and kernels profit from a symmetric range.
//
// A scale is rounded to the type that it is stored in *before* codes are made,
// so the codes are the nearest ones for the scale that the kernel will see.

#ifndef QUANT_MLIR_QUANTIZE_ROUNDTONEAREST_H
#define QUANT_MLIR_QUANTIZE_ROUNDTONEAREST_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// A uniform integer format.
struct IntFormat {
  /// What shares a scale: everything, a row (Channel for weights and Token for
  /// activations are the same here), or `group` consecutive values of a row,
  /// of which the last may be shorter.
  enum class Granularity { Tensor, Channel, Token, Group };
  enum class ScaleType { F32, F16, BF16 };

  unsigned bits = 8; ///< 2 to 8
  Granularity granularity = Granularity::Channel;
  int64_t group = 0; ///< at least 1 if granularity is Group, else ignored
  bool asymmetric = false;
  ScaleType scaleType = ScaleType::F32;

  /// Values of a row of length `k` that share a scale.
  int64_t groupLength(int64_t k) const;
  /// Scales per row of length `k`: G. (1 for Tensor, whose rows share theirs.)
  int64_t groupsPerRow(int64_t k) const;
};

/// A matrix [N, K] in such a format.
struct IntMatrix {
  /// [N, K], one code per byte; a byte pattern above 127 is an unsigned code if
  /// the format is asymmetric, a negative one otherwise.
  std::vector<int8_t> codes;
  /// [N, G], or [1] for Tensor. Each is exactly representable in the scale
  /// type; 0 where all values are 0.
  std::vector<float> scales;
  /// Like `scales`; empty if the format is symmetric.
  std::vector<uint8_t> zeros;
};

/// Quantizes `values`, [n, k] row-major. Uses all of the machine's threads; the
/// result does not depend on how many they are. Fails if the format is
/// impossible, a value is NaN or infinite (the message names row and column),
/// or a scale does not fit its type (it names row and group).
llvm::Expected<IntMatrix> roundToNearest(llvm::ArrayRef<float> values,
                                         int64_t n, int64_t k,
                                         const IntFormat &format);

/// The values of `matrix` into `values`, [n, k] row-major: one rounding of
/// scale * (code - zero). The sizes must belong together.
void dequantize(const IntMatrix &matrix, int64_t n, int64_t k,
                const IntFormat &format, llvm::MutableArrayRef<float> values);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_ROUNDTONEAREST_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small floats with scales: value = scale * float(code), or
// scale / global * float(code) where scales are small floats themselves.
//
//   FP8      E4M3FN or E5M2, f32 scales absmax / 448 (57344) of a tensor, a
//            row, a group of a row or a block of rows and columns
//   MXFP8/4  groups of 32, scales that are powers of two (E8M0)
//   NVFP4    E2M1FN in groups of 16, E4M3FN scales over one f32 for the tensor
//
// Scales and codes are those of compressed-tensors.

#ifndef QUANT_MLIR_QUANTIZE_SCALEDFLOAT_H
#define QUANT_MLIR_QUANTIZE_SCALEDFLOAT_H

#include "quant-mlir/Quantize/SmallFloat.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

struct ScaledFloatFormat {
  /// What shares a scale, as schemes say it; None for plain floats.
  enum class Granularity { None, Tensor, Channel, Token, Group, Block };
  enum class Scale { F32, F16, BF16, E8M0, E4M3 };
  SmallFloat element = SmallFloat::E4M3FN;
  /// Rows and columns that share a scale; 0 for all of them.
  int64_t blockRows = 1, blockColumns = 0;
  Scale scale = Scale::F32;

  /// Values of a row of `k` that share a scale.
  int64_t columns(int64_t k) const {
    return blockColumns ? std::min(blockColumns, k) : k;
  }
  /// Rows of `n` that share a scale.
  int64_t rows(int64_t n) const { return blockRows ? blockRows : n; }
  /// Bytes of a stored scale.
  int64_t scaleBytes() const {
    return scale == Scale::F32                            ? 4
           : scale == Scale::E8M0 || scale == Scale::E4M3 ? 1
                                                          : 2;
  }
};

struct ScaledFloatMatrix {
  std::vector<uint8_t> codes; ///< [n, k], a byte each
  /// [ceil(n / rows), ceil(k / columns)], each exactly representable in the
  /// scale's type.
  std::vector<float> scales;
  /// What E4M3 scales are divided by, else 1.
  float global = 1;
};

/// Rounds to nearest. Fails if a value is not finite (the message names row and
/// column) or a scale does not fit its type.
llvm::Expected<ScaledFloatMatrix>
quantizeScaledFloat(llvm::ArrayRef<float> values, int64_t n, int64_t k,
                    const ScaledFloatFormat &format);

/// Scales as they are stored, `scaleBytes` each.
std::vector<uint8_t> storeScales(llvm::ArrayRef<float> scales,
                                 ScaledFloatFormat::Scale type);
/// Scale `index` of such an array.
float readStoredScale(llvm::ArrayRef<uint8_t> bytes, int64_t index,
                      ScaledFloatFormat::Scale type);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_SCALEDFLOAT_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f16 and bf16 as 16-bit patterns, to and from f32. Round to nearest even,
// subnormals kept, overflow to infinity, NaN stays a (quiet) NaN. APFloat gives
// the same answers (the unit tests ask it) but takes 100 ns a value; this is
// straight-line code that compilers turn into vector instructions.

#ifndef QUANT_MLIR_QUANTIZE_FLOATCONVERSION_H
#define QUANT_MLIR_QUANTIZE_FLOATCONVERSION_H

#include "llvm/ADT/bit.h"
#include <cstdint>

namespace quantmlir {

/// The value of an IEEE half. Exact.
inline float f16ToF32(uint16_t half) {
  // Moved into place, an exponent is too small by the difference of the biases.
  constexpr uint32_t rebias = uint32_t(127 - 15) << 23;
  constexpr uint32_t topExponent = 0x7C00u << 13;
  uint32_t bits = uint32_t(half & 0x7FFF) << 13;
  uint32_t exponent = bits & topExponent;
  uint32_t normal = bits + rebias;
  uint32_t infOrNaN = bits + 2 * rebias;
  // A subnormal has no implicit one: give it one, then subtract it again.
  constexpr uint32_t one = uint32_t(127 - 14) << 23;
  uint32_t subnormal = llvm::bit_cast<uint32_t>(
      llvm::bit_cast<float>(bits + one) - llvm::bit_cast<float>(one));
  uint32_t magnitude = exponent == topExponent ? infOrNaN
                       : exponent == 0         ? subnormal
                                               : normal;
  return llvm::bit_cast<float>(magnitude | uint32_t(half & 0x8000) << 16);
}

/// The nearest IEEE half.
inline uint16_t f32ToF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000;
  bits &= 0x7FFFFFFF;
  // Adding half a unit, or a hair less if the result would be odd, carries into
  // the exponent where it must, up to infinity.
  uint32_t odd = (bits >> 13) & 1;
  uint32_t normal = (bits - (uint32_t(127 - 15) << 23) + 0xFFF + odd) >> 13;
  // Below 2^-14 the f32 addition does the rounding: 0.5 has a unit of 2^-24.
  uint32_t subnormal =
      llvm::bit_cast<uint32_t>(llvm::bit_cast<float>(bits) + 0.5f) -
      llvm::bit_cast<uint32_t>(0.5f);
  uint32_t infOrNaN =
      bits > 0x7F800000 ? 0x7E00 | ((bits >> 13) & 0x1FF) : 0x7C00;
  uint32_t magnitude = bits >= 0x47800000  ? infOrNaN
                       : bits < 0x38800000 ? subnormal
                                           : normal;
  return uint16_t(magnitude | sign);
}

/// The value of a bfloat16. Exact.
inline float bf16ToF32(uint16_t brain) {
  return llvm::bit_cast<float>(uint32_t(brain) << 16);
}

/// The nearest bfloat16.
inline uint16_t f32ToBF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  uint32_t quiet = (bits >> 16) | 0x40;
  return uint16_t((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_FLOATCONVERSION_H

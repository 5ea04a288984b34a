// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Floats of 8 and 4 bits as bit patterns, to and from f32.
//
//   type      sign exponent mantissa  largest   smallest  special codes
//   E4M3FN      1      4        3     448       2^-9      NaN 7F FF, no
//   infinity E5M2        1      5        2     57344     2^-16     infinity 7C,
//   NaN 7D-7F E2M1FN      1      2        1     6         0.5       none
//   E8M0FNU     0      8        0     2^127     2^-127    NaN FF, no zero
//
// Encoding rounds to nearest, halves to even, and saturates: what is too large,
// infinity included, becomes the largest finite number. NaN stays NaN. (The
// plain casts of other libraries differ there: NaN or infinity, by library and
// version.) Names and meaning as in MLIR's builtin types.

#ifndef QUANT_MLIR_QUANTIZE_SMALLFLOAT_H
#define QUANT_MLIR_QUANTIZE_SMALLFLOAT_H

#include "llvm/ADT/bit.h"
#include <cstdint>

namespace quantmlir {

/// The types with a sign. E8M0FNU is a scale, with functions of its own.
enum class SmallFloat { E4M3FN, E5M2, E2M1FN };

/// Bits of a code: 8 or 4, the unused upper bits zero.
constexpr unsigned smallFloatBits(SmallFloat type) {
  return type == SmallFloat::E2M1FN ? 4 : 8;
}

/// 448, 57344 or 6.
constexpr float smallFloatMax(SmallFloat type) {
  return type == SmallFloat::E4M3FN ? 448.0f
         : type == SmallFloat::E5M2 ? 57344.0f
                                    : 6.0f;
}

/// The bits of a type with a sign.
struct SmallFloatFields {
  int exponentBits, mantissaBits;
  uint32_t largest;    ///< code of the largest finite number
  uint32_t notANumber; ///< a NaN's code, the largest number's if there is none

  constexpr int bias() const { return (1 << (exponentBits - 1)) - 1; }
  constexpr uint32_t sign() const {
    return 1u << (exponentBits + mantissaBits);
  }
  /// Exponent of the smallest normal number.
  constexpr int smallestExponent() const { return 1 - bias(); }
  /// Bits of an f32's mantissa that have no place.
  constexpr int shift() const { return 23 - mantissaBits; }
  /// An f32 whose last bit has the worth of a subnormal's last bit: adding it
  /// rounds a magnitude below the smallest normal one.
  constexpr uint32_t subnormalMagic() const {
    return uint32_t(127 + smallestExponent() + shift()) << 23;
  }
};

constexpr SmallFloatFields smallFloatFields(SmallFloat type) {
  return type == SmallFloat::E4M3FN ? SmallFloatFields{4, 3, 0x7E, 0x7F}
         : type == SmallFloat::E5M2 ? SmallFloatFields{5, 2, 0x7B, 0x7F}
                                    : SmallFloatFields{2, 1, 0x7, 0x7};
}

/// The value of a code. Exact.
float smallFloatToF32(SmallFloat type, uint8_t code);

/// The code of the nearest value. E2M1FN has no NaN; it becomes the largest.
uint8_t f32ToSmallFloat(SmallFloat type, float value);

/// 2^(code - 127); 255 is NaN.
inline float e8m0ToF32(uint8_t code) {
  // An f32 with that exponent field, but for 0 (2^-127 is subnormal) and 255.
  uint32_t bits = code == 0     ? 0x00400000u
                  : code == 255 ? 0x7FC00000u
                                : uint32_t(code) << 23;
  return llvm::bit_cast<float>(bits);
}

/// How the power of two that scales a block of an OCP MX format is chosen from
/// the block's largest magnitude. With f the element's largest exponent (2 for
/// E2M1, 8 for E4M3, 15 for E5M2) the exponent of the scale is e - f where
///
///   Floor    e = floor(log2(absmax)): OCP's rule. Values above the largest
///            element (6 of 8, 448 of 512) saturate.
///   Ceil     one more unless absmax is a power of two
///   Even     one more from where the element type would round up
///   Nearest  one more from 1.75 * 2^e on, for every element type
///   RCeil    the smallest scale with which nothing saturates
///
/// Nearest is the rule of compressed-tensors, and ours; the others are
/// torchao's.
enum class MXRounding { Floor, Ceil, Even, Nearest, RCeil };

/// The E8M0 code of a block's scale. Zero gives 0, the smallest scale.
uint8_t mxScale(SmallFloat element, float absMax, MXRounding rounding);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_SMALLFLOAT_H

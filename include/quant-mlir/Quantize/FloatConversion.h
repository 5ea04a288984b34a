// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_QUANTIZE_FLOATCONVERSION_H
#define QUANT_MLIR_QUANTIZE_FLOATCONVERSION_H

// Conversions between f32 and the 16-bit floats, as bit patterns. APFloat does
// the same, far too slowly for whole tensors.

#include <cstdint>
#include <cstring>

namespace quantmlir {

inline uint32_t f32Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float f32FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// bfloat16 to f32: exact.
inline float bf16ToF32(uint16_t half) {
  return f32FromBits(uint32_t(half) << 16);
}

/// f32 to bfloat16, to nearest even. A NaN stays one and becomes quiet.
inline uint16_t f32ToBF16(float value) {
  uint32_t bits = f32Bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// IEEE half to f32: exact.
inline float f16ToF32(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 31)
    return f32FromBits(sign | 0x7f800000 | mantissa << 13);
  if (exponent != 0)
    return f32FromBits(sign | (exponent + 112) << 23 | mantissa << 13);
  // A subnormal is mantissa * 2^-24, which f32 holds as a normal number.
  float value = float(mantissa) * 0x1p-24f;
  return f32FromBits(sign | f32Bits(value));
}

/// f32 to IEEE half, to nearest even; what is too large becomes infinite. A NaN
/// stays one and becomes quiet.
inline uint16_t f32ToF16(float value) {
  uint32_t bits = f32Bits(value);
  uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return sign | 0x7e00 | (bits >> 13 & 0x1ff);
  if (bits >= 0x477ff000) // 65520, the tie between the largest half and 65536
    return sign | 0x7c00;
  if (bits < 0x38800000) {
    // The result is subnormal: an addition that leaves 2^-24 as the last place
    // of the sum rounds for us.
    float shifted = f32FromBits(bits) + 0.5f;
    return sign | uint16_t(f32Bits(shifted) - f32Bits(0.5f));
  }
  uint32_t odd = bits >> 13 & 1;
  return sign | uint16_t((bits - (112u << 23) + 0xfff + odd) >> 13);
}

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_FLOATCONVERSION_H

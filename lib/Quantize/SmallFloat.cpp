// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One implementation for all types with a sign, by the widths of their fields.
// Decoding looks the value up; the tables are made by the formula of the
// format, once.

#include "quant-mlir/Quantize/SmallFloat.h"
#include <algorithm>
#include <array>
#include <cmath>

using namespace quantmlir;

static float decode(SmallFloat type, uint32_t code) {
  SmallFloatFields fields = smallFloatFields(type);
  uint32_t magnitude = code & (fields.sign() - 1);
  float result;
  if (magnitude > fields.largest) {
    bool infinite = type == SmallFloat::E5M2 && magnitude == 0x7C;
    result = infinite ? INFINITY : NAN;
  } else {
    int exponent = magnitude >> fields.mantissaBits;
    int mantissa = magnitude & ((1 << fields.mantissaBits) - 1);
    if (exponent > 0)
      mantissa |= 1 << fields.mantissaBits;
    result = std::ldexp(float(mantissa), std::max(exponent, 1) - fields.bias() -
                                             fields.mantissaBits);
  }
  return code & fields.sign() ? -result : result;
}

uint8_t quantmlir::f32ToSmallFloat(SmallFloat type, float value) {
  SmallFloatFields fields = smallFloatFields(type);
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 31 ? fields.sign() : 0;
  bits &= 0x7FFFFFFF;
  if (bits > 0x7F800000)
    return uint8_t(fields.notANumber | sign);
  bits = std::min(bits, llvm::bit_cast<uint32_t>(smallFloatMax(type)));
  // Subnormal results: an f32 addition does the rounding.
  uint32_t magic = fields.subnormalMagic();
  uint32_t subnormal = llvm::bit_cast<uint32_t>(llvm::bit_cast<float>(bits) +
                                                llvm::bit_cast<float>(magic)) -
                       magic;
  // Normal ones: half a unit, or a hair less if the result would be odd,
  // carries into the exponent where it must.
  int shift = fields.shift();
  uint32_t odd = bits >> shift & 1;
  uint32_t rebias = uint32_t(127 - fields.bias()) << 23;
  uint32_t normal = (bits - rebias + (1u << (shift - 1)) - 1 + odd) >> shift;
  bool isNormal = bits >= uint32_t(127 + fields.smallestExponent()) << 23;
  return uint8_t((isNormal ? normal : subnormal) | sign);
}

float quantmlir::smallFloatToF32(SmallFloat type, uint8_t code) {
  using Table = std::array<float, 256>;
  static const std::array<Table, 3> tables = [] {
    std::array<Table, 3> result;
    for (SmallFloat type :
         {SmallFloat::E4M3FN, SmallFloat::E5M2, SmallFloat::E2M1FN})
      for (unsigned code = 0; code < 256; ++code)
        result[unsigned(type)][code] =
            decode(type, code & ((1u << smallFloatBits(type)) - 1));
    return result;
  }();
  return tables[unsigned(type)][code];
}

uint8_t quantmlir::mxScale(SmallFloat element, float absMax,
                           MXRounding rounding) {
  if (!(absMax > 0))
    return 0;
  // Exponent and mantissa as of a normal number, also if it is none.
  int exponent;
  float mantissa = 2 * std::frexp(absMax, &exponent); // in [1, 2)
  --exponent;
  int largest = std::ilogb(smallFloatMax(element));
  int mantissaBits = smallFloatFields(element).mantissaBits;
  bool up = false;
  switch (rounding) {
  case MXRounding::Floor:
    break;
  case MXRounding::Ceil:
    up = mantissa > 1;
    break;
  case MXRounding::Even:
    up = mantissa >= 2 - std::ldexp(1.0f, -mantissaBits - 1);
    break;
  case MXRounding::Nearest:
    up = mantissa >= 1.75f;
    break;
  case MXRounding::RCeil:
    up = mantissa > std::ldexp(smallFloatMax(element), -largest);
    break;
  }
  return uint8_t(std::clamp(exponent + up - largest + 127, 0, 254));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One implementation for all types with a sign, by the widths of their fields.
// Decoding looks the value up; the tables are made by the formula of the
// format, once.

#include "quant-mlir/Quantize/SmallFloat.h"
#include "llvm/Support/ErrorHandling.h"
#include <algorithm>
#include <array>
#include <cmath>

using namespace quantmlir;

namespace {
struct Fields {
  int exponentBits, mantissaBits;
  uint32_t largest; ///< code of the largest finite number
  uint32_t notANumber;

  constexpr int bias() const { return (1 << (exponentBits - 1)) - 1; }
  constexpr uint32_t sign() const { return 1u << (exponentBits + mantissaBits); }
};
} // namespace

static constexpr Fields e4m3 = {4, 3, 0x7E, 0x7F};
static constexpr Fields e5m2 = {5, 2, 0x7B, 0x7F};
static constexpr Fields e2m1 = {2, 1, 0x7, 0x7};

static const Fields &fieldsOf(SmallFloat type) {
  switch (type) {
  case SmallFloat::E4M3FN:
    return e4m3;
  case SmallFloat::E5M2:
    return e5m2;
  case SmallFloat::E2M1FN:
    return e2m1;
  }
  llvm_unreachable("unknown small float");
}

static float decode(const Fields &fields, uint32_t code) {
  uint32_t magnitude = code & (fields.sign() - 1);
  float result;
  if (magnitude > fields.largest) {
    bool infinite = magnitude == fields.largest + 1 && &fields == &e5m2;
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

static uint8_t encode(const Fields &fields, float largest, float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 31 ? fields.sign() : 0;
  bits &= 0x7FFFFFFF;
  if (bits > 0x7F800000)
    return uint8_t(fields.notANumber | sign);
  bits = std::min(bits, llvm::bit_cast<uint32_t>(largest));
  int shift = 23 - fields.mantissaBits;
  // Subnormal results: an f32 addition does the rounding if the sum's last bit
  // has the worth of theirs.
  int smallest = 1 - fields.bias(); // exponent of the smallest normal number
  uint32_t magic = uint32_t(127 + smallest + shift) << 23;
  uint32_t subnormal = llvm::bit_cast<uint32_t>(llvm::bit_cast<float>(bits) +
                                                llvm::bit_cast<float>(magic)) -
                       magic;
  // Normal ones: half a unit, or a hair less if the result would be odd,
  // carries into the exponent where it must.
  uint32_t odd = bits >> shift & 1;
  uint32_t rebias = uint32_t(127 - fields.bias()) << 23;
  uint32_t normal = (bits - rebias + (1u << (shift - 1)) - 1 + odd) >> shift;
  bool isNormal = bits >= uint32_t(127 + smallest) << 23;
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
            decode(fieldsOf(type), code & ((1u << smallFloatBits(type)) - 1));
    return result;
  }();
  return tables[unsigned(type)][code];
}

uint8_t quantmlir::f32ToSmallFloat(SmallFloat type, float value) {
  return encode(fieldsOf(type), smallFloatMax(type), value);
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
  int mantissaBits = fieldsOf(element).mantissaBits;
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

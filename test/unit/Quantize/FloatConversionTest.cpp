// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two references: ml_dtypes' casts (golden) and, for every pattern, APFloat.

#include "quant-mlir/Quantize/FloatConversion.h"
#include "../Golden.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <random>

using namespace llvm;
using namespace quantmlir;

static uint32_t bitsOf(float value) { return bit_cast<uint32_t>(value); }

static float decode(const fltSemantics &semantics, uint16_t bits) {
  return APFloat(semantics, APInt(16, bits)).convertToFloat();
}

static uint16_t encode(const fltSemantics &semantics, float value) {
  APFloat number(value);
  bool losesInfo;
  number.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
  return uint16_t(number.bitcastToAPInt().getZExtValue());
}

static bool isNaN16(uint16_t bits, uint16_t infinity) {
  return (bits & 0x7FFF) > infinity;
}

TEST(FloatConversion, DecodesEveryPattern) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float half = f16ToF32(bits), brain = bf16ToF32(bits);
    if (isNaN16(bits, 0x7C00))
      EXPECT_TRUE(std::isnan(half)) << bits;
    else
      EXPECT_EQ(bitsOf(half), bitsOf(decode(APFloat::IEEEhalf(), bits)));
    if (isNaN16(bits, 0x7F80))
      EXPECT_TRUE(std::isnan(brain)) << bits;
    else
      EXPECT_EQ(bitsOf(brain), bitsOf(decode(APFloat::BFloat(), bits)));
  }
}

TEST(FloatConversion, EncodesWhatItDecodes) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    if (!isNaN16(bits, 0x7C00)) {
      EXPECT_EQ(f32ToF16(f16ToF32(bits)), bits);
    }
    if (!isNaN16(bits, 0x7F80)) {
      EXPECT_EQ(f32ToBF16(bf16ToF32(bits)), bits);
    }
  }
}

static void expectRounded(float value) {
  if (std::isnan(value)) {
    EXPECT_TRUE(isNaN16(f32ToF16(value), 0x7C00)) << bitsOf(value);
    EXPECT_TRUE(isNaN16(f32ToBF16(value), 0x7F80)) << bitsOf(value);
    return;
  }
  EXPECT_EQ(f32ToF16(value), encode(APFloat::IEEEhalf(), value))
      << bitsOf(value);
  EXPECT_EQ(f32ToBF16(value), encode(APFloat::BFloat(), value))
      << bitsOf(value);
}

// Ties lie halfway between neighbours; one unit beside them must not tie.
TEST(FloatConversion, RoundsAroundEveryTie) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    float low = f16ToF32(bits);
    float high = bits == 0x7BFF ? 65536.0f : f16ToF32(bits + 1);
    float tie = low + (high - low) / 2;
    for (uint32_t near : {bitsOf(tie) - 1, bitsOf(tie), bitsOf(tie) + 1})
      for (uint32_t sign : {0u, 0x80000000u})
        expectRounded(bit_cast<float>(near | sign));
  }
  for (uint32_t bits = 0; bits < 0x7F80; ++bits)
    for (uint32_t near : {0x7FFFu, 0x8000u, 0x8001u})
      for (uint32_t sign : {0u, 0x80000000u})
        expectRounded(bit_cast<float>((bits << 16 | near) | sign));
}

TEST(FloatConversion, RoundsRandomPatterns) {
  std::mt19937 random(7);
  for (int i = 0; i < 200000; ++i)
    expectRounded(bit_cast<float>(uint32_t(random())));
}

// A signalling NaN whose payload is in the low bits must not become infinite.
TEST(FloatConversion, NaNStaysNaN) {
  for (uint32_t bits : {0x7F800001u, 0xFF800001u, 0x7FC00000u, 0x7FFFFFFFu})
    expectRounded(bit_cast<float>(bits));
}

TEST(FloatConversion, MatchesMLDtypes) {
  for (bool half : {true, false}) {
    auto x = golden<float>(half ? "casts.f16.x" : "casts.bf16.x");
    auto rne = golden<uint16_t>(half ? "casts.f16.rne" : "casts.bf16.rne");
    ASSERT_EQ(x.size(), rne.size());
    ASSERT_GT(x.size(), 200u);
    for (size_t i = 0; i < x.size(); ++i) {
      uint16_t ours = half ? f32ToF16(x[i]) : f32ToBF16(x[i]);
      if (std::isnan(x[i]))
        EXPECT_TRUE(isNaN16(ours, half ? 0x7C00 : 0x7F80));
      else
        EXPECT_EQ(ours, rne[i]) << x[i];
    }
  }
}

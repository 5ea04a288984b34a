// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/SmallFloat.h"
#include "../Golden.h"
#include "llvm/Support/CRC.h"
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;

namespace {
struct Case {
  SmallFloat type;
  const char *name; ///< as in the golden files
  /// CRC-32 of the codes that ml_dtypes gives all bf16 numbers, clamped to the
  /// largest first; code 0 stands for NaN.
  uint32_t checksum;
};
} // namespace

static const Case cases[] = {
    {SmallFloat::E4M3FN, "f8E4M3FN", 0x022bef13},
    {SmallFloat::E5M2, "f8E5M2", 0x25c6aba9},
    {SmallFloat::E2M1FN, "f4E2M1FN", 0x198b253c},
};

TEST(SmallFloat, DecodesEveryCode) {
  for (const Case &c : cases) {
    SCOPED_TRACE(c.name);
    auto expected = golden<float>("casts." + Twine(c.name) + ".decode");
    ASSERT_EQ(expected.size(), 1u << smallFloatBits(c.type));
    for (size_t code = 0; code < expected.size(); ++code) {
      float value = smallFloatToF32(c.type, code);
      if (std::isnan(expected[code]))
        EXPECT_TRUE(std::isnan(value)) << code;
      else
        EXPECT_EQ(bit_cast<uint32_t>(value), bit_cast<uint32_t>(expected[code]))
            << code;
    }
  }
}

TEST(SmallFloat, EncodesTheEdgesLikeOthers) {
  for (const Case &c : cases) {
    SCOPED_TRACE(c.name);
    auto x = golden<float>("casts." + Twine(c.name) + ".x");
    auto codes = golden<uint8_t>("casts." + Twine(c.name) + ".rne_saturated");
    ASSERT_EQ(x.size(), codes.size());
    for (size_t i = 0; i < x.size(); ++i) {
      uint8_t code = f32ToSmallFloat(c.type, x[i]);
      if (!std::isnan(x[i]))
        EXPECT_EQ(code, codes[i]) << x[i];
      else if (c.type != SmallFloat::E2M1FN)
        EXPECT_TRUE(std::isnan(smallFloatToF32(c.type, code)));
    }
  }
}

TEST(SmallFloat, EncodesAllBfloat16LikeOthers) {
  for (const Case &c : cases) {
    std::vector<uint8_t> codes;
    for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
      float x = bit_cast<float>(bits << 16);
      codes.push_back(std::isnan(x) ? 0 : f32ToSmallFloat(c.type, x));
    }
    EXPECT_EQ(llvm::crc32(codes), c.checksum) << c.name;
  }
}

TEST(SmallFloat, EveryValueKeepsItsCode) {
  for (const Case &c : cases)
    for (unsigned code = 0; code < 1u << smallFloatBits(c.type); ++code) {
      float value = smallFloatToF32(c.type, code);
      if (std::isfinite(value))
        EXPECT_EQ(f32ToSmallFloat(c.type, value), code) << c.name;
    }
}

TEST(SmallFloat, SaturatesAndKeepsSigns) {
  float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(f32ToSmallFloat(SmallFloat::E4M3FN, infinity), 0x7E);
  EXPECT_EQ(f32ToSmallFloat(SmallFloat::E4M3FN, -1e30f), 0xFE);
  EXPECT_EQ(f32ToSmallFloat(SmallFloat::E5M2, infinity), 0x7B);
  EXPECT_EQ(f32ToSmallFloat(SmallFloat::E2M1FN, -infinity), 0xF);
  EXPECT_EQ(f32ToSmallFloat(SmallFloat::E4M3FN, -0.0f), 0x80);
  EXPECT_EQ(f32ToSmallFloat(SmallFloat::E4M3FN, 1e-40f), 0);
}

TEST(SmallFloat, PowersOfTwo) {
  EXPECT_EQ(e8m0ToF32(0), 0x1p-127f);
  EXPECT_EQ(e8m0ToF32(1), 0x1p-126f);
  EXPECT_EQ(e8m0ToF32(127), 1.0f);
  EXPECT_EQ(e8m0ToF32(254), 0x1p127f);
  EXPECT_TRUE(std::isnan(e8m0ToF32(255)));
}

TEST(SmallFloat, BlockScalesLikeOthers) {
  auto x = golden<float>("mx.x");
  ASSERT_EQ(x.size(), 8u * 128);
  std::pair<const char *, MXRounding> modes[] = {{"FLOOR", MXRounding::Floor},
                                                 {"CEIL", MXRounding::Ceil},
                                                 {"EVEN", MXRounding::Even},
                                                 {"RCEIL", MXRounding::RCeil}};
  for (const Case &c : cases)
    for (auto [name, mode] : modes) {
      SCOPED_TRACE(std::string(c.name) + " " + name);
      auto scales =
          golden<uint8_t>("mx." + Twine(c.name) + "." + name + ".scale");
      auto data = golden<uint8_t>("mx." + Twine(c.name) + "." + name + ".data");
      for (size_t block = 0; block < scales.size(); ++block) {
        float largest = 0;
        for (size_t i = 0; i < 32; ++i)
          largest = std::max(largest, std::fabs(x[32 * block + i]));
        uint8_t scale = mxScale(c.type, largest, mode);
        EXPECT_EQ(scale, scales[block]) << "block " << block;
        for (size_t i = 32 * block; i < 32 * (block + 1); ++i) {
          uint8_t expected = smallFloatBits(c.type) == 8
                                 ? data[i]
                                 : data[i / 2] >> (i % 2 * 4) & 15;
          EXPECT_EQ(f32ToSmallFloat(c.type, x[i] / e8m0ToF32(scale)), expected)
              << i << ": " << x[i];
        }
      }
    }
}

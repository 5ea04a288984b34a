// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "quant-mlir/Runtime/quant_runtime.h"

#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace {

constexpr int64_t rows = 4, words = 8;

/// Four rows of 32 codes of 4 bits, one scale each, behind the codes.
qm_panels fourRows(uint32_t scaleType) {
  qm_panels panels = {};
  panels.n = rows;
  panels.k = panels.group = panels.scale_group = 4 * words;
  panels.lanes = rows;
  panels.vectors = 1;
  panels.group_bytes = panels.scale_offset = words / 2 * rows * 4;
  panels.panel_bytes = panels.group_bytes + rows * 4;
  panels.code_bits = 4;
  panels.code_bytes = panels.depth = 1;
  panels.scale_dtype = scaleType;
  panels.scale_factor = 1;
  return panels;
}

/// The bits that a scale is stored as.
uint16_t stored(float scale, uint32_t type) {
  qm_panels panels = fourRows(type);
  uint8_t codes[rows][4 * words] = {}, packed[256];
  float scales[rows] = {scale, scale, scale, scale};
  EXPECT_EQ(qm_pack_weight(&panels, codes, scales, nullptr, packed), QM_OK);
  uint16_t bits;
  std::memcpy(&bits, packed + panels.scale_offset + 2 * (rows - 1), 2);
  return bits;
}

TEST(Pack, roundsScalesToNearestEven) {
  const float ulp = std::ldexp(1.0f, -10), least = std::ldexp(1.0f, -24);
  std::pair<float, uint16_t> halves[] = {
      {0.0f, 0x0000},
      {-0.0f, 0x8000},
      {1.0f, 0x3c00},
      {0.1f, 0x2e66},
      {-0.1f, 0xae66},
      {1 + ulp / 2, 0x3c00},      // halfway: to the even one, below
      {1 + ulp * 3 / 2, 0x3c02},  // and above
      {1 + ulp * 0.501f, 0x3c01}, // just past halfway
      {65504.0f, 0x7bff},         // the largest
      {65519.0f, 0x7bff},
      {65520.0f, 0x7c00}, // rounds to infinity
      {1e30f, 0x7c00},
      {std::ldexp(1.0f, -14), 0x0400},             // the least normal number
      {std::ldexp(1.0f, -14) - least / 4, 0x0400}, // reached by rounding
      {least, 0x0001},
      {least / 2, 0x0000},
      {least * 3 / 2, 0x0002},
      {-least * 5, 0x8005},
      {std::numeric_limits<float>::infinity(), 0x7c00}};
  for (auto [scale, bits] : halves)
    EXPECT_EQ(stored(scale, QM_F16), bits) << scale;
  std::pair<float, uint16_t> brains[] = {{1.0f, 0x3f80},
                                         {-3.0f, 0xc040},
                                         {1 + std::ldexp(1.0f, -8), 0x3f80},
                                         {1 + 3 * std::ldexp(1.0f, -8), 0x3f82},
                                         {3.4e38f, 0x7f80}};
  for (auto [scale, bits] : brains)
    EXPECT_EQ(stored(scale, QM_BF16), bits) << scale;
}

TEST(Pack, putsEightWordsIntoHalves) {
  qm_panels panels = fourRows(QM_F32);
  uint8_t codes[rows][4 * words], packed[256];
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < 4 * words; ++k)
      codes[row][k] = uint8_t((row + k) % 16);
  float scales[rows] = {1, 2, 3, 4};
  ASSERT_EQ(qm_pack_weight(&panels, codes, scales, nullptr, packed), QM_OK);
  // Byte b of word w: low half of register w / 2 if w is even, else the high.
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < 4 * words; ++k) {
      int64_t word = k / 4;
      uint8_t byte = packed[(word / 2 * rows + row) * 4 + k % 4];
      EXPECT_EQ(word % 2 ? byte >> 4 : byte & 15, codes[row][k]);
    }
  float last;
  std::memcpy(&last, packed + panels.scale_offset + 4 * (rows - 1), 4);
  EXPECT_EQ(last, 4);
}

// Two groups of 16 values, whose scales and minimums share factors.
TEST(Pack, putsFactorsBeforeTheirGroups) {
  qm_panels panels = fourRows(QM_F16);
  panels.group = panels.scale_group = 2 * words;
  panels.scale_block = 4 * words;
  panels.scale_offset = words / 4 * rows * 4;
  panels.minimum_offset = panels.scale_offset + rows;
  panels.group_bytes = panels.minimum_offset + rows;
  panels.panel_bytes = 2 * panels.group_bytes + 2 * rows * 2;
  panels.minimum_dtype = QM_F16;
  // Of each row: the two groups' integers, then the factor.
  uint8_t codes[rows][4 * words] = {}, packed[256];
  float scales[rows][3], minimums[rows][3];
  for (int row = 0; row < rows; ++row)
    for (int i = 0; i < 2; ++i) {
      scales[row][i] = float(-128 + 60 * row + i);
      minimums[row][i] = float(10 * row + i);
      scales[row][2] = float(row + 1);
      minimums[row][2] = float(-row);
    }
  ASSERT_EQ(qm_pack_weight(&panels, codes, scales[0], minimums[0], packed),
            QM_OK);
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < 2; ++i) {
      const uint8_t *group = packed + 2 * rows * 2 + i * panels.group_bytes;
      EXPECT_EQ(int8_t(group[panels.scale_offset + row]), scales[row][i]);
      EXPECT_EQ(int8_t(group[panels.minimum_offset + row]), minimums[row][i]);
    }
    const uint16_t halves[2][rows] = {{0x3c00, 0x4000, 0x4200, 0x4400},
                                      {0x0000, 0xbc00, 0xc000, 0xc200}};
    for (int i = 0; i < 2; ++i) {
      uint16_t factor;
      std::memcpy(&factor, packed + (i * rows + row) * 2, 2);
      EXPECT_EQ(factor, halves[i][row]);
    }
  }
}

TEST(Pack, saysWhatIsMissing) {
  qm_panels panels = fourRows(QM_F16);
  uint8_t codes[rows][4 * words] = {}, packed[256];
  float scales[rows] = {};
  EXPECT_EQ(qm_pack_weight(&panels, nullptr, scales, nullptr, packed),
            QM_INVALID);
  EXPECT_STREQ(qm_last_error(), "no numbers to pack");
  EXPECT_EQ(qm_pack_weight(&panels, codes, nullptr, nullptr, packed),
            QM_INVALID);
  EXPECT_STREQ(qm_last_error(), "the format has scales");
  EXPECT_EQ(qm_pack_weight(&panels, codes, scales, scales, packed), QM_INVALID);
  EXPECT_STREQ(qm_last_error(), "the format has no minimums");
}

} // namespace

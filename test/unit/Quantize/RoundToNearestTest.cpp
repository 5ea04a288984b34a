// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/RoundToNearest.h"
#include "../Golden.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include <cmath>
#include <limits>
#include <random>

using namespace llvm;
using namespace quantmlir;
using Granularity = IntFormat::Granularity;
using ScaleType = IntFormat::ScaleType;

static IntFormat makeFormat(unsigned bits, Granularity granularity,
                            int64_t group = 0, bool asymmetric = false,
                            ScaleType scaleType = ScaleType::F32) {
  IntFormat format;
  format.bits = bits;
  format.granularity = granularity;
  format.group = group;
  format.asymmetric = asymmetric;
  format.scaleType = scaleType;
  return format;
}

static IntMatrix quantized(ArrayRef<float> values, int64_t n, int64_t k,
                           const IntFormat &format) {
  Expected<IntMatrix> matrix = roundToNearest(values, n, k, format);
  if (!matrix) {
    ADD_FAILURE() << toString(matrix.takeError());
    return {};
  }
  return std::move(*matrix);
}

static std::string failure(ArrayRef<float> values, int64_t n, int64_t k,
                           const IntFormat &format) {
  Expected<IntMatrix> matrix = roundToNearest(values, n, k, format);
  return matrix ? "" : toString(matrix.takeError());
}

static std::vector<float> randomValues(int64_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

/// compressed-tensors' zero points, packed along the rows [ceil(N*b/32), G].
static std::vector<uint8_t> unpackZeros(ArrayRef<uint32_t> words, int64_t n,
                                        int64_t groups, unsigned bits) {
  std::vector<uint8_t> zeros(n * groups);
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t row = 0; row < n; ++row)
      for (unsigned bit = 0; bit < bits; ++bit) {
        int64_t place = row * bits + bit;
        uint32_t word = words[place / 32 * groups + group];
        zeros[row * groups + group] |= ((word >> place % 32) & 1) << bit;
      }
  return zeros;
}

// w is [40, 96]; row 7 is zero, where compressed-tensors stores a tiny scale.
static void matchCompressedTensors(StringRef name, const IntFormat &format) {
  SCOPED_TRACE(name.str());
  constexpr int64_t n = 40, k = 96, zeroRow = 7;
  auto w = golden<float>("compressed_tensors.w");
  auto file = "compressed_tensors." + name.str();
  auto scales = golden<float>(file + ".weight_scale");
  auto values = golden<float>(file + ".values");
  IntMatrix matrix = quantized(w, n, k, format);
  int64_t groups = format.groupsPerRow(k);
  ASSERT_EQ(matrix.scales.size(), scales.size());
  for (int64_t i = 0; i < n * groups; ++i)
    EXPECT_EQ(matrix.scales[i], i / groups == zeroRow ? 0.0f : scales[i]) << i;
  if (format.asymmetric) {
    auto zeros = unpackZeros(golden<uint32_t>(file + ".weight_zero_point"), n,
                             groups, format.bits);
    for (int64_t i = 0; i < n * groups; ++i)
      if (i / groups != zeroRow) {
        EXPECT_EQ(matrix.zeros[i], zeros[i]) << i;
      }
  }
  std::vector<float> ours(n * k);
  dequantize(matrix, n, k, format, ours);
  for (int64_t i = 0; i < n * k; ++i)
    EXPECT_EQ(ours[i], values[i]) << "row " << i / k << ", column " << i % k;
}

TEST(RoundToNearest, MatchesCompressedTensors) {
  for (unsigned bits : {3, 4, 5})
    matchCompressedTensors("pack" + std::to_string(bits) + "_group32",
                           makeFormat(bits, Granularity::Group, 32));
  matchCompressedTensors("pack4_channel", makeFormat(4, Granularity::Channel));
  for (unsigned bits : {3, 4})
    matchCompressedTensors("pack" + std::to_string(bits) + "_group32_asym",
                           makeFormat(bits, Granularity::Group, 32, true));
}

TEST(RoundToNearest, Int8UsesTheSymmetricRange) {
  IntMatrix matrix = quantized({-2.54f, 1.0f, 0.5f, 2.54f}, 1, 4,
                               makeFormat(8, Granularity::Channel));
  EXPECT_EQ(matrix.scales, std::vector<float>({2.54f / 127}));
  EXPECT_EQ(matrix.codes, std::vector<int8_t>({-127, 50, 25, 127}));
  EXPECT_TRUE(matrix.zeros.empty());
}

// absmax / 7.5: the largest value is half a step past the last code, 7.
TEST(RoundToNearest, Int4UsesHalfAStepMore) {
  IntMatrix matrix = quantized({7.5f, -7.5f, 1.5f, 2.5f}, 1, 4,
                               makeFormat(4, Granularity::Channel));
  EXPECT_EQ(matrix.scales, std::vector<float>({1.0f}));
  EXPECT_EQ(matrix.codes, std::vector<int8_t>({7, -8, 2, 2}));
}

TEST(RoundToNearest, AsymmetricRangeContainsZero) {
  // All values positive: the range starts at 0, the zero point is 0.
  IntMatrix matrix = quantized({10, 255, 5}, 1, 3,
                               makeFormat(8, Granularity::Channel, 0, true));
  EXPECT_EQ(matrix.scales, std::vector<float>({1.0f}));
  EXPECT_EQ(matrix.zeros, std::vector<uint8_t>({0}));
  EXPECT_EQ(matrix.codes, std::vector<int8_t>({10, -1 /* 255 */, 5}));
  // All negative: it ends there, the zero point is the last code.
  matrix = quantized({-10, -15, -5}, 1, 3,
                     makeFormat(4, Granularity::Channel, 0, true));
  EXPECT_EQ(matrix.scales, std::vector<float>({1.0f}));
  EXPECT_EQ(matrix.zeros, std::vector<uint8_t>({15}));
  EXPECT_EQ(matrix.codes, std::vector<int8_t>({5, 0, 10}));
}

TEST(RoundToNearest, LastGroupMayBeShort) {
  // K = 5 at group 2: groups of 2, 2 and 1.
  IntFormat format = makeFormat(8, Granularity::Group, 2);
  std::vector<float> values = {127, 0, 254, 0, 381, 1, 127, 0, 0, 12.7f};
  IntMatrix matrix = quantized(values, 2, 5, format);
  ASSERT_EQ(format.groupsPerRow(5), 3);
  EXPECT_EQ(matrix.scales, std::vector<float>({1, 2, 3, 1, 0, 12.7f / 127}));
  EXPECT_EQ(matrix.codes,
            std::vector<int8_t>({127, 0, 127, 0, 127, 1, 127, 0, 0, 127}));
  // A group longer than the row is the row.
  EXPECT_EQ(makeFormat(8, Granularity::Group, 128).groupsPerRow(5), 1);
}

TEST(RoundToNearest, OneScaleForATensor) {
  for (bool asymmetric : {false, true}) {
    IntFormat format = makeFormat(8, Granularity::Tensor, 0, asymmetric);
    auto values = randomValues(7 * 9);
    values[40] = 20;
    IntMatrix whole = quantized(values, 7, 9, format);
    IntMatrix row = quantized(
        values, 1, 63, makeFormat(8, Granularity::Channel, 0, asymmetric));
    EXPECT_EQ(whole.scales, row.scales);
    EXPECT_EQ(whole.zeros, row.zeros);
    EXPECT_EQ(whole.codes, row.codes);
    std::vector<float> one(63), other(63);
    dequantize(whole, 7, 9, format, one);
    dequantize(row, 1, 63, makeFormat(8, Granularity::Channel, 0, asymmetric),
               other);
    EXPECT_EQ(one, other);
  }
}

// The codes belong to the stored scale: none may be improved by moving it one
// step, unless it is at the end of the range.
TEST(RoundToNearest, CodesAreNearestForTheStoredScale) {
  auto values = randomValues(8 * 100);
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (bool asymmetric : {false, true})
      for (ScaleType type : {ScaleType::F32, ScaleType::F16, ScaleType::BF16}) {
        IntFormat format =
            makeFormat(bits, Granularity::Group, 32, asymmetric, type);
        IntMatrix matrix = quantized(values, 8, 100, format);
        for (float scale : matrix.scales) {
          if (type == ScaleType::F16) {
            ASSERT_EQ(scale, f16ToF32(f32ToF16(scale)));
          } else if (type == ScaleType::BF16) {
            ASSERT_EQ(scale, bf16ToF32(f32ToBF16(scale)));
          }
        }
        int low = asymmetric ? 0 : bits == 8 ? -127 : -(1 << (bits - 1));
        int high = asymmetric ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
        for (int64_t i = 0; i < 800; ++i) {
          int64_t group = i / 100 * 4 + i % 100 / 32;
          int code =
              asymmetric ? int(uint8_t(matrix.codes[i])) : int(matrix.codes[i]);
          int zero = asymmetric ? matrix.zeros[group] : 0;
          ASSERT_GE(code, low);
          ASSERT_LE(code, high);
          double steps = double(values[i]) / matrix.scales[group] + zero;
          double clamped = std::min(std::max(steps, double(low)), double(high));
          ASSERT_LE(std::abs(code - clamped), 0.5 + 1e-5) << bits;
        }
      }
}

TEST(RoundToNearest, ZerosAreSafe) {
  for (bool asymmetric : {false, true}) {
    IntFormat format = makeFormat(4, Granularity::Group, 4, asymmetric);
    IntMatrix matrix = quantized({0, -0.0f, 0, 0, 1, 2, 3, 4}, 1, 8, format);
    EXPECT_EQ(matrix.scales[0], 0.0f);
    EXPECT_EQ(ArrayRef(matrix.codes).take_front(4),
              ArrayRef<int8_t>({0, 0, 0, 0}));
    std::vector<float> values(8, 9.0f);
    dequantize(matrix, 1, 8, format, values);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(values[i], 0.0f);
  }
}

// 1e-9 / 127 is nothing in f16. Dividing by the stored 0 must not make NaN.
TEST(RoundToNearest, ScaleThatRoundsToZero) {
  for (bool asymmetric : {false, true}) {
    IntFormat format =
        makeFormat(8, Granularity::Channel, 0, asymmetric, ScaleType::F16);
    IntMatrix matrix = quantized({1e-9f, -1e-9f}, 1, 2, format);
    EXPECT_EQ(matrix.scales[0], 0.0f);
    EXPECT_EQ(matrix.codes, std::vector<int8_t>({0, 0}));
    std::vector<float> values(2);
    dequantize(matrix, 1, 2, format, values);
    EXPECT_EQ(values, std::vector<float>({0, 0}));
  }
}

// The smallest f16 is 2^-24; a scale of 1.4 times that loses much in rounding,
// so that the ends of the range are far outside the codes.
TEST(RoundToNearest, ScaleThatRoundsDownClampsTheCodes) {
  float end = 1.4f * 127 / (1 << 24);
  IntFormat format =
      makeFormat(8, Granularity::Channel, 0, false, ScaleType::F16);
  IntMatrix matrix = quantized({-end, end}, 1, 2, format);
  EXPECT_EQ(matrix.scales[0], 1.0f / (1 << 24));
  EXPECT_EQ(matrix.codes, std::vector<int8_t>({-127, 127}));
  format.bits = 4;
  end = 1.4f * 7.5f / (1 << 24);
  matrix = quantized({-end, end}, 1, 2, format);
  EXPECT_EQ(matrix.codes, std::vector<int8_t>({-8, 7}));
}

TEST(RoundToNearest, NamesTheBadValue) {
  auto values = randomValues(300 * 10);
  for (Granularity granularity :
       {Granularity::Tensor, Granularity::Channel, Granularity::Group}) {
    IntFormat format = makeFormat(8, granularity, 4);
    // The later row is bad too: the first one must be named, whichever thread
    // comes first.
    values[123 * 10 + 6] = std::nanf("");
    values[280 * 10] = std::numeric_limits<float>::infinity();
    EXPECT_EQ(failure(values, 300, 10, format),
              "row 123, column 6 is NaN and cannot be quantized");
    values[123 * 10 + 6] = 0;
    EXPECT_EQ(failure(values, 300, 10, format),
              "row 280, column 0 is infinite and cannot be quantized");
  }
}

TEST(RoundToNearest, RefusesScalesThatOverflow) {
  std::vector<float> values(16, 1.0f);
  values[9] = 1e9f;
  IntFormat format =
      makeFormat(8, Granularity::Group, 4, false, ScaleType::F16);
  EXPECT_NE(failure(values, 2, 8, format).find("row 1, group 0"),
            std::string::npos);
  format.granularity = Granularity::Tensor;
  EXPECT_NE(failure(values, 2, 8, format).find("does not fit"),
            std::string::npos);
  // max - min exceeds f32 itself.
  EXPECT_NE(failure({-3e38f, 3e38f}, 1, 2,
                    makeFormat(8, Granularity::Channel, 0, true))
                .find("does not fit"),
            std::string::npos);
}

TEST(RoundToNearest, RefusesImpossibleFormats) {
  for (unsigned bits : {0u, 1u, 9u})
    EXPECT_NE(failure({1}, 1, 1, makeFormat(bits, Granularity::Channel))
                  .find("2 to 8 bits"),
              std::string::npos);
  EXPECT_NE(failure({1}, 1, 1, makeFormat(4, Granularity::Group, 0))
                .find("at least 1"),
            std::string::npos);
}

TEST(RoundToNearest, EmptyMatrix) {
  for (Granularity granularity : {Granularity::Tensor, Granularity::Group}) {
    IntFormat format = makeFormat(8, granularity, 4);
    EXPECT_TRUE(quantized({}, 0, 8, format).codes.empty());
    EXPECT_TRUE(quantized({}, 3, 0, format).codes.empty());
    dequantize({}, 3, 0, format, {});
  }
}

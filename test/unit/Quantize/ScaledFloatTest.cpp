// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/ScaledFloat.h"
#include "../Golden.h"
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;
using Scale = ScaledFloatFormat::Scale;

static ScaledFloatMatrix quantized(ArrayRef<float> values, int64_t n, int64_t k,
                                   const ScaledFloatFormat &format) {
  auto matrix = quantizeScaledFloat(values, n, k, format);
  if (!matrix) {
    ADD_FAILURE() << toString(matrix.takeError());
    return {};
  }
  return std::move(*matrix);
}

/// compressed-tensors' arrays of a 40 x 96 matrix whose row 7 is zero.
static void expectGolden(const ScaledFloatFormat &format,
                         const std::string &name) {
  SCOPED_TRACE(name);
  constexpr int64_t n = 40, k = 96;
  std::string prefix = "compressed_tensors." + name;
  auto w = golden<float>("compressed_tensors.w");
  ScaledFloatMatrix matrix = quantized(w, n, k, format);
  EXPECT_EQ(storeScales(matrix.scales, format.scale),
            golden<uint8_t>(prefix + ".weight_scale"));

  bool packed = format.element == SmallFloat::E2M1FN;
  auto codes =
      golden<uint8_t>(prefix + (packed ? ".weight_packed" : ".weight"));
  auto values = golden<float>(prefix + ".values");
  int64_t columns = format.columns(k), groups = (k + columns - 1) / columns;
  for (int64_t i = 0; i < n * k; ++i) {
    uint8_t expected = packed ? codes[i / 2] >> (i % 2 * 4) & 15 : codes[i];
    // -0 = 0: what becomes of a negative number that rounds to nothing.
    if (smallFloatToF32(format.element, expected) == 0)
      EXPECT_EQ(smallFloatToF32(format.element, matrix.codes[i]), 0);
    else
      ASSERT_EQ(matrix.codes[i], expected) << i << ": " << w[i];
    float scale =
        matrix.scales[i / k / format.rows(n) * groups + i % k / columns];
    if (format.scale == Scale::E4M3)
      scale /= matrix.global;
    EXPECT_EQ(smallFloatToF32(format.element, matrix.codes[i]) * scale,
              values[i])
        << i;
  }
  if (format.scale == Scale::E4M3)
    EXPECT_EQ(matrix.global, golden<float>(prefix + ".weight_global_scale")[0]);
}

TEST(ScaledFloat, Fp8IsThatOfCompressedTensors) {
  expectGolden({SmallFloat::E4M3FN, 0, 0}, "fp8_tensor");
  expectGolden({SmallFloat::E4M3FN, 1, 0}, "fp8_channel");
  expectGolden({SmallFloat::E4M3FN, 16, 32}, "fp8_block");
}

TEST(ScaledFloat, BlockFormatsAreThoseOfCompressedTensors) {
  expectGolden({SmallFloat::E2M1FN, 1, 16, Scale::E4M3}, "nvfp4");
  expectGolden({SmallFloat::E2M1FN, 1, 32, Scale::E8M0}, "mxfp4");
  expectGolden({SmallFloat::E4M3FN, 1, 32, Scale::E8M0}, "mxfp8");
}

TEST(ScaledFloat, BlocksMayBePartial) {
  // 3 x 5 in blocks of 2 x 4: two bands, two groups, the last of each short.
  std::vector<float> values(15, 0.0f);
  values[4] = -448;     // row 0, column 4
  values[10] = 2 * 448; // row 2, column 0
  ScaledFloatMatrix matrix =
      quantized(values, 3, 5, {SmallFloat::E4M3FN, 2, 4});
  EXPECT_EQ(matrix.scales, (std::vector<float>{0x1p-23f, 1, 2, 0x1p-23f}));
  EXPECT_EQ(matrix.codes[4], 0xFE);
  EXPECT_EQ(matrix.codes[10], 0x7E);
}

TEST(ScaledFloat, ScaleTypes) {
  std::vector<float> values = {448.0f * 0.3f};
  for (Scale type : {Scale::F16, Scale::BF16}) {
    ScaledFloatMatrix matrix =
        quantized(values, 1, 1, {SmallFloat::E4M3FN, 1, 0, type});
    EXPECT_NEAR(matrix.scales[0], 0.3f, 0.3f / 256);
    std::vector<uint8_t> bytes = storeScales(matrix.scales, type);
    EXPECT_EQ(bytes.size(), 2u);
    EXPECT_EQ(readStoredScale(bytes, 0, type), matrix.scales[0]);
  }
}

TEST(ScaledFloat, Errors) {
  std::vector<float> values(6, 1.0f);
  values[5] = std::numeric_limits<float>::infinity();
  auto infinite = quantizeScaledFloat(values, 2, 3, {SmallFloat::E5M2, 1, 0});
  ASSERT_FALSE(bool(infinite));
  EXPECT_EQ(toString(infinite.takeError()), "row 1, column 2 is infinite");

  values[5] = 1e30f;
  auto large =
      quantizeScaledFloat(values, 2, 3, {SmallFloat::E4M3FN, 1, 0, Scale::F16});
  ASSERT_FALSE(bool(large));
  EXPECT_EQ(toString(large.takeError()),
            "the scale of row 1, group 0 does not fit its type: the values are "
            "too large");
}

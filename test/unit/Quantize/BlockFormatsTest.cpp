// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Against ggml's C library: the bytes it writes. Test of what they mean, and of
// formats with a search: Dialect/BlockSchemesTest.cpp.

#include "quant-mlir/Quantize/BlockFormats.h"
#include "../Golden.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;

namespace {
class EveryBlockFormat : public testing::TestWithParam<BlockFormat> {
protected:
  std::string array(StringRef file, StringRef part) {
    return (file + "." + StringRef(factsOf(GetParam()).name).upper() + "." +
            part)
        .str();
  }
  std::string failure(ArrayRef<float> values) {
    std::vector<uint8_t> bytes;
    return toString(encodeBlocks(GetParam(), values, bytes));
  }
};
} // namespace

INSTANTIATE_TEST_SUITE_P(
    All, EveryBlockFormat,
    testing::Values(BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q5_0,
                    BlockFormat::Q5_1, BlockFormat::Q8_0, BlockFormat::Q1_0,
                    BlockFormat::TQ1_0, BlockFormat::TQ2_0, BlockFormat::MXFP4,
                    BlockFormat::NVFP4),
    [](const auto &info) { return factsOf(info.param).name; });

// Row 2 of x has the hard blocks: zeros, ties of the maximum, tiny scales, -0.
TEST_P(EveryBlockFormat, EncodesAsGGML) {
  auto x = golden<float>("gguf_simple.x");
  auto expected = golden<uint8_t>(array("gguf_simple", "bytes"));
  std::vector<uint8_t> bytes;
  ASSERT_FALSE(errorToBool(encodeBlocks(GetParam(), x, bytes)));
  ASSERT_EQ(bytes.size(), expected.size());
  int64_t stride = factsOf(GetParam()).bytes;
  for (size_t i = 0; i < bytes.size(); ++i)
    ASSERT_EQ(bytes[i], expected[i])
        << "block " << i / stride << ", byte " << i % stride;
}

// More blocks than one task has, so that several tasks must agree on places.
TEST_P(EveryBlockFormat, ManyBlocks) {
  auto x = golden<float>("gguf_simple.x");
  std::vector<float> many;
  while (many.size() < 3000 * 32)
    many.insert(many.end(), x.begin(), x.end());
  std::vector<uint8_t> once, bytes;
  ASSERT_FALSE(errorToBool(encodeBlocks(GetParam(), x, once)));
  ASSERT_FALSE(errorToBool(encodeBlocks(GetParam(), many, bytes)));
  ASSERT_EQ(bytes.size(), once.size() * (many.size() / x.size()));
  for (size_t i = 0; i < bytes.size(); ++i)
    ASSERT_EQ(bytes[i], once[i % once.size()]) << i;
}

TEST_P(EveryBlockFormat, RefusesWhatHasNoBytes) {
  float infinity = std::numeric_limits<float>::infinity();
  int64_t length = factsOf(GetParam()).values;
  std::string later = std::to_string(length + 18);
  std::vector<float> values(2 * length, 1.0f);
  values[length + 8] = std::nanf("");
  values[length + 18] = infinity;
  EXPECT_NE(
      failure(values).find("value " + std::to_string(length + 8) + " is NaN"),
      std::string::npos);
  values[length + 8] = 0;
  EXPECT_NE(failure(values).find("value " + later + " is infinite"),
            std::string::npos);
  values[length + 18] = 3e38f;
  bool saturates = GetParam() == BlockFormat::MXFP4 || // or has the range
                   GetParam() == BlockFormat::NVFP4;
  EXPECT_EQ(failure(values).find("block 1 are too large") == std::string::npos,
            saturates);
  EXPECT_NE(failure(std::vector<float>(length + 1))
                .find("whole blocks of " + std::to_string(length)),
            std::string::npos);
}

// The scale is 1, so that the values are what is rounded: ties away from 0.
TEST(BlockFormats, Q8_0RoundsTiesAway) {
  std::vector<float> values(32);
  std::copy_n(
      std::vector<float>({127, 0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 0.49999997f})
          .begin(),
      7, values.begin());
  std::vector<uint8_t> bytes;
  ASSERT_FALSE(errorToBool(encodeBlocks(BlockFormat::Q8_0, values, bytes)));
  EXPECT_EQ(ArrayRef(bytes).slice(2, 7),
            ArrayRef<uint8_t>({127, 1, 2, 3, 255, 253, 0}));
}

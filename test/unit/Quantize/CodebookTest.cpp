// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Codebook.h"
#include "../Golden.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "quant-mlir/Quantize/Grid.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <limits>
#include <random>

using namespace llvm;
using namespace quantmlir;

/// bitsandbytes flattens a tensor: one row for us.
static CodebookMatrix quantized(Codebook codebook, ArrayRef<float> values,
                                int64_t group) {
  auto matrix = quantizeCodebook(codebook, values, 1, values.size(), group);
  if (!matrix) {
    ADD_FAILURE() << toString(matrix.takeError());
    return {};
  }
  return std::move(*matrix);
}

TEST(Codebook, CodesAndScalesAreThoseOfBitsandbytes) {
  auto w = golden<float>("bnb.w");
  for (auto [name, codebook] :
       {std::pair("nf4", Codebook::NF4), std::pair("fp4", Codebook::FP4)})
    for (int64_t group : {64, 128}) {
      std::string prefix =
          std::string("bnb.") + name + "." + std::to_string(group) + ".";
      SCOPED_TRACE(prefix);
      CodebookMatrix matrix = quantized(codebook, w, group);
      EXPECT_EQ(matrix.scales, golden<float>(prefix + "absmax"));
      auto packed = golden<uint8_t>(prefix + "packed");
      for (size_t i = 0; i < w.size(); ++i) {
        uint8_t expected = packed[i / 2] >> (i % 2 ? 0 : 4) & 15;
        uint8_t code = matrix.codes[i];
        // FP4 has two zeros and bitsandbytes' kernels differ in which they
        // take.
        if (codebook == Codebook::FP4)
          expected = expected == 8 ? 0 : expected, code = code == 8 ? 0 : code;
        ASSERT_EQ(code, expected) << i << ": " << w[i];
      }
    }
}

TEST(Codebook, ValuesAreThoseOfBitsandbytes) {
  auto w = golden<float>("bnb.w");
  for (auto [name, codebook] :
       {std::pair("nf4", Codebook::NF4), std::pair("fp4", Codebook::FP4)}) {
    CodebookMatrix matrix = quantized(codebook, w, 64);
    auto values =
        golden<float>(std::string("bnb.") + name + ".64.values.float32");
    for (size_t i = 0; i < w.size(); ++i)
      ASSERT_EQ(codebookTable(codebook)[matrix.codes[i]] *
                    matrix.scales[i / 64],
                values[i])
          << i;
  }
}

// 65 values: a block and one more, and an odd number of nibbles.
TEST(Codebook, ShortLastBlock) {
  auto odd = golden<float>("bnb.odd");
  for (auto [name, codebook] :
       {std::pair("nf4", Codebook::NF4), std::pair("fp4", Codebook::FP4)}) {
    std::string prefix = std::string("bnb.") + name + ".odd.";
    CodebookMatrix matrix = quantized(codebook, odd, 64);
    EXPECT_EQ(matrix.scales, golden<float>(prefix + "absmax"));
    auto values = golden<float>(prefix + "values");
    for (size_t i = 0; i < odd.size(); ++i)
      ASSERT_EQ(codebookTable(codebook)[matrix.codes[i]] *
                    matrix.scales[i / 64],
                values[i])
          << i;
  }
}

// The grid of the algorithms rounds as the format does.
TEST(Codebook, GridAgrees) {
  auto w = golden<float>("bnb.w");
  for (Codebook codebook : {Codebook::NF4, Codebook::FP4}) {
    CodebookGrid grid = codebook == Codebook::NF4 ? CodebookGrid::nf4(64)
                                                  : CodebookGrid::fp4(64);
    CodebookMatrix expected = quantized(codebook, w, 64);
    GridMatrix matrix = roundToGrid(w, 1, w.size(), grid,
                                    cantFail(fitGroups(w, 1, w.size(), grid)));
    EXPECT_EQ(matrix.scales, expected.scales);
    for (size_t i = 0; i < w.size(); ++i)
      // The grid has one zero.
      ASSERT_EQ(matrix.codes[i],
                expected.codes[i] == 8 && codebook == Codebook::FP4
                    ? 0
                    : expected.codes[i])
          << i;
    // On the bounds themselves.
    auto bounds = codebookBounds(codebook);
    for (float bound : bounds)
      for (float x : {bound, std::nextafter(bound, 2.0f)}) {
        uint8_t code;
        grid.quantize(x, {1, 0}, &code, nullptr);
        EXPECT_EQ(codebookTable(codebook)[code],
                  codebookTable(codebook)[nearestCode(codebook, x)])
            << x;
      }
  }
}

// A file that bitsandbytes wrote: 80 x 256, blocks of 64, nested.
TEST(DoubleQuantization, DecodesAFile) {
  NestedScales nested;
  nested.codes = golden<uint8_t>("bnb.model.nf4.weight.absmax");
  nested.scales = golden<float>("bnb.model.nf4.weight.nested_absmax");
  nested.offset = 0.051352690905332565f;
  auto absmax = golden<float>("bnb.file.nf4.absmax");
  auto packed = golden<uint8_t>("bnb.model.nf4.weight");
  auto values = golden<uint16_t>("bnb.file.nf4.values.bfloat16");
  for (size_t i = 0; i < values.size(); ++i) {
    float scale = nested.value(i / 64, dynamicMap(), 256);
    ASSERT_EQ(scale, absmax[i / 64]);
    uint8_t code = packed[i / 2] >> (i % 2 ? 0 : 4) & 15;
    ASSERT_EQ(f32ToBF16(codebookTable(Codebook::NF4)[code] * scale), values[i])
        << i;
  }
}

TEST(Codebook, LanesAreOffByHalfAStep) {
  for (Codebook codebook : {Codebook::NF4, Codebook::FP4}) {
    double factor = codebookLaneFactor(codebook), worst = 0;
    for (unsigned code = 0; code < 16; ++code)
      worst = std::max(
          worst, std::fabs((codebookLanes(codebook)[code] - 127) / factor -
                           double(codebookTable(codebook)[code])));
    EXPECT_LE(worst, 0.5 / factor);
    EXPECT_LE(worst, 1.0 / 254);
  }
}

TEST(Codebook, ZerosAndTinyValues) {
  std::vector<float> values(64, 0.0f);
  CodebookMatrix zeros = quantized(Codebook::NF4, values, 64);
  EXPECT_EQ(zeros.scales[0], 0);
  EXPECT_EQ(zeros.codes[0], 7); // NF4's zero
  values[3] = 1e-42f;           // its reciprocal is infinite
  CodebookMatrix tiny = quantized(Codebook::NF4, values, 64);
  EXPECT_EQ(tiny.codes[3], 7);
}

TEST(Codebook, NamesWhatIsNotFinite) {
  std::vector<float> values(2 * 8, 1.0f);
  values[13] = std::numeric_limits<float>::quiet_NaN();
  auto matrix = quantizeCodebook(Codebook::FP4, values, 2, 8, 4);
  ASSERT_FALSE(bool(matrix));
  EXPECT_EQ(toString(matrix.takeError()), "row 1, column 5 is NaN");
}

TEST(DoubleQuantization, MapIsThatOfBitsandbytes) {
  auto expected = golden<float>("bnb.dynamic_map");
  ASSERT_EQ(expected.size(), dynamicMap().size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(bit_cast<uint32_t>(dynamicMap()[i]),
              bit_cast<uint32_t>(expected[i]))
        << i << ": " << dynamicMap()[i] << " and " << expected[i];
}

TEST(DoubleQuantization, CodesAreThoseOfBitsandbytes) {
  auto x = golden<float>("bnb.dynamic.x");
  NestedScales nested = quantizeDynamic(x, 256);
  EXPECT_EQ(nested.scales, golden<float>("bnb.dynamic.absmax"));
  EXPECT_EQ(nested.codes, golden<uint8_t>("bnb.dynamic.codes"));
  auto values = golden<float>("bnb.dynamic.values");
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(nested.value(i, dynamicMap(), 256), values[i]) << i;
}

TEST(DoubleQuantization, ScalesAreOffByLittle) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0.02f, 0.09f);
  std::vector<float> scales(1000);
  for (float &scale : scales)
    scale = uniform(random);
  NestedScales nested = nestScales(scales, 256);
  EXPECT_NEAR(nested.offset, 0.055f, 0.002f);
  for (size_t i = 0; i < scales.size(); ++i)
    EXPECT_NEAR(nested.value(i, dynamicMap(), 256), scales[i], 0.035 / 128);
}

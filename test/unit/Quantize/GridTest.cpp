// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Grid.h"
#include "../Golden.h"
#include "Random.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include <numeric>

using namespace llvm;
using namespace quantmlir;
using Granularity = IntFormat::Granularity;
using ScaleType = IntFormat::ScaleType;

TEST(IntGrid, IsTheGridOfRoundToNearest) {
  constexpr int64_t n = 8, k = 100;
  auto w = randomNormal(n * k, 1);
  for (int i = 0; i < 32; ++i)
    w[3 * k + i] = 0;
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (bool asymmetric : {false, true})
      for (ScaleType type : {ScaleType::F32, ScaleType::F16, ScaleType::BF16})
        for (int64_t group : {0, 32}) {
          IntFormat format;
          format.bits = bits;
          format.granularity =
              group ? Granularity::Group : Granularity::Channel;
          format.group = group;
          format.asymmetric = asymmetric;
          format.scaleType = type;
          IntMatrix expected = cantFail(roundToNearest(w, n, k, format));
          IntGrid grid(format);
          std::vector<float> decoded(n * k), values(n * k);
          GridMatrix matrix = roundToGrid(
              w, n, k, grid, cantFail(fitGroups(w, n, k, grid)), decoded);
          EXPECT_EQ(
              std::vector<int8_t>(matrix.codes.begin(), matrix.codes.end()),
              expected.codes);
          EXPECT_EQ(matrix.scales, expected.scales);
          EXPECT_EQ(matrix.zeros, expected.zeros);
          dequantize(expected, n, k, format, values);
          EXPECT_EQ(decoded, values);
        }
}

// Lanes, runs and single values decode alike.
TEST(Grid, PathsAgree) {
  std::vector<std::unique_ptr<Grid>> grids;
  grids.push_back(std::make_unique<IntGrid>(4, 16));
  grids.push_back(std::make_unique<IntGrid>(3, 16, true));
  grids.push_back(std::make_unique<IntGrid>(8, 16));
  for (auto make : {CodebookGrid::nf4, CodebookGrid::fp4, CodebookGrid::e2m1,
                    CodebookGrid::e4m3, CodebookGrid::e5m2})
    grids.push_back(std::make_unique<CodebookGrid>(make(16, {})));
  auto x = randomNormal(37, 2);
  std::vector<double> wide(x.begin(), x.end());
  for (auto &grid : grids) {
    GroupParams params = grid->fit(x, {}, {});
    // Clipping must work too.
    params.scale *= 0.6f;
    std::vector<uint8_t> codes(37), laneCodes(37);
    std::vector<float> decoded(37), laneDecoded(37), scales(37, params.scale),
        zeros(37, params.zero);
    grid->quantize(x, params, codes.data(), decoded.data());
    grid->quantizeLanes(wide.data(), scales.data(), zeros.data(), 37,
                        laneCodes.data(), laneDecoded.data());
    EXPECT_EQ(codes, laneCodes);
    EXPECT_EQ(decoded, laneDecoded);
    double two = 0, other = 0, weighted = 0;
    std::vector<float> importance = randomNormal(37, 3);
    for (float &value : importance)
      value = std::fabs(value);
    for (int i = 0; i < 37; ++i) {
      EXPECT_EQ(grid->decode(codes[i], params), decoded[i]);
      double error = std::fabs(double(decoded[i]) - x[i]);
      two += error * error;
      other += std::pow(error, 2.4);
      weighted += importance[i] * error * error;
    }
    EXPECT_NEAR(grid->error(x, {}, params, 2) / two, 1, 1e-5);
    EXPECT_NEAR(grid->error(x, {}, params, 2.4) / other, 1, 1e-5);
    EXPECT_NEAR(grid->error(x, importance, params, 2) / weighted, 1, 1e-5);
  }
}

TEST(Grid, MseSearchIsLLMCompressors) {
  constexpr int64_t n = 24, k = 128;
  auto w = golden<float>("algorithms.gptq.w");
  auto scales = golden<float>("algorithms.mse.group4.scale");
  // Their early stop waits for the whole tensor: 5 trials that help no group.
  auto params = cantFail(fitGroups(w, n, k, IntGrid(4, 32), FitOptions::mse()));
  for (size_t i = 0; i < scales.size(); ++i)
    EXPECT_EQ(params[i].scale, scales[i]) << i;
}

TEST(Grid, PercentileCutsTheLargestMagnitudes) {
  // 1 to 99 and one of -1000.
  std::vector<float> x(100);
  std::iota(x.begin(), x.end(), 0.0f);
  x[0] = -1000;
  auto fit = [&](bool asymmetric, double share) {
    return IntGrid(8, 0, asymmetric).fit(x, {}, FitOptions::percentile(share));
  };
  EXPECT_FLOAT_EQ(fit(false, 1).scale, 1000 / 127.0f);
  EXPECT_FLOAT_EQ(fit(false, 0.99).scale, 99 / 127.0f);
  EXPECT_FLOAT_EQ(fit(false, 0.5).scale, 50 / 127.0f);
  // Of an asymmetric range each end by itself.
  EXPECT_FLOAT_EQ(fit(true, 0.99).scale, 198 / 255.0f);
  EXPECT_FLOAT_EQ(fit(true, 1).scale, 1099 / 255.0f);
  x[0] = 0;
  EXPECT_FLOAT_EQ(fit(true, 0.5).scale, 49 / 255.0f);
  EXPECT_EQ(fit(true, 0.5).zero, 0);
}

TEST(Grid, RowsShareParameters) {
  constexpr int64_t n = 5, k = 12, rows = 2;
  auto w = randomNormal(n * k, 7);
  auto importance = randomNormal(k, 8);
  for (float &value : importance)
    value = std::exp(value);
  IntGrid grid(4, 8);
  FitOptions options = FitOptions::leastSquaresSearch();
  auto params = cantFail(fitGroups(w, n, k, grid, options, importance, rows));
  for (int64_t row = 0; row < n; ++row)
    for (int64_t group = 0; group < 2; ++group) {
      std::vector<float> values, weights;
      for (int64_t r = row / rows * rows;
           r < std::min(n, row / rows * rows + rows); ++r)
        for (int64_t i = group * 8; i < std::min(k, group * 8 + 8); ++i) {
          values.push_back(w[r * k + i]);
          weights.push_back(importance[i]);
        }
      EXPECT_EQ(params[row * 2 + group].scale,
                grid.fit(values, weights, options).scale);
    }
}

// The search against trying far more parameters than it does.
TEST(Grid, ThoroughSearchIsNearTheBest) {
  FitOptions options = FitOptions::leastSquaresSearch();
  for (unsigned seed = 0; seed < 10; ++seed) {
    auto x = randomNormal(64, 100 + seed);
    auto importance = randomNormal(64, 200 + seed);
    for (float &value : importance)
      value = std::exp(value);
    for (unsigned bits : {2, 3, 4})
      for (bool asymmetric : {false, true}) {
        IntGrid grid(bits, 0, asymmetric);
        double found = grid.error(
            x, importance, grid.fit(x, importance, options), options.norm);
        double range =
            grid.error(x, importance, grid.fit(x, importance, {}), 2);
        double best = range;
        float reach = 0;
        for (float value : x)
          reach = std::max(reach, std::fabs(value));
        for (int zero = 0; zero < (asymmetric ? 1 << bits : 1); ++zero)
          for (int i = 1; i <= 400; ++i)
            best = std::min(best,
                            grid.error(x, importance,
                                       {2 * reach * i / 400, float(zero)}, 2));
        EXPECT_LE(found, range);
        EXPECT_LE(found, best * 1.1);
      }
  }
}

// Two signs: -8 may serve the longer side whichever it is.
TEST(Grid, NegativeScales) {
  std::vector<float> x = {8, -7, 4, 1};
  FitOptions options = FitOptions::leastSquaresSearch();
  IntGrid grid(4, 0);
  EXPECT_GT(grid.error(x, {}, grid.fit(x, {}, options), 2), 1e-3);
  options.bothSigns = true;
  GroupParams params = grid.fit(x, {}, options);
  EXPECT_NEAR(params.scale, -1, 1e-6);
  EXPECT_NEAR(grid.error(x, {}, params, 2), 0, 1e-6);
}

TEST(Grid, SearchKeepsSafe) {
  FitOptions options = FitOptions::leastSquaresSearch();
  for (bool asymmetric : {false, true}) {
    IntGrid half(4, 0, asymmetric, ScaleFormat::Type::F16);
    std::vector<float> zeros(16), tiny(16, 1e-9f), huge(16, 1e9f);
    EXPECT_EQ(half.fit(zeros, {}, options).scale, 0);
    EXPECT_EQ(half.fit(tiny, {}, options).scale, 0);
    EXPECT_TRUE(std::isinf(half.fit(huge, {}, options).scale));
    // Importance of nothing at all.
    auto x = randomNormal(16, 5);
    float scale = half.fit(x, std::vector<float>(16), options).scale;
    EXPECT_TRUE(std::isfinite(scale) && scale > 0);
    EXPECT_EQ(scale, f16ToF32(f32ToF16(scale)));
  }
}

TEST(CodebookGrid, SmallFloatsRoundAsMLDtypes) {
  for (auto [name, grid] : {std::pair("f4E2M1FN", CodebookGrid::e2m1(0)),
                            std::pair("f8E4M3FN", CodebookGrid::e4m3(0)),
                            std::pair("f8E5M2", CodebookGrid::e5m2(0))}) {
    SCOPED_TRACE(name);
    std::string file = std::string("casts.") + name;
    auto decode = golden<float>(file + ".decode");
    ASSERT_EQ(grid.getTable().size(), decode.size());
    for (size_t i = 0; i < decode.size(); ++i)
      if (std::isfinite(decode[i])) {
        EXPECT_EQ(grid.getTable()[i], decode[i]);
      } else {
        EXPECT_FALSE(std::isfinite(grid.getTable()[i]));
      }
    auto x = golden<float>(file + ".x");
    auto codes = golden<uint8_t>(file + ".rne_saturated");
    for (size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i]))
        continue;
      uint8_t code;
      grid.quantize(x[i], {1, 0}, &code, nullptr);
      EXPECT_EQ(decode[code], decode[codes[i]]) << x[i];
    }
  }
}

// FP8 activations, one scale per token: absmax / 448.
// Searches round to them by arithmetic, codes come from the table.
TEST(CodebookGrid, ErrorsOfSmallFloatsAreThoseOfTheirCodes) {
  for (auto make : {CodebookGrid::e4m3, CodebookGrid::e5m2}) {
    CodebookGrid grid = make(0, {});
    GroupParams params{0.75f, 0};
    // From below the least number to beyond the largest, ties among them.
    for (int exponent = -20; exponent < 18; ++exponent)
      for (int sixteenths = 16; sixteenths < 32; ++sixteenths)
        for (float sign : {1.0f, -1.0f}) {
          float value = sign * std::ldexp(0.75f * sixteenths, exponent);
          float decoded;
          grid.quantize(value, params, nullptr, &decoded);
          double error = double(decoded) - value;
          EXPECT_EQ(float(grid.error(value, {}, params, 2)),
                    float(error) * float(error))
              << value;
        }
  }
}

TEST(CodebookGrid, E4M3PerToken) {
  constexpr int64_t n = 16, k = 128;
  auto x = golden<float>("algorithms.fp8.x");
  auto scales = golden<float>("algorithms.fp8.token.scale");
  auto codes = golden<uint8_t>("algorithms.fp8.token.codes");
  CodebookGrid grid = CodebookGrid::e4m3(0);
  GridMatrix matrix =
      roundToGrid(x, n, k, grid, cantFail(fitGroups(x, n, k, grid)));
  EXPECT_EQ(matrix.scales, scales);
  for (int64_t i = 0; i < n * k; ++i)
    EXPECT_EQ(grid.getTable()[matrix.codes[i]], grid.getTable()[codes[i]]) << i;
}

TEST(ScaleFormat, Rounds) {
  using Type = ScaleFormat::Type;
  EXPECT_EQ(ScaleFormat(Type::F16).round(0.1f), f16ToF32(f32ToF16(0.1f)));
  EXPECT_EQ(ScaleFormat(Type::BF16).round(0.1f), bf16ToF32(f32ToBF16(0.1f)));
  EXPECT_EQ(ScaleFormat(Type::E8M0).round(0.9f), 0.5f);
  EXPECT_EQ(ScaleFormat(Type::E8M0).round(1.0f), 1.0f);
  EXPECT_EQ(ScaleFormat(Type::E8M0).round(0), 0x1p-127f);
  // E4M3 of NVFP4, over a tensor-wide unit.
  ScaleFormat nested(Type::E4M3, 0.5f);
  EXPECT_EQ(nested.round(0.5f), 0.5f);
  EXPECT_EQ(nested.round(0.5f * 1.0625f), 0.5f); // halfway, to even
  EXPECT_EQ(nested.round(0.5f * 448), 224.0f);
  EXPECT_TRUE(std::isinf(nested.round(0.5f * 480)));
  EXPECT_EQ(nested.round(0.5f * 0x1p-9f), 0.5f * 0x1p-9f);
  EXPECT_EQ(nested.round(0.5f * 0x1p-11f), 0);
}

TEST(Grid, Bits) {
  EXPECT_EQ(IntGrid(4, 128, false, ScaleFormat::Type::F16).bitsPerValue(1024),
            4.125);
  EXPECT_EQ(IntGrid(4, 128, true, ScaleFormat::Type::F16).bitsPerValue(1024),
            4 + 20.0 / 128);
  // 576 at group 128: five groups, the last of 64.
  EXPECT_EQ(IntGrid(4, 128, false, ScaleFormat::Type::F16).bitsPerValue(576),
            4 + 80.0 / 576);
  EXPECT_EQ(CodebookGrid::nf4(64).bitsPerValue(128), 4.5);
}

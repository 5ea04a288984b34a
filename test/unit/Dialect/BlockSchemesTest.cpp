// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF's blocks against ggml's C library: the values that it reads, and the
// error that its encoders make where formats leave the choice of scales open.

#include "../Golden.h"
#include "mlir/AsmParser/AsmParser.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <limits>
#include <random>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

class BlockSchemesTest : public testing::TestWithParam<BlockFormat> {
protected:
  BlockSchemesTest() {
    context.loadDialect<QTDialect>();
    name = StringRef(blockFormatName(GetParam())).upper();
    length = blockValues(GetParam());
    scheme = cast<QuantSchemeInterface>(
        parseAttribute(("#qt." + blockFormatName(GetParam())).str(), &context));
  }

  std::vector<float> decode(ArrayRef<uint8_t> bytes, int64_t rows) {
    int64_t values = bytes.size() / blockBytes(GetParam()) * length;
    auto decoded = dequantizeRows(scheme, bytes, rows, values / rows, 0, rows);
    EXPECT_TRUE(bool(decoded)) << llvm::toString(decoded.takeError());
    return std::move(*decoded);
  }
  /// The values after rounding.
  std::vector<float> round(ArrayRef<float> x) {
    std::vector<std::vector<uint8_t>> parts(1);
    llvm::Error error = scheme.quantizeMatrix(x, 1, x.size(), parts);
    EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
    return decode(parts[0], 1);
  }
  static double squaredError(ArrayRef<float> x, ArrayRef<float> y) {
    double sum = 0;
    for (auto [a, b] : llvm::zip_equal(x, y))
      sum += (double(a) - b) * (double(a) - b);
    return sum;
  }

  MLIRContext context;
  QuantSchemeInterface scheme;
  std::string name; ///< as in the golden files
  int64_t length;
};

/// Formats whose scales are searched.
class SearchedBlocksTest : public BlockSchemesTest {};

std::string nameOf(const testing::TestParamInfo<BlockFormat> &info) {
  return blockFormatName(info.param).str();
}

INSTANTIATE_TEST_SUITE_P(All, BlockSchemesTest,
                         testing::Values(BlockFormat::Q4_0, BlockFormat::Q4_1,
                                         BlockFormat::Q5_0, BlockFormat::Q5_1,
                                         BlockFormat::Q8_0, BlockFormat::IQ4_NL,
                                         BlockFormat::Q2_K, BlockFormat::Q3_K,
                                         BlockFormat::Q4_K, BlockFormat::Q5_K,
                                         BlockFormat::Q6_K),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(All, SearchedBlocksTest,
                         testing::Values(BlockFormat::IQ4_NL, BlockFormat::Q2_K,
                                         BlockFormat::Q3_K, BlockFormat::Q4_K,
                                         BlockFormat::Q5_K, BlockFormat::Q6_K),
                         nameOf);

} // namespace

TEST_P(BlockSchemesTest, DecodesAsGGML) {
  std::vector<std::string> files = {"gguf_decode."};
  if (!StringRef(name).ends_with("_K") && name != "IQ4_NL")
    files.push_back("gguf_simple.");
  for (const std::string &file : files) {
    auto bytes = golden<uint8_t>(file + name + ".bytes");
    auto expected = golden<float>(file + name + ".values");
    // As one row and as rows of a block: the same bytes.
    for (int64_t rows : {int64_t(1), int64_t(expected.size()) / length}) {
      std::vector<float> values = decode(bytes, rows);
      ASSERT_EQ(values.size(), expected.size());
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(llvm::bit_cast<uint32_t>(values[i]),
                  llvm::bit_cast<uint32_t>(expected[i]))
            << file << " value " << i;
    }
  }
}

TEST_P(BlockSchemesTest, SubnormalValuesBecomeZero) {
  std::vector<float> values(length, 1e-40f);
  values[3] = -1e-40f;
  for (float value : round(values))
    EXPECT_EQ(value, 0.0f);
}

TEST_P(SearchedBlocksTest, ErrsNoMoreThanGGML) {
  auto x = golden<float>("gguf_search.x");
  auto theirs = decode(golden<uint8_t>("gguf_search." + name + ".plain"), 3);
  double bound = squaredError(x, theirs), error = squaredError(x, round(x));
  RecordProperty("of_ggml", std::to_string(error / bound));
  EXPECT_LE(error, bound);
}

TEST_P(SearchedBlocksTest, ErrsLittleOnNormalNumbers) {
  // Root mean squares of the error, relative, that ggml makes without data.
  double theirs = 0;
  switch (GetParam()) {
  case BlockFormat::IQ4_NL:
    theirs = .0760;
    break;
  case BlockFormat::Q2_K:
    theirs = .297;
    break;
  case BlockFormat::Q3_K:
    theirs = .150;
    break;
  case BlockFormat::Q4_K:
    theirs = .0709;
    break;
  case BlockFormat::Q5_K:
    theirs = .0360;
    break;
  default:
    theirs = .0177;
  }
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(256 * 200);
  double norm = 0;
  for (float &value : x) {
    value = normal(random);
    norm += value * value;
  }
  double error = std::sqrt(squaredError(x, round(x)) / norm);
  EXPECT_LT(error, theirs);
  EXPECT_GT(error, theirs / 2) << "better than can be";
}

// A block of zeros, of one value, of one sign: nothing that a search divides
// by.
TEST_P(SearchedBlocksTest, HardBlocks) {
  std::vector<float> x(256, 0.0f);
  EXPECT_EQ(round(x), x);
  for (float value : {1.0f, -1.0f, 1000.0f, 0.01f}) {
    std::fill(x.begin(), x.end(), value);
    for (float rounded : round(x))
      ASSERT_NEAR(rounded, value, std::fabs(value) * 0.02f);
  }
  std::fill(x.begin(), x.end(), 0.0f);
  x[77] = -3.0f; // one value alone
  std::vector<float> rounded = round(x);
  for (int64_t i = 0; i < 256; ++i)
    ASSERT_NEAR(rounded[i], x[i],
                i / 16 == 77 / 16 || i / 32 == 77 / 32 ? 0.1f : 0.0f)
        << i;
}

TEST_P(SearchedBlocksTest, RefusesWhatHasNoBytes) {
  auto failure = [&](ArrayRef<float> x) {
    std::vector<std::vector<uint8_t>> parts(1);
    return llvm::toString(scheme.quantizeMatrix(x, 1, x.size(), parts));
  };
  std::vector<float> x(512, 1.0f);
  x[400] = std::nanf("");
  EXPECT_NE(failure(x).find("value 400 is NaN"), std::string::npos);
  for (float large : {1e10f, 3e38f, -1e20f}) {
    x[400] = large;
    EXPECT_NE(
        failure(x).find("too large for " + blockFormatName(GetParam()).str()),
        std::string::npos)
        << large;
  }
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF's blocks where columns count differently, against what ggml's C library
// makes of the same importance matrix.

#include "../Golden.h"
#include "mlir/AsmParser/AsmParser.h"
#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

class WeighedBlocksTest : public testing::TestWithParam<BlockFormat> {
protected:
  WeighedBlocksTest() {
    context.loadDialect<QTDialect>();
    scheme = cast<QuantSchemeInterface>(parseAttribute(
        std::string("#qt.") + factsOf(GetParam()).name, &context));
  }

  std::vector<float> decode(ArrayRef<uint8_t> bytes, int64_t rows, int64_t k) {
    auto decoded = dequantizeRows(scheme, bytes, rows, k, 0, rows);
    EXPECT_TRUE(bool(decoded)) << llvm::toString(decoded.takeError());
    return std::move(*decoded);
  }
  std::vector<uint8_t> encode(ArrayRef<float> x, ArrayRef<float> importance) {
    std::vector<std::vector<uint8_t>> parts(1);
    int64_t k = importance.size();
    llvm::Error error = cast<WeighedSchemeInterface>(scheme).quantizeWeighed(
        x, x.size() / k, k, importance, parts);
    failure = llvm::toString(std::move(error));
    return parts[0];
  }
  /// The values after rounding.
  std::vector<float> round(ArrayRef<float> x, ArrayRef<float> importance) {
    int64_t k = importance.size();
    std::vector<uint8_t> bytes = encode(x, importance);
    EXPECT_EQ(failure, "");
    return decode(bytes, x.size() / k, k);
  }

  MLIRContext context;
  QuantSchemeInterface scheme;
  std::string failure;
};

double weighedError(ArrayRef<float> x, ArrayRef<float> y,
                    ArrayRef<float> importance) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += importance[i % importance.size()] * std::pow(double(x[i]) - y[i], 2);
  return sum;
}

const BlockFormat formats[] = {
    BlockFormat::Q4_0,    BlockFormat::Q4_1,   BlockFormat::Q5_0,
    BlockFormat::Q5_1,    BlockFormat::Q2_K,   BlockFormat::Q3_K,
    BlockFormat::Q4_K,    BlockFormat::Q5_K,   BlockFormat::Q6_K,
    BlockFormat::IQ4_NL,  BlockFormat::IQ4_XS, BlockFormat::IQ3_S,
    BlockFormat::IQ3_XXS, BlockFormat::IQ2_S,  BlockFormat::IQ2_XS,
    BlockFormat::IQ2_XXS, BlockFormat::IQ1_M,  BlockFormat::IQ1_S};

INSTANTIATE_TEST_SUITE_P(All, WeighedBlocksTest, testing::ValuesIn(formats),
                         [](const auto &info) {
                           return factsOf(info.param).name;
                         });

} // namespace

TEST_P(WeighedBlocksTest, ErrsNoMoreThanGGML) {
  auto x = golden<float>("gguf_search.x");
  auto importance = golden<float>("gguf_search.imatrix");
  std::string name = StringRef(factsOf(GetParam()).name).upper();
  auto theirs = decode(golden<uint8_t>("gguf_search." + name + ".imatrix"), 3,
                       importance.size());
  double bound = weighedError(x, theirs, importance);
  double error = weighedError(x, round(x, importance), importance);
  RecordProperty("of_ggml", std::to_string(error / bound));
  EXPECT_LE(error, bound);
  EXPECT_GT(error, bound / 4) << "better than can be";
}

// What counts is rounded more finely: the same values twice, and once the
// columns with even numbers are said to matter.
TEST_P(WeighedBlocksTest, ImportantColumnsErrLess) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> x(256 * 40), equal(512, 1), even(512), only(512);
  for (float &value : x)
    value = normal(random);
  for (size_t i = 0; i < even.size(); ++i) {
    even[i] = i % 2 ? 0.01f : 1.0f;
    only[i] = i % 2 ? 0.0f : 1.0f;
  }
  EXPECT_LT(weighedError(x, round(x, even), only),
            0.97 * weighedError(x, round(x, equal), only));
}

// Scales do not depend on the unit of the importance, and what is never used
// leaves no hole.
TEST_P(WeighedBlocksTest, HardImportance) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  std::vector<float> x(512), small(256), large(256), none(256), one(256);
  for (float &value : x)
    value = normal(random);
  for (size_t i = 0; i < small.size(); ++i) {
    small[i] = float(i % 7) * 0x1p-60f;
    large[i] = float(i % 7) * 0x1p60f;
  }
  EXPECT_EQ(encode(x, small), encode(x, large));
  one[77] = 1;
  for (ArrayRef<float> importance : {ArrayRef(none), ArrayRef(one)})
    for (float value : round(x, importance))
      ASSERT_TRUE(std::fabs(value) < 6);
  EXPECT_EQ(round(std::vector<float>(256), one), std::vector<float>(256));
}

TEST_P(WeighedBlocksTest, RefusesBadImportance) {
  std::vector<float> x(512, 1.0f), importance(256, 1.0f);
  importance[3] = -1;
  encode(x, importance);
  EXPECT_EQ(failure, "the importance of a column is -1");
  importance[3] = std::nanf("");
  encode(x, importance);
  EXPECT_NE(failure.find("the importance of a column is"), std::string::npos);
  encode(x, std::vector<float>(16, 1.0f));
  EXPECT_NE(failure.find("an importance of 16 columns"), std::string::npos);
}

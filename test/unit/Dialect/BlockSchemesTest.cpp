// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF's blocks against ggml's C library: the values that it reads, and the
// error that its encoders make where formats leave the choice of scales open.

#include "../Golden.h"
#include "mlir/AsmParser/AsmParser.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "quant-mlir/Quantize/GridTables.h"
#include "llvm/ADT/STLExtras.h"
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
    const BlockFacts &facts = factsOf(GetParam());
    name = StringRef(facts.name).upper();
    length = facts.values;
    scheme = cast<QuantSchemeInterface>(
        parseAttribute(std::string("#qt.") + facts.name, &context));
  }

  std::vector<float> decode(ArrayRef<uint8_t> bytes, int64_t rows) {
    int64_t values = bytes.size() / factsOf(GetParam()).bytes * length;
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

/// Formats that can be made.
class MadeBlocksTest : public BlockSchemesTest {};
/// Those whose scales are searched.
class SearchedBlocksTest : public BlockSchemesTest {};
/// Those of them that have a number about 0, and no shared signs.
class FineBlocksTest : public BlockSchemesTest {};

std::string nameOf(const testing::TestParamInfo<BlockFormat> &info) {
  return factsOf(info.param).name;
}

const BlockFormat formats[] = {
#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF) BlockFormat::NAME,
#include "quant-mlir/Quantize/BlockFormats.def"
};
/// Written as ggml writes them, see BlockFormatsTest.cpp.
const BlockFormat simple[] = {BlockFormat::Q4_0,  BlockFormat::Q4_1,
                              BlockFormat::Q5_0,  BlockFormat::Q5_1,
                              BlockFormat::Q8_0,  BlockFormat::Q1_0,
                              BlockFormat::TQ1_0, BlockFormat::TQ2_0,
                              BlockFormat::MXFP4, BlockFormat::NVFP4};
const BlockFormat fine[] = {BlockFormat::IQ4_NL, BlockFormat::Q2_K,
                            BlockFormat::Q3_K,   BlockFormat::Q4_K,
                            BlockFormat::Q5_K,   BlockFormat::Q6_K,
                            BlockFormat::IQ4_XS};
const BlockFormat grids[] = {BlockFormat::IQ3_XXS, BlockFormat::IQ3_S};

INSTANTIATE_TEST_SUITE_P(All, BlockSchemesTest, testing::ValuesIn(formats),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Simple, MadeBlocksTest, testing::ValuesIn(simple),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Fine, MadeBlocksTest, testing::ValuesIn(fine), nameOf);
INSTANTIATE_TEST_SUITE_P(Grids, MadeBlocksTest, testing::ValuesIn(grids),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Fine, SearchedBlocksTest, testing::ValuesIn(fine),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Grids, SearchedBlocksTest, testing::ValuesIn(grids),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(All, FineBlocksTest, testing::ValuesIn(fine), nameOf);

} // namespace

TEST_P(BlockSchemesTest, DecodesAsGGML) {
  std::vector<std::string> files;
  if (GetParam() != BlockFormat::Q2_0) // the golden files have none: TwoBits
    files.push_back("gguf_decode.");
  if (llvm::is_contained(simple, GetParam()))
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

TEST(BlockSchemes, TwoBits) {
  MLIRContext context;
  context.loadDialect<QTDialect>();
  auto scheme =
      cast<QuantSchemeInterface>(parseAttribute("#qt.q2_0", &context));
  std::vector<uint8_t> block(18, 0b01010101); // scale * (1 - 1)
  block[0] = 0, block[1] = 0x40;              // 2.0
  block[2] = 0b11100100;
  ArrayRef<uint8_t> part = block;
  auto values = dequantizeRows(scheme, part, 1, 64, 0, 1);
  ASSERT_TRUE(bool(values));
  EXPECT_EQ(ArrayRef(*values).take_front(6),
            ArrayRef<float>({-2, 0, 2, 4, 0, 0}));
}

// A block has only some of a grid's points: here are all.
TEST(BlockSchemes, GridsAreThoseOfGGML) {
  auto check = [](const std::string &name, ArrayRef<uint16_t> entries,
                  ArrayRef<int> levels) {
    auto numbers = golden<int8_t>("gguf_codebooks." + name);
    size_t values = numbers.size() / entries.size();
    unsigned bits = levels.size() > 4 ? 3 : 2;
    ASSERT_EQ(numbers.size() % entries.size(), 0u);
    for (size_t i = 0; i < numbers.size(); ++i) {
      unsigned level =
          entries[i / values] >> (i % values * bits) & ((1u << bits) - 1);
      ASSERT_LT(level, levels.size());
      ASSERT_EQ(levels[level], numbers[i]) << name << " number " << i;
    }
  };
  check("IQ1_S", iq1Grid, {-1, 0, 1});
  check("IQ2_XXS", iq2XXSGrid, {8, 25, 43});
  check("IQ2_XS", iq2XSGrid, {8, 25, 43});
  check("IQ2_S", iq2SGrid, {8, 25, 43});
  check("IQ3_XXS", iq3XXSGrid, {4, 12, 20, 28, 36, 44, 52, 62});
  check("IQ3_S", iq3SGrid, {1, 3, 5, 7, 9, 11, 13, 15});
}

// No rule says how, or columns have to count differently.
TEST(BlockSchemes, SomeAreNotMadeOfValuesAlone) {
  std::vector<float> values(256, 1.0f);
  for (BlockFormat format : formats) {
    bool isMade = llvm::is_contained(simple, format) ||
                  llvm::is_contained(fine, format) ||
                  llvm::is_contained(grids, format);
    std::vector<uint8_t> bytes;
    std::string message = llvm::toString(encodeBlocks(format, values, bytes));
    EXPECT_EQ(message.empty(), isMade) << message;
    if (!isMade)
      EXPECT_TRUE(StringRef(message).ends_with("needs an importance matrix") ||
                  (format == BlockFormat::Q2_0 &&
                   StringRef(message).ends_with("but not made here")))
          << message;
  }
}

TEST_P(MadeBlocksTest, SubnormalValuesBecomeZero) {
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
  case BlockFormat::IQ4_XS:
    theirs = .0766;
    break;
  case BlockFormat::IQ3_XXS:
    theirs = .214;
    break;
  case BlockFormat::IQ3_S:
    theirs = .167;
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
TEST_P(FineBlocksTest, HardBlocks) {
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
    EXPECT_NE(failure(x).find(std::string("too large for ") +
                              factsOf(GetParam()).name),
              std::string::npos)
        << large;
  }
}

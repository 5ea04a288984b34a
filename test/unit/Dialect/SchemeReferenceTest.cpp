// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A scheme says twice what its bits mean: `unpackRows` on numbers, which
// weights are packed from, and `emitElement` as a program, which optimised code
// is tested against. Here they have to agree, bit by bit, for every scheme in
// Schemes.def. No program is run: the parts and the indices are constants, so
// that the emitted operations fold to the number.

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Matchers.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

class SchemeReferenceTest : public testing::Test {
protected:
  SchemeReferenceTest() {
    context
        .loadDialect<QTDialect, arith::ArithDialect, tensor::TensorDialect>();
  }

  /// All schemes to test: GGUF's blocks and those that need no parameters
  /// by the names in their lists, the others spelled out.
  std::vector<std::string> schemes() {
    std::vector<std::string> result = {
        "#qt.int<8, channel>",
        "#qt.int<8, tensor>",
        "#qt.int<4, group = 32, scale = f16>",
        "#qt.int<4, group = 32, scale = bf16, zero = i4>",
        "#qt.int<3, token>",
        "#qt.int<8, channel, zero = i8>",
        "#qt.int<2, group = 7>",
        "#qt.float<f32>",
        "#qt.float<f16>",
        "#qt.float<bf16>",
        "#qt.float<f8E4M3FN, channel>",
        "#qt.float<f8E5M2, tensor, scale = bf16>",
        "#qt.float<f8E4M3FN, block = 2x32>",
        "#qt.float<f8E5M2, group = 7, scale = f16>",
        "#qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU>",
        "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>",
        "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>",
        "#qt.codebook<nf4, group = 64>",
        "#qt.codebook<fp4, group = 12>",
        "#qt.codebook<nf4, group = 16, nested = 4>",
    };
    for (const BlockFacts &block : blockFacts)
      result.push_back(std::string("#qt.") + block.name);
    std::vector<std::string> names = {
#define QT_SCHEME(Name) #Name,
#include "quant-mlir/Dialect/QT/Schemes/Schemes.def"
    };
    for (const std::string &name : names) {
      if (name == "GGUF") // its blocks
        continue;
      std::string spelled = "#qt." + StringRef(name).lower();
      ScopedDiagnosticHandler quiet(&context,
                                    [](Diagnostic &) { return success(); });
      if (parseAttribute(spelled, &context)) {
        result.push_back(spelled);
        continue;
      }
      EXPECT_TRUE(llvm::any_of(result,
                               [&](const std::string &other) {
                                 return StringRef(other).starts_with(spelled +
                                                                     "<");
                               }))
          << name << " is not tested: spell it out above";
    }
    return result;
  }

  /// The value that the emitted program has at an element.
  std::optional<float> fold(OpBuilder &builder, QuantTensorType type,
                            ValueRange parts, int64_t row, int64_t column) {
    Location loc = builder.getUnknownLoc();
    SmallVector<Value> indices = {
        arith::ConstantIndexOp::create(builder, loc, row),
        arith::ConstantIndexOp::create(builder, loc, column)};
    Value value = emitDequantizedElement(builder, loc, type, parts, indices);
    FloatAttr attr;
    if (!matchPattern(value, m_Constant(&attr)))
      return std::nullopt;
    bool exact;
    APFloat number = attr.getValue();
    number.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &exact);
    return number.convertToFloat();
  }

  void check(const std::string &spelled, int64_t n, int64_t k) {
    SCOPED_TRACE(spelled + " with rows of " + std::to_string(k));
    auto scheme =
        dyn_cast<QuantSchemeInterface>(parseAttribute(spelled, &context));
    ASSERT_TRUE(scheme);
    auto quiet = [&] { return emitError(UnknownLoc::get(&context)); };
    Type f32 = Float32Type::get(&context);
    {
      ScopedDiagnosticHandler handler(&context,
                                      [](Diagnostic &) { return success(); });
      if (failed(scheme.verifyTensor(quiet, {n, k}, f32)))
        return;
    }
    auto type =
        QuantTensorType::get(RankedTensorType::get({n, k}, f32), scheme);

    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<float> values(n * k);
    for (float &value : values)
      value = normal(random);
    SmallVector<StoragePart> storage = scheme.getStorageParts({n, k});
    std::vector<std::vector<uint8_t>> bytes(storage.size());
    if (llvm::Error error = scheme.quantizeMatrix(values, n, k, bytes)) {
      // A scheme for files made by others: any bits will do.
      llvm::consumeError(std::move(error));
      for (auto [part, data] : llvm::zip_equal(storage, bytes)) {
        data.resize(ShapedType::getNumElements(part.shape) *
                    part.elementType.getIntOrFloatBitWidth() / 8);
        for (uint8_t &byte : data)
          byte = uint8_t(random());
      }
    }

    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    OpBuilder builder(module->getBodyRegion());
    SmallVector<Value> parts;
    SmallVector<ArrayRef<uint8_t>> views;
    for (auto [part, data] : llvm::zip_equal(storage, bytes)) {
      views.push_back(data);
      auto partType = RankedTensorType::get(part.shape, part.elementType);
      ArrayRef<char> raw(reinterpret_cast<const char *>(data.data()),
                         data.size());
      parts.push_back(arith::ConstantOp::create(
          builder, builder.getUnknownLoc(),
          DenseElementsAttr::getFromRawBuffer(partType, raw)));
    }

    llvm::Expected<std::vector<float>> expected =
        dequantizeRows(scheme, views, n, k, 0, n);
    ASSERT_TRUE(bool(expected)) << llvm::toString(expected.takeError());
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < k; ++column) {
        std::optional<float> actual = fold(builder, type, parts, row, column);
        ASSERT_TRUE(actual)
            << "element " << row << ", " << column << " does not fold";
        if (std::isnan(*actual) && std::isnan((*expected)[row * k + column]))
          continue; // of random bits
        ASSERT_EQ(llvm::bit_cast<uint32_t>(*actual),
                  llvm::bit_cast<uint32_t>((*expected)[row * k + column]))
            << "element " << row << ", " << column << ": " << *actual << " and "
            << (*expected)[row * k + column];
      }
    ++checked[spelled];
  }

  /// What was taken apart and stored again is the same.
  void checkStoring(const std::string &spelled, int64_t n, int64_t k) {
    SCOPED_TRACE(spelled);
    auto scheme = cast<QuantSchemeInterface>(parseAttribute(spelled, &context));
    LaneForm form = scheme.getLaneForm(k);
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<float> values(n * k);
    for (float &value : values)
      value = normal(random);
    std::vector<std::vector<uint8_t>> parts(
        scheme.getStorageParts({n, k}).size());
    ASSERT_FALSE(scheme.quantizeMatrix(values, n, k, parts));
    auto views = [](std::vector<std::vector<uint8_t>> &parts) {
      return SmallVector<ArrayRef<uint8_t>>(parts.begin(), parts.end());
    };
    UnpackedRows rows;
    ASSERT_FALSE(scheme.unpackRows(views(parts), n, k, 0, n, rows));
    ChosenCodes chosen;
    // Floats' codes are their bits, the first part; zero points the third.
    std::vector<uint8_t> zeros;
    chosen.codes =
        ArrayRef<uint8_t>(rows.codes.empty() ? parts[0] : rows.codes);
    chosen.scales = rows.scales;
    if (form.hasMinimum) {
      zeros = parts[2];
      zeros.resize(rows.scales.size(), parts[2][0]);
      chosen.zeros = zeros;
    }
    std::vector<std::vector<uint8_t>> stored(parts.size());
    llvm::Error error = scheme.storeCodes(chosen, n, k, stored);
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    EXPECT_EQ(stored, parts);
  }

  MLIRContext context;
  std::map<std::string, int> checked;
};

TEST_F(SchemeReferenceTest, ChosenCodesAreStored) {
  for (const char *spelled :
       {"#qt.int<8, channel>", "#qt.int<4, group = 32, scale = f16>",
        "#qt.int<3, group = 24, scale = bf16, zero = i3>",
        "#qt.int<8, tensor, zero = i8>", "#qt.int<2, tensor>",
        "#qt.codebook<nf4, group = 32>", "#qt.float<f8E4M3FN, channel>",
        "#qt.float<f8E5M2, block = 2x32>",
        "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>"})
    checkStoring(spelled, 3, 80);
}

TEST_F(SchemeReferenceTest, WrongChosenCodesAreRefused) {
  auto complaint = [&](StringRef spelled, ArrayRef<uint8_t> codes,
                       ArrayRef<float> scales) {
    auto scheme = cast<QuantSchemeInterface>(parseAttribute(spelled, &context));
    std::vector<std::vector<uint8_t>> parts(3);
    return llvm::toString(scheme.storeCodes({codes, scales, {}}, 2, 2, parts));
  };
  EXPECT_EQ(complaint("#qt.int<4, channel>", {1, 2, 3, 16}, {1, 1}),
            "code 16 is not below 16");
  EXPECT_EQ(complaint("#qt.int<4, channel>", {1, 2, 3, 4}, {1}),
            "codes, scales and zero points have not the sizes of a 2 x 2 "
            "matrix with 1 groups a row and no zero points");
  EXPECT_EQ(complaint("#qt.int<4, tensor>", {1, 2, 3, 4}, {1, 2}),
            "rows 0 and 1 share a scale, but theirs differ");
  EXPECT_EQ(complaint("#qt.q4_0", {1, 2, 3, 4}, {1, 2}),
            "codes cannot be stored in this format, only rounded to it");
}

TEST_F(SchemeReferenceTest, ProgramsAgreeWithNumbers) {
  std::vector<std::string> all = schemes();
  for (const std::string &spelled : all) {
    check(spelled, 3, 64);  // whole groups of 32
    check(spelled, 2, 40);  // a group and a quarter
    check(spelled, 1, 256); // a super-block
  }
  for (const std::string &spelled : all)
    EXPECT_GT(checked[spelled], 0) << spelled << " took none of the shapes";
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/WeightEffects.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace quantmlir;
using testing::HasSubstr;

namespace {

class WeightEffectsTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("effects", folder));
    llvm::SmallString<128> file(folder);
    llvm::sys::path::append(file, "e.json");
    path = file.str().str();
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  /// What is wrong with a file of this content.
  std::string complaint(llvm::StringRef text) {
    std::error_code code;
    llvm::raw_fd_ostream(path, code) << text;
    auto read = WeightEffects::read(path, "m");
    return read ? "" : llvm::toString(read.takeError());
  }

  llvm::SmallString<128> folder;
  std::string path;
};

} // namespace

TEST_F(WeightEffectsTest, WrittenAndRead) {
  WeightEffects effects{"m", "t.npy", "#qt.q4_0", {{"a", 0.125}, {"b\"", 0}}};
  ASSERT_FALSE(bool(effects.write(path)));
  auto read = WeightEffects::read(path, "m");
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  EXPECT_EQ(read->tokens, "t.npy");
  EXPECT_EQ(read->scheme, "#qt.q4_0");
  EXPECT_EQ(read->effects, effects.effects);
  EXPECT_THAT(llvm::toString(WeightEffects::read(path, "n").takeError()),
              HasSubstr("e.json: effects of weights of another model "
                        "(fingerprint m, this model's is n)"));
}

TEST_F(WeightEffectsTest, WhatIsNoSuchFile) {
  EXPECT_THAT(llvm::toString(WeightEffects::read(path, "m").takeError()),
              HasSubstr("e.json: cannot be read: "));
  EXPECT_THAT(complaint("[]"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(complaint("{}"), HasSubstr("e.json: has no effects of weights"));
  std::string start =
      R"({"format": "quant-mlir effects of weights 1", "model": "m")";
  EXPECT_THAT(complaint(start + "}"), HasSubstr("has no effects of weights"));
  EXPECT_EQ(complaint(start + R"(, "effects": {"a": 1}})"), "");
  for (std::string number : {"-1", "null", "\"1\"", "1e999"})
    EXPECT_THAT(complaint(start + R"(, "effects": {"a": )" + number + "}}"),
                HasSubstr(number == "1e999" ? "e.json: "
                                            : "the effect of weight 'a' is "
                                              "negative or no number"));
}

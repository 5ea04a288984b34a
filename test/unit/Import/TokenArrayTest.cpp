// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/TokenArray.h"
#include "BadInput.h"

using namespace llvm;
using namespace quantmlir;

namespace {

/// A .npy file of version 1 with these numbers.
template <typename T>
std::string npy(const std::string &shape, std::vector<T> values,
                const std::string &order = "False") {
  std::string header = "{'descr': '<i" + std::to_string(sizeof(T)) +
                       "', 'fortran_order': " + order + ", 'shape': " + shape +
                       ", }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + char(header.size()) + '\0' +
         header +
         std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(T));
}

class TokenArrayTest : public testing::Test {
protected:
  Expected<TokenArray> read(const std::string &bytes) {
    path = folder.write("t.npy", bytes);
    return readTokenArray(path);
  }
  bool refuses(const std::string &bytes, StringRef reason) {
    auto array = read(bytes);
    return StringRef(refusal(std::move(array), path)).contains(reason);
  }

  TemporaryFolder folder;
  std::string path;
};

} // namespace

TEST_F(TokenArrayTest, ReadsBothWidthsAndRanks) {
  auto line = read(npy<int64_t>("(3,)", {5, 0, 2147483647}));
  ASSERT_TRUE(bool(line)) << toString(line.takeError());
  EXPECT_EQ(line->shape, (SmallVector<int64_t>{3}));
  EXPECT_EQ(line->values, (std::vector<int32_t>{5, 0, 2147483647}));
  auto rows = read(npy<int32_t>("(2, 2)", {1, 2, 3, -1}));
  ASSERT_TRUE(bool(rows)) << toString(rows.takeError());
  EXPECT_EQ(rows->shape, (SmallVector<int64_t>{2, 2}));
  EXPECT_EQ(rows->values, (std::vector<int32_t>{1, 2, 3, -1}));
}

TEST_F(TokenArrayTest, Refusals) {
  std::string good = npy<int32_t>("(3,)", {1, 2, 3});
  EXPECT_TRUE(refuses("", "wrong magic"));
  EXPECT_TRUE(refuses(good.substr(0, 30), "the header is cut off"));
  EXPECT_TRUE(refuses(good.substr(0, good.size() - 4), "cut off or too long"));
  EXPECT_TRUE(refuses(good + "more", "cut off or too long"));
  EXPECT_TRUE(refuses(npy<int16_t>("(1,)", {1}), "expected int32 or int64"));
  EXPECT_TRUE(refuses(npy<int32_t>("()", {1}), "one or two dimensions"));
  EXPECT_TRUE(refuses(npy<int32_t>("(1, 1, 1)", {1}), "one or two dimensions"));
  EXPECT_TRUE(refuses(npy<int32_t>("(2, 1)", {1, 2}, "True"), "C order"));
  EXPECT_TRUE(refuses(npy<int32_t>("(1,)", {-2}), "out of range"));
  EXPECT_TRUE(refuses(npy<int64_t>("(1,)", {1LL << 31}), "out of range"));
  EXPECT_TRUE(refuses(npy<int32_t>("(4611686018427387904, 4)", {}),
                      "cut off or too long"));
}

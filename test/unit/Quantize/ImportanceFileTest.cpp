// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Importance matrices in their three forms, and what is none.

#include "quant-mlir/Quantize/ImportanceFile.h"
#include "quant-mlir/Export/GGUFWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace quantmlir;
using llvm::StringRef;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

class ImportanceFileTest : public testing::Test {
protected:
  ImportanceFileTest() {
    EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("imatrix", "", path));
  }
  ~ImportanceFileTest() override { llvm::sys::fs::remove(path); }

  void write(StringRef bytes) {
    std::error_code error;
    llvm::raw_fd_ostream(path, error) << bytes;
  }
  void writeGGUF(llvm::ArrayRef<GGUFWriter::Entry> entries,
                 llvm::ArrayRef<std::vector<float>> data) {
    auto writer = llvm::cantFail(GGUFWriter::create(path, {}, entries));
    for (const std::vector<float> &values : data)
      llvm::cantFail(
          writer->append({reinterpret_cast<const uint8_t *>(values.data()),
                          values.size() * sizeof(float)}));
    llvm::cantFail(writer->finish());
  }
  std::vector<float> read(StringRef weight, int64_t rowLength) {
    auto file = ImportanceFile::open(path);
    if (!file) {
      failure = llvm::toString(file.takeError());
      return {};
    }
    auto values = (*file)->read(weight, rowLength);
    if (!values) {
      failure = llvm::toString(values.takeError());
      return {};
    }
    failure.clear();
    return *values;
  }

  llvm::SmallString<128> path;
  std::string failure;
};

/// Little-endian, as the old form has its numbers.
std::string number(uint32_t value) {
  return {char(value), char(value >> 8), char(value >> 16), char(value >> 24)};
}
std::string number(float value) {
  return number(llvm::bit_cast<uint32_t>(value));
}
/// Of a weight "w": 2 calls, columns 3 and 1.
std::string oldEntry() {
  return number(1u) + "w" + number(2u) + number(2u) + number(6.0f) +
         number(2.0f);
}

} // namespace

TEST_F(ImportanceFileTest, Old) {
  // Behind the entries are calls and the text's name, which nothing needs.
  write(number(1u) + oldEntry() + number(2u) + number(3u) + "txt");
  EXPECT_THAT(read("w", 2), ElementsAre(3, 1));
  EXPECT_THAT(read("other", 2), IsEmpty());
  EXPECT_EQ(failure, "");
  read("w", 3);
  EXPECT_THAT(failure, HasSubstr("has 2 columns, the weight 3"));
}

TEST_F(ImportanceFileTest, GGUF) {
  writeGGUF({{"w.in_sum2", DType::F32, {1, 2}},
             {"w.counts", DType::F32, {1, 1}},
             {"silent.in_sum2", DType::F32, {1, 2}},
             {"silent.counts", DType::F32, {1, 1}}},
            {{6, 2}, {2}, {0, 0}, {0}});
  EXPECT_THAT(read("w", 2), ElementsAre(3, 1));
  EXPECT_THAT(read("silent", 2), ElementsAre(1, 1));
}

TEST_F(ImportanceFileTest, GGUFThatIsNone) {
  writeGGUF({{"w", DType::F32, {2}}}, {{1, 2}});
  read("w", 2);
  EXPECT_THAT(failure, HasSubstr("is a GGUF file, but no importance matrix"));
  writeGGUF({{"w.in_sum2", DType::F32, {1, 2}}}, {{1, 2}});
  read("w", 2);
  EXPECT_THAT(failure, HasSubstr("has no sums and counts"));
  writeGGUF(
      {{"w.in_sum2", DType::F32, {1, 2}}, {"w.counts", DType::F32, {1, 1}}},
      {{1, -2}, {1}});
  read("w", 2);
  EXPECT_THAT(failure, HasSubstr("tensor 'w': has a mean of squares"));
}

// Cut off anywhere, or with a length that is not there.
TEST_F(ImportanceFileTest, OldThatIsNone) {
  std::string whole = number(1u) + oldEntry();
  for (size_t length = 0; length < whole.size(); ++length) {
    write(StringRef(whole).take_front(length));
    EXPECT_THAT(read("w", 2), IsEmpty());
    EXPECT_THAT(failure, HasSubstr("is no importance matrix")) << length;
  }
  for (const std::string &bytes :
       {number(0u) + oldEntry(), number(~0u) + oldEntry(),
        number(1u) + number(~0u) + "w" + number(1u) + number(1u),
        number(1u) + number(1u) + "w" + number(1u) + number(~0u)}) {
    write(bytes);
    read("w", 2);
    EXPECT_THAT(failure, HasSubstr("is no importance matrix"));
  }
  write(number(2u) + oldEntry() + oldEntry());
  read("w", 2);
  EXPECT_THAT(failure, HasSubstr("appears twice"));
}

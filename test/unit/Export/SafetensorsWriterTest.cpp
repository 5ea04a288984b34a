// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the writer writes, the reader must read; and until `finish`, whatever
// was at the target stays there.

#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <csignal>
#include <sys/resource.h>

using namespace llvm;
using namespace quantmlir;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

class SafetensorsWriterTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("safetensors-writer", folder));
    sys::path::append(target = folder, "out.safetensors");
  }
  void TearDown() override { sys::fs::remove_directories(folder); }

  /// The error of a `create` that must fail, checked for the rules that all
  /// messages keep.
  std::string createError(ArrayRef<SafetensorsWriter::Entry> entries) {
    auto writer = SafetensorsWriter::create(target, entries);
    if (writer) {
      ADD_FAILURE() << "accepted";
      return {};
    }
    return checked(writer.takeError());
  }

  std::string checked(Error error) {
    EXPECT_TRUE(bool(error));
    std::string message = toString(std::move(error));
    EXPECT_THAT(message, StartsWith((target + ": ").str()));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message;
  }

  std::string content() {
    auto buffer = MemoryBuffer::getFile(target);
    return buffer ? (*buffer)->getBuffer().str() : "";
  }

  size_t filesInFolder() {
    std::error_code error;
    size_t count = 0;
    for (sys::fs::directory_iterator at(folder, error), end;
         at != end && !error; at.increment(error))
      ++count;
    return count;
  }

  SmallString<128> folder, target;
};

std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = uint8_t(i * 7 + 1);
  return bytes;
}

TEST_F(SafetensorsWriterTest, ReadsBack) {
  // 24 + 5 + 0 + 4 + 3 bytes: no tensor but the first starts at a multiple
  // of 8.
  auto writer =
      SafetensorsWriter::create(target,
                                {{"a.weight", "F32", {2, 3}, 24},
                                 {"codes", "U8", {5}, 5},
                                 {"nothing", "F16", {0, 7}, 0},
                                 {"scalar", "I32", {}, 4},
                                 {"quote \" and \xc3\xa9", "F6_E2M3", {4}, 3}},
                                {{"format", "pt"}, {"line", "a\nb"}});
  ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
  std::vector<uint8_t> data = counting(36);
  // The calls need not match the tensors.
  size_t position = 0;
  for (size_t size : {1, 0, 30, 5}) {
    ASSERT_EQ(toString((*writer)->append(ArrayRef(data).slice(position, size))),
              "");
    position += size;
  }
  ASSERT_EQ(toString((*writer)->finish()), "");

  auto file = SafetensorsFile::open(target);
  ASSERT_TRUE(bool(file)) << toString(file.takeError());
  EXPECT_EQ((*file)->dataOffset() % 64, 0u);
  EXPECT_EQ((*file)->fileBytes(), (*writer)->fileBytes());
  EXPECT_EQ((*file)->metadata().at("format"), "pt");
  EXPECT_EQ((*file)->metadata().at("line"), "a\nb");
  EXPECT_EQ((*file)->tensors().size(), 5u);

  const TensorInfo *weight = (*file)->find("a.weight");
  ASSERT_TRUE(weight);
  EXPECT_EQ(weight->type, DType::F32);
  EXPECT_EQ(ArrayRef<int64_t>(weight->shape), ArrayRef<int64_t>({2, 3}));
  EXPECT_EQ((*file)->data(*weight), ArrayRef(data).take_front(24));
  EXPECT_EQ((*file)->data(*(*file)->find("codes")),
            ArrayRef(data).slice(24, 5));
  EXPECT_TRUE((*file)->data(*(*file)->find("nothing")).empty());
  EXPECT_EQ((*file)->data(*(*file)->find("scalar")),
            ArrayRef(data).slice(29, 4));
  ASSERT_TRUE((*file)->find("quote \" and \xc3\xa9"));
  EXPECT_EQ(filesInFolder(), 1u);
}

TEST_F(SafetensorsWriterTest, HeaderHash) {
  auto writer = SafetensorsWriter::create(target, {});
  ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
  ASSERT_EQ(toString((*writer)->finish()), "");
  // "{}" and 54 spaces after the eight bytes of the length.
  std::string text = content();
  ASSERT_EQ(text.size(), 64u);
  EXPECT_EQ(support::endian::read64le(text.data()), 56u);
  EXPECT_EQ(StringRef(text).drop_front(8).rtrim(' '), "{}");
  // FNV-1a by its definition, in another order of operations than the writer's.
  unsigned __int128 hash = 14695981039346656037u;
  for (unsigned char c : StringRef(text).drop_front(8))
    hash =
        (uint64_t(hash) ^ c) * static_cast<unsigned __int128>(1099511628211u);
  EXPECT_EQ((*writer)->headerHash(), uint64_t(hash));
}

TEST_F(SafetensorsWriterTest, HeaderOfEveryLengthIsPadded) {
  for (size_t length = 1; length <= 130; ++length) {
    auto writer = SafetensorsWriter::create(
        target, {{std::string(length, 'n'), "U8", {1}, 1}});
    ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
    ASSERT_EQ(toString((*writer)->append({7})), "");
    ASSERT_EQ(toString((*writer)->finish()), "");
    auto file = SafetensorsFile::open(target);
    ASSERT_TRUE(bool(file)) << toString(file.takeError());
    EXPECT_EQ((*file)->dataOffset() % 64, 0u) << length;
  }
}

TEST_F(SafetensorsWriterTest, OldFileStaysUntilFinish) {
  auto write = [&](uint8_t byte) {
    auto writer = SafetensorsWriter::create(target, {{"x", "U8", {1}, 1}});
    EXPECT_TRUE(bool(writer));
    EXPECT_EQ(toString((*writer)->append({byte})), "");
    return std::move(*writer);
  };
  ASSERT_EQ(toString(write(1)->finish()), "");
  EXPECT_EQ(content().back(), 1);
  {
    auto abandoned = write(2);
    EXPECT_EQ(filesInFolder(), 2u);
    EXPECT_EQ(content().back(), 1);
  }
  EXPECT_EQ(content().back(), 1);
  EXPECT_EQ(filesInFolder(), 1u);
  ASSERT_EQ(toString(write(3)->finish()), "");
  EXPECT_EQ(content().back(), 3);
}

TEST_F(SafetensorsWriterTest, RefusesWrongAmountOfData) {
  auto writer = SafetensorsWriter::create(target, {{"x", "U8", {3}, 3}});
  ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
  ASSERT_EQ(toString((*writer)->append({1, 2})), "");
  EXPECT_THAT(checked((*writer)->finish()), HasSubstr("1 bytes of data"));
  EXPECT_THAT(checked((*writer)->append({3, 4})), HasSubstr("more data"));
  writer->reset();
  EXPECT_EQ(filesInFolder(), 0u);
}

TEST_F(SafetensorsWriterTest, NothingAfterFinish) {
  auto writer = SafetensorsWriter::create(target, {});
  ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
  ASSERT_EQ(toString((*writer)->finish()), "");
  checked((*writer)->finish());
  checked((*writer)->append({1}));
  EXPECT_TRUE(sys::fs::exists(target));
}

TEST_F(SafetensorsWriterTest, RefusesBadEntries) {
  EXPECT_THAT(createError({{"x", "F32", {3}, 11}}), HasSubstr("tensor 'x'"));
  EXPECT_THAT(createError({{"x", "F4", {3}, 2}}), HasSubstr("shape"));
  EXPECT_THAT(createError({{"x", "Q4_0", {32}, 18}}), HasSubstr("Q4_0"));
  EXPECT_THAT(createError({{"x", "F32", {-1}, 4}}), HasSubstr("shape"));
  EXPECT_THAT(createError({{"x", "U8", {int64_t(1) << 40, 1 << 30}, 0}}),
              HasSubstr("shape"));
  EXPECT_THAT(createError({{"x", "U8", {1}, 1}, {"x", "U8", {1}, 1}}),
              HasSubstr("twice"));
  EXPECT_THAT(createError({{"__metadata__", "U8", {1}, 1}}), HasSubstr("name"));
  EXPECT_THAT(createError({{"caf\xe9", "U8", {1}, 1}}), HasSubstr("name"));
  EXPECT_THAT(createError({{"two\nlines", "U8", {1}, 2}}),
              HasSubstr("two\\0Alines"));
  EXPECT_THAT(createError({{"", "U8", {1}, 1}}), HasSubstr("name"));
  EXPECT_EQ(filesInFolder(), 0u);
}

TEST_F(SafetensorsWriterTest, RefusesBadMetadata) {
  for (auto metadata :
       std::vector<std::vector<std::pair<std::string, std::string>>>{
           {{"a", "1"}, {"a", "2"}}, {{"a", "\xff"}}, {{"\xff", "a"}}}) {
    auto writer = SafetensorsWriter::create(target, {}, metadata);
    ASSERT_FALSE(bool(writer));
    EXPECT_THAT(checked(writer.takeError()), HasSubstr("metadata"));
  }
}

TEST_F(SafetensorsWriterTest, RefusesUnwritablePaths) {
  sys::path::append(target = folder, "missing", "out.safetensors");
  createError({});
  // What is in the way is found before any data is made.
  sys::path::append(target = folder, "taken");
  ASSERT_FALSE(sys::fs::create_directory(target));
  EXPECT_THAT(createError({}), HasSubstr("is a folder"));
  EXPECT_EQ(filesInFolder(), 1u);
  target = "/dev/null";
  EXPECT_THAT(createError({}), HasSubstr("not a regular file"));
  auto writer = SafetensorsWriter::create("", {});
  ASSERT_FALSE(bool(writer));
  EXPECT_THAT(toString(writer.takeError()), HasSubstr("not a path"));
}

// The folder appears while the data is written: an error at the end, and the
// temporary file goes.
TEST_F(SafetensorsWriterTest, TargetTakenMeanwhile) {
  auto writer = SafetensorsWriter::create(target, {});
  ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
  ASSERT_FALSE(sys::fs::create_directory(target));
  checked((*writer)->finish());
  EXPECT_EQ(filesInFolder(), 1u);
}

TEST_F(SafetensorsWriterTest, ReportsFailedWrites) {
  const size_t size = 1 << 20;
  auto writer = SafetensorsWriter::create(target, {{"x", "U8", {size}, size}});
  ASSERT_TRUE(bool(writer)) << toString(writer.takeError());
  // Files of this process may not grow past 64 KiB: a disk that is full.
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1 << 16;
  auto *handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message = toString((*writer)->append(counting(size)));
  if (message.empty())
    message = toString((*writer)->finish());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  EXPECT_THAT(message, StartsWith((target + ": ").str()));
  writer->reset();
  EXPECT_EQ(filesInFolder(), 0u);
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "../Golden.h"
#include "BadInput.h"
#include "quant-mlir/Import/GGUF.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace quantmlir;

static void expectRefused(StringRef bytes, StringRef reason) {
  expectRefused<GGUFFile>(bytes, reason);
}

//===----------------------------------------------------------------------===//
// The 46 files that ggml's reader and gguf-py judged
//===----------------------------------------------------------------------===//

namespace {
class JudgedGGUF : public testing::TestWithParam<int> {};
} // namespace

INSTANTIATE_TEST_SUITE_P(Golden, JudgedGGUF, testing::Range(0, 46));

TEST_P(JudgedGGUF, Verdict) {
  Expected<json::Value> cases = json::parse(goldenBytes("gguf_files.json"));
  ASSERT_TRUE(bool(cases)) << toString(cases.takeError());
  ASSERT_EQ(cases->getAsArray()->size(), 46u);
  const json::Object &entry = *(*cases->getAsArray())[GetParam()].getAsObject();
  SCOPED_TRACE(entry.getString("name")->str());
  std::string bytes;
  ASSERT_TRUE(tryGetFromHex(*entry.getString("hex"), bytes));

  auto file = parseBytes<GGUFFile>(bytes);
  bool accepted = bool(file);
  StringRef expected = *entry.getString("expect");
  if (expected != "either") {
    EXPECT_EQ(accepted, expected == "accept")
        << (accepted ? "" : toString(file.takeError()));
  }
  if (accepted)
    return;
  refusal(std::move(file), "FILE");

  // The same from a file; an empty one cannot be mapped.
  TemporaryFolder folder;
  std::string path = folder.write("case.gguf", bytes);
  refusal(WeightFile::open(path), path);
}

//===----------------------------------------------------------------------===//
// More of the same kind
//===----------------------------------------------------------------------===//

/// Magic, version 3 and counts.
static Bytes header(uint64_t tensors, uint64_t keys) {
  Bytes bytes;
  bytes.raw("GGUF").put<uint32_t>(3).put(tensors).put(keys);
  return bytes;
}

/// The description of a tensor.
static Bytes &tensor(Bytes &bytes, StringRef name, ArrayRef<uint64_t> sizes,
                     uint32_t type, uint64_t offset) {
  bytes.string(name).put<uint32_t>(sizes.size());
  for (uint64_t size : sizes)
    bytes.put(size);
  return bytes.put(type).put(offset);
}

/// A file with one tensor and a kilobyte of data.
static Bytes oneTensor(StringRef name, ArrayRef<uint64_t> sizes, uint32_t type,
                       uint64_t offset = 0) {
  Bytes bytes = header(1, 0);
  return tensor(bytes, name, sizes, type, offset).align(32).zeros(1024);
}

TEST(BadGGUF, EveryPrefixOfAGoodFile) {
  std::string good = goldenBytes("good.gguf");
  ASSERT_EQ(good.size(), 1440u);
  ASSERT_TRUE(bool(parseBytes<GGUFFile>(good)));
  for (size_t size = 0; size < good.size(); ++size) {
    SCOPED_TRACE(size);
    // A copy of just that size, so that a sanitizer sees the next byte read.
    std::string prefix = good.substr(0, size);
    refusal(parseBytes<GGUFFile>(prefix), "FILE");
  }
}

// Whatever one wrong byte does, it must not crash, and what is accepted must
// lie in the file.
TEST(BadGGUF, EveryByteOfTheHeaderChanged) {
  std::string good = goldenBytes("good.gguf");
  for (size_t place = 0; place < 864; ++place)
    for (int change : {0x00, 0x01, 0x7F, 0x80, 0xFF, 0x20}) {
      std::string bytes = good;
      bytes[place] = char(change == 0x20 ? bytes[place] ^ 0x20 : change);
      auto file = parseBytes<GGUFFile>(bytes);
      if (!file) {
        refusal(std::move(file), "FILE");
        continue;
      }
      for (const TensorInfo &tensor : (*file)->tensors())
        EXPECT_LE(tensor.offset + tensor.size, bytes.size());
      (*file)->metadata();
    }
}

TEST(BadGGUF, Magic) {
  expectRefused("GGU", "does not start with 'GGUF'");
  expectRefused("gguf\3\0\0\0", "does not start with 'GGUF'");
}

TEST(BadGGUF, Version) {
  for (uint32_t version : {0u, 1u, 4u, 0x7FFFFFFFu}) {
    Bytes bytes;
    bytes.raw("GGUF").put(version).zeros(100);
    expectRefused(bytes, "GGUF version " + std::to_string(version));
  }
  Bytes swapped;
  swapped.raw("GGUF").raw(StringRef("\0\0\0\3", 4)).zeros(100);
  expectRefused(swapped, "big-endian");
}

TEST(BadGGUF, CountsBeyondTheFile) {
  for (uint64_t count : {uint64_t(100), uint64_t(1) << 32, uint64_t(1) << 61,
                         uint64_t(1) << 63, UINT64_MAX}) {
    expectRefused(header(count, 0).zeros(64), "tensors, more than its size");
    expectRefused(header(0, count).zeros(64), "keys, more than its size");
  }
}

TEST(BadGGUF, KeyNames) {
  expectRefused(header(0, 1).string("").put<uint32_t>(0).zeros(40),
                "empty name");
  expectRefused(header(0, 1).string("\xC3(").put<uint32_t>(0).zeros(40),
                "not UTF-8");
  Bytes twice = header(0, 2);
  twice.string("k").put<uint32_t>(0).put<uint8_t>(1);
  twice.string("k").put<uint32_t>(0).put<uint8_t>(1);
  expectRefused(twice, "'k' appears twice");
  // A name with a line break must not break the message's line.
  Bytes lines = header(0, 2);
  lines.string("a\nb").put<uint32_t>(99).zeros(64);
  expectRefused(lines, "'a\\0Ab' has the unknown type 99");
}

TEST(BadGGUF, Lengths) {
  for (uint64_t length : {uint64_t(61), uint64_t(1) << 29}) {
    Bytes key = header(0, 1).put(length).zeros(60);
    expectRefused(key, "cut off inside key 0");
    Bytes value = header(0, 1).string("k").put<uint32_t>(8).put(length);
    expectRefused(value.zeros(60), "cut off inside the value of key 'k'");
  }
  for (uint64_t length :
       {(uint64_t(1) << 30) + 1, uint64_t(1) << 63, UINT64_MAX, UINT64_MAX - 7})
    expectRefused(header(0, 1).put(length).zeros(60), "more than 1 GiB");
}

TEST(BadGGUF, ValueTypes) {
  for (uint32_t type : {13u, 255u, 0xFFFFFFFFu}) {
    expectRefused(header(0, 1).string("k").put(type).zeros(40),
                  "unknown type " + std::to_string(type));
    expectRefused(header(0, 1).string("k").put<uint32_t>(9).put(type).zeros(40),
                  "array of the unknown type " + std::to_string(type));
  }
  expectRefused(
      header(0, 1).string("k").put<uint32_t>(9).put<uint32_t>(9).zeros(40),
      "array of arrays");
}

TEST(BadGGUF, ArraysBeyondTheFile) {
  for (uint32_t type : {0u, 2u, 4u, 7u, 8u, 10u, 12u})
    for (uint64_t count : {uint64_t(100), uint64_t(1) << 30}) {
      Bytes bytes = header(0, 1).string("k").put<uint32_t>(9).put(type);
      expectRefused(bytes.put(count).zeros(60), "cut off inside the value");
    }
  for (uint64_t count : {(uint64_t(1) << 30) + 1, uint64_t(1) << 61,
                         uint64_t(1) << 62, UINT64_MAX}) {
    Bytes bytes = header(0, 1).string("k").put<uint32_t>(9).put<uint32_t>(10);
    expectRefused(bytes.put(count).zeros(60), "at most 2^30");
  }
}

TEST(BadGGUF, Alignment) {
  auto aligned = [](uint32_t type, uint64_t value, int bytes) {
    Bytes file = header(0, 1).string("general.alignment").put(type);
    return file.raw(StringRef(reinterpret_cast<char *>(&value), bytes));
  };
  expectRefused(aligned(10, 32, 8), "must be of type u32");
  expectRefused(aligned(5, 32, 4), "must be of type u32");
  for (uint32_t alignment : {0u, 3u, 24u, 0xFFFFFFFFu})
    expectRefused(aligned(4, alignment, 4), "is not a power of 2");
  EXPECT_TRUE(bool(parseBytes<GGUFFile>(aligned(4, 0x80000000, 4))));
}

TEST(BadGGUF, SplitFiles) {
  Bytes bytes = header(0, 1).string("split.count");
  expectRefused(bytes.put<uint32_t>(2).put<uint16_t>(3),
                "one of 3 parts of a split model, which is not supported yet");
  Bytes single = header(0, 1).string("split.count");
  single.put<uint32_t>(2).put<uint16_t>(1);
  EXPECT_TRUE(bool(parseBytes<GGUFFile>(single)));
}

TEST(BadGGUF, TensorNames) {
  expectRefused(oneTensor("", {8}, 0), "empty name");
  expectRefused(oneTensor(std::string(64, 'n'), {8}, 0), "has 64 bytes");
  EXPECT_TRUE(
      bool(parseBytes<GGUFFile>(oneTensor(std::string(63, 'n'), {8}, 0))));
  expectRefused(oneTensor("\xFF\xFE", {8}, 0), "not UTF-8");
  expectRefused(oneTensor("\xED\xA0\x80", {8}, 0), "not UTF-8"); // surrogate
  Bytes twice = header(2, 0);
  tensor(twice, "w", {8}, 0, 0);
  tensor(twice, "w", {8}, 0, 32).align(32).zeros(64);
  expectRefused(twice, "tensor 'w': the name appears twice");
}

TEST(BadGGUF, Dimensions) {
  expectRefused(oneTensor("w", {}, 0), "tensor 'w': has 0 dimensions");
  expectRefused(oneTensor("w", {1, 1, 1, 1, 1}, 0), "has 5 dimensions");
  Bytes many = header(1, 0).string("w").put<uint32_t>(0xFFFFFFFF);
  expectRefused(many.zeros(100), "has 4294967295 dimensions");
  expectRefused(oneTensor("w", {8, 0}, 0), "size of dimension 1 is 0");
  expectRefused(oneTensor("w", {uint64_t(-8)}, 0), "dimension 0 is -8");
  expectRefused(oneTensor("w", {uint64_t(1) << 63}, 0), "dimension 0 is -");
}

TEST(BadGGUF, ProductsBeyond64Bits) {
  uint64_t big = uint64_t(1) << 32;
  // 2^64 values, which wrap to 0, and 2^63.
  expectRefused(oneTensor("w", {big, big}, 0), "larger than the file");
  expectRefused(oneTensor("w", {big, big / 2}, 0), "larger than the file");
  // 2^62 values fit; their 2^65 bytes of f64 do not.
  expectRefused(oneTensor("w", {big, big / 4}, 28), "larger than the file");
  // 2^62 / 256 blocks of 292 bytes: more than 2^62.
  expectRefused(oneTensor("w", {big, big / 4}, 15), "larger than the file");
}

TEST(BadGGUF, TensorTypes) {
  for (uint32_t type : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 1000u,
                        0x7FFFFFFFu, 0xFFFFFFFFu})
    expectRefused(oneTensor("w", {256}, type),
                  "unknown or removed type " + std::to_string(type));
}

TEST(BadGGUF, RowsThatAreNotBlocks) {
  expectRefused(oneTensor("w", {48}, 2), "not whole blocks of 32, as Q4_0");
  expectRefused(oneTensor("w", {16, 2}, 8), "not whole blocks of 32, as Q8_0");
  expectRefused(oneTensor("w", {128, 2}, 12), "not whole blocks of 256");
}

TEST(BadGGUF, Offsets) {
  for (uint64_t offset : {uint64_t(4), uint64_t(32), uint64_t(1) << 40,
                          UINT64_MAX, UINT64_MAX - 31})
    expectRefused(oneTensor("w", {8}, 0, offset), "instead of 0");
  Bytes overlap = header(2, 0);
  tensor(overlap, "a", {8}, 0, 0);
  tensor(overlap, "b", {8}, 0, 0).align(32).zeros(64);
  expectRefused(overlap, "tensor 'b': its data is at offset 0 instead of 32");
  Bytes gap = header(2, 0);
  tensor(gap, "a", {8}, 0, 0);
  tensor(gap, "b", {8}, 0, 64).align(32).zeros(256);
  expectRefused(gap, "tensor 'b': its data is at offset 64 instead of 32");
  Bytes swapped = header(2, 0);
  tensor(swapped, "a", {8}, 0, 32);
  tensor(swapped, "b", {8}, 0, 0).align(32).zeros(256);
  expectRefused(swapped, "tensor 'a': its data is at offset 32 instead of 0");
}

TEST(BadGGUF, DataBehindTheEnd) {
  expectRefused(oneTensor("w", {257}, 0), "end of the file");
  expectRefused(oneTensor("w", {1 << 20}, 0), "larger than the file");
  // Both fit alone, not together.
  Bytes both = header(2, 0);
  tensor(both, "a", {200}, 0, 0);
  tensor(both, "b", {200}, 0, 800).align(32).zeros(1024);
  expectRefused(both, "tensor 'b'");
}

// A megabyte that claims as much as it can: the cost must follow the size.
TEST(BadGGUF, ManySmallThings) {
  Bytes keys = header(0, 70000);
  for (int i = 0; i < 70000; ++i)
    keys.string(std::to_string(i)).put<uint32_t>(0).put<uint8_t>(0);
  expectRefused(keys, "at most 1048576 and 65536 are supported");
  Bytes strings = header(0, 2).string("k").put<uint32_t>(9).put<uint32_t>(8);
  strings.put<uint64_t>(200000).zeros(200000 * 8);
  expectRefused(strings, "cut off inside the length of key 1");
}

TEST(BadGGUF, MemoryStaysSmall) { EXPECT_LT(peakMemory(), memoryLimit); }

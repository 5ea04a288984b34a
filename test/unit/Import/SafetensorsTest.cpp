// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/Safetensors.h"
#include "BadInput.h"
#include "llvm/Support/Process.h"
#include <sys/resource.h>

using namespace llvm;
using namespace quantmlir;

uint64_t peakMemory() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

/// A file with this header and this many bytes of data, 0 1 2 …
static std::string makeFile(StringRef header, size_t data) {
  Bytes bytes;
  bytes.put<uint64_t>(header.size()).raw(header);
  for (size_t i = 0; i < data; ++i)
    bytes.put<uint8_t>(i);
  return bytes.bytes;
}

static std::shared_ptr<SafetensorsFile> parsed(StringRef bytes) {
  auto file = parseBytes<SafetensorsFile>(bytes);
  if (!file) {
    ADD_FAILURE() << toString(file.takeError());
    return nullptr;
  }
  return *file;
}

static void expectHeaderRefused(StringRef header, size_t data,
                                StringRef reason) {
  SCOPED_TRACE(header.str());
  expectRefused<SafetensorsFile>(makeFile(header, data), reason);
}

//===----------------------------------------------------------------------===//
// Good files
//===----------------------------------------------------------------------===//

static const char *const goodHeader =
    R"({"__metadata__":{"format":"pt","a \"b\"":"\u00e9\ud83d\ude00\n"},)"
    R"( "b.weight" : {"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},)"
    R"("a":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"},)"
    R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[20,28]},)"
    R"("none":{"dtype":"F32","shape":[4,0],"data_offsets":[20,20]}}   )";

TEST(Safetensors, ReadsAGoodFile) {
  std::string bytes = makeFile(goodHeader, 28);
  auto file = parsed(bytes);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->metadata().at("a \"b\""), "\xC3\xA9\xF0\x9F\x98\x80\n");
  EXPECT_EQ(file->metadata().size(), 2u);
  EXPECT_EQ(file->dataOffset(), 8 + StringRef(goodHeader).size());

  // In the order of the data, not of the header.
  std::vector<std::string> names;
  for (const TensorInfo &tensor : file->tensors())
    names.push_back(tensor.name);
  EXPECT_EQ(names,
            std::vector<std::string>({"a", "b.weight", "none", "scalar"}));
  const TensorInfo *b = file->find("b.weight");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->type, DType::F16);
  EXPECT_EQ(ArrayRef(b->shape), ArrayRef<int64_t>({2, 3}));
  EXPECT_EQ(b->numElements(), 6);
  ASSERT_EQ(file->data(*b).size(), 12u);
  EXPECT_EQ(file->data(*b)[0], 8);
  EXPECT_EQ(file->data(*b)[11], 19);
  EXPECT_TRUE(file->find("scalar")->shape.empty());
  EXPECT_EQ(file->find("scalar")->numElements(), 1);
  EXPECT_EQ(file->find("none")->numElements(), 0);
  EXPECT_EQ(refusal(file->require("c"), "FILE"),
            "FILE: tensor 'c': is missing");
}

TEST(Safetensors, KnowsAllTypes) {
  struct Row {
    const char *name;
    int bits;
  };
  static const Row rows[] = {
      {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
      {"I32", 32},    {"U32", 32}, {"F32", 32}, {"I64", 64},    {"U64", 64},
      {"F64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  for (Row row : rows) {
    int bytes = row.bits * 12 / 8;
    std::string header =
        (R"({"t":{"dtype":")" + Twine(row.name) +
         R"(","shape":[3,4],"data_offsets":[0,)" + Twine(bytes) + "]}}")
            .str();
    ASSERT_TRUE(parsed(makeFile(header, bytes))) << row.name;
  }
  // Three 4-bit values are a byte and a half.
  expectHeaderRefused(
      R"({"t":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2,
      "not a whole number of bytes of type F4");
}

TEST(Safetensors, EmptyFileOfTensors) {
  EXPECT_TRUE(parsed(makeFile("{}", 0)));
  EXPECT_TRUE(parsed(makeFile("{ }  \n", 0)));
}

//===----------------------------------------------------------------------===//
// Bad files
//===----------------------------------------------------------------------===//

TEST(BadSafetensors, EveryPrefixOfAGoodFile) {
  std::string good = makeFile(goodHeader, 28);
  for (size_t size = 0; size < good.size(); ++size) {
    SCOPED_TRACE(size);
    std::string prefix = good.substr(0, size);
    refusal(parseBytes<SafetensorsFile>(prefix), "FILE");
  }
}

TEST(BadSafetensors, EveryByteOfTheHeaderChanged) {
  std::string good = makeFile(goodHeader, 28);
  for (size_t place = 0; place < good.size() - 28; ++place)
    for (int change = 0; change < 256; ++change) {
      std::string bytes = good;
      bytes[place] = char(change);
      auto file = parseBytes<SafetensorsFile>(bytes);
      if (!file) {
        refusal(std::move(file), "FILE");
        continue;
      }
      for (const TensorInfo &tensor : (*file)->tensors())
        EXPECT_LE(tensor.offset + tensor.size, bytes.size());
    }
}

TEST(BadSafetensors, Lengths) {
  expectRefused<SafetensorsFile>("", "too few");
  expectRefused<SafetensorsFile>("1234567", "too few");
  for (uint64_t length : {uint64_t(3), uint64_t(1) << 40, uint64_t(1) << 63,
                          UINT64_MAX, UINT64_MAX - 7}) {
    Bytes bytes;
    expectRefused<SafetensorsFile>(bytes.put(length).raw("{}"), "claims");
  }
  expectHeaderRefused("", 0, "does not start with '{'");
}

// A header that is there, and too long all the same. The file has holes, so
// that only reading it would take memory.
TEST(BadSafetensors, LongHeader) {
  TemporaryFolder folder;
  Bytes start;
  start.put<uint64_t>(uint64_t(1) << 32).raw("{");
  std::string path = folder.write("long.safetensors", start);
  int file;
  ASSERT_FALSE(sys::fs::openFileForWrite(path, file, sys::fs::CD_OpenExisting));
  ASSERT_FALSE(sys::fs::resize_file_sparse(file, uint64_t(1) << 33));
  sys::Process::SafelyCloseFileDescriptor(file);
  EXPECT_NE(refusal(WeightFile::open(path), path).find("at most 100 MB"),
            std::string::npos);
}

TEST(BadSafetensors, Syntax) {
  const std::pair<const char *, const char *> cases[] = {
      {"[]", "does not start with '{'"},
      {" {}", "does not start with '{'"},
      {"{", "expected a string"},
      {"{\"", "does not end"},
      {"{\"a", "does not end"},
      {"{\"a\"", "expected ':'"},
      {"{\"a\":", "expected '{'"},
      {"{\"a\":1}", "expected '{'"},
      {"{\"a\":{}", "has no 'dtype'"},
      {"{\"a\":{}}", "has no 'dtype'"},
      {"{a:{}}", "expected a string"},
      {"{,}", "expected a string"},
      {"{\"__metadata__\":{},}", "expected a string"},
      {"{}x", "text after the end"},
      {"{}{}", "text after the end"},
      {"{\"a\\x\":{}}", "unknown escape"},
      {"{\"a\\", "does not end"},
      {"{\"a\\u12", "four hexadecimal"},
      {"{\"a\\u12g4\":{}}", "four hexadecimal"},
      {"{\"\\ud800\":{}}", "surrogate"},
      {"{\"\\ud800\\u0041\":{}}", "surrogate"},
      {"{\"\\udc00\":{}}", "surrogate"},
      {"{\"a\nb\":{}}", "control character"},
      {"{\"\":{}}", "empty name"},
  };
  for (auto [header, reason] : cases)
    expectHeaderRefused(header, 0, reason);
}

TEST(BadSafetensors, NotUTF8) {
  expectHeaderRefused("{\"\xC3(\":{}}", 0, "is not UTF-8");
  expectHeaderRefused("{\"\xFF\":{}}", 0, "byte 2: is not UTF-8");
  expectHeaderRefused("{\"\xED\xA0\x80\":{}}", 0, "is not UTF-8");
}

// No recursion: the depth of the nesting is not the depth of the stack.
TEST(BadSafetensors, DeepNesting) {
  expectHeaderRefused("{\"a\":" + std::string(10'000'000, '['), 0, "expected");
  expectHeaderRefused("{\"a\":{\"shape\":" + std::string(10'000'000, '['), 0,
                      "expected");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i)
    objects += "{\"a\":";
  expectRefused<SafetensorsFile>(makeFile(objects, 0), "unknown field 'a'");
}

static std::string entry(StringRef type, StringRef shape, StringRef offsets) {
  return ("{\"w\":{\"dtype\":" + type + ",\"shape\":" + shape +
          ",\"data_offsets\":" + offsets + "}}")
      .str();
}

TEST(BadSafetensors, Fields) {
  expectHeaderRefused(entry("\"F5\"", "[1]", "[0,4]"), 4,
                      "tensor 'w': has the unknown type 'F5'");
  expectHeaderRefused(entry("\"Q4_0\"", "[32]", "[0,18]"), 18, "unknown type");
  expectHeaderRefused(entry("\"\"", "[1]", "[0,4]"), 4, "unknown type ''");
  expectHeaderRefused(entry("null", "[1]", "[0,4]"), 4, "expected a string");
  expectHeaderRefused(entry("\"F32\"", "1", "[0,4]"), 4, "expected '['");
  expectHeaderRefused(entry("\"F32\"", "[1", "[0,4]"), 4, "header, byte");
  expectHeaderRefused(entry("\"F32\"", "[1}", "[0,4]"), 4, "expected ']'");
  expectHeaderRefused(entry("\"F32\"", "[1]", "[0]"), 4, "expected ','");
  expectHeaderRefused(entry("\"F32\"", "[1]", "[0,4,8]"), 4, "expected ']'");
  expectHeaderRefused(
      R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":0}})", 4,
      "unknown field 'x'");
  expectHeaderRefused(
      R"({"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
      4, "'dtype' appears twice");
  expectHeaderRefused(
      R"({"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})",
      4, "'shape' appears twice");
  expectHeaderRefused(R"({"w":{"dtype":"F32","shape":[1]}})", 4,
                      "has no 'data_offsets'");
  expectHeaderRefused(R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4,
                      "has no 'shape'");
}

TEST(BadSafetensors, Numbers) {
  for (StringRef number : {"-1", "1.0", "1e1", "01", "+1", "\"1\"", "null",
                           "9223372036854775808", "1e999", "NaN", ""})
    expectHeaderRefused(entry("\"F32\"", ("[" + number + ",2]").str(), "[0,8]"),
                        8, "header, byte");
  std::string dimensions = "[1";
  for (int i = 0; i < 100; ++i)
    dimensions += ",1";
  expectHeaderRefused(entry("\"F32\"", dimensions + "]", "[0,4]"), 4,
                      "more than 64 dimensions");
}

TEST(BadSafetensors, Sizes) {
  for (StringRef shape : {"[0]", "[2]", "[1,1,2]", "[3]"})
    expectHeaderRefused(entry("\"F32\"", shape, "[0,4]"), 4, "tensor 'w': ");
  // 2^64 values wrap to 0, and so do the 2^64 bytes of 2^62 values.
  for (StringRef shape :
       {"[4294967296,4294967296]", "[4611686018427387904]",
        "[9223372036854775807]", "[9223372036854775807,9223372036854775807]",
        "[4294967296,4294967296,0]", "[0,4294967296,4294967296]"})
    expectHeaderRefused(entry("\"F32\"", shape, "[0,4]"), 4, "tensor 'w': ");
  expectHeaderRefused(entry("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0,
                      "tensor 'w': ");
}

TEST(BadSafetensors, Offsets) {
  expectHeaderRefused(entry("\"F32\"", "[1]", "[4,0]"), 4, "ends before it");
  expectHeaderRefused(entry("\"F32\"", "[1]", "[0,8]"), 4, "behind the end");
  expectHeaderRefused(entry("\"F32\"", "[1]", "[4,8]"), 4, "behind the end");
  expectHeaderRefused(entry("\"F32\"", "[1]", "[4,8]"), 8, "gap in front");
  expectHeaderRefused(entry("\"F32\"", "[1]", "[0,4]"), 8,
                      "4 bytes at its end belong to no tensor");
  expectHeaderRefused(
      entry("\"U8\"", "[1]", "[9223372036854775806,9223372036854775807]"), 4,
      "behind the end");
  expectHeaderRefused("{}", 1, "1 bytes at its end");
}

TEST(BadSafetensors, OverlapsAndGaps) {
  auto two = [](StringRef a, StringRef b) {
    return (R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
            R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}")
        .str();
  };
  EXPECT_TRUE(parsed(makeFile(two("[4,8]", "[0,4]"), 8)));
  expectHeaderRefused(two("[0,4]", "[0,4]"), 4, "'b': its data overlaps");
  expectHeaderRefused(two("[0,4]", "[3,7]"), 8, "'b': its data overlaps");
  expectHeaderRefused(two("[0,4]", "[5,9]"), 9, "'b': there is a gap");
}

TEST(BadSafetensors, Duplicates) {
  expectHeaderRefused(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                      R"("w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                      8, "tensor 'w': the name appears twice");
  // The same name in another spelling.
  expectHeaderRefused(
      R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
      R"("\u0077":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
      8, "tensor 'w': the name appears twice");
  expectHeaderRefused(R"({"__metadata__":{},"__metadata__":{}})", 0,
                      "'__metadata__' appears twice");
  expectHeaderRefused(R"({"__metadata__":{"a":"b","a":"c"}})", 0,
                      "'a' appears twice");
  expectHeaderRefused(R"({"__metadata__":{"a":1}})", 0, "expected a string");
  expectHeaderRefused(R"({"__metadata__":[]})", 0, "expected '{'");
}

TEST(BadSafetensors, MemoryStaysSmall) { EXPECT_LT(peakMemory(), memoryLimit); }

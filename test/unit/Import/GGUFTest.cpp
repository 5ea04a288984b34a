// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Good files: what gguf-py reads from good.gguf (good.json), we read too.

#include "quant-mlir/Import/GGUF.h"
#include "../Golden.h"
#include "BadInput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <cmath>

using namespace llvm;
using namespace quantmlir;

namespace {
class GoodGGUF : public testing::Test {
protected:
  void SetUp() override {
    Expected<std::shared_ptr<GGUFFile>> opened =
        GGUFFile::open(goldenPath("good.gguf"));
    if (!opened)
      FAIL() << toString(opened.takeError());
    file = *opened;
    Expected<json::Value> parsed = json::parse(goldenBytes("good.json"));
    if (!parsed)
      FAIL() << toString(parsed.takeError());
    expected = std::move(*parsed->getAsObject());
  }

  std::shared_ptr<GGUFFile> file;
  json::Object expected;
};
} // namespace

/// gguf-py's name of our type.
static std::string typeName(const GGUFValue &value) {
  std::string name = ggufTypeName(value.getType()).upper();
  static const std::pair<StringRef, StringRef> names[] = {
      {"U", "UINT"}, {"I", "INT"}, {"F", "FLOAT"}};
  for (auto [ours, theirs] : names)
    if (isDigit(name[1]) && StringRef(name).starts_with(ours))
      name = (theirs + name.substr(1)).str();
  if (!value.isArray())
    return name;
  return value.size() == 0 ? "ARRAY" : "ARRAY/" + name;
}

TEST_F(GoodGGUF, Keys) {
  const json::Object &keys = *expected.getObject("keys");
  EXPECT_EQ(file->keys().size(), keys.size());
  for (const auto &[name, entry] : keys) {
    SCOPED_TRACE(StringRef(name).str());
    const GGUFValue *value = file->findKey(StringRef(name));
    ASSERT_TRUE(value);
    EXPECT_EQ(typeName(*value), *entry.getAsObject()->getString("type"));
    EXPECT_EQ(value->toJSON(), *entry.getAsObject()->get("value"));
    EXPECT_EQ(*file->metadata().get(name), *entry.getAsObject()->get("value"));
  }
  EXPECT_EQ(file->metadata().size(), keys.size());
}

TEST_F(GoodGGUF, Tensors) {
  const json::Array &tensors = *expected.getArray("tensors");
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (auto [tensor, value] : zip(file->tensors(), tensors)) {
    const json::Object &entry = *value.getAsObject();
    SCOPED_TRACE(tensor.name);
    EXPECT_EQ(StringRef(tensor.name), *entry.getString("name"));
    EXPECT_EQ(dtypeName(tensor.type), *entry.getString("type"));
    EXPECT_EQ(int64_t(tensor.offset), *entry.getInteger("offset_in_file"));
    EXPECT_EQ(int64_t(tensor.size), *entry.getInteger("bytes"));
    std::vector<int64_t> innermostFirst(tensor.shape.rbegin(),
                                        tensor.shape.rend());
    EXPECT_EQ(json::Value(json::Array(innermostFirst)), *entry.get("ne"));
    EXPECT_EQ(toHex(SHA256::hash(file->data(tensor)), /*LowerCase=*/true),
              *entry.getString("sha256"));
    EXPECT_EQ(file->find(tensor.name), &tensor);
  }
}

TEST_F(GoodGGUF, ReadsValuesByType) {
  auto get = [&](auto tag, StringRef key) {
    auto result = file->get<decltype(tag)>(key);
    if (!result)
      ADD_FAILURE() << toString(result.takeError());
    return *result;
  };
  EXPECT_EQ(get(uint64_t(), "t.u8"), 255u);
  EXPECT_EQ(get(uint64_t(), "t.u32"), 4294967295u);
  EXPECT_EQ(get(uint64_t(), "t.u64"), UINT64_MAX);
  EXPECT_EQ(get(int64_t(), "t.i8"), -128);
  EXPECT_EQ(get(int64_t(), "t.i64"), INT64_MIN);
  EXPECT_EQ(get(int64_t(), "t.u16"), 65535);
  EXPECT_EQ(get(double(), "t.f32"), 1.5);
  EXPECT_EQ(get(double(), "t.f64"), 1e-300);
  EXPECT_TRUE(get(bool(), "t.bool"));
  EXPECT_EQ(get(StringRef(), "t.str"), StringRef("h\xC3\xA9llo\0x", 8));
  EXPECT_EQ(get(StringRef(), "t.empty"), "");

  auto strings = file->getVector<StringRef>("t.arr.str");
  ASSERT_TRUE(bool(strings));
  EXPECT_EQ(*strings, std::vector<StringRef>({"a", "",
                                              "\xC4\xA0"
                                              "b"}));
  auto floats = file->getVector<double>("t.arr.f32");
  ASSERT_TRUE(bool(floats));
  EXPECT_EQ(*floats, std::vector<double>({0.5, -1.0}));
  auto bools = file->getVector<bool>("t.arr.bool");
  ASSERT_TRUE(bool(bools));
  EXPECT_EQ(*bools, std::vector<bool>({false, true}));
}

TEST_F(GoodGGUF, SaysWhatIsWrongWithAKey) {
  std::string path = file->path().str();
  EXPECT_EQ(refusal(file->get<uint64_t>("llama.block_count"), path),
            path + ": the key 'llama.block_count' is missing");
  EXPECT_NE(refusal(file->get<uint64_t>("t.i8"), path).find("not a non-negati"),
            std::string::npos);
  EXPECT_NE(refusal(file->get<int64_t>("t.u64"), path).find("u64"),
            std::string::npos);
  for (StringRef key : {"t.str", "t.f32", "t.bool", "t.arr.i64"})
    EXPECT_NE(refusal(file->get<int64_t>(key), path).find(key.str()),
              std::string::npos);
  EXPECT_NE(refusal(file->get<double>("t.u8"), path).find("not a float"),
            std::string::npos);
  EXPECT_NE(refusal(file->getVector<bool>("t.bool"), path).find("not an array"),
            std::string::npos);
  EXPECT_NE(refusal(file->getVector<uint64_t>("t.arr.i64"), path).find("i64"),
            std::string::npos);
  // A default stands in for a missing key, not for a wrong one.
  EXPECT_EQ(cantFail(file->getOr<double>("none", 2.5)), 2.5);
  EXPECT_EQ(cantFail(file->getOr<double>("t.f32", 2.5)), 1.5);
  refusal(file->getOr<double>("t.str", 2.5), path);
}

TEST_F(GoodGGUF, MissingTensor) {
  EXPECT_EQ(file->find("nothing"), nullptr);
  EXPECT_EQ(refusal(file->require("nothing"), file->path()),
            (file->path() + ": tensor 'nothing': is missing").str());
}

TEST(GGUF, NumbersWithoutJSONBecomeNull) {
  Bytes bytes;
  bytes.raw("GGUF").put<uint32_t>(3).put<uint64_t>(0).put<uint64_t>(2);
  bytes.string("inf").put<uint32_t>(6).put<float>(INFINITY);
  bytes.string("text").put<uint32_t>(8).string("a\xFFz");
  auto file = parseBytes<GGUFFile>(bytes);
  ASSERT_TRUE(bool(file)) << toString(file.takeError());
  EXPECT_EQ(*(*file)->metadata().get("inf"), json::Value(nullptr));
  EXPECT_EQ(*(*file)->metadata().getString("text"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(cantFail((*file)->get<double>("inf")), INFINITY);
}

// Every type of the format's table opens, with the right size.
TEST(GGUF, KnowsAllTypes) {
  struct Row {
    uint32_t id;
    uint64_t values, bytes;
  };
  // Ids and sizes as in ggml's header, apart from DTypes.def.
  static const Row rows[] = {
      {0, 1, 4},      {1, 1, 2},      {2, 32, 18},    {3, 32, 20},
      {6, 32, 22},    {7, 32, 24},    {8, 32, 34},    {9, 32, 36},
      {10, 256, 84},  {11, 256, 110}, {12, 256, 144}, {13, 256, 176},
      {14, 256, 210}, {15, 256, 292}, {16, 256, 66},  {17, 256, 74},
      {18, 256, 98},  {19, 256, 50},  {20, 32, 18},   {21, 256, 110},
      {22, 256, 82},  {23, 256, 136}, {24, 1, 1},     {25, 1, 2},
      {26, 1, 4},     {27, 1, 8},     {28, 1, 8},     {29, 256, 56},
      {30, 1, 2},     {34, 256, 54},  {35, 256, 66},  {39, 32, 17},
      {40, 64, 36},   {41, 128, 18},  {42, 64, 18}};
  for (Row row : rows) {
    SCOPED_TRACE(row.id);
    Bytes bytes;
    bytes.raw("GGUF").put<uint32_t>(3).put<uint64_t>(1).put<uint64_t>(0);
    bytes.string("w").put<uint32_t>(2).put<uint64_t>(row.values * 3);
    bytes.put<uint64_t>(5).put<uint32_t>(row.id).put<uint64_t>(0).align(32);
    bytes.zeros(row.bytes * 15);
    auto file = parseBytes<GGUFFile>(bytes);
    ASSERT_TRUE(bool(file)) << toString(file.takeError());
    EXPECT_EQ((*file)->tensors()[0].size, row.bytes * 15);
    EXPECT_EQ((*file)->tensors()[0].numElements(), int64_t(row.values * 15));
    bytes.bytes.pop_back();
    expectRefused<GGUFFile>(bytes, "end of the file");
  }
}

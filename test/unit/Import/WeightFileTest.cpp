// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Paths instead of bytes: what is opened as which format, folders of shards.

#include "../Golden.h"
#include "BadInput.h"
#include "quant-mlir/Import/GGUF.h"
#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/Safetensors.h"
#include <sys/stat.h>

using namespace llvm;
using namespace quantmlir;

/// A file with one u8 tensor per name, whose value is the last letter.
static std::string shard(ArrayRef<StringRef> names) {
  std::string header = "{", data;
  for (StringRef name : names) {
    header += (data.empty() ? "\"" : ",\"") + name.str() +
              R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
              std::to_string(data.size()) + "," +
              std::to_string(data.size() + 1) + "]}";
    data += name.back();
  }
  header += "}";
  Bytes bytes;
  return bytes.put<uint64_t>(header.size()).raw(header).raw(data).bytes;
}

TEST(WeightFile, OpensByContent) {
  TemporaryFolder folder;
  // The content counts, not the name.
  std::string gguf = folder.write("a.safetensors", goldenBytes("good.gguf"));
  std::string tensors = folder.write("b.gguf", shard({"w"}));
  auto one = WeightFile::open(gguf);
  ASSERT_TRUE(bool(one)) << toString(one.takeError());
  EXPECT_EQ((*one)->getKind(), WeightFile::Kind::GGUF);
  EXPECT_EQ((*one)->tensors().size(), 6u);
  EXPECT_EQ((*one)->path(), gguf);
  auto other = WeightFile::open(tensors);
  ASSERT_TRUE(bool(other)) << toString(other.takeError());
  EXPECT_EQ((*other)->getKind(), WeightFile::Kind::Safetensors);
  EXPECT_EQ((*other)->data((*other)->tensors()[0]), ArrayRef<uint8_t>({'w'}));
}

TEST(WeightFile, RefusesWhatIsNoFile) {
  TemporaryFolder folder;
  std::string missing = folder.file("missing.gguf");
  std::string directory = folder.file("directory.gguf");
  sys::fs::create_directory(directory);
  std::string empty = folder.write("empty.gguf", "");
  std::string pipe = folder.file("pipe.gguf");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::pair<StringRef, StringRef> cases[] = {
      {missing, "No such file"},
      {directory, "is a directory"},
      {empty, "is empty"},
      {pipe, "is not a regular file"},
      {"/dev/zero", "is not a regular file"}};
  for (auto [path, reason] : cases) {
    SCOPED_TRACE(path.str());
    EXPECT_NE(refusal(WeightFile::open(path), path).find(reason.str()),
              std::string::npos);
    EXPECT_NE(refusal(GGUFFile::open(path), path).find(reason.str()),
              std::string::npos);
    EXPECT_NE(refusal(SafetensorsFile::open(path), path).find(reason.str()),
              std::string::npos);
  }
}

TEST(WeightFile, RefusesOtherFormats) {
  TemporaryFolder folder;
  std::string ggml = folder.write("model.gguf", "GGML" + std::string(100, 0));
  EXPECT_NE(refusal(WeightFile::open(ggml), ggml).find("is not a GGUF file"),
            std::string::npos);
  std::string zip = folder.write("model.bin", "PK\3\4" + std::string(100, 0));
  EXPECT_NE(refusal(WeightFile::open(zip), zip).find("neither a GGUF nor"),
            std::string::npos);
}

TEST(SafetensorsFolder, SingleFile) {
  TemporaryFolder folder;
  folder.write("model.safetensors", shard({"a", "b"}));
  auto opened = SafetensorsFolder::open(folder.path);
  ASSERT_TRUE(bool(opened)) << toString(opened.takeError());
  EXPECT_EQ(opened->files().size(), 1u);
  EXPECT_EQ(opened->tensors().size(), 2u);
  EXPECT_EQ(opened->find("b").data(), ArrayRef<uint8_t>({'b'}));
  EXPECT_FALSE(bool(opened->find("c")));
  EXPECT_NE(refusal(opened->require("c"), folder.path).find("'c': is missing"),
            std::string::npos);
}

static const char *const index1 =
    R"({"metadata":{"total_size":4},"weight_map":{"d":"m-2.safetensors",)"
    R"("a":"m-1.safetensors","c":"m-2.safetensors","b":"m-1.safetensors"}})";

TEST(SafetensorsFolder, Shards) {
  TemporaryFolder folder;
  folder.write("m-1.safetensors", shard({"b", "a", "unused"}));
  folder.write("m-2.safetensors", shard({"c", "d"}));
  folder.write("model.safetensors.index.json", index1);
  auto opened = SafetensorsFolder::open(folder.path);
  ASSERT_TRUE(bool(opened)) << toString(opened.takeError());
  EXPECT_EQ(opened->files().size(), 2u);
  std::vector<std::string> names;
  for (SafetensorsFolder::Place place : opened->tensors()) {
    names.push_back(place.tensor->name);
    EXPECT_EQ(place.data()[0], uint8_t(place.tensor->name.back()));
  }
  EXPECT_EQ(names, std::vector<std::string>({"b", "a", "c", "d"}));
  EXPECT_EQ(opened->find("d").file->path(), folder.file("m-2.safetensors"));
  EXPECT_FALSE(bool(opened->find("unused")));
}

TEST(SafetensorsFolder, Refusals) {
  auto refused = [](StringRef index, StringRef reason) {
    TemporaryFolder folder;
    folder.write("m-1.safetensors", shard({"a", "b"}));
    if (!index.empty())
      folder.write("model.safetensors.index.json", index);
    auto opened = SafetensorsFolder::open(folder.path);
    ASSERT_FALSE(bool(opened)) << index.str();
    std::string message = toString(opened.takeError());
    EXPECT_NE(message.find(reason.str()), std::string::npos) << message;
    EXPECT_TRUE(StringRef(message).starts_with(folder.path.str())) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  };
  refused("", "has neither model.safetensors nor");
  refused("{", "is not JSON");
  refused("[]", "is not a JSON object");
  refused("{}", "has no tensors in 'weight_map'");
  refused(R"({"weight_map":{}})", "has no tensors in 'weight_map'");
  refused(R"({"weight_map":[]})", "has no tensors in 'weight_map'");
  refused(R"({"weight_map":{"a":1}})", "'a': its file is not a string");
  refused(R"({"weight_map":{"a":""}})", "not a name in the same folder");
  refused(R"({"weight_map":{"a":".."}})", "not a name in the same folder");
  refused(R"({"weight_map":{"a":"../m-1.safetensors"}})", "the same folder");
  refused(R"({"weight_map":{"a":"/etc/passwd"}})", "the same folder");
  refused(R"({"weight_map":{"a":"x\u0000y"}})", "the same folder");
  refused(R"({"weight_map":{"a":"m-3.safetensors"}})", "which is not there");
  refused(R"({"weight_map":{"z":"m-1.safetensors"}})", "'z': is missing");
  refused(std::string(2'000'000, '['), "nested more than 100 levels");
  TemporaryFolder folder;
  std::string none = folder.file("none");
  EXPECT_NE(refusal(SafetensorsFolder::open(none), none).find("not a folder"),
            std::string::npos);
}

TEST(JSONFile, ReadsObjects) {
  TemporaryFolder folder;
  // Brackets in strings are not nesting.
  std::string path =
      folder.write("c.json", "{\"a\": [1, {\"b\": null}], \"c\\\"\": \"" +
                                 std::string(1000, '[') + "\"}");
  auto object = readJSONObject(path);
  ASSERT_TRUE(bool(object)) << toString(object.takeError());
  EXPECT_EQ(object->size(), 2u);
  std::string missing = folder.file("missing.json");
  EXPECT_NE(refusal(readJSONObject(missing), missing).find("No such file"),
            std::string::npos);
  std::string directory = folder.path.str().str();
  EXPECT_NE(refusal(readJSONObject(directory), directory).find("regular file"),
            std::string::npos);
}

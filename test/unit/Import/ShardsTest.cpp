// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which files of a folder hold its weights, without opening them.

#include "BadInput.h"
#include "quant-mlir/Import/Safetensors.h"

using namespace llvm;
using namespace quantmlir;

using Paths = std::vector<std::string>;

TEST(FindSafetensorsShards, SingleFileWinsOverIndex) {
  TemporaryFolder folder;
  folder.write("model.safetensors.index.json", "not even JSON");
  std::string single = folder.write("model.safetensors", "");
  auto paths = findSafetensorsShards(folder.path);
  ASSERT_TRUE(bool(paths)) << toString(paths.takeError());
  EXPECT_EQ(*paths, Paths{single});
}

TEST(FindSafetensorsShards, EachShardOnceAndSorted) {
  TemporaryFolder folder;
  std::string second = folder.write("m-2.safetensors", "");
  std::string first = folder.write("m-1.safetensors", "");
  folder.write("other.safetensors", "");
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"m-2.safetensors","b":"m-1.safetensors",)"
               R"("c":"m-2.safetensors"}})");
  auto paths = findSafetensorsShards(folder.path);
  ASSERT_TRUE(bool(paths)) << toString(paths.takeError());
  EXPECT_EQ(*paths, (Paths{first, second}));
}

TEST(FindSafetensorsShards, Refusals) {
  TemporaryFolder folder;
  EXPECT_NE(refusal(findSafetensorsShards(folder.path), folder.path)
                .find("has neither"),
            std::string::npos);
  std::string index = folder.write("model.safetensors.index.json",
                                   R"({"weight_map":{"a":"m-1.safetensors"}})");
  EXPECT_NE(refusal(findSafetensorsShards(folder.path), index)
                .find("'m-1.safetensors', which is not there"),
            std::string::npos);
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"../m-1.safetensors"}})");
  EXPECT_NE(refusal(findSafetensorsShards(folder.path), index)
                .find("not a name in the same folder"),
            std::string::npos);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers with something wrong in them, at random: types, shapes, bytes, missing
// tensors, another size than the model wants. Whatever it is, the layer is
// refused in one line or decoded; assertions see what runs over an end.

#include "CheckpointTest.h"
#include <random>

using namespace llvm;
using namespace quantmlir;

namespace {

class DamagedCheckpointTest : public CheckpointTest {
protected:
  std::mt19937 random{1};
  int refused = 0, decoded = 0;

  int64_t below(int64_t bound) { return random() % bound; }

  void damage(std::vector<Tensor> &tensors) {
    size_t at = below(tensors.size());
    Tensor &tensor = tensors[at];
    auto retype = [&](ArrayRef<const char *> types) {
      if (is_contained(types, tensor.type))
        tensor.type = types[below(types.size())];
    };
    switch (below(6)) {
    case 0:
      tensors.erase(tensors.begin() + at);
      return;
    case 1:
      std::reverse(tensor.shape.begin(), tensor.shape.end());
      return;
    case 2:
      retype({"I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "BOOL"});
      retype({"F16", "BF16", "I16", "U16"});
      retype({"I32", "F32", "U32"});
      return;
    case 3:
      if (tensor.shape.size() == 2 && tensor.shape[1] % 2 == 0)
        tensor.shape = {tensor.shape[0] * 2, tensor.shape[1] / 2};
      return;
    case 4:
      if (!tensor.shape.empty() && tensor.shape[0] > 1) {
        tensor.bytes.resize(tensor.bytes.size() / tensor.shape[0] *
                            (tensor.shape[0] - 1));
        --tensor.shape[0];
      }
      return;
    default:
      for (int i = 0; i < 8; ++i)
        tensor.bytes[below(tensor.bytes.size())] = char(random());
    }
  }

  void check(StringRef config, ArrayRef<Tensor> tensors, int64_t n, int64_t k) {
    for (int round = 0; round < 150; ++round) {
      std::vector<Tensor> bad(tensors);
      int64_t rows = n, columns = k;
      for (int64_t i = below(3); i > 0 && !bad.empty(); --i)
        damage(bad);
      if (below(4) == 0)
        std::swap(rows, columns);
      if (below(4) == 0)
        columns += below(3) - 1;
      if (bad.empty())
        continue;
      auto matrix = find(config, bad, rows, columns);
      if (!matrix) {
        std::string message = toString(matrix.takeError());
        EXPECT_TRUE(StringRef(message).starts_with(folder.path)) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        ++refused;
        continue;
      }
      if (!*matrix)
        continue;
      auto parts = (*matrix)->decode();
      ASSERT_TRUE(bool(parts)) << toString(parts.takeError());
      auto scheme = dyn_cast_or_null<qt::QuantSchemeInterface>(
          mlir::parseAttribute((*matrix)->scheme, &context));
      ASSERT_TRUE(scheme) << (*matrix)->scheme;
      auto wanted = scheme.getStorageParts({rows, columns});
      ASSERT_EQ(parts->size(), wanted.size());
      for (auto [bytes, part] : zip(*parts, wanted))
        EXPECT_EQ(int64_t(bytes.size()),
                  product_of(part.shape) *
                      part.elementType.getIntOrFloatBitWidth() / 8);
      ++decoded;
    }
  }
};

} // namespace

TEST_F(DamagedCheckpointTest, CompressedTensors) {
  std::string name = "compressed_tensors.pack3_group32_asym";
  check(
      "\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"g\": "
      "{\"weights\": {\"num_bits\": 3, \"group_size\": 32}}}",
      {stored("weight_packed", "I32", {40, 9}, name + ".weight_packed"),
       stored("weight_scale", "F32", {40, 3}, name + ".weight_scale"),
       stored("weight_zero_point", "I32", {4, 3}, name + ".weight_zero_point"),
       made<int32_t>("weight_g_idx", "I32", {96}, std::vector<int32_t>(96, 2))},
      40, 96);
  name = "compressed_tensors.nvfp4";
  check("\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"g\": "
        "{\"weights\": {\"num_bits\": 4, \"type\": \"float\"}}}",
        {stored("weight_packed", "U8", {40, 48}, name + ".weight_packed"),
         stored("weight_scale", "F8_E4M3", {40, 6}, name + ".weight_scale"),
         stored("weight_global_scale", "F32", {1},
                name + ".weight_global_scale")},
        40, 96);
  name = "compressed_tensors.int8_channel_asym";
  check(
      "\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"g\": "
      "{\"weights\": {\"num_bits\": 8}}}",
      {stored("weight", "I8", {40, 96}, name + ".weight"),
       stored("weight_scale", "F32", {40, 1}, name + ".weight_scale"),
       stored("weight_zero_point", "I8", {40, 1}, name + ".weight_zero_point")},
      40, 96);
  EXPECT_GT(refused, 50);
  EXPECT_GT(decoded, 50);
}

TEST_F(DamagedCheckpointTest, FP8) {
  std::string name = "compressed_tensors.fp8_block";
  check("\"quant_method\": \"fp8\", \"weight_block_size\": [16, 32]",
        {stored("weight", "F8_E4M3", {40, 96}, name + ".weight"),
         stored("weight_scale_inv", "F32", {3, 3}, name + ".weight_scale")},
        40, 96);
  EXPECT_GT(refused, 20);
  EXPECT_GT(decoded, 20);
}

TEST_F(DamagedCheckpointTest, GPTQ) {
  std::string name = "packing.gptq.3bit_act_order";
  check("\"quant_method\": \"gptq\", \"bits\": 3, \"group_size\": 32",
        {stored("qweight", "I32", {12, 64}, name + ".qweight"),
         stored("qzeros", "I32", {4, 6}, name + ".qzeros_v1"),
         stored("scales", "F16", {4, 64}, name + ".scales"),
         stored("g_idx", "I32", {128}, name + ".g_idx")},
        64, 128);
  EXPECT_GT(refused, 20);
  EXPECT_GT(decoded, 20);
}

TEST_F(DamagedCheckpointTest, AWQ) {
  check("\"quant_method\": \"awq\"",
        {stored("qweight", "I32", {128, 8}, "packing.awq.qweight"),
         stored("qzeros", "I32", {4, 8}, "packing.awq.qzeros"),
         stored("scales", "F16", {4, 64}, "packing.awq.scales")},
        64, 128);
  EXPECT_GT(refused, 20);
  EXPECT_GT(decoded, 20);
}

TEST_F(DamagedCheckpointTest, BitsAndBytes) {
  StringRef state = "{\"blocksize\": 64}";
  check("\"quant_method\": \"bitsandbytes\"",
        {stored("weight", "U8", {1295, 1}, "bnb.nf4.64.packed"),
         stored("weight.absmax", "F32", {41}, "bnb.nf4.64.absmax"),
         stored("weight.quant_map", "F32", {16}, "bnb.nf4.codebook"),
         made<char>("weight.quant_state.bitsandbytes__nf4", "U8",
                    {int64_t(state.size())},
                    ArrayRef(state.data(), state.size()))},
        37, 70);
  check("\"quant_method\": \"bitsandbytes\"",
        {stored("weight", "I8", {20, 96}, "bnb.int8.CB"),
         stored("SCB", "F32", {20}, "bnb.int8.SCB")},
        20, 96);
  EXPECT_GT(refused, 20);
  EXPECT_GT(decoded, 20);
}

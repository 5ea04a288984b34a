// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CheckpointTest.h"
#include "quant-mlir/Quantize/FloatConversion.h"

using namespace llvm;
using namespace quantmlir;

using GPTQFilesTest = CheckpointTest;

/// 64 x 128, groups of 32.
static std::vector<Tensor> gptqLayer(StringRef name, int64_t bits,
                                     StringRef version) {
  std::string file = ("packing.gptq." + name).str();
  return {
      stored("qweight", "I32", {128 * bits / 32, 64}, file + ".qweight"),
      stored("qzeros", "I32", {4, 64 * bits / 32}, file + ".qzeros_" + version),
      stored("scales", "F16", {4, 64}, file + ".scales"),
      stored("g_idx", "I32", {128}, file + ".g_idx")};
}

/// Golden weights of GPTQ and AWQ are [k, n].
static std::vector<float> transposed(const Twine &name) {
  auto weight = golden<float>(name);
  std::vector<float> result(64 * 128);
  for (int64_t k = 0; k < 128; ++k)
    for (int64_t n = 0; n < 64; ++n)
      result[n * 128 + k] = weight[k * 64 + n];
  return result;
}

TEST_F(GPTQFilesTest, GPTQ) {
  struct {
    const char *name;
    int64_t bits;
    const char *zero;
  } cases[] = {{"2bit_asym", 2, ", zero = i2"},
               {"3bit_act_order", 3, ", zero = i3"},
               {"4bit_act_order", 4, ", zero = i4"},
               {"8bit_sym", 8, ""}};
  for (auto &item : cases)
    for (StringRef version : {"v1", "v2"}) {
      std::string config =
          "\"quant_method\": \"gptq\", \"bits\": " + std::to_string(item.bits) +
          ", \"group_size\": 32" +
          (version == "v2" ? ", \"checkpoint_format\": \"gptq_v2\"" : "");
      EXPECT_EQ(values(find(config, gptqLayer(item.name, item.bits, version),
                            64, 128),
                       64, 128,
                       "#qt.int<" + std::to_string(item.bits) +
                           ", group = 32, scale = f16" + item.zero + ">"),
                transposed(Twine("packing.gptq.") + item.name + ".weight"));
    }
}

/// Only the program that wrote such words knows how they borrow.
TEST_F(GPTQFilesTest, GPTQZeroPointsOfZero) {
  auto layer = gptqLayer("4bit_with_zero_point_0", 4, "v1");
  std::string config = "\"quant_method\": \"gptq\", \"bits\": 4, "
                       "\"group_size\": 32";
  std::string scheme = "#qt.int<4, group = 32, scale = f16, zero = i4>";
  auto wanted = transposed("packing.gptq.4bit_with_zero_point_0.weight");
  EXPECT_NE(values(find(config, layer, 64, 128), 64, 128, scheme), wanted);
  config += ", \"meta\": {\"quantizer\": [\"gptqmodel:7.7.0\"]}";
  EXPECT_EQ(values(find(config, layer, 64, 128), 64, 128, scheme), wanted);
  layer = gptqLayer("4bit_with_zero_point_0", 4, "v2");
  config += ", \"checkpoint_format\": \"gptq_v2\"";
  EXPECT_EQ(values(find(config, layer, 64, 128), 64, 128, scheme), wanted);
}

/// Groups of several sizes: 96 columns of one, then 32 of another.
TEST_F(GPTQFilesTest, GPTQUnequalGroups) {
  auto layer = gptqLayer("8bit_sym", 8, "v2");
  std::vector<int32_t> groups(128);
  for (int32_t column = 0; column < 128; ++column)
    groups[column] = column % 4 == 0 ? 3 : 1;
  layer[3] = made<int32_t>("g_idx", "I32", {128}, groups);
  std::string config = "\"quant_method\": \"gptq\", \"bits\": 8, "
                       "\"checkpoint_format\": \"gptq_v2\"";
  auto ours = values(find(config, layer, 64, 128), 64, 128,
                     "#qt.int<8, group = 96, scale = f16>");
  auto words = golden<uint32_t>("packing.gptq.8bit_sym.qweight");
  auto scales = golden<uint16_t>("packing.gptq.8bit_sym.scales");
  for (int64_t n = 0; n < 64; ++n)
    for (int64_t k = 0; k < 128; ++k) {
      int code = words[k / 4 * 64 + n] >> k % 4 * 8 & 255;
      EXPECT_EQ(ours[n * 128 + k],
                (code - 128) * f16ToF32(scales[groups[k] * 64 + n]));
    }
}

TEST_F(GPTQFilesTest, GPTQRefusals) {
  std::string config = "\"quant_method\": \"gptq\", \"bits\": 2";
  auto layer = gptqLayer("2bit_asym", 2, "v1");
  std::vector<int32_t> groups(128);
  groups[5] = 4;
  layer[3] = made<int32_t>("g_idx", "I32", {128}, groups);
  expectRefused(find(config, layer, 64, 128),
                "'l.g_idx': column 5 is in group 4 of 4");
  groups[5] = -1;
  layer[3] = made<int32_t>("g_idx", "I32", {128}, groups);
  expectRefused(find(config, layer, 64, 128), "column 5 is in group -1 of 4");
  expectRefused(find(config, layer, 64, 100), "does not have the shape of 100");
  expectRefused(find(config, layer, 32, 128), "expected [8, 32]");
  layer.pop_back();
  expectRefused(find(config + ", \"group_size\": 100", layer, 64, 129),
                "'l.qweight': does not have the shape of 129 columns");
  layer[2].type = "I16";
  expectRefused(find(config, layer, 64, 128), "'l.scales': is I16");
  layer.pop_back();
  expectRefused(find(config, layer, 64, 128), "'l.scales': is missing");
  expectRefused(
      find(config + ", \"checkpoint_format\": \"marlin\"", layer, 64, 128),
      "'marlin'");
}

TEST_F(GPTQFilesTest, AWQ) {
  std::vector<Tensor> layer = {
      stored("qweight", "I32", {128, 8}, "packing.awq.qweight"),
      stored("qzeros", "I32", {4, 8}, "packing.awq.qzeros"),
      stored("scales", "F16", {4, 64}, "packing.awq.scales")};
  std::string config = "\"quant_method\": \"awq\", \"bits\": 4, "
                       "\"version\": \"GEMM\"";
  EXPECT_EQ(values(find(config, layer, 64, 128), 64, 128,
                   "#qt.int<4, group = 32, scale = f16, zero = i4>"),
            transposed("packing.awq.weight"));
  expectRefused(find(config, layer, 60, 128), "no whole words");
  expectRefused(find(config, layer, 64, 120), "expected [120, 8]");
  expectRefused(
      find("\"quant_method\": \"awq\", \"version\": \"gemv\"", layer, 64, 128),
      "the version 'gemv'");
  layer.erase(layer.begin() + 2);
  expectRefused(find(config, layer, 64, 128), "'l.scales': is missing");
}

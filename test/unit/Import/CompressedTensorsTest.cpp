// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CheckpointTest.h"

using namespace llvm;
using namespace quantmlir;

using CompressedTensorsTest = CheckpointTest;

static std::string compressed(const Twine &weights, StringRef input = "null") {
  return ("\"quant_method\": \"compressed-tensors\", \"config_groups\": {"
          "\"group_0\": {\"targets\": [\"Linear\"], \"weights\": {" +
          weights + "}, \"input_activations\": " + input + "}}")
      .str();
}

/// 40 x 96, with groups of 32.
static std::vector<Tensor> packedLayer(StringRef name, int64_t bits,
                                       int64_t groups, bool asymmetric) {
  std::string file = ("compressed_tensors." + name).str();
  std::vector<Tensor> tensors = {
      stored("weight_packed", "I32", {40, 96 * bits / 32},
             file + ".weight_packed"),
      stored("weight_scale", "F32", {40, groups}, file + ".weight_scale"),
      made<int64_t>("weight_shape", "I64", {2}, {40, 96})};
  if (asymmetric)
    tensors.push_back(stored("weight_zero_point", "I32",
                             {(40 * bits + 31) / 32, groups},
                             file + ".weight_zero_point"));
  return tensors;
}

TEST_F(CompressedTensorsTest, PackQuantized) {
  for (int64_t bits : {2, 3, 4, 5, 8}) {
    std::string name = "pack" + std::to_string(bits) + "_group32";
    if (bits == 4)
      continue; // its words are those of the asymmetric case below
    std::string config =
        compressed("\"num_bits\": " + Twine(bits) + ", \"group_size\": 32");
    EXPECT_EQ(values(find(config, packedLayer(name, bits, 3, false), 40, 96),
                     40, 96,
                     "#qt.int<" + std::to_string(bits) + ", group = 32>"),
              golden<float>("compressed_tensors." + name + ".values"));
  }
  for (int64_t bits : {3, 4}) {
    std::string name = "pack" + std::to_string(bits) + "_group32_asym";
    std::string config =
        compressed("\"num_bits\": " + Twine(bits) +
                   ", \"group_size\": 32, \"symmetric\": false");
    std::vector<float> ours =
        values(find(config, packedLayer(name, bits, 3, true), 40, 96), 40, 96,
               "#qt.int<" + std::to_string(bits) + ", group = 32, zero = i" +
                   std::to_string(bits) + ">");
    auto theirs = golden<float>("compressed_tensors." + name + ".values");
    ASSERT_EQ(ours.size(), theirs.size());
    // scale * code - scale * zero is rounded three times, theirs once.
    for (auto [a, b] : zip(ours, theirs))
      EXPECT_NEAR(a, b, 1e-6 * std::abs(b) + 1e-6);
  }
  EXPECT_EQ(
      values(find(compressed("\"num_bits\": 4, \"strategy\": \"channel\""),
                  packedLayer("pack4_channel", 4, 1, false), 40, 96),
             40, 96, "#qt.int<4, channel>"),
      golden<float>("compressed_tensors.pack4_channel.values"));
}

/// Before 2025 three bits filled ten fields of a word and left two bits over.
TEST_F(CompressedTensorsTest, PackQuantizedInPaddedWords) {
  std::vector<int32_t> words(2 * 2);
  std::vector<float> wanted(2 * 13);
  for (int i = 0; i < 26; ++i) {
    int row = i / 13, column = i % 13, code = (i * 5) % 8;
    words[row * 2 + column / 10] |= code << column % 10 * 3;
    wanted[i] = 0.5f * (code - 4);
  }
  std::vector<Tensor> tensors = {
      made<int32_t>("weight_packed", "I32", {2, 2}, words),
      made<float>("weight_scale", "F32", {2, 1}, {0.5f, 0.5f})};
  std::string config = compressed("\"num_bits\": 3, \"strategy\": \"channel\"");
  // 13 values of 3 bits are two words either way: read as they are now.
  EXPECT_NE(values(find(config, tensors, 2, 13), 2, 13, "#qt.int<3, channel>"),
            wanted);
  // 11 and more words tell them apart: 107 values are 11 words, 321 bits too.
  std::vector<int32_t> longer(12);
  std::vector<float> row(117);
  for (int i = 0; i < 117; ++i) {
    int code = (i * 5) % 8;
    longer[i / 10] |= code << i % 10 * 3;
    row[i] = 0.5f * (code - 4);
  }
  tensors = {made<int32_t>("weight_packed", "I32", {1, 12}, longer),
             made<float>("weight_scale", "F32", {1, 1}, {0.5f})};
  EXPECT_EQ(
      values(find(config, tensors, 1, 117), 1, 117, "#qt.int<3, channel>"),
      row);
}

TEST_F(CompressedTensorsTest, IntQuantized) {
  auto layer = [](StringRef name, bool asymmetric) {
    std::string file = ("compressed_tensors." + name).str();
    std::vector<Tensor> tensors = {
        stored("weight", "I8", {40, 96}, file + ".weight"),
        stored("weight_scale", "F32", {40, 1}, file + ".weight_scale")};
    if (asymmetric)
      tensors.push_back(stored("weight_zero_point", "I8", {40, 1},
                               file + ".weight_zero_point"));
    return tensors;
  };
  std::string config = compressed(
      "\"num_bits\": 8, \"strategy\": \"channel\"",
      "{\"num_bits\": 8, \"strategy\": \"token\", \"dynamic\": true}");
  auto matrix = find(config, layer("int8_channel", false), 40, 96);
  ASSERT_TRUE(bool(matrix)) << toString(matrix.takeError());
  EXPECT_EQ((*matrix)->inputScheme, "#qt.int<8, token>");
  EXPECT_EQ(values(std::move(matrix), 40, 96, "#qt.int<8, channel>"),
            golden<float>("compressed_tensors.int8_channel.values"));
  std::vector<float> ours =
      values(find(config, layer("int8_channel_asym", true), 40, 96), 40, 96,
             "#qt.int<8, channel, zero = i8>");
  auto theirs = golden<float>("compressed_tensors.int8_channel_asym.values");
  ASSERT_EQ(ours.size(), theirs.size());
  for (auto [a, b] : zip(ours, theirs))
    EXPECT_NEAR(a, b, 1e-6 * std::abs(b) + 1e-6);
}

TEST_F(CompressedTensorsTest, FloatQuantized) {
  struct {
    const char *name, *arguments, *scheme;
    SmallVector<int64_t> scales;
    const char *scaleType = "F32";
  } cases[] = {{"fp8_tensor",
                "\"strategy\": \"tensor\"",
                "#qt.float<f8E4M3FN, tensor>",
                {1}},
               {"fp8_channel",
                "\"strategy\": \"channel\"",
                "#qt.float<f8E4M3FN, channel>",
                {40, 1}},
               {"fp8_block",
                "\"strategy\": \"block\", \"block_structure\": [16, 32]",
                "#qt.float<f8E4M3FN, block = 16x32>",
                {3, 3}},
               {"mxfp8",
                "\"strategy\": \"group\", \"group_size\": 32",
                "#qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU>",
                {40, 3},
                "U8"}};
  for (auto &item : cases) {
    std::string file = std::string("compressed_tensors.") + item.name;
    std::vector<Tensor> tensors = {
        stored("weight", "F8_E4M3", {40, 96}, file + ".weight"),
        stored("weight_scale", item.scaleType, item.scales,
               file + ".weight_scale")};
    std::string config = compressed(
        Twine("\"num_bits\": 8, \"type\": \"float\", ") + item.arguments);
    EXPECT_EQ(values(find(config, tensors, 40, 96), 40, 96, item.scheme),
              golden<float>(file + ".values"));
  }
}

TEST_F(CompressedTensorsTest, FourBitFloats) {
  std::vector<Tensor> tensors = {
      stored("weight_packed", "U8", {40, 48},
             "compressed_tensors.nvfp4.weight_packed"),
      stored("weight_scale", "F8_E4M3", {40, 6},
             "compressed_tensors.nvfp4.weight_scale"),
      stored("weight_global_scale", "F32", {1},
             "compressed_tensors.nvfp4.weight_global_scale")};
  std::string config = compressed("\"num_bits\": 4, \"type\": \"float\", "
                                  "\"group_size\": 16");
  EXPECT_EQ(values(find(config, tensors, 40, 96), 40, 96,
                   "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>"),
            golden<float>("compressed_tensors.nvfp4.values"));
  tensors = {stored("weight_packed", "U8", {40, 48},
                    "compressed_tensors.mxfp4.weight_packed"),
             stored("weight_scale", "U8", {40, 3},
                    "compressed_tensors.mxfp4.weight_scale")};
  config = compressed("\"num_bits\": 4, \"type\": \"float\", "
                      "\"group_size\": 32");
  EXPECT_EQ(values(find(config, tensors, 40, 96), 40, 96,
                   "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>"),
            golden<float>("compressed_tensors.mxfp4.values"));
}

TEST_F(CompressedTensorsTest, CompressedTensorsRefusals) {
  std::string config = compressed("\"num_bits\": 4, \"group_size\": 32");
  auto layer = packedLayer("pack5_group32", 5, 3, false);
  expectRefused(find(config, layer, 40, 96), "has shape [40, 15], expected");
  config = compressed("\"num_bits\": 5, \"group_size\": 16");
  expectRefused(find(config, layer, 40, 96), "has shape [40, 3], expected");
  config = compressed("\"num_bits\": 5, \"group_size\": 32");
  layer[1].type = "I32";
  expectRefused(find(config, layer, 40, 96),
                "'l.weight_scale': is I32, expected F32 or F16 or BF16");
  layer.erase(layer.begin() + 1);
  expectRefused(find(config, layer, 40, 96), "'l.weight_scale': is missing");
  expectRefused(find(compressed("\"num_bits\": 9"), layer, 40, 96),
                "num_bits 9");
  expectRefused(find("\"quant_method\": \"compressed-tensors\"", layer, 40, 96),
                "config_groups");
  expectRefused(find("\"quant_method\": \"quip\"", layer, 40, 96), "'quip'");
  expectRefused(find("", layer, 40, 96), "no string 'quant_method'");
}

TEST_F(CompressedTensorsTest, FP8Blocks) {
  std::vector<Tensor> layer = {
      stored("weight", "F8_E4M3", {40, 96},
             "compressed_tensors.fp8_block.weight"),
      stored("weight_scale_inv", "F32", {3, 3},
             "compressed_tensors.fp8_block.weight_scale")};
  std::string config = "\"quant_method\": \"fp8\", \"activation_scheme\": "
                       "\"dynamic\", \"weight_block_size\": [16, 32]";
  auto matrix = find(config, layer, 40, 96);
  ASSERT_TRUE(bool(matrix)) << toString(matrix.takeError());
  EXPECT_EQ((*matrix)->inputScheme, "#qt.float<f8E4M3FN, group = 32>");
  EXPECT_EQ(
      values(std::move(matrix), 40, 96, "#qt.float<f8E4M3FN, block = 16x32>"),
      golden<float>("compressed_tensors.fp8_block.values"));
  expectRefused(find("\"quant_method\": \"fp8\", \"weight_block_size\": [16]",
                     layer, 40, 96),
                "weight_block_size");
  layer.pop_back();
  expectRefused(find(config, layer, 40, 96), "'l.weight_scale': is missing");
}

TEST_F(CompressedTensorsTest, FP8Tensor) {
  std::vector<Tensor> layer = {
      stored("weight", "F8_E4M3", {40, 96},
             "compressed_tensors.fp8_tensor.weight"),
      stored("weight_scale", "F32", {},
             "compressed_tensors.fp8_tensor.weight_scale"),
      made<float>("input_scale", "F32", {}, {0.25f})};
  auto matrix = find("\"quant_method\": \"fp8\", \"activation_scheme\": "
                     "\"static\"",
                     layer, 40, 96);
  ASSERT_TRUE(bool(matrix)) << toString(matrix.takeError());
  EXPECT_EQ((*matrix)->inputScheme, "#qt.float<f8E4M3FN, tensor>");
  EXPECT_EQ((*matrix)->inputScale, "l.input_scale");
  EXPECT_EQ(values(std::move(matrix), 40, 96, "#qt.float<f8E4M3FN, tensor>"),
            golden<float>("compressed_tensors.fp8_tensor.values"));
}

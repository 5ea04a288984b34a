// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CheckpointTest.h"
#include "quant-mlir/Quantize/FloatConversion.h"

using namespace llvm;
using namespace quantmlir;

using BitsAndBytesTest = CheckpointTest;

TEST_F(BitsAndBytesTest, BitsAndBytesFile) {
  std::string config =
      "{\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}}";
  folder.write("config.json", config);
  folder.write("model.safetensors", goldenBytes("bnb.safetensors"));
  auto expectRounded = [&](std::vector<float> ours, const Twine &file,
                           bool bf16) {
    auto theirs = golden<uint16_t>(file);
    ASSERT_EQ(ours.size(), theirs.size());
    for (auto [a, b] : zip(ours, theirs)) {
      uint16_t rounded = bf16 ? f32ToBF16(a) : f32ToF16(a);
      EXPECT_TRUE(rounded == b || ((rounded | b) & 0x7FFF) == 0);
    }
  };
  expectRounded(values(findIn(folder.path, "model.nf4", 80, 256), 80, 256,
                       "#qt.codebook<nf4, group = 64, nested = 256>"),
                "bnb.file.nf4.values.bfloat16", true);
  expectRounded(values(findIn(folder.path, "model.fp4", 80, 256), 80, 256,
                       "#qt.codebook<fp4, group = 64, nested = 256>"),
                "bnb.file.fp4.values.bfloat16", true);
  expectRounded(values(findIn(folder.path, "model.plain", 8, 256), 8, 256,
                       "#qt.codebook<nf4, group = 64>"),
                "bnb.file.plain.values.float16", false);
  auto matrix = findIn(folder.path, "model.int8", 20, 96);
  ASSERT_TRUE(bool(matrix)) << toString(matrix.takeError());
  EXPECT_EQ((*matrix)->inputScheme, "#qt.int<8, token>");
  EXPECT_EQ((*matrix)->outliers, 6);
  auto ours = values(std::move(matrix), 20, 96, "#qt.int<8, channel>");
  auto codes = golden<int8_t>("bnb.int8.CB");
  auto largest = golden<float>("bnb.int8.SCB");
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_EQ(ours[i], codes[i] * (largest[i / 96] / 127));
  expectRefused(findIn(folder.path, "model.nf4", 80, 128), "another shape");
  expectRefused(findIn(folder.path, "model.int8", 20, 95), "expected [20, 95]");
}

static std::vector<Tensor> fourBitLayer(StringRef state, StringRef kind,
                                        int64_t bytes, int64_t blocks,
                                        const Twine &file) {
  auto table = golden<float>("bnb." + kind + ".codebook");
  return {stored("weight", "U8", {bytes, 1}, file + ".packed"),
          stored("weight.absmax", "F32", {blocks}, file + ".absmax"),
          made<float>("weight.quant_map", "F32", {16}, table),
          made<char>(("weight.quant_state.bitsandbytes__" + kind).str(), "U8",
                     {int64_t(state.size())},
                     ArrayRef(state.data(), state.size()))};
}

/// 37 x 70 in blocks of 64, and 5 x 13: blocks run on across rows, the last
/// is shorter, and so is the last byte.
TEST_F(BitsAndBytesTest, BitsAndBytesAcrossRows) {
  std::string config = "\"quant_method\": \"bitsandbytes\"";
  for (std::string kind : {"nf4", "fp4"}) {
    auto layer = fourBitLayer("{\"blocksize\": 64, \"shape\": [37, 70]}", kind,
                              1295, 41, "bnb." + kind + ".64");
    EXPECT_EQ(values(find(config, layer, 37, 70), 37, 70,
                     "#qt.codebook<" + kind + ", group = 2>"),
              golden<float>("bnb." + kind + ".64.values.float32"));
    layer = fourBitLayer("{\"blocksize\": 64, \"shape\": [5, 13]}", kind, 33, 2,
                         "bnb." + kind + ".odd");
    EXPECT_EQ(values(find(config, layer, 5, 13), 5, 13,
                     "#qt.codebook<" + kind + ", group = 1>"),
              golden<float>("bnb." + kind + ".odd.values"));
  }
}

TEST_F(BitsAndBytesTest, BitsAndBytesRefusals) {
  std::string config = "\"quant_method\": \"bitsandbytes\"";
  auto refused = [&](StringRef state, StringRef reason) {
    expectRefused(find(config,
                       fourBitLayer(state, "nf4", 1295, 41, "bnb.nf4.64"), 37,
                       70),
                  reason);
  };
  refused("{", "is not JSON");
  refused("[]", "is not a JSON object");
  refused(std::string(2000, '['), "is not a short text");
  refused("{\"blocksize\": 0}", "block size");
  refused("{\"blocksize\": 32}", "'l.weight.absmax': has shape [41]");
  auto layer =
      fourBitLayer("{\"blocksize\": 64}", "nf4", 1295, 41, "bnb.nf4.64");
  expectRefused(find(config, layer, 37, 72), "has 1295 bytes for 2664 values");
  layer[2].bytes[3] = 0;
  expectRefused(find(config, layer, 37, 70), "has other numbers than NF4");
}

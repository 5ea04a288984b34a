// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checkpoints of 8-bit floats with the method "fp8" (DeepSeek, Qwen, AutoFP8)
// or "fbgemm_fp8". All scales multiply, also those that are called inverse.
//
//   weight F8_E4M3 [n, k]
//   weight_scale_inv [ceil(n / rows), ceil(k / columns)]    of blocks
//   weight_scale     [1] or [n, 1]
//   input_scale      [1], if activations are static

#include "CheckpointLayer.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;

namespace {

class FP8 : public Checkpoint {
public:
  FP8(const SafetensorsFolder &folder, CheckpointConfig config)
      : Checkpoint(folder), config(std::move(config)) {}

  llvm::Error read();
  Expected<std::optional<StoredMatrix>> find(StringRef layer, int64_t n,
                                             int64_t k) const override;

private:
  CheckpointConfig config;
  int64_t blockRows = 0, blockColumns = 0;
  bool staticInput = false;
};

} // namespace

llvm::Error FP8::read() {
  if (const json::Array *block = config.object.getArray("weight_block_size")) {
    if (block->size() == 2) {
      blockRows = (*block)[0].getAsInteger().value_or(0);
      blockColumns = (*block)[1].getAsInteger().value_or(0);
    }
    if (blockRows < 1 || blockColumns < 1)
      return config.error("has a weight_block_size that is not two numbers");
  }
  staticInput =
      config.object.getString("activation_scheme").value_or("") == "static";
  return llvm::Error::success();
}

Expected<std::optional<StoredMatrix>> FP8::find(StringRef name, int64_t n,
                                                int64_t k) const {
  LayerTensors layer(folder(), name);
  std::optional<StoredTensor> weight = layer.find("weight");
  if (!weight ||
      (weight->type != DType::F8_E4M3 && weight->type != DType::F8_E5M2))
    return std::nullopt;
  if (Expected<StoredTensor> checked =
          layer.require("weight", {weight->type}, {n, k});
      !checked)
    return checked.takeError();
  bool blocks = layer.has("weight_scale_inv") && blockRows;
  StringRef scaleName =
      layer.has("weight_scale_inv") ? "weight_scale_inv" : "weight_scale";
  SmallVector<int64_t> shape = {1};
  std::string shared = "tensor", input = "token";
  if (blocks) {
    shape = {int64_t(divideCeil(n, blockRows)),
             int64_t(divideCeil(k, blockColumns))};
    shared = "block = " + std::to_string(blockRows) + "x" +
             std::to_string(blockColumns);
    input = "group = " + std::to_string(blockColumns);
  } else if (std::optional<StoredTensor> scale = layer.find(scaleName);
             scale && scale->size() != 1) {
    shape = {n, 1};
    shared = "channel";
  }
  Expected<StoredTensor> scales = layer.require(scaleName, scaleTypes, shape);
  if (!scales)
    return scales.takeError();
  StoredMatrix result;
  if (layer.has("input_scale") && staticInput) {
    if (Expected<StoredTensor> scale =
            layer.require("input_scale", scaleTypes, {1});
        !scale)
      return scale.takeError();
    result.inputScale = layer.name("input_scale");
    input = "tensor";
  }
  layer.ignore({"input_scale", "input_scale_ub"});
  std::string type = weight->type == DType::F8_E4M3 ? "f8E4M3FN" : "f8E5M2";
  result.scheme =
      "#qt.float<" + type + ", " + shared + scaleSuffix(scales->type) + ">";
  result.inputScheme = "#qt.float<f8E4M3FN, " + input + ">";
  result.decode = [codes = weight->bytes,
                   scales = scales->bytes]() -> Expected<StorageBytes> {
    return StorageBytes{codes.vec(), scales.vec()};
  };
  result.tensors = std::move(layer.used);
  return result;
}

Expected<std::unique_ptr<Checkpoint>>
quantmlir::openFP8(const SafetensorsFolder &folder, CheckpointConfig config) {
  auto checkpoint = std::make_unique<FP8>(folder, std::move(config));
  if (llvm::Error error = checkpoint->read())
    return std::move(error);
  return checkpoint;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/Checkpoint.h"
#include "CheckpointLayer.h"
#include "quant-mlir/Import/JSONFile.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;

Checkpoint::~Checkpoint() = default;

Expected<std::unique_ptr<Checkpoint>>
Checkpoint::open(const SafetensorsFolder &folder) {
  auto inFolder = [&](StringRef name) {
    SmallString<128> path(folder.path());
    sys::path::append(path, name);
    return path.str().str();
  };
  std::string path = inFolder("config.json");
  Expected<json::Object> config = readJSONObject(path);
  if (!config)
    return config.takeError();
  if (json::Value *value = config->get("quantization_config")) {
    if (json::Object *object = value->getAsObject())
      return create(folder, path, std::move(*object));
    if (!value->getAsNull())
      return fileError(path, "quantization_config is not an object");
  }
  // As AutoGPTQ wrote it before transformers knew of it.
  path = inFolder("quantize_config.json");
  if (!sys::fs::exists(path))
    return nullptr;
  config = readJSONObject(path);
  if (!config)
    return config.takeError();
  if (!config->get("quant_method"))
    (*config)["quant_method"] = "gptq";
  return create(folder, path, std::move(*config));
}

Expected<std::unique_ptr<Checkpoint>>
Checkpoint::create(const SafetensorsFolder &folder, StringRef path,
                   json::Object object) {
  CheckpointConfig config{path.str(), std::move(object)};
  std::optional<StringRef> method = config.object.getString("quant_method");
  if (!method)
    return config.error("has no string 'quant_method'");
  std::string name = method->str();
  auto open = StringSwitch<decltype(&openGPTQ)>(name)
                  .Case("compressed-tensors", openCompressedTensors)
                  .Cases({"fp8", "fbgemm_fp8"}, openFP8)
                  .Case("gptq", openGPTQ)
                  .Case("awq", openAWQ)
                  .Case("bitsandbytes", openBitsAndBytes)
                  .Default(nullptr);
  if (!open)
    return config.error("has the method " + quoteName(name) +
                        "; supported are compressed-tensors, fp8, fbgemm_fp8, "
                        "gptq, awq and bitsandbytes");
  Expected<std::unique_ptr<Checkpoint>> checkpoint =
      open(folder, std::move(config));
  if (checkpoint)
    (*checkpoint)->methodName = name;
  return checkpoint;
}

bool Checkpoint::has(StringRef layer) const {
  for (StringRef suffix : {"qweight", "weight_packed", "weight"})
    if (tensors.find((layer + "." + suffix).str()))
      return true;
  return false;
}

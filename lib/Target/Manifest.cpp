// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "quant-mlir/Import/GGUF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
using llvm::json::Array;
using llvm::json::Object;

static std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static Object describeFunction(const FunctionInfo &function) {
  Array inputs, results;
  for (const FunctionValue &value : function.values) {
    if (value.role != "result" && value.role != "input")
      continue;
    Object described{{"name", value.name}};
    if (auto type = dyn_cast<MemRefType>(value.type)) {
      described["dtype"] = typeText(type.getElementType());
      Array shape;
      for (int64_t size : type.getShape())
        shape.push_back(ShapedType::isDynamic(size) ? -1 : size);
      described["shape"] = std::move(shape);
    } else {
      described["dtype"] = typeText(value.type);
      described["shape"] = Array();
    }
    (value.role == "input" ? inputs : results).push_back(std::move(described));
  }
  return Object{{"name", function.name},
                {"inputs", std::move(inputs)},
                {"results", std::move(results)},
                {"workspace_bytes", function.workspaceBytes}};
}

Object quantmlir::makeManifest(const ModelInfo &model,
                               const PackedWeights &weights,
                               const CompileOptions &options,
                               StringRef tokenizer) {
  Array tensors, functions;
  double bits = 0, values = 0;
  for (const PackedTensor &tensor : weights.tensors) {
    double count = 1;
    for (int64_t size : tensor.shape)
      count *= size;
    values += count;
    bits += 8.0 * tensor.bytes;
    Object described{{"name", tensor.name},
                     {"shape", Array(tensor.shape)},
                     {"scheme", tensor.scheme},
                     {"bytes", tensor.bytes}};
    if (tensor.error)
      described["error"] = *tensor.error;
    tensors.push_back(std::move(described));
  }
  for (const FunctionInfo &function : model.functions)
    functions.push_back(describeFunction(function));
  Object manifest{{"quant_mlir", QUANT_MLIR_VERSION},
                  {"name", model.name},
                  {"model", model.modelName},
                  {"task", model.task},
                  {"architecture", model.architecture},
                  {"source", model.source},
                  {"recipe", options.recipe},
                  {"target", options.target},
                  {"vocab_size", model.vocabulary},
                  {"hidden_size", model.hidden},
                  {"context_length", model.context},
                  {"batch_tokens", model.batch},
                  {"weights", model.name + ".weights.safetensors"},
                  {"weights_bytes", int64_t(model.weightsBytes)},
                  {"bits_per_weight", values ? bits / values : 0},
                  {"tensors", std::move(tensors)},
                  {"functions", std::move(functions)}};
  manifest["tokenizer"] =
      tokenizer.empty() ? llvm::json::Value(nullptr) : tokenizer.str();
  if (!model.gpu.cubin.empty())
    manifest["gpu_functions"] = model.gpu.cubin.describeFunctions();
  return manifest;
}

llvm::Error quantmlir::writeFile(StringRef path, StringRef content) {
  llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os << content;
    return llvm::Error::success();
  });
  if (error)
    return fileError(path,
                     "cannot be written: " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

static std::string inFolder(StringRef folder, StringRef name) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

llvm::Expected<std::string> quantmlir::writeTokenizer(StringRef source,
                                                      StringRef folder) {
  if (source.empty())
    return "";
  if (llvm::sys::fs::is_directory(source)) {
    std::string kind;
    for (StringRef name :
         {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
          "chat_template.jinja", "sentence_bert_config.json"}) {
      auto content = llvm::MemoryBuffer::getFile(inFolder(source, name));
      if (!content)
        continue;
      if (llvm::Error error =
              writeFile(inFolder(folder, name), (*content)->getBuffer()))
        return std::move(error);
      if (name == "tokenizer.json")
        kind = "hf";
    }
    return kind;
  }
  llvm::Expected<std::shared_ptr<WeightFile>> file = WeightFile::open(source);
  if (!file)
    return file.takeError();
  auto *gguf = dyn_cast<GGUFFile>(file->get());
  if (!gguf || !gguf->findKey("tokenizer.ggml.tokens"))
    return "";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(Object(gguf->metadata()));
  if (llvm::Error error =
          writeFile(inFolder(folder, "tokenizer.gguf.json"), text))
    return std::move(error);
  return "gguf";
}

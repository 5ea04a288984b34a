// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The inverse of what ImportGGUF.cpp reads, for what HFDecoder.cpp does.

#include "quant-mlir/Import/GGUFDescription.h"
#include "HFConfig.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace quantmlir;

/// Rope: as keys, or the tensor of divisors where readers know it.
static llvm::Error describeRope(StringRef path, const DecoderConfig &config,
                                GGUFDescription &result) {
  const std::string &name = result.architecture;
  const Rope &rope = config.rope;
  bool isLlama = name == "llama";
  result.integers.push_back({name + ".rope.dimension_count", config.rotary});
  result.numbers.push_back({name + ".rope.freq_base", rope.base});
  if (isLlama && config.rotary != config.headSize)
    return fileError(path, "heads that are rotated in part have no place in "
                           "GGUF files of llamas");
  if (isLlama)
    result.interleavedHead = config.headSize;
  if (rope.magnitude == 1 && llvm::all_equal(rope.divisors)) {
    if (rope.divisors.empty())
      return llvm::Error::success();
    result.strings.push_back({name + ".rope.scaling.type", "linear"});
    result.numbers.push_back(
        {name + ".rope.scaling.factor", rope.divisors.front()});
    return llvm::Error::success();
  }
  if (!isLlama)
    return fileError(path,
                     "its rope scaling has no place in GGUF files of " + name);
  result.ropeDivisors.assign(rope.divisors.begin(), rope.divisors.end());
  if (rope.magnitude != 1)
    result.numbers.push_back(
        {name + ".rope.scaling.attn_factor", rope.magnitude});
  return llvm::Error::success();
}

static llvm::Error describeWindow(StringRef path, const DecoderConfig &config,
                                  GGUFDescription &result) {
  if (!llvm::is_contained(config.windowed, true))
    return llvm::Error::success();
  if (result.architecture != "llama" ||
      llvm::is_contained(config.windowed, false))
    return fileError(path, "its sliding windows have no place in GGUF files "
                           "of " +
                               result.architecture);
  result.integers.push_back(
      {result.architecture + ".attention.sliding_window", config.window});
  return llvm::Error::success();
}

llvm::Expected<GGUFDescription>
quantmlir::describeAsGGUF(StringRef folder, MLIRContext *context) {
  llvm::Expected<HFConfig> file = HFConfig::open(folder);
  if (!file)
    return file.takeError();
  StringRef type = file->get().getString("model_type").value_or("");
  GGUFDescription result;
  // A mistral is a llama there.
  result.architecture = type == "mistral" ? "llama" : type.str();
  if (!llvm::is_contained({"llama", "qwen2", "qwen3"}, result.architecture))
    return fileError(file->path, "models of type " + quoteName(type) +
                                     " cannot be written as GGUF files yet; "
                                     "'llama', 'mistral', 'qwen2' and 'qwen3' "
                                     "can");
  llvm::Expected<SafetensorsFolder> weights = SafetensorsFolder::open(folder);
  if (!weights)
    return weights.takeError();
  SmallVector<std::shared_ptr<WeightFile>> files(weights->files().begin(),
                                                 weights->files().end());
  GraphBuilder graph(context, files);
  llvm::Expected<std::optional<HFDecoder>> decoder =
      readHFDecoder(*file, type, graph);
  if (!decoder)
    return decoder.takeError();
  const DecoderConfig &config = (*decoder)->config;
  if (config.activation != lm::ActivationKind::Silu)
    return fileError(file->path, "its activation has no place in GGUF files "
                                 "of " +
                                     result.architecture);
  std::string prefix = result.architecture + ".";
  result.vocabulary = config.vocabulary;
  result.integers = {
      {prefix + "vocab_size", config.vocabulary},
      {prefix + "block_count", config.layers},
      {prefix + "context_length", config.context},
      {prefix + "embedding_length", config.hidden},
      {prefix + "feed_forward_length", config.feedForward},
      {prefix + "attention.head_count", config.heads},
      {prefix + "attention.head_count_kv", config.kvHeads},
      {prefix + "attention.key_length", config.headSize},
      {prefix + "attention.value_length", config.headSize},
  };
  result.numbers = {{prefix + "attention.layer_norm_rms_epsilon", config.eps}};
  if (llvm::Error error = describeRope(file->path, config, result))
    return std::move(error);
  if (llvm::Error error = describeWindow(file->path, config, result))
    return std::move(error);
  return result;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GraphBuilder.h"
#include "quant-mlir/Import/GGUF.h"
#include "quant-mlir/Import/ImportModel.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace quantmlir;

static constexpr LlamaNames llamaNames = {
    "token_embd.weight",       "output_norm.weight",
    "output.weight",           "blk.{0}.attn_norm.weight",
    "blk.{0}.attn_q.weight",   "blk.{0}.attn_k.weight",
    "blk.{0}.attn_v.weight",   "blk.{0}.attn_output.weight",
    "blk.{0}.ffn_norm.weight", "blk.{0}.ffn_gate.weight",
    "blk.{0}.ffn_up.weight",   "blk.{0}.ffn_down.weight"};

/// Features that would change the graph and are not built.
static llvm::Error refuseUnsupported(const GGUFFile &file) {
  if (auto type = file.getString("llama.rope.scaling.type");
      type && *type != "none")
    return fileError(file.path(),
                     "rope scaling '" + *type + "' is not supported yet");
  if (file.getInt("llama.expert_count").value_or(0) > 0)
    return fileError(file.path(), "mixtures of experts are not supported yet");
  if (file.find("rope_freqs.weight"))
    return tensorError(file.path(), "rope_freqs.weight",
                       "rope frequency factors are not supported yet");
  return llvm::Error::success();
}

static llvm::Expected<LlamaConfig> readConfig(const GGUFFile &file) {
  LlamaConfig config;
  struct {
    const char *key;
    int64_t *value;
  } required[] = {{"llama.block_count", &config.layers},
                  {"llama.embedding_length", &config.hidden},
                  {"llama.attention.head_count", &config.heads},
                  {"llama.feed_forward_length", &config.feedForward},
                  {"llama.context_length", &config.context}};
  for (auto &item : required) {
    llvm::Expected<int64_t> value = file.get<int64_t>(item.key);
    if (!value)
      return value.takeError();
    *item.value = *value;
  }
  llvm::Expected<double> eps =
      file.get<double>("llama.attention.layer_norm_rms_epsilon");
  if (!eps)
    return eps.takeError();
  config.eps = *eps;
  config.kvHeads =
      file.getInt("llama.attention.head_count_kv").value_or(config.heads);
  config.ropeBase = file.getFloat("llama.rope.freq_base").value_or(10000);
  config.headSize =
      file.getInt("llama.attention.key_length")
          .value_or(config.heads > 0 ? config.hidden / config.heads : 0);
  if (file.getInt("llama.attention.value_length").value_or(config.headSize) !=
      config.headSize)
    return fileError(file.path(), "keys and values of different sizes are not "
                                  "supported");
  config.rotary =
      file.getInt("llama.rope.dimension_count").value_or(config.headSize);
  // Conversion to GGUF permutes q and k so that pairs are neighbours.
  config.ropeStyle = lm::RopeStyle::Interleaved;
  config.tied = !file.find(llamaNames.output);
  const TensorInfo *embedding = file.find(llamaNames.embedding);
  if (!embedding)
    return tensorError(file.path(), llamaNames.embedding, "is missing");
  config.vocabulary = embedding->shape.empty() ? 0 : embedding->shape[0];
  if (llvm::Error error = checkLlamaConfig(file.path(), config))
    return std::move(error);
  return config;
}

llvm::Expected<OwningOpRef<ModuleOp>>
quantmlir::importGGUF(StringRef path, MLIRContext *context) {
  llvm::Expected<std::shared_ptr<GGUFFile>> opened = GGUFFile::open(path);
  if (!opened)
    return opened.takeError();
  const GGUFFile &file = **opened;
  std::optional<StringRef> architecture =
      file.getString("general.architecture");
  if (!architecture)
    return fileError(path, "has no key 'general.architecture'");
  if (*architecture != "llama")
    return fileError(path, "architecture " + quoteName(*architecture) +
                               " is not supported; 'llama' is");
  if (llvm::Error error = refuseUnsupported(file))
    return std::move(error);
  llvm::Expected<LlamaConfig> config = readConfig(file);
  if (!config)
    return config.takeError();

  GraphBuilder graph(context, {std::static_pointer_cast<WeightFile>(*opened)});
  graph.setString(lm::LMDialect::sourceAttrName, path);
  graph.setString(lm::LMDialect::nameAttrName,
                  file.getString("general.name").value_or(""));
  buildLlama(graph, *config, llamaNames);
  return graph.finish();
}

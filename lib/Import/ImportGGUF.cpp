// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "DecoderGraph.h"
#include "quant-mlir/Import/GGUF.h"
#include "quant-mlir/Import/GGUFDescription.h"
#include "quant-mlir/Import/ImportModel.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;

namespace {

/// The keys of an architecture, "llama.block_count" as "block_count".
class Keys {
public:
  Keys(const GGUFFile &file, StringRef architecture)
      : file(file), architecture(architecture) {}

  std::string name(StringRef key) const {
    return (architecture + "." + key).str();
  }
  llvm::Error
  readIntegers(ArrayRef<std::pair<const char *, int64_t *>> items) const {
    for (auto [key, target] : items) {
      llvm::Expected<int64_t> value = file.get<int64_t>(name(key));
      if (!value)
        return value.takeError();
      *target = *value;
    }
    return llvm::Error::success();
  }
  int64_t integer(StringRef key, int64_t otherwise) const {
    return file.getInt(name(key)).value_or(otherwise);
  }
  double number(StringRef key, double otherwise) const {
    return file.getFloat(name(key)).value_or(otherwise);
  }
  StringRef string(StringRef key) const {
    return file.getString(name(key)).value_or("");
  }

private:
  const GGUFFile &file;
  StringRef architecture;
};

} // namespace

/// Conversion writes llama3's scaling as a tensor, the others as keys.
static llvm::Error readDivisors(const GGUFFile &file, int64_t rotary,
                                Rope &rope) {
  const TensorInfo *tensor = file.find(ropeDivisorsName);
  if (!tensor)
    return llvm::Error::success();
  if (tensor->type != DType::F32 || tensor->numElements() != rotary / 2)
    return tensorError(file.path(), ropeDivisorsName,
                       "is not F32 of half the rotated elements");
  rope.divisors.resize(rotary / 2, 1);
  ArrayRef<uint8_t> bytes = file.data(*tensor);
  for (auto [pair, divisor] : llvm::enumerate(rope.divisors)) {
    float number;
    std::memcpy(&number, bytes.data() + pair * sizeof(float), sizeof(float));
    divisor *= number;
  }
  return llvm::Error::success();
}

static llvm::Error readRope(const GGUFFile &file, const Keys &keys,
                            DecoderConfig &config) {
  config.rope.base = keys.number("rope.freq_base", 10000);
  // Conversion permutes q and k of a llama so that pairs are neighbours.
  if (config.architecture == "llama")
    config.ropeStyle = lm::RopeStyle::Interleaved;
  if (config.architecture == "gemma3") {
    config.windowRope.emplace();
    config.windowRope->base = keys.number("rope.freq_base_swa", 10000);
  }
  RopeScaling scaling;
  scaling.type = keys.string("rope.scaling.type").str();
  scaling.factor = keys.number("rope.scaling.factor", 1);
  scaling.original = double(
      keys.integer("rope.scaling.original_context_length", config.context));
  scaling.fast = keys.number("rope.scaling.yarn_beta_fast", scaling.fast);
  scaling.slow = keys.number("rope.scaling.yarn_beta_slow", scaling.slow);
  if (scaling.type.empty() && file.find("rope_factors_long.weight"))
    scaling.type = "longrope";
  if (llvm::Error error =
          stretchRope(file.path(), scaling, config.rotary, config.rope))
    return error;
  config.rope.magnitude *= keys.number("rope.scaling.attn_factor", 1);
  return readDivisors(file, config.rotary, config.rope);
}

static void readGemma(const Keys &keys, DecoderConfig &config) {
  bool isGemma2 = config.architecture == "gemma2";
  config.attentionCap =
      keys.number("attn_logit_softcapping", isGemma2 ? 50 : 0);
  config.logitCap = keys.number("final_logit_softcapping", isGemma2 ? 30 : 0);
  config.setWindow(
      keys.integer("attention.sliding_window", isGemma2 ? 4096 : 0),
      keys.integer("attention.sliding_window_pattern", isGemma2 ? 2 : 6));
  // No key says that the models of 27B scale scores by another size than the
  // head's. They are known by their layers.
  if (config.layers == (isGemma2 ? 46 : 62) && config.heads > 0)
    config.attentionScale = 1 / std::sqrt(double(config.hidden / config.heads));
}

static bool mayHaveExperts(const DecoderConfig &config) {
  return config.architecture == "llama" || config.architecture == "qwen3moe";
}

static llvm::Expected<DecoderConfig> readConfig(const GGUFFile &file,
                                                DecoderConfig config) {
  Keys keys(file, config.architecture);
  if (llvm::Error error =
          keys.readIntegers({{"block_count", &config.layers},
                             {"embedding_length", &config.hidden},
                             {"attention.head_count", &config.heads},
                             {"feed_forward_length", &config.feedForward},
                             {"context_length", &config.context}}))
    return std::move(error);
  llvm::Expected<double> eps = file.get<double>(
      keys.name(config.layerNorm ? "attention.layer_norm_epsilon"
                                 : "attention.layer_norm_rms_epsilon"));
  if (!eps)
    return eps.takeError();
  config.eps = *eps;
  config.kvHeads = keys.integer("attention.head_count_kv", config.heads);
  config.headSize =
      keys.integer("attention.key_length",
                   config.heads > 0 ? config.hidden / config.heads : 0);
  if (keys.integer("attention.value_length", config.headSize) !=
      config.headSize)
    return fileError(file.path(), "keys and values of different sizes are not "
                                  "supported");
  config.tied = !file.find(ggufNames.output);
  const TensorInfo *embedding = file.find(ggufNames.embedding);
  if (!embedding)
    return tensorError(file.path(), ggufNames.embedding, "is missing");
  config.vocabulary = embedding->shape.empty() ? 0 : embedding->shape[0];
  config.rotary = keys.integer("rope.dimension_count", config.headSize);
  config.experts.count = keys.integer("expert_count", 0);
  config.experts.top = keys.integer("expert_used_count", 0);
  config.experts.feedForward =
      keys.integer("expert_feed_forward_length", config.feedForward);
  if (config.experts.count && !mayHaveExperts(config))
    return fileError(file.path(), "a mixture of experts is not supported in "
                                  "this architecture; in 'llama' and "
                                  "'qwen3moe' it is");
  if (llvm::Error error = checkDecoderSizes(file.path(), config))
    return std::move(error);

  if (!config.learnedPositions)
    if (llvm::Error error = readRope(file, keys, config))
      return std::move(error);
  if (config.postNorms)
    readGemma(keys, config);
  else if (!StringRef(config.architecture).starts_with("qwen"))
    config.setWindow(keys.integer("attention.sliding_window", 0), 1);
  if (llvm::Error error = checkDecoderNumbers(file.path(), config))
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
  std::optional<DecoderConfig> known = describeDecoder(*architecture);
  if (!known)
    return fileError(path, "architecture " + quoteName(*architecture) +
                               " is not supported; " + listDecoders() + " are");
  llvm::Expected<DecoderConfig> config = readConfig(file, std::move(*known));
  if (!config)
    return config.takeError();

  GraphBuilder graph(context, {std::static_pointer_cast<WeightFile>(*opened)});
  graph.setString(lm::LMDialect::sourceAttrName, path);
  graph.setString(lm::LMDialect::nameAttrName,
                  file.getString("general.name").value_or(""));
  graph.ignore(ropeDivisorsName);
  bool isOld = graph.has("blk.0.ffn_gate.0.weight");
  buildDecoder(graph, *config, isOld ? oldGGUFNames : ggufNames);
  return graph.finish();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GraphBuilder.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
using llvm::json::Object;

static constexpr LlamaNames llamaNames = {
    "model.embed_tokens.weight",
    "model.norm.weight",
    "lm_head.weight",
    "model.layers.{0}.input_layernorm.weight",
    "model.layers.{0}.self_attn.q_proj.weight",
    "model.layers.{0}.self_attn.k_proj.weight",
    "model.layers.{0}.self_attn.v_proj.weight",
    "model.layers.{0}.self_attn.o_proj.weight",
    "model.layers.{0}.post_attention_layernorm.weight",
    "model.layers.{0}.mlp.gate_proj.weight",
    "model.layers.{0}.mlp.up_proj.weight",
    "model.layers.{0}.mlp.down_proj.weight"};

namespace {

/// config.json, with errors that name the key.
class Config {
public:
  static llvm::Expected<Config> open(StringRef folder) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, "config.json");
    llvm::Expected<Object> object = readJSONObject(path);
    if (!object)
      return object.takeError();
    return Config(path.str().str(), std::move(*object));
  }

  const std::string path;

  llvm::Error readInteger(StringRef key, int64_t &value) const {
    std::optional<int64_t> found = object.getInteger(key);
    if (!found)
      return fileError(path, "has no integer '" + key + "'");
    value = *found;
    return llvm::Error::success();
  }
  llvm::Error
  readIntegers(ArrayRef<std::pair<const char *, int64_t *>> items) const {
    for (auto [key, value] : items)
      if (llvm::Error error = readInteger(key, *value))
        return error;
    return llvm::Error::success();
  }
  llvm::Error readNumber(StringRef key, double &value) const {
    std::optional<double> found = object.getNumber(key);
    if (!found)
      return fileError(path, "has no number '" + key + "'");
    value = *found;
    return llvm::Error::success();
  }
  const Object &get() const { return object; }

private:
  Config(std::string path, Object object)
      : path(std::move(path)), object(std::move(object)) {}
  Object object;
};

} // namespace

static llvm::Error refuseUnsupportedLlama(const Config &config) {
  const Object &object = config.get();
  // Older files say rope_scaling, newer ones rope_parameters.
  for (StringRef key : {"rope_scaling", "rope_parameters"})
    if (const Object *rope = object.getObject(key)) {
      auto type = rope->getString("rope_type");
      if (!type)
        type = rope->getString("type");
      if (type && *type != "default")
        return fileError(config.path, "rope scaling " + quoteName(*type) +
                                          " is not supported yet");
    }
  auto activation = object.getString("hidden_act").value_or("silu");
  if (activation != "silu")
    return fileError(config.path, "activation " + quoteName(activation) +
                                      " is not supported in a llama");
  return llvm::Error::success();
}

static llvm::Expected<LlamaConfig> readLlama(const Config &file,
                                             const GraphBuilder &graph) {
  LlamaConfig config;
  if (llvm::Error error = refuseUnsupportedLlama(file))
    return std::move(error);
  if (llvm::Error error =
          file.readIntegers({{"num_hidden_layers", &config.layers},
                             {"hidden_size", &config.hidden},
                             {"num_attention_heads", &config.heads},
                             {"intermediate_size", &config.feedForward},
                             {"max_position_embeddings", &config.context},
                             {"vocab_size", &config.vocabulary}}))
    return std::move(error);
  if (llvm::Error error = file.readNumber("rms_norm_eps", config.eps))
    return std::move(error);
  const Object &object = file.get();
  config.kvHeads =
      object.getInteger("num_key_value_heads").value_or(config.heads);
  config.headSize =
      object.getInteger("head_dim")
          .value_or(config.heads > 0 ? config.hidden / config.heads : 0);
  config.rotary = config.headSize;
  config.ropeBase = object.getNumber("rope_theta").value_or(10000);
  if (const Object *rope = object.getObject("rope_parameters"))
    config.ropeBase = rope->getNumber("rope_theta").value_or(config.ropeBase);
  config.ropeStyle = lm::RopeStyle::Half;
  config.tied = object.getBoolean("tie_word_embeddings").value_or(false) ||
                !graph.hasMatrix(llamaNames.output);
  if (llvm::Error error = checkLlamaConfig(file.path, config))
    return std::move(error);
  return config;
}

static llvm::Expected<BertConfig> readBert(const Config &file) {
  BertConfig config;
  if (llvm::Error error =
          file.readIntegers({{"num_hidden_layers", &config.layers},
                             {"hidden_size", &config.hidden},
                             {"num_attention_heads", &config.heads},
                             {"intermediate_size", &config.feedForward},
                             {"max_position_embeddings", &config.positions},
                             {"type_vocab_size", &config.segments},
                             {"vocab_size", &config.vocabulary}}))
    return std::move(error);
  if (llvm::Error error = file.readNumber("layer_norm_eps", config.eps))
    return std::move(error);
  const Object &object = file.get();
  StringRef positions =
      object.getString("position_embedding_type").value_or("absolute");
  if (positions != "absolute")
    return fileError(file.path, "position embeddings " + quoteName(positions) +
                                    " are not supported; 'absolute' are");
  StringRef activation = object.getString("hidden_act").value_or("gelu");
  if (activation == "gelu_new" || activation == "gelu_pytorch_tanh")
    config.activation = lm::ActivationKind::GeluTanh;
  else if (activation == "relu")
    config.activation = lm::ActivationKind::Relu;
  else if (activation != "gelu")
    return fileError(file.path, "activation " + quoteName(activation) +
                                    " is not supported in a bert");
  if (llvm::Error error = checkBertConfig(file.path, config))
    return std::move(error);
  return config;
}

/// True for what can be computed, and for scales of an 8-bit cache: ours has
/// its own (--cache).
static bool isDispensable(StringRef name) {
  return name.ends_with(".rotary_emb.inv_freq") ||
         name.ends_with(".self_attn.k_scale") ||
         name.ends_with(".self_attn.v_scale");
}

llvm::Expected<OwningOpRef<ModuleOp>>
quantmlir::importHF(StringRef folder, MLIRContext *context) {
  llvm::Expected<Config> config = Config::open(folder);
  if (!config)
    return config.takeError();
  std::optional<StringRef> type = config->get().getString("model_type");
  if (!type)
    return fileError(config->path, "has no string 'model_type'");
  if (*type != "llama" && *type != "bert")
    return fileError(config->path, "model type " + quoteName(*type) +
                                       " is not supported; 'llama' and 'bert' "
                                       "are");
  llvm::Expected<SafetensorsFolder> weights = SafetensorsFolder::open(folder);
  if (!weights)
    return weights.takeError();
  SmallVector<std::shared_ptr<WeightFile>> files(weights->files().begin(),
                                                 weights->files().end());
  llvm::Expected<std::unique_ptr<Checkpoint>> checkpoint =
      Checkpoint::open(*weights);
  if (!checkpoint)
    return checkpoint.takeError();
  GraphBuilder graph(context, files, checkpoint->get());
  for (SafetensorsFolder::Place place : weights->tensors())
    if (isDispensable(place.tensor->name))
      graph.ignore(place.tensor->name);
  graph.setString(lm::LMDialect::sourceAttrName, folder);
  StringRef name = llvm::sys::path::filename(
      llvm::sys::path::remove_leading_dotslash(folder.rtrim('/')));
  graph.setString(lm::LMDialect::nameAttrName, name);
  if (*type == "bert") {
    llvm::Expected<BertConfig> bert = readBert(*config);
    if (!bert)
      return bert.takeError();
    buildBert(graph, *bert,
              graph.has("bert.embeddings.word_embeddings.weight") ? "bert."
                                                                  : "");
    return graph.finish();
  }
  llvm::Expected<LlamaConfig> llama = readLlama(*config, graph);
  if (!llama)
    return llama.takeError();
  buildLlama(graph, *llama, llamaNames);
  if (llama->tied)
    graph.ignore(llamaNames.output);
  return graph.finish();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What config.json says about a decoder. Keys are transformers', and so is what
// a missing one means.

#include "HFConfig.h"
#include <cmath>

using namespace llvm;
using namespace quantmlir;
using json::Object;

//===----------------------------------------------------------------------===//
// Rope
//===----------------------------------------------------------------------===//

/// Reads what `scaling` says, which may be null, into a rope that has its base.
static Error readScaling(const HFConfig &file, const Object *scaling,
                         int64_t rotary, Rope &rope) {
  if (!scaling)
    return Error::success();
  auto number = [&](StringRef key, double otherwise) {
    return scaling->getNumber(key).value_or(otherwise);
  };
  rope.base = number("rope_theta", rope.base);
  RopeScaling how;
  auto type = scaling->getString("rope_type");
  how.type = (type ? *type : scaling->getString("type").value_or("")).str();
  double context = file.numberOr("max_position_embeddings", 0);
  how.original =
      number("original_max_position_embeddings",
             file.numberOr("original_max_position_embeddings", context));
  // Without a factor, contexts say it.
  bool hasOriginal = scaling->get("original_max_position_embeddings");
  how.factor = number("factor", hasOriginal ? context / how.original : 0);
  how.lowFactor = number("low_freq_factor", how.lowFactor);
  how.highFactor = number("high_freq_factor", how.highFactor);
  how.fast = number("beta_fast", how.fast);
  how.slow = number("beta_slow", how.slow);
  how.wholePairs = scaling->getBoolean("truncate").value_or(true);
  how.magnitude = scaling->getNumber("attention_factor");
  double part = number("mscale", 0), all = number("mscale_all_dim", 0);
  if (!how.magnitude && part != 0 && all != 0) {
    double grown = 0.1 * std::log(std::max(how.factor, 1.0));
    how.magnitude = (1 + part * grown) / (1 + all * grown);
  }
  return stretchRope(file.path, how, rotary, rope);
}

static Error readRope(const HFConfig &file, DecoderConfig &config) {
  const Object &object = file.get();
  bool isGemma3 = config.architecture == "gemma3";
  config.rope.base = file.numberOr("rope_theta", isGemma3 ? 1e6 : 1e4);
  if (isGemma3) {
    config.windowRope.emplace();
    config.windowRope->base = file.numberOr("rope_local_base_freq", 1e4);
  }
  // Older files say rope_scaling, newer ones rope_parameters, by the type of
  // layer if there are several.
  const Object *scaling = object.getObject("rope_scaling");
  if (const Object *newer = object.getObject("rope_parameters")) {
    scaling = newer;
    if (const Object *full = newer->getObject("full_attention"))
      scaling = full;
    const Object *sliding = newer->getObject("sliding_attention");
    if (sliding && config.windowRope)
      if (Error error =
              readScaling(file, sliding, config.rotary, *config.windowRope))
        return error;
  }
  return readScaling(file, scaling, config.rotary, config.rope);
}

/// The part of heads that is rotated.
static int64_t readRotary(const HFConfig &file, int64_t headSize) {
  double part = file.numberOr("partial_rotary_factor", 1);
  if (const Object *rope = file.get().getObject("rope_parameters"))
    part = rope->getNumber("partial_rotary_factor").value_or(part);
  // What is no size is refused later.
  return part > 0 && part <= 1 ? int64_t(double(headSize) * part) : 0;
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

static Error readWindow(const HFConfig &file, DecoderConfig &config) {
  const Object &object = file.get();
  StringRef name = config.architecture;
  bool isQwen = name.starts_with("qwen");
  int64_t window = object.getInteger("sliding_window").value_or(0);
  if (name == "llama" || window <= 0 ||
      (isQwen && !object.getBoolean("use_sliding_window").value_or(false)))
    return Error::success();
  if (name == "gemma2")
    config.setWindow(window, 2);
  else if (name == "gemma3")
    config.setWindow(window,
                     object.getInteger("sliding_window_pattern").value_or(6));
  else
    config.setWindow(window, 1);
  int64_t last = object.getInteger("max_window_layers").value_or(0);
  for (int64_t layer = 0; isQwen && layer < config.layers; ++layer)
    config.windowed[layer] = layer >= last;

  const json::Array *types = object.getArray("layer_types");
  if (!types)
    return Error::success();
  if (int64_t(types->size()) != config.layers)
    return fileError(file.path, "layer_types is not one for each layer");
  for (auto [layer, value] : enumerate(*types)) {
    StringRef type = value.getAsString().value_or("");
    if (type != "full_attention" && type != "sliding_attention")
      return fileError(file.path, "layer type " + quoteName(type) +
                                      " is not supported; 'full_attention' "
                                      "and 'sliding_attention' are");
    config.windowed[layer] = type == "sliding_attention";
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

static Error readExperts(const HFConfig &file, DecoderConfig &config) {
  const Object &object = file.get();
  Experts &experts = config.experts;
  if (config.architecture == "mixtral") {
    experts.feedForward = config.feedForward;
    return file.readIntegers({{"num_local_experts", &experts.count},
                              {"num_experts_per_tok", &experts.top}});
  }
  if (config.architecture != "qwen3moe") {
    for (StringRef key :
         {"num_local_experts", "num_experts", "n_routed_experts"})
      if (object.getInteger(key).value_or(0) > 0)
        return fileError(file.path, "a mixture of experts is not supported in "
                                    "this architecture; in 'mixtral' and "
                                    "'qwen3_moe' it is");
    return Error::success();
  }
  if (Error error =
          file.readIntegers({{"num_experts", &experts.count},
                             {"num_experts_per_tok", &experts.top},
                             {"moe_intermediate_size", &experts.feedForward}}))
    return error;
  experts.normalize = object.getBoolean("norm_topk_prob").value_or(false);
  // Each `step`-th layer has them, but for those that are listed.
  int64_t step = object.getInteger("decoder_sparse_step").value_or(1);
  experts.dense.assign(std::max<int64_t>(config.layers, 0), false);
  for (int64_t layer = 0; step > 1 && layer < config.layers; ++layer)
    experts.dense[layer] = (layer + 1) % step != 0;
  if (const json::Array *listed = object.getArray("mlp_only_layers"))
    for (const json::Value &value : *listed) {
      int64_t layer = value.getAsInteger().value_or(-1);
      if (layer < 0 || layer >= config.layers)
        return fileError(file.path, "mlp_only_layers names no layer");
      experts.dense[layer] = true;
    }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// The configuration
//===----------------------------------------------------------------------===//

static Error readGPT2(const HFConfig &file, DecoderConfig &config) {
  if (Error error = file.readIntegers({{"n_layer", &config.layers},
                                       {"n_embd", &config.hidden},
                                       {"n_head", &config.heads},
                                       {"n_positions", &config.context},
                                       {"vocab_size", &config.vocabulary}}))
    return error;
  const Object &object = file.get();
  config.kvHeads = config.heads;
  config.headSize = config.heads > 0 ? config.hidden / config.heads : 0;
  config.feedForward = object.getInteger("n_inner").value_or(4 * config.hidden);
  config.eps = file.numberOr("layer_norm_epsilon", 1e-5);
  config.matrixForm = WeightForm::Transposed;
  if (object.getBoolean("scale_attn_by_inverse_layer_idx").value_or(false))
    return fileError(file.path,
                     "scale_attn_by_inverse_layer_idx is not supported");
  if (!object.getBoolean("scale_attn_weights").value_or(true))
    config.attentionScale = 1;
  return checkDecoderSizes(file.path, config);
}

static Error readGemma(const HFConfig &file, DecoderConfig &config) {
  bool hasCaps = config.architecture == "gemma2";
  config.gainForm = WeightForm::LessOne;
  config.attentionCap =
      file.numberOr("attn_logit_softcapping", hasCaps ? 50 : 0);
  config.logitCap = file.numberOr("final_logit_softcapping", hasCaps ? 30 : 0);
  config.attentionScale =
      1 / std::sqrt(file.numberOr("query_pre_attn_scalar", 256));
  if (file.get().getBoolean("use_bidirectional_attention").value_or(false))
    return fileError(file.path, "use_bidirectional_attention is not supported");
  return Error::success();
}

static Error readLlama(const HFConfig &file, DecoderConfig &config) {
  if (Error error =
          file.readIntegers({{"num_hidden_layers", &config.layers},
                             {"hidden_size", &config.hidden},
                             {"num_attention_heads", &config.heads},
                             {"intermediate_size", &config.feedForward},
                             {"max_position_embeddings", &config.context},
                             {"vocab_size", &config.vocabulary}}))
    return error;
  if (Error error = file.readNumber("rms_norm_eps", config.eps))
    return error;
  const Object &object = file.get();
  config.kvHeads =
      object.getInteger("num_key_value_heads").value_or(config.heads);
  config.headSize =
      object.getInteger("head_dim")
          .value_or(config.heads > 0 ? config.hidden / config.heads : 0);
  config.rotary = readRotary(file, config.headSize);
  if (Error error = readExperts(file, config))
    return error;
  if (Error error = checkDecoderSizes(file.path, config))
    return error;
  if (Error error = readWindow(file, config))
    return error;
  return readRope(file, config);
}

Expected<std::optional<HFDecoder>>
quantmlir::readHFDecoder(const HFConfig &file, StringRef type,
                         const GraphBuilder &graph) {
  const Object &object = file.get();
  // A model of type gemma3 has an eye, too.
  bool isText = type != "gemma3";
  std::optional<DecoderConfig> known =
      describeDecoder(type == "gemma3_text" ? "gemma3"
                      : type == "qwen3_moe" ? "qwen3moe"
                                            : type);
  if (!known || !isText)
    return std::nullopt;
  HFDecoder decoder = {std::move(*known), llamaNames};
  DecoderConfig &config = decoder.config;
  bool isGPT2 = type == "gpt2", isGemma = type.starts_with("gemma");
  if (Error error = isGPT2 ? readGPT2(file, config) : readLlama(file, config))
    return std::move(error);
  if (isGemma) {
    decoder.names = gemmaNames;
    if (Error error = readGemma(file, config))
      return std::move(error);
  }
  if (type == "mixtral")
    decoder.names = mixtralNames;
  if (isGPT2) {
    decoder.names = gpt2Names;
    // The first models were published without a head and its prefix.
    if (graph.has(gpt2Names.embedding))
      decoder.names.prefix = "";
  }
  Expected<lm::ActivationKind> activation =
      file.readActivation(isGPT2    ? "activation_function"
                          : isGemma ? "hidden_activation"
                                    : "hidden_act",
                          config.activation);
  if (!activation)
    return activation.takeError();
  config.activation = *activation;
  config.tied =
      object.getBoolean("tie_word_embeddings").value_or(isGPT2 || isGemma) ||
      !graph.hasMatrix(decoder.names.output);
  if (Error error = checkDecoderNumbers(file.path, config))
    return std::move(error);
  return std::optional(std::move(decoder));
}

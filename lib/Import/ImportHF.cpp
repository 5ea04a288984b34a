// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "HFConfig.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;

static llvm::Expected<BertConfig> readBert(const HFConfig &file) {
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
  StringRef positions =
      file.get().getString("position_embedding_type").value_or("absolute");
  if (positions != "absolute")
    return fileError(file.path, "position embeddings " + quoteName(positions) +
                                    " are not supported; 'absolute' are");
  llvm::Expected<lm::ActivationKind> activation =
      file.readActivation("hidden_act", lm::ActivationKind::Gelu);
  if (!activation)
    return activation.takeError();
  config.activation = *activation;
  if (llvm::Error error = checkBertConfig(file.path, config))
    return std::move(error);
  return config;
}

/// True for what can be computed (angles, GPT-2's causal masks), and for scales
/// of an 8-bit cache: ours has its own (--cache).
static bool isDispensable(StringRef name) {
  return name.ends_with(".rotary_emb.inv_freq") ||
         name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") ||
         name.ends_with(".self_attn.k_scale") ||
         name.ends_with(".self_attn.v_scale");
}

llvm::Expected<OwningOpRef<ModuleOp>>
quantmlir::importHF(StringRef folder, MLIRContext *context) {
  llvm::Expected<HFConfig> config = HFConfig::open(folder);
  if (!config)
    return config.takeError();
  std::optional<StringRef> type = config->get().getString("model_type");
  if (!type)
    return fileError(config->path, "has no string 'model_type'");
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
  llvm::Expected<std::optional<HFDecoder>> decoder =
      readHFDecoder(*config, *type, graph);
  if (!decoder)
    return decoder.takeError();
  if (!*decoder)
    return fileError(config->path, "model type " + quoteName(*type) +
                                       " is not supported; 'bert', " +
                                       listDecoders() +
                                       " are, of gemma3 'gemma3_text', of "
                                       "qwen3moe 'qwen3_moe'");
  const auto &[settings, names] = **decoder;
  buildDecoder(graph, settings, names);
  if (settings.tied)
    graph.ignore(names.output);
  return graph.finish();
}

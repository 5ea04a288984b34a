// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_DECODERNAMES_H
#define QUANT_MLIR_LIB_IMPORT_DECODERNAMES_H

#include "llvm/ADT/StringRef.h"

namespace quantmlir {

/// The names of a decoder's tensors; {0} stands for the layer. A bias is called
/// as the weight or gain that it goes with, but for the last word. A name is
/// empty where no architecture of the file format has the part.
struct DecoderNames {
  llvm::StringRef prefix; ///< of all but `output`
  llvm::StringRef embedding, positions, outputNorm, output;
  llvm::StringRef attentionNorm, query, key, value, queryKeyValue;
  llvm::StringRef queryNorm, keyNorm, attentionOutput, attentionPostNorm;
  llvm::StringRef feedForwardNorm, gate, up, gateUp, down, feedForwardPostNorm;
  /// Of layers with experts. A tensor each has {} for the expert's number.
  llvm::StringRef router, expertGate, expertUp, expertDown;
};

inline constexpr DecoderNames ggufNames = {/*prefix=*/"",
                                           "token_embd.weight",
                                           "position_embd.weight",
                                           "output_norm.weight",
                                           "output.weight",
                                           "blk.{0}.attn_norm.weight",
                                           "blk.{0}.attn_q.weight",
                                           "blk.{0}.attn_k.weight",
                                           "blk.{0}.attn_v.weight",
                                           "blk.{0}.attn_qkv.weight",
                                           "blk.{0}.attn_q_norm.weight",
                                           "blk.{0}.attn_k_norm.weight",
                                           "blk.{0}.attn_output.weight",
                                           "blk.{0}.post_attention_norm.weight",
                                           "blk.{0}.ffn_norm.weight",
                                           "blk.{0}.ffn_gate.weight",
                                           "blk.{0}.ffn_up.weight",
                                           /*gateUp=*/"blk.{0}.ffn_up.weight",
                                           "blk.{0}.ffn_down.weight",
                                           "blk.{0}.post_ffw_norm.weight",
                                           "blk.{0}.ffn_gate_inp.weight",
                                           "blk.{0}.ffn_gate_exps.weight",
                                           "blk.{0}.ffn_up_exps.weight",
                                           "blk.{0}.ffn_down_exps.weight"};

/// Older files have a tensor for each expert.
inline constexpr DecoderNames oldGGUFNames = [] {
  DecoderNames names = ggufNames;
  names.expertGate = "blk.{0}.ffn_gate.{}.weight";
  names.expertUp = "blk.{0}.ffn_up.{}.weight";
  names.expertDown = "blk.{0}.ffn_down.{}.weight";
  return names;
}();

inline constexpr DecoderNames llamaNames = {
    "model.",
    "embed_tokens.weight",
    /*positions=*/"",
    "norm.weight",
    "lm_head.weight",
    "layers.{0}.input_layernorm.weight",
    "layers.{0}.self_attn.q_proj.weight",
    "layers.{0}.self_attn.k_proj.weight",
    "layers.{0}.self_attn.v_proj.weight",
    "layers.{0}.self_attn.qkv_proj.weight",
    "layers.{0}.self_attn.q_norm.weight",
    "layers.{0}.self_attn.k_norm.weight",
    "layers.{0}.self_attn.o_proj.weight",
    /*attentionPostNorm=*/"",
    "layers.{0}.post_attention_layernorm.weight",
    "layers.{0}.mlp.gate_proj.weight",
    "layers.{0}.mlp.up_proj.weight",
    "layers.{0}.mlp.gate_up_proj.weight",
    "layers.{0}.mlp.down_proj.weight",
    /*feedForwardPostNorm=*/"",
    "layers.{0}.mlp.gate.weight",
    "layers.{0}.mlp.experts.{}.gate_proj.weight",
    "layers.{0}.mlp.experts.{}.up_proj.weight",
    "layers.{0}.mlp.experts.{}.down_proj.weight"};

inline constexpr DecoderNames mixtralNames = [] {
  DecoderNames names = llamaNames;
  names.router = "layers.{0}.block_sparse_moe.gate.weight";
  names.expertGate = "layers.{0}.block_sparse_moe.experts.{}.w1.weight";
  names.expertUp = "layers.{0}.block_sparse_moe.experts.{}.w3.weight";
  names.expertDown = "layers.{0}.block_sparse_moe.experts.{}.w2.weight";
  return names;
}();

/// A norm that is in front of the feed-forward in a llama is behind attention.
inline constexpr DecoderNames gemmaNames = [] {
  DecoderNames names = llamaNames;
  names.attentionPostNorm = "layers.{0}.post_attention_layernorm.weight";
  names.feedForwardNorm = "layers.{0}.pre_feedforward_layernorm.weight";
  names.feedForwardPostNorm = "layers.{0}.post_feedforward_layernorm.weight";
  return names;
}();

inline constexpr DecoderNames gpt2Names = {"transformer.",
                                           "wte.weight",
                                           "wpe.weight",
                                           "ln_f.weight",
                                           "lm_head.weight",
                                           "h.{0}.ln_1.weight",
                                           /*query=*/"",
                                           /*key=*/"",
                                           /*value=*/"",
                                           "h.{0}.attn.c_attn.weight",
                                           /*queryNorm=*/"",
                                           /*keyNorm=*/"",
                                           "h.{0}.attn.c_proj.weight",
                                           /*attentionPostNorm=*/"",
                                           "h.{0}.ln_2.weight",
                                           /*gate=*/"",
                                           "h.{0}.mlp.c_fc.weight",
                                           /*gateUp=*/"",
                                           "h.{0}.mlp.c_proj.weight",
                                           /*feedForwardPostNorm=*/"",
                                           /*router=*/"",
                                           /*expertGate=*/"",
                                           /*expertUp=*/"",
                                           /*expertDown=*/""};

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_DECODERNAMES_H

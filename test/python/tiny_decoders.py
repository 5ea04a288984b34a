# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A decoder of each architecture, a few kilobytes each, as Hugging Face folder and as GGUF file.

Weights are random, but for a seed: transformers' logits for them are in
test/e2e/references/architectures.npz. Numbers are such that all parts matter: windows and original
contexts are shorter than the text, soft caps are within reach.
"""

import json
import re

import numpy as np
import tiny_models
from tiny_models import ARRAY, F32, STRING, U32

HIDDEN, FEED_FORWARD, VOCABULARY, CONTEXT = 64, 96, 96, 64
EXPERTS = 6
TOKENS = np.random.default_rng(5).integers(0, VOCABULARY, 32, np.int32)

_SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": HIDDEN,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": FEED_FORWARD,
    "max_position_embeddings": CONTEXT,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
_LLAMA = {"model_type": "llama", **_SIZES, "rope_theta": 1000.0}
_QWEN2 = {"model_type": "qwen2", **_SIZES, "rope_theta": 5000.0}
_GEMMA = {
    **_SIZES,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "hidden_activation": "gelu_pytorch_tanh",
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "sliding_window": 8,
}
_GEMMA3 = {"model_type": "gemma3_text", **_GEMMA}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}

# config.json, in old and new ways to say things.
CONFIGS = {
    "qwen2": _QWEN2,
    "qwen2-window": {
        **_QWEN2,
        "tie_word_embeddings": True,
        "use_sliding_window": True,
        "sliding_window": 8,
        "max_window_layers": 1,
    },
    "qwen3": {
        **_SIZES,
        "model_type": "qwen3",
        "head_dim": 32,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
    },
    "mistral": {**_SIZES, "model_type": "mistral", "sliding_window": 8},
    "llama-linear": {**_LLAMA, "rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama-llama3": {**_LLAMA, "rope_scaling": _LLAMA3},
    "llama-yarn": {**_LLAMA, "rope_scaling": _YARN},
    "gemma3": {
        **_GEMMA3,
        "rope_theta": 100000.0,
        "rope_local_base_freq": 100.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        "sliding_window_pattern": 2,
    },
    "gemma3-new": {
        **_GEMMA3,
        "layer_types": ["full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 100000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    },
    "gemma2": {
        **_GEMMA,
        "model_type": "gemma2",
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0,
    },
    "phi3": {
        **_SIZES,
        "model_type": "phi3",
        "sliding_window": 8,
        "partial_rotary_factor": 0.5,
        "pad_token_id": 0,
    },
    "mixtral": {
        **_SIZES,
        "model_type": "mixtral",
        "rope_theta": 1000.0,
        "num_local_experts": EXPERTS,
        "num_experts_per_tok": 2,
    },
    "qwen3moe": {
        **_SIZES,
        "model_type": "qwen3_moe",
        "head_dim": 32,
        "rope_theta": 5000.0,
        "num_experts": EXPERTS,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 48,
        "norm_topk_prob": True,
    },
    "qwen3moe-dense": {
        **_SIZES,
        "model_type": "qwen3_moe",
        "head_dim": 32,
        "rope_theta": 5000.0,
        "num_experts": EXPERTS,
        "num_experts_per_tok": 1,
        "moe_intermediate_size": 48,
        "norm_topk_prob": False,
        "mlp_only_layers": [1],
    },
    "gpt2": {
        "model_type": "gpt2",
        "n_layer": 2,
        "n_embd": HIDDEN,
        "n_head": 4,
        "n_positions": CONTEXT,
        "vocab_size": VOCABULARY,
        "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new",
    },
}
# What no GGUF file says: that only some layers have a window, or experts, and which.
HF_ONLY = ("qwen2-window", "gemma3-new", "qwen3moe-dense")


def _has_experts(config, layer) -> bool:
    return "num_experts_per_tok" in config and layer not in config.get("mlp_only_layers", [])


def _shapes(config) -> dict:
    """The names in transformers, and the shapes."""
    kind = config["model_type"]
    shapes = {}

    def part(name, *shape, bias=False):
        shapes[name + ".weight"] = shape
        if bias:
            shapes[name + ".bias"] = shape[-1:] if kind == "gpt2" else shape[:1]

    if kind == "gpt2":  # matrices are [in, out]
        part("transformer.wte", VOCABULARY, HIDDEN)
        part("transformer.wpe", CONTEXT, HIDDEN)
        for layer in range(2):
            at = f"transformer.h.{layer}."
            part(at + "ln_1", HIDDEN, bias=True)
            part(at + "attn.c_attn", HIDDEN, 3 * HIDDEN, bias=True)
            part(at + "attn.c_proj", HIDDEN, HIDDEN, bias=True)
            part(at + "ln_2", HIDDEN, bias=True)
            part(at + "mlp.c_fc", HIDDEN, 4 * HIDDEN, bias=True)
            part(at + "mlp.c_proj", 4 * HIDDEN, HIDDEN, bias=True)
        part("transformer.ln_f", HIDDEN, bias=True)
        return shapes
    size = config.get("head_dim", HIDDEN // 4)
    part("model.embed_tokens", VOCABULARY, HIDDEN)
    for layer in range(2):
        at = f"model.layers.{layer}."
        has_experts = _has_experts(config, layer)
        part(at + "input_layernorm", HIDDEN)
        if kind == "phi3":
            part(at + "self_attn.qkv_proj", 8 * size, HIDDEN)
            part(at + "mlp.gate_up_proj", 2 * FEED_FORWARD, HIDDEN)
        else:
            for name, heads in {"q": 4, "k": 2, "v": 2}.items():
                part(f"{at}self_attn.{name}_proj", heads * size, HIDDEN, bias=kind == "qwen2")
        if has_experts:
            experts = {"mixtral": ("block_sparse_moe", "w1", "w3", "w2")}.get(
                kind, ("mlp", "gate_proj", "up_proj", "down_proj")
            )
            size_of_one = config.get("moe_intermediate_size", FEED_FORWARD)
            part(f"{at}{experts[0]}.gate", EXPERTS, HIDDEN)
            for expert in range(EXPERTS):
                one = f"{at}{experts[0]}.experts.{expert}."
                part(one + experts[1], size_of_one, HIDDEN)
                part(one + experts[2], size_of_one, HIDDEN)
                part(one + experts[3], HIDDEN, size_of_one)
        elif kind != "phi3":
            part(at + "mlp.gate_proj", FEED_FORWARD, HIDDEN)
            part(at + "mlp.up_proj", FEED_FORWARD, HIDDEN)
        if kind in ("qwen3", "qwen3_moe", "gemma3_text"):
            part(at + "self_attn.q_norm", size)
            part(at + "self_attn.k_norm", size)
        part(at + "self_attn.o_proj", HIDDEN, 4 * size)
        part(at + "post_attention_layernorm", HIDDEN)
        if kind.startswith("gemma"):
            part(at + "pre_feedforward_layernorm", HIDDEN)
            part(at + "post_feedforward_layernorm", HIDDEN)
        if not has_experts:
            part(at + "mlp.down_proj", HIDDEN, FEED_FORWARD)
    part("model.norm", HIDDEN)
    if not config["tie_word_embeddings"]:
        part("lm_head", VOCABULARY, HIDDEN)
    return shapes


def _is_gain(name) -> bool:
    return re.search(r"(norm|ln_\w)\.weight$", name) is not None


def weights(name) -> dict:
    """The tensors of a case by their names in transformers."""
    config = CONFIGS[name]
    result = {}
    for tensor, shape in _shapes(config).items():
        random = np.random.default_rng([9, *name.encode(), *tensor.encode()])
        values = random.standard_normal(shape) / 4
        if _is_gain(tensor) and not config["model_type"].startswith("gemma"):
            values += 1
        result[tensor] = values.astype(np.float32)
    return result


def tensors(arrays, type="F32") -> list:
    kind = np.float16 if type == "F16" else np.float32
    return [
        tiny_models.Tensor(name, list(w.shape), type, np.ascontiguousarray(w, kind).tobytes())
        for name, w in arrays.items()
    ]


def folder(path, name, arrays=None, type="F32", **changes):
    """A Hugging Face folder; `changes` of its config.json."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({**CONFIGS[name], **changes}))
    data = tiny_models.safetensors(tensors(weights(name) if arrays is None else arrays, type))
    (path / "model.safetensors").write_bytes(data)
    return path


_GGUF_NAMES = {
    r"(model|transformer)\.": "",
    r"(layers|h)\.": "blk.",
    "embed_tokens|wte": "token_embd",
    "wpe": "position_embd",
    "lm_head": "output",
    r"^norm|ln_f": "output_norm",
    "input_layernorm|ln_1": "attn_norm",
    r"self_attn\.qkv_proj|attn\.c_attn": "attn_qkv",
    r"self_attn\.([qk])_norm": r"attn_\1_norm",
    r"self_attn\.([qkv])_proj": r"attn_\1",
    r"self_attn\.o_proj|attn\.c_proj": "attn_output",
    r"(mlp|block_sparse_moe)\.gate\.": "ffn_gate_inp.",
    r"mlp\.gate_proj": "ffn_gate",
    r"mlp\.(gate_)?up_proj|mlp\.c_fc": "ffn_up",
    r"mlp\.(down|c)_proj": "ffn_down",
    "pre_feedforward_layernorm|ln_2": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def _gguf_name(name, kind) -> str:
    for theirs, ours in _GGUF_NAMES.items():
        name = re.sub(theirs, ours, name)
    after = "post_attention_norm" if kind.startswith("gemma") else "ffn_norm"
    return name.replace("post_attention_layernorm", after)


def _gguf_values(name, values, kind):
    """As llama.cpp's conversion changes them."""
    if kind in ("llama", "mistral", "mixtral") and (found := re.search(r"\.attn_([qk])\.", name)):
        heads = {"q": 4, "k": 2}[found[1]]
        halves = values.reshape(heads, 2, -1, HIDDEN)
        return halves.swapaxes(1, 2).reshape(values.shape)
    if kind.startswith("gemma") and name.endswith("norm.weight"):
        return values + 1
    if kind == "gpt2" and values.ndim == 2 and name.startswith("blk."):
        return values.T
    return values


_EXPERTS = {"gate_proj": "gate", "w1": "gate", "up_proj": "up", "w3": "up"}


def _stacked(arrays) -> dict:
    """One tensor for all experts of a layer."""
    result, experts = {}, {}
    for name, values in arrays.items():
        if found := re.fullmatch(r"(.*)\.\w+\.experts\.\d+\.(\w+)\.weight", name):
            part = _EXPERTS.get(found[2], "down")
            experts.setdefault(f"{found[1]}.ffn_{part}_exps.weight", []).append(values)
        else:
            result[name] = values
    return {**result, **{name: np.stack(values) for name, values in experts.items()}}


def llama3_divisors(rope, base, size):
    """By wavelength: short ones stay, long ones are divided, and in between is in between."""
    waves = 2 * np.pi * base ** (np.arange(0, size, 2) / size)
    context, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = np.clip((context / waves - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def gguf(name) -> tiny_models.GGUF:
    config = CONFIGS[name]
    kind = config["model_type"]
    arch = {
        "mistral": "llama",
        "mixtral": "llama",
        "gemma3_text": "gemma3",
        "qwen3_moe": "qwen3moe",
    }.get(kind, kind)
    keys = {
        "general.architecture": (STRING, arch),
        "general.name": (STRING, "Tiny"),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, [f"t{i}" for i in range(VOCABULARY)])),
    }

    def put(key, kind, value):
        keys[f"{arch}.{key}"] = (kind, value)

    put("block_count", U32, 2)
    put("context_length", U32, CONTEXT)
    put("embedding_length", U32, HIDDEN)
    put("feed_forward_length", U32, 4 * HIDDEN if kind == "gpt2" else FEED_FORWARD)
    put("attention.head_count", U32, 4)
    if kind == "gpt2":
        put("attention.layer_norm_epsilon", F32, config["layer_norm_epsilon"])
    else:
        put("attention.head_count_kv", U32, 2)
        put("attention.layer_norm_rms_epsilon", F32, config["rms_norm_eps"])
    extra = {}
    base = config.get("rope_theta", config.get("rope_parameters", {}).get("rope_theta"))
    if base:
        put("rope.freq_base", F32, base)
    if "rope_local_base_freq" in config:
        put("rope.freq_base_swa", F32, config["rope_local_base_freq"])
    if "head_dim" in config:
        put("attention.key_length", U32, config["head_dim"])
        put("attention.value_length", U32, config["head_dim"])
    if "sliding_window" in config:
        put("attention.sliding_window", U32, config["sliding_window"])
    if "sliding_window_pattern" in config:
        put("attention.sliding_window_pattern", U32, config["sliding_window_pattern"])
    if "num_experts_per_tok" in config:
        put("expert_count", U32, EXPERTS)
        put("expert_used_count", U32, config["num_experts_per_tok"])
    if "moe_intermediate_size" in config:
        put("expert_feed_forward_length", U32, config["moe_intermediate_size"])
    if "partial_rotary_factor" in config:
        put("rope.dimension_count", U32, int(16 * config["partial_rotary_factor"]))
    for cap in ("attn", "final"):
        if f"{cap}_logit_softcapping" in config:
            put(f"{cap}_logit_softcapping", F32, config[f"{cap}_logit_softcapping"])
    if rope := config.get("rope_scaling"):
        how = rope.get("rope_type", rope.get("type"))
        if how == "llama3":
            extra["rope_freqs.weight"] = llama3_divisors(rope, base, 16)
        else:
            put("rope.scaling.type", STRING, how)
            put("rope.scaling.factor", F32, rope["factor"])
        if how == "yarn":
            original = rope["original_max_position_embeddings"]
            put("rope.scaling.original_context_length", U32, original)
    for tensor, values in _stacked(weights(name)).items():
        name = _gguf_name(tensor, kind)
        extra[name] = _gguf_values(name, values, kind)
    return tiny_models.GGUF(keys, tensors(extra))

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A llama and a BERT in numpy, straight from their papers: what calibration is compared with.

Both return the inputs of all linears by the name of the weight, and the result.
"""

import math

import numpy as np


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Recorder:
    """y = x·Wᵀ (+ b), and x remembered under W's name."""

    def __init__(self, weights):
        self.weights, self.inputs = weights, {}

    def __call__(self, x, name, bias=None):
        self.inputs[name] = x
        y = x @ self.weights[name].astype(np.float64).T
        return y + self.weights[bias] if bias else y


def attention(q, k, v, heads, kv_heads, causal):
    tokens = len(q)
    size = q.shape[1] // heads
    q = q.reshape(tokens, heads, size)
    k = k.reshape(tokens, kv_heads, size).repeat(heads // kv_heads, 1)
    v = v.reshape(tokens, kv_heads, size).repeat(heads // kv_heads, 1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
    if causal:
        scores = np.where(np.tril(np.ones((tokens, tokens), bool)), scores, -np.inf)
    return np.einsum("hqk,khd->qhd", softmax(scores), v).reshape(tokens, -1)


def llama(weights, tokens, config, names, interleaved) -> tuple:
    """config: layers, heads, kv_heads, eps, base. names: a role to a pattern with {0}."""
    linear = Recorder(weights)
    x = weights[names["embedding"]][tokens].astype(np.float64)
    size = x.shape[1] // config["heads"]

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + config["eps"]) * weights[name]

    def rope(x, heads):
        x = x.reshape(len(x), heads, size)
        angles = np.arange(len(x))[:, None] * config["base"] ** (-np.arange(0, size, 2) / size)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        if interleaved:
            a, b = x[..., ::2], x[..., 1::2]
            turned = np.stack([a * cos - b * sin, a * sin + b * cos], -1)
        else:
            a, b = x[..., : size // 2], x[..., size // 2 :]
            turned = np.concatenate([a * cos - b * sin, a * sin + b * cos], -1)
        return turned.reshape(len(x), -1)

    for layer in range(config["layers"]):
        name = {role: pattern.format(layer) for role, pattern in names.items()}
        h = norm(x, name["attention_norm"])
        q = rope(linear(h, name["query"]), config["heads"])
        k = rope(linear(h, name["key"]), config["kv_heads"])
        v = linear(h, name["value"])
        y = attention(q, k, v, config["heads"], config["kv_heads"], causal=True)
        x = x + linear(y, name["attention_output"])
        h = norm(x, name["ffn_norm"])
        gate = linear(h, name["gate"])
        gated = gate / (1 + np.exp(-gate)) * linear(h, name["up"])
        x = x + linear(gated, name["down"])
    logits = linear(norm(x, names["output_norm"]), names["embedding"])
    return linear.inputs, logits


def gelu(x):
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def bert(weights, tokens, config) -> tuple:
    """config: as in config.json. The result: the last hidden states."""
    linear = Recorder(weights)
    heads = config["num_attention_heads"]

    def norm(x, at):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return x * weights[at + ".weight"] + weights[at + ".bias"]

    def dense(x, at):
        return linear(x, at + ".weight", at + ".bias")

    x = weights["embeddings.word_embeddings.weight"][tokens].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        q, k, v = (dense(x, f"{at}attention.self.{name}") for name in ("query", "key", "value"))
        y = dense(attention(q, k, v, heads, heads, causal=False), at + "attention.output.dense")
        x = norm(x + y, at + "attention.output.LayerNorm")
        h = gelu(dense(x, at + "intermediate.dense"))
        x = norm(x + dense(h, at + "output.dense"), at + "output.LayerNorm")
    return linear.inputs, x


GGUF_NAMES = {
    "embedding": "token_embd.weight",
    "output_norm": "output_norm.weight",
    "attention_norm": "blk.{0}.attn_norm.weight",
    "query": "blk.{0}.attn_q.weight",
    "key": "blk.{0}.attn_k.weight",
    "value": "blk.{0}.attn_v.weight",
    "attention_output": "blk.{0}.attn_output.weight",
    "ffn_norm": "blk.{0}.ffn_norm.weight",
    "gate": "blk.{0}.ffn_gate.weight",
    "up": "blk.{0}.ffn_up.weight",
    "down": "blk.{0}.ffn_down.weight",
}
HF_NAMES = {
    "embedding": "model.embed_tokens.weight",
    "output_norm": "model.norm.weight",
    "attention_norm": "model.layers.{0}.input_layernorm.weight",
    "query": "model.layers.{0}.self_attn.q_proj.weight",
    "key": "model.layers.{0}.self_attn.k_proj.weight",
    "value": "model.layers.{0}.self_attn.v_proj.weight",
    "attention_output": "model.layers.{0}.self_attn.o_proj.weight",
    "ffn_norm": "model.layers.{0}.post_attention_layernorm.weight",
    "gate": "model.layers.{0}.mlp.gate_proj.weight",
    "up": "model.layers.{0}.mlp.up_proj.weight",
    "down": "model.layers.{0}.mlp.down_proj.weight",
}

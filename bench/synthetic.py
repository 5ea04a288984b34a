# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models with random weights, in the shapes of real ones: for speed, they say nothing."""

import pathlib

from tiny_models import ARRAY, F32, GGUF, STRING, U32, random_tensor

LAYERS, HIDDEN, FEED_FORWARD, KEYS = 2, 4096, 14336, 1024
VOCABULARY = 32000  # Llama 3 has 128256, which would hide two layers


def write_llama_8b(path: pathlib.Path, type: str) -> None:
    """Two layers of Llama 3 8B as a GGUF file, all matrices of that type (Q4_0, Q4_K, ...)."""
    keys = {
        "general.architecture": (STRING, "llama"),
        "general.name": (STRING, f"two layers of 8B, random, {type}"),
        "llama.block_count": (U32, LAYERS),
        "llama.context_length": (U32, 4096),
        "llama.embedding_length": (U32, HIDDEN),
        "llama.feed_forward_length": (U32, FEED_FORWARD),
        "llama.attention.head_count": (U32, 32),
        "llama.attention.head_count_kv": (U32, 8),
        "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
        "llama.rope.freq_base": (F32, 500000.0),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, [f"t{i}" for i in range(VOCABULARY)])),
        "tokenizer.ggml.scores": (ARRAY, (F32, [0.0] * VOCABULARY)),
    }
    shapes = {"token_embd": [VOCABULARY, HIDDEN], "output": [VOCABULARY, HIDDEN]}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_q": [HIDDEN, HIDDEN],
            f"blk.{layer}.attn_k": [KEYS, HIDDEN],
            f"blk.{layer}.attn_v": [KEYS, HIDDEN],
            f"blk.{layer}.attn_output": [HIDDEN, HIDDEN],
            f"blk.{layer}.ffn_gate": [FEED_FORWARD, HIDDEN],
            f"blk.{layer}.ffn_up": [FEED_FORWARD, HIDDEN],
            f"blk.{layer}.ffn_down": [HIDDEN, FEED_FORWARD],
        }
    norms = ["output_norm"]
    norms += [f"blk.{i}.{kind}_norm" for i in range(LAYERS) for kind in ("attn", "ffn")]
    tensors = [random_tensor(f"{n}.weight", shape, type) for n, shape in shapes.items()]
    tensors += [random_tensor(f"{name}.weight", [HIDDEN], "F32") for name in norms]
    path.write_bytes(GGUF(keys, tensors).bytes())

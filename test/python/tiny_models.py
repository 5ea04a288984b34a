# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Model files of a few kilobytes, written byte by byte, so that a test can damage any of it.

A llama of two layers with random weights: what it says means nothing, but it takes every path
that a large one takes.
"""

import dataclasses
import json
import pathlib
import struct

import numpy as np
from block_formats import BLOCK_FORMATS, put_factors

# Numbers of the formats.
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
GGML = {"F32": 0, "F16": 1, "BF16": 30, "F64": 28, "I8": 24, "I16": 25, "I32": 26, "I64": 27}
GGML.update({name: block.id for name, block in BLOCK_FORMATS.items()})
# Factors that make values of about 1/8, and where there are minimums, as f16.
FACTORS = {
    **{"Q4_0": 0.02, "Q4_1": 0.02, "Q5_0": 0.01, "Q5_1": 0.01, "Q8_0": 0.001},
    **{"Q2_K": 0.01, "Q3_K": 0.003, "Q4_K": 0.0006, "Q5_K": 0.0003, "Q6_K": 0.0001},
    **{"IQ2_XXS": 0.0015, "IQ2_XS": 0.0015, "IQ2_S": 0.0015, "IQ3_XXS": 0.0007, "IQ3_S": 0.0007},
    **{"IQ1_S": 0.015, "IQ1_M": 0.015, "IQ4_NL": 0.002, "IQ4_XS": 0.0001},
    **{"TQ1_0": 0.15, "TQ2_0": 0.15, "MXFP4": 0.0625, "NVFP4": 0.0625, "Q1_0": 0.1, "Q2_0": 0.1},
}
MINIMUMS = {
    "Q4_1": (2, -0.15),
    "Q5_1": (2, -0.15),
    "Q2_K": (82, 0.015),
    "Q4_K": (2, 0.0045),
    "Q5_K": (2, 0.0045),
}

LAYERS, HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 2, 64, 4, 2, 96, 128
HEAD_SIZE = HIDDEN // HEADS


@dataclasses.dataclass
class Tensor:
    name: str
    shape: list  # outermost first
    type: str
    data: bytes
    offset: int = None  # from the start of the data; None: behind the tensor before it


class GGUF:
    """The keys and tensors of a file, to be changed before `bytes` is called.

    keys: {name: (type, value)}; the value of an ARRAY is (item type, items). Names are str or
    bytes. `fields`, after `bytes`, are the offsets at which a field of the header begins.
    """

    def __init__(self, keys, tensors):
        self.keys, self.tensors = dict(keys), list(tensors)
        self.magic, self.version, self.counts = b"GGUF", 3, None
        self.alignment = 32  # whatever the key says

    def __getitem__(self, name) -> Tensor:
        return next(tensor for tensor in self.tensors if tensor.name == name)

    def bytes(self, data=True) -> bytes:
        self.fields, self.header = [], b""
        self._put(self.magic)
        self._put(struct.pack("<I", self.version))
        for count in self.counts or (len(self.tensors), len(self.keys)):
            self._put(struct.pack("<Q", count))
        for name, (kind, value) in self.keys.items():
            self._string(name)
            self._put(struct.pack("<I", kind))
            self._value(kind, value)
        offset, blobs = 0, b""
        for tensor in self.tensors:
            self._string(tensor.name)
            self._put(struct.pack("<I", len(tensor.shape)))
            for size in reversed(tensor.shape):
                self._put(struct.pack("<Q", size))
            self._put(struct.pack("<I", GGML.get(tensor.type, tensor.type)))
            self._put(struct.pack("<Q", offset if tensor.offset is None else tensor.offset))
            blobs += tensor.data + bytes(-len(tensor.data) % self.alignment)
            offset = len(blobs)
        padding = bytes(-len(self.header) % self.alignment)
        return self.header + padding + blobs if data else self.header

    def _put(self, field):
        self.fields.append(len(self.header))
        self.header += field

    def _string(self, text):
        raw = text.encode() if isinstance(text, str) else text
        self._put(struct.pack("<Q", len(raw)))
        self._put(raw)

    def _value(self, kind, value):
        if kind == STRING:
            self._string(value)
        elif kind == ARRAY:
            self._put(struct.pack("<I", value[0]))
            self._put(struct.pack("<Q", len(value[1])))
            for item in value[1]:
                self._value(value[0], item)
        else:
            self._put(
                struct.pack("<" + {U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q"}[kind], value)
            )


def random_tensor(name, shape, type, seed=0) -> Tensor:
    """Weights of about 1/8, in blocks with scales that make them so."""
    random = np.random.default_rng([seed, *name.encode()])
    if type not in BLOCK_FORMATS:
        values = (random.standard_normal(shape) / 8).astype(np.float32)
        if len(shape) == 1:
            values += 1  # gains of norms
        if type == "BF16":
            raw = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
            return Tensor(name, list(shape), type, raw)
        if type.startswith("I"):  # 0 and 1 mostly
            values = np.round(values * 8)
        kind = {"F": "float", "I": "int"}[type[0]] + type[1:]
        return Tensor(name, list(shape), type, values.astype(kind).tobytes())
    block = BLOCK_FORMATS[type]
    count = int(np.prod(shape)) // block.values
    blocks = random.integers(0, 256, (count, block.bytes), np.uint8)
    put_factors(type, blocks, np.full(count, FACTORS[type]))
    if type in MINIMUMS:
        place, number = MINIMUMS[type]
        blocks[:, place : place + 2] = np.frombuffer(np.float16(number).tobytes(), np.uint8)
    return Tensor(name, list(shape), type, blocks.tobytes())


def llama_gguf(type="Q4_1", hidden=HIDDEN, feed_forward=FEED_FORWARD) -> GGUF:
    """The llama with matrices of one type, and a vocabulary of bytes."""
    keys = {
        "general.architecture": (STRING, "llama"),
        "general.name": (STRING, "Tiny"),
        "llama.block_count": (U32, LAYERS),
        "llama.context_length": (U32, 64),
        "llama.embedding_length": (U32, hidden),
        "llama.feed_forward_length": (U32, feed_forward),
        "llama.attention.head_count": (U32, HEADS),
        "llama.attention.head_count_kv": (U32, KV_HEADS),
        "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
        "llama.rope.freq_base": (F32, 10000.0),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, [f"t{i}" for i in range(VOCABULARY)])),
    }
    key_values = KV_HEADS * (hidden // HEADS)
    tensors = [random_tensor("token_embd.weight", (VOCABULARY, hidden), type)]
    for layer in range(LAYERS):
        for name, shape in {
            "attn_norm": (hidden,),
            "attn_q": (hidden, hidden),
            "attn_k": (key_values, hidden),
            "attn_v": (key_values, hidden),
            "attn_output": (hidden, hidden),
            "ffn_norm": (hidden,),
            "ffn_gate": (feed_forward, hidden),
            "ffn_up": (feed_forward, hidden),
            "ffn_down": (hidden, feed_forward),
        }.items():
            kind = "F32" if len(shape) == 1 else type
            tensors.append(random_tensor(f"blk.{layer}.{name}.weight", shape, kind))
    tensors.append(random_tensor("output_norm.weight", (hidden,), "F32"))
    return GGUF(keys, tensors)


LLAMA_CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "intermediate_size": FEED_FORWARD,
    "max_position_embeddings": 64,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}

_HF_NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "blk.": "layers.",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def llama_tensors(type="F32") -> list:
    """The llama's tensors by the names that transformers gives them."""
    tensors = llama_gguf(type).tensors
    for tensor in tensors:
        for ours, theirs in _HF_NAMES.items():
            tensor.name = tensor.name.replace(ours, theirs)
        tensor.name = "model." + tensor.name
    return tensors


def safetensors_header(tensors) -> dict:
    header, offset = {}, 0
    for tensor in tensors:
        end = offset + len(tensor.data)
        header[tensor.name] = {
            "dtype": tensor.type,
            "shape": tensor.shape,
            "data_offsets": [offset, end],
        }
        offset = end
    return header


def safetensors(tensors, header=None) -> bytes:
    """header: a dict or bytes in place of the right one."""
    header = safetensors_header(tensors) if header is None else header
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensor.data for tensor in tensors)


def llama_folder(path: pathlib.Path, type="F32", **config) -> pathlib.Path:
    """A Hugging Face folder of the llama; a key of its config.json that is None is left out."""
    path.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in {**LLAMA_CONFIG, **config}.items() if value is not None}
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(safetensors(llama_tensors(type)))
    return path


BERT_CONFIG = {
    "model_type": "bert",
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "intermediate_size": FEED_FORWARD,
    "max_position_embeddings": 64,
    "vocab_size": VOCABULARY,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}


def bert_tensors() -> list:
    shapes = {
        "embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": (64, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }

    def norm(at):
        shapes[at + ".weight"] = shapes[at + ".bias"] = (HIDDEN,)

    def dense(at, rows, columns):
        shapes[at + ".weight"], shapes[at + ".bias"] = (rows, columns), (rows,)

    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            dense(f"{at}attention.self.{name}", HIDDEN, HIDDEN)
        dense(at + "attention.output.dense", HIDDEN, HIDDEN)
        norm(at + "attention.output.LayerNorm")
        dense(at + "intermediate.dense", FEED_FORWARD, HIDDEN)
        dense(at + "output.dense", HIDDEN, FEED_FORWARD)
        norm(at + "output.LayerNorm")
    return [random_tensor(name, shape, "F32") for name, shape in shapes.items()]


def bert_folder(path: pathlib.Path) -> pathlib.Path:
    """A Hugging Face folder of a sentence encoder."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(BERT_CONFIG))
    (path / "model.safetensors").write_bytes(safetensors(bert_tensors()))
    return path

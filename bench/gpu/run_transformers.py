# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times transformers on a model like the bundle's, in bfloat16: the peer of run_model.py.

    python run_transformers.py [--config CONFIG.json] [--out transformers.json]

Needs torch and transformers, and no file: of a model's config.json, SmolLM2-135M's if none is
given, only sizes count. Weights are random; a decoded token is a replay of a captured graph,
which is the fastest that transformers do without compiling.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
import transformers

ROUNDS = 5
SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}


def timed(call) -> float:
    """Seconds."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def capture(call):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph


@torch.inference_mode()
def measure(model, prefill, decode) -> dict:
    """Tokens per second: of a prompt, and one by one behind it. Medians."""
    # Some versions count the tokens of a captured call, too.
    room = prefill + decode + 16
    cache = transformers.StaticCache(config=model.config, max_cache_len=room)
    tokens = (torch.arange(prefill, device="cuda") % model.config.vocab_size)[None]
    everywhere = torch.arange(prefill, device="cuda")
    token, place = tokens[:, :1].clone(), torch.full((1,), prefill, device="cuda")

    def feed():
        cache.reset()
        model(tokens, past_key_values=cache, cache_position=everywhere, logits_to_keep=1)

    def one():
        model(
            token, past_key_values=cache, cache_position=place, position_ids=place[None]
        ).logits.argmax(-1)

    def decoded(step):
        feed()
        return decode / timed(lambda: [step() for _ in range(decode)])

    feed()
    rates = {"prefill_tokens_per_s": [prefill / timed(feed) for _ in range(ROUNDS)]}
    rates["decode_tokens_per_s_eager"] = [decoded(one) for _ in range(ROUNDS)]
    try:
        graph = capture(one)
        rates["decode_tokens_per_s"] = [decoded(graph.replay) for _ in range(ROUNDS)]
    except Exception as error:
        print(f"no graph: {str(error).splitlines()[0]}")
    rates = {name: statistics.median(values) for name, values in rates.items()}
    return {"prefill": prefill, "decode": decode, **rates}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("transformers.json"))
    parser.add_argument("--prefill", type=int, nargs="+", default=[512, 2000])
    parser.add_argument("--decode", type=int, default=64)
    options = parser.parse_args()
    config = json.loads(options.config.read_text()) if options.config else SMOLLM2
    config = transformers.LlamaConfig(**config)
    model = transformers.LlamaForCausalLM(config).to("cuda", torch.bfloat16).eval()
    result = {"transformers": transformers.__version__, "torch": torch.__version__, "rates": []}
    for prefill in options.prefill:
        result["rates"].append(measure(model, prefill, options.decode))
        print(json.dumps(result["rates"][-1]))
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

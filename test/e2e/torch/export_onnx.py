# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes what torch.export and PyTorch's ONNX exporter make of tiny models of transformers.

quantc has to find their attention and norms, so the files are committed in onnx/, with what torch
computes. Run by a maintainer (needs torch, transformers, onnxscript):

    PYTHONPATH=python python test/e2e/torch/export_onnx.py
"""

import pathlib

import numpy as np
import onnx
import torch
import transformers
from quant_mlir import pytorch

FOLDER = pathlib.Path(__file__).parent / "onnx"
LENGTH = 64  # the most tokens
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "vocab_size": 24,
    "max_position_embeddings": LENGTH,
}


def strip(path):
    """Without the Python stacks that each node came from: a tenth of the size."""
    model = onnx.load(path)
    for value in [*model.graph.node, *model.graph.value_info, *model.graph.initializer]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    onnx.save(model, path)


class Decoder(torch.nn.Module):
    """Token ids to logits, without a cache."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids, use_cache=False).logits


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state


def models():
    """Name -> (module, inputs)."""
    ids = torch.randint(0, SIZES["vocab_size"], (1, 9))
    mask = torch.ones_like(ids)
    mask[0, 6:] = 0
    grouped = {**SIZES, "num_key_value_heads": 2}
    made = {
        "llama": Decoder(transformers.LlamaForCausalLM(transformers.LlamaConfig(**grouped))),
        "qwen3": Decoder(
            transformers.Qwen3ForCausalLM(transformers.Qwen3Config(head_dim=8, **grouped))
        ),
        "bert": Encoder(transformers.BertModel(transformers.BertConfig(**SIZES))),
    }
    return {
        name: (module.eval(), (ids, mask) if name == "bert" else (ids,))
        for name, module in made.items()
    }


def main():
    torch.manual_seed(5)
    FOLDER.mkdir(exist_ok=True)
    length = torch.export.Dim("length", max=LENGTH)
    expected = {}
    for name, (module, inputs) in models().items():
        for parameter in module.parameters():
            parameter.data = torch.randn_like(parameter) * 0.3
        path = FOLDER / f"{name}.onnx"
        pytorch.export_onnx(module, inputs, path, dynamic_shapes=[{1: length} for _ in inputs])
        strip(path)
        for number, value in enumerate(inputs):
            expected[f"{name}.input{number}"] = value.numpy()
        with torch.no_grad():
            expected[f"{name}.result"] = module(*inputs).numpy()
        print(path, path.stat().st_size >> 10, "KiB")
    np.savez_compressed(FOLDER / "expected.npz", **expected)


if __name__ == "__main__":
    main()

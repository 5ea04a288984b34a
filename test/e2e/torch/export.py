# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes what torch-mlir makes of small PyTorch modules, and of MiniLM.

`--lm-raise-linalg` has to recognise these texts, so they are committed next to this
script: one file per module, small enough to read, with tiny weights. Run by a
maintainer (needs torch, transformers, torch-mlir):

    python test/e2e/torch/export.py                        the small modules, in place,
                                                           and expected.npz: what torch computes
    python test/e2e/torch/export.py --minilm HF_DIR OUT    MiniLM: OUT/minilm*.mlir (172 MB)
    python test/e2e/torch/export.py --skeleton HF_DIR      MiniLM without its weights, in place

The skeleton names, for each weight, the tensor of the HF folder that belongs there;
`assemble.py` fills them in, so that the tests need neither torch nor 172 MB in git.
"""

import argparse
import lzma
import pathlib
import re

import numpy
import torch
import torch.nn.functional as F
from torch import nn
from torch_mlir import fx

HERE = pathlib.Path(__file__).parent
LICENCE = "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n"


class RMSNorm(nn.Module):
    """The way LLaMA-family code on the Hub writes it."""

    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        variance = x.pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + self.eps))


class ExplicitAttention(nn.Module):
    """Projections, heads, matmul, softmax, matmul: as BERT's eager attention does."""

    def __init__(self, width, heads, masked):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.heads, self.size, self.masked = heads, width // heads, masked

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, self.size).transpose(1, 2)

    def forward(self, x, mask=None):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) * self.size**-0.5
        if self.masked:
            scores = scores + mask
        y = torch.matmul(scores.softmax(-1), v)
        return y.transpose(1, 2).reshape(x.shape)


class SDPAttention(ExplicitAttention):
    def forward(self, x, mask=None):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask if self.masked else None)
        return y.transpose(1, 2).reshape(x.shape)


class GroupedCausalAttention(nn.Module):
    """Two query heads share a key head, as in SmolLM2; causal; no cache."""

    def __init__(self, width, heads, kv_heads):
        super().__init__()
        self.size = width // heads
        self.q = nn.Linear(width, heads * self.size, bias=False)
        self.k = nn.Linear(width, kv_heads * self.size, bias=False)
        self.v = nn.Linear(width, kv_heads * self.size, bias=False)
        self.o = nn.Linear(heads * self.size, width, bias=False)

    def forward(self, x):
        b, t, _ = x.shape
        q = self.q(x).view(b, t, -1, self.size).transpose(1, 2)
        k = self.k(x).view(b, t, -1, self.size).transpose(1, 2)
        v = self.v(x).view(b, t, -1, self.size).transpose(1, 2)
        group = q.shape[1] // k.shape[1]
        k = k.repeat_interleave(group, dim=1)
        v = v.repeat_interleave(group, dim=1)
        scores = torch.matmul(q, k.transpose(2, 3)) * self.size**-0.5
        scores = scores + torch.full((t, t), float("-inf")).triu(1)
        y = torch.matmul(scores.softmax(-1), v)
        return self.o(y.transpose(1, 2).reshape(b, t, -1))


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class GatedFFN(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class BertBlock(nn.Module):
    """One post-norm encoder block: the smallest graph that holds every pattern of MiniLM."""

    def __init__(self, vocab, width, heads, hidden):
        super().__init__()
        self.words = nn.Embedding(vocab, width)
        self.places = nn.Embedding(32, width)
        self.norm0, self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-12) for _ in range(3))
        self.attention = SDPAttention(width, heads, masked=False)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        x = self.norm0(x)
        x = self.norm1(x + self.out(self.attention(x)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


def modules():
    """name -> (module, example inputs, which dims are dynamic: {(input, dim): name})."""
    x2, x3 = torch.randn(6, 8), torch.randn(2, 6, 8)
    ids = torch.tensor([[3, 1, 4, 1, 5, 9]])
    tokens = {(0, 1): "tokens"}
    return {
        "linear": (nn.Linear(8, 12), (x2,), {}),
        "linear_no_bias": (nn.Linear(8, 12, bias=False), (x2,), {}),
        "linear_3d": (nn.Linear(8, 12), (x3,), {}),
        "linear_3d_no_bias": (nn.Linear(8, 12, bias=False), (x3,), {}),
        "linear_dynamic": (nn.Linear(8, 12), (x2,), {(0, 0): "tokens"}),
        "linear_3d_dynamic": (nn.Linear(8, 12), (x3[:1],), tokens),
        "layer_norm": (nn.LayerNorm(8, eps=1e-5), (x3,), {}),
        "layer_norm_dynamic": (nn.LayerNorm(8, eps=1e-5), (x3[:1],), tokens),
        "rms_norm": (RMSNorm(8), (x3,), {}),
        "rms_norm_torch": (nn.RMSNorm(8, eps=1e-6), (x3,), {}),
        "rms_norm_dynamic": (RMSNorm(8), (x3[:1],), tokens),
        "attention_explicit": (ExplicitAttention(8, 2, False), (x3,), {}),
        "attention_explicit_mask": (
            ExplicitAttention(8, 2, True),
            (x3, torch.zeros(2, 1, 6, 6)),
            {},
        ),
        "attention_explicit_dynamic": (ExplicitAttention(8, 2, False), (x3[:1],), tokens),
        "attention_sdpa": (SDPAttention(8, 2, False), (x3,), {}),
        "attention_sdpa_mask": (SDPAttention(8, 2, True), (x3, torch.zeros(2, 1, 6, 6)), {}),
        "attention_sdpa_dynamic": (SDPAttention(8, 2, False), (x3[:1],), tokens),
        "attention_causal_grouped": (
            GroupedCausalAttention(16, 4, 2),
            (torch.randn(1, 6, 16),),
            {},
        ),
        "gelu": (nn.GELU(), (x3,), {}),
        "gelu_tanh": (nn.GELU(approximate="tanh"), (x3,), {}),
        "gelu_new": (
            Call(lambda x: 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3)))),
            (x3,),
            {},
        ),
        "silu": (nn.SiLU(), (x3,), {}),
        "relu": (nn.ReLU(), (x3,), {}),
        "tanh": (nn.Tanh(), (x3,), {}),
        "softmax": (nn.Softmax(-1), (x3,), {}),
        "embedding": (nn.Embedding(16, 8), (ids,), {}),
        "embedding_dynamic": (nn.Embedding(16, 8), (ids,), tokens),
        "gated_ffn": (GatedFFN(8, 24), (x3,), {}),
        "bert_block": (BertBlock(16, 8, 2, 16), (ids,), {}),
        "bert_block_dynamic": (BertBlock(16, 8, 2, 16), (ids,), tokens),
    }


def set_weights(module):
    """Numbers a reader can tell apart: each parameter gets one value of its own.

    Norm gains and weight matrices are no splats, or their transposition could go unnoticed:
    they count up in steps of 1/64 (exact in f32, so the text is short).
    """
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            count = torch.arange(parameter.numel()).reshape(parameter.shape)
            if parameter.dim() == 1:
                parameter.copy_(0.5 + 0.125 * number + (count % 4) / 16)
            else:
                parameter.copy_(((count * 7 + number) % 33 - 16) / 64)


def export(module, inputs, dynamic, longest=32):
    shapes = None
    if dynamic:
        names = {n: torch.export.Dim(n, min=2, max=longest) for n in dynamic.values()}
        per_input = [
            {d: names[n] for (j, d), n in dynamic.items() if j == i} for i in range(len(inputs))
        ]
        shapes = tuple(per_input)
        if isinstance(module, Call):
            shapes = {"x": per_input[0]}
    program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes)
    return str(fx.export_and_import(program, output_type="linalg-on-tensors"))


class Encoder(nn.Module):
    """MiniLM's hidden states for token ids [1, tokens] without padding.

    Positions and token types are made here: transformers keeps them in buffers that are not
    saved, which the importer of torch-mlir does not find even if nobody reads them.
    """

    def __init__(self, bert):
        super().__init__()
        del bert.embeddings.position_ids, bert.embeddings.token_type_ids
        self.bert = bert

    def forward(self, ids):
        places = torch.arange(ids.shape[1])[None]
        return self.bert(
            input_ids=ids,
            attention_mask=None,
            position_ids=places,
            token_type_ids=torch.zeros_like(ids),
        ).last_hidden_state


def minilm_text(folder, attention, tokens):
    from transformers import BertModel
    from transformers.models.bert import modeling_bert

    # While tracing, transformers builds a mask even if nothing is masked: position >= 0.
    modeling_bert.create_bidirectional_mask = lambda **_: None
    bert = (
        BertModel.from_pretrained(folder, attn_implementation=attention, add_pooling_layer=False)
        .float()
        .eval()
    )
    ids = torch.randint(1000, 20000, (1, tokens or 32))
    dynamic = {} if tokens else {(0, 1): "tokens"}
    text = export(Encoder(bert), (ids,), dynamic, longest=512)
    return text, {name: t.numpy().tobytes() for name, t in bert.state_dict().items()}


def minilm_name(attention, tokens):
    return "minilm" + ("_eager" if attention == "eager" else "") + (f"_{tokens}" if tokens else "")


def write_minilm(folder, out, attention, tokens):
    text, _ = minilm_text(folder, attention, tokens)
    path = pathlib.Path(out) / f"{minilm_name(attention, tokens)}.mlir"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(path, len(text) >> 20, "MiB")


def write_skeleton(folder, attention, tokens):
    text, weights = minilm_text(folder, attention, tokens)
    names = {data: name for name, data in weights.items()}

    def name_of(match):
        # A blob is hex: four bytes of alignment, then the numbers.
        return f'"{names[bytes.fromhex(match[1][10:])]}"'

    text = re.sub(r'"(0x[0-9A-F]+)"', name_of, text)
    path = HERE / f"{minilm_name(attention, tokens)}.mlir.xz"
    path.write_bytes(lzma.compress((LICENCE + text).encode(), preset=9 | lzma.PRESET_EXTREME))
    print(path, len(text) >> 10, "KiB, packed", path.stat().st_size >> 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minilm", nargs=2, metavar=("HF_DIR", "OUT"))
    parser.add_argument("--skeleton", metavar="HF_DIR")
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    parser.add_argument("--tokens", type=int, default=0, help="static length; 0 is dynamic")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    if arguments.minilm:
        write_minilm(*arguments.minilm, arguments.attention, arguments.tokens)
        return
    if arguments.skeleton:
        write_skeleton(arguments.skeleton, arguments.attention, arguments.tokens)
        return
    expected = {}
    for name, (module, inputs, dynamic) in modules().items():
        set_weights(module)
        text = re.sub(r"@main\b", f"@{name}", export(module, inputs, dynamic))
        (HERE / f"{name}.mlir").write_text(LICENCE + text)
        for number, value in enumerate(inputs):
            expected[f"{name}.input{number}"] = value.numpy()
        with torch.no_grad():
            expected[f"{name}.result"] = module(*inputs).numpy()
        print(name, len(text))
    numpy.savez_compressed(HERE / "expected.npz", **expected)


if __name__ == "__main__":
    main()

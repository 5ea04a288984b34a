# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tiny llama as quantized checkpoints of others."""

import json

import checkpoint_writers as write
import numpy as np
import tiny_models

GROUPS = {"num_bits": 4, "strategy": "group", "group_size": write.GROUP}
CHANNEL = {"num_bits": 8, "strategy": "channel"}
TOKEN = {"num_bits": 8, "strategy": "token", "dynamic": True}
FLOAT = {"num_bits": 8, "type": "float"}
BLOCKS = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [48, 40]}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": write.GROUP}
BNB = {"quant_method": "bitsandbytes"}

# name: (quantization_config, writer, the scheme of q_proj, what it is multiplied with)
FORMATS = {
    "packed": (
        write.compressed(GROUPS),
        write.packed(4),
        "#qt.int<4, group = 32, scale = f16>",
        "#qt.int<8, group = 32>",
    ),
    "packed-asymmetric": (
        write.compressed({**GROUPS, "num_bits": 3, "symmetric": False}),
        write.packed(3, asymmetric=True),
        "#qt.int<3, group = 32, scale = f16, zero = i3>",
        "#qt.int<8, group = 32>",
    ),
    # The last group of rows of 64 and 96 is shorter.
    "packed-groups-of-40": (
        write.compressed({**GROUPS, "num_bits": 5, "group_size": 40}),
        write.packed(5, group=40),
        "#qt.int<5, group = 40, scale = f16>",
        "#qt.int<8, group = 40>",
    ),
    "w8a8": (
        write.compressed(CHANNEL, TOKEN),
        write.int8(),
        "#qt.int<8, channel>",
        "#qt.int<8, token>",
    ),
    "w8a8-static": (
        write.compressed(CHANNEL, {"num_bits": 8, "strategy": "tensor", "dynamic": False}),
        write.int8(static=True),
        "#qt.int<8, channel>",
        "#qt.int<8, tensor> static",
    ),
    "fp8-dynamic": (
        write.compressed({**FLOAT, **CHANNEL}, {**FLOAT, **TOKEN}),
        write.scaled_floats(1, 0, "weight_scale"),
        "#qt.float<f8E4M3FN, channel>",
        "#qt.float<f8E4M3FN, token>",
    ),
    "fp8-block": (
        BLOCKS,
        write.scaled_floats(48, 40, "weight_scale_inv"),
        "#qt.float<f8E4M3FN, block = 48x40>",
        "#qt.float<f8E4M3FN, group = 40>",
    ),
    "fp8-static": (
        {"quant_method": "fp8", "activation_scheme": "static"},
        write.scaled_floats(0, 0, "weight_scale", static=True),
        "#qt.float<f8E4M3FN, tensor>",
        "#qt.float<f8E4M3FN, tensor> static",
    ),
    "nvfp4": (
        write.compressed({"num_bits": 4, "type": "float", "group_size": 16}),
        write.nvfp4,
        "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>",
        "#qt.int<8, group = 32>",
    ),
    "mxfp4": (
        write.compressed({"num_bits": 4, "type": "float", "group_size": 32}),
        write.mxfp4,
        "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>",
        "#qt.int<8, group = 32>",
    ),
    "gptq": (GPTQ, write.gptq(4), "#qt.int<4, group = 32, scale = f16>", "#qt.int<8, group = 32>"),
    "gptq-v2": (
        {**GPTQ, "bits": 3, "checkpoint_format": "gptq_v2"},
        write.gptq(3, 2, asymmetric=True),
        "#qt.int<3, group = 32, scale = f16, zero = i3>",
        "#qt.int<8, group = 32>",
    ),
    "gptq-rows": (
        {**GPTQ, "bits": 8, "group_size": -1},
        write.gptq(8, group=1000),
        "#qt.int<8, channel, scale = f16>",
        "#qt.int<8, group = 32>",
    ),
    "gptq-act-order": (
        {**GPTQ, "desc_act": True},
        write.gptq(4, asymmetric=True, order=True),
        "#qt.int<4, group = 32, scale = f16, zero = i4>",
        "#qt.int<8, group = 32>",
    ),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"},
        write.awq,
        "#qt.int<4, group = 32, scale = f16, zero = i4>",
        "#qt.int<8, group = 32>",
    ),
    "nf4": (BNB, write.four_bit("nf4", write.NF4), "#qt.codebook<nf4, group = 64>", "float"),
    "fp4-nested": (
        BNB,
        write.four_bit("fp4", write.FP4, nested=True),
        "#qt.codebook<fp4, group = 64, nested = 256>",
        "float",
    ),
    "llm-int8": (
        BNB,
        write.llm_int8,
        "#qt.int<8, channel>",
        "#qt.int<8, token>, outliers float",
    ),
}


def encode(format, path, shards=1):
    """Writes the tiny llama as such a checkpoint; the values that its tensors have then."""
    config, writer = FORMATS[format][:2]
    files, values = [[] for _ in range(shards)], {}
    for tensor in tiny_models.llama_tensors():
        w = np.frombuffer(tensor.data, np.float32).reshape(tensor.shape)
        values[tensor.name] = w
        if "proj" not in tensor.name:
            files[0].append(tensor)
            continue
        parts, values[tensor.name] = writer(w)
        layer = tensor.name.removesuffix("weight")
        for at, (end, (kind, array)) in enumerate(parts.items()):
            data = np.ascontiguousarray(array).tobytes()
            part = tiny_models.Tensor(layer + end, list(array.shape), kind, data)
            files[at % shards].append(part)
    path.mkdir()
    settings = {**tiny_models.LLAMA_CONFIG, "quantization_config": config}
    (path / "config.json").write_text(json.dumps(settings))
    write_files(path, files)
    return values


def write_files(path, files):
    """Lists of tensors as the weights of a Hugging Face folder: a file, or several and an index."""
    if len(files) == 1:
        (path / "model.safetensors").write_bytes(tiny_models.safetensors(files[0]))
        return
    places = {}
    for at, tensors in enumerate(files):
        (path / f"{at}.safetensors").write_bytes(tiny_models.safetensors(tensors))
        places |= {tensor.name: f"{at}.safetensors" for tensor in tensors}
    index = path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))

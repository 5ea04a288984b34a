# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writers of quantized checkpoints, from what the formats say and numpy alone.

A writer takes a matrix [n, k] and returns the tensors of its layer by the end of their name,
each as (type of safetensors, array), and the values that the layer then has.
"""

import json

import numpy as np

GROUP = 32

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
E2M1 = np.concatenate([E2M1, -E2M1])
NF4 = np.array(
    [
        -1,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1,
    ],
    np.float32,
)
FP4 = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3], np.float32) / np.float32(12)
FP4 = np.concatenate([FP4, -FP4])


def _e4m3(code):
    exponent, mantissa = code >> 3 & 15, code & 7
    value = mantissa * 2.0**-9 if exponent == 0 else (8 + mantissa) * 2.0 ** (exponent - 10)
    return np.nan if code & 127 == 127 else -value if code & 128 else value


E4M3 = np.array([_e4m3(code) for code in range(256)], np.float32)


def nearest(x, table):
    distance = np.abs(x[..., None] - table)
    return np.where(np.isnan(distance), np.inf, distance).argmin(-1).astype(np.uint8)


def pack(codes, bits):
    """Streams of bits along the last axis, in words of 32."""
    stream = codes[..., None].astype(np.uint8) >> np.arange(bits, dtype=np.uint8) & 1
    stream = stream.reshape(*codes.shape[:-1], -1)
    padding = [(0, 0)] * (stream.ndim - 1) + [(0, -stream.shape[-1] % 32)]
    return np.packbits(np.pad(stream, padding), axis=-1, bitorder="little").view(np.int32)


def spread(x, k, group):
    """A number for every group as one for every column."""
    return np.repeat(x, group, 1)[:, :k]


def absmax(w, group):
    groups = [np.abs(w[:, at : at + group]).max(1) for at in range(0, w.shape[1], group)]
    return np.stack(groups, 1).astype(np.float32)


def integers(w, bits, group, asymmetric, dtype=np.float16):
    """codes, unsigned; scales and zero points [n, groups]; the values."""
    k = w.shape[1]
    scales = (absmax(w, group) / (2 ** (bits - 1) - 0.5)).astype(dtype)
    zeros = np.full(scales.shape, 2 ** (bits - 1))
    if asymmetric:  # any zero points are as good as others here
        zeros = zeros + np.arange(scales.size).reshape(scales.shape) % 3 - 1
    wide = spread(scales, k, group).astype(np.float32)
    codes = np.rint(w / wide + spread(zeros, k, group)).clip(0, 2**bits - 1).astype(np.uint8)
    return codes, scales, zeros, wide * (codes - spread(zeros, k, group).astype(np.float32))


# compressed-tensors


def pack_quantized(codes, scales, zeros, bits):
    """Of codes and zero points that are unsigned; None for zero points in the middle."""
    tensors = {
        "weight_packed": ("I32", pack(codes, bits)),
        "weight_scale": (f"F{8 * scales.itemsize}", scales),
        "weight_shape": ("I64", np.array(codes.shape)),
    }
    if zeros is not None:
        tensors["weight_zero_point"] = ("I32", pack(zeros.T, bits).T)
    return tensors


def packed(bits, asymmetric=False, group=GROUP):
    def write(w):
        codes, scales, zeros, values = integers(w, bits, group, asymmetric)
        return pack_quantized(codes, scales, zeros if asymmetric else None, bits), values

    return write


def int8(static=False):
    def write(w):
        codes, scales, _, values = integers(w, 8, w.shape[1], False, np.float32)
        tensors = {
            "weight": ("I8", (codes.astype(int) - 128).astype(np.int8)),
            "weight_scale": ("F32", scales),
        }
        if static:
            tensors["input_scale"] = ("F32", np.array([0.05], np.float32))
        return tensors, values

    return write


def scaled_floats(rows, columns, scale_name, static=False):
    """Blocks of `rows` x `columns`; 0 for all."""

    def write(w):
        n, k = w.shape
        height, width = rows or n, columns or k
        scales = np.array(
            [
                [np.abs(w[i : i + height, j : j + width]).max() / 448 for j in range(0, k, width)]
                for i in range(0, n, height)
            ],
            np.float32,
        )
        wide = scales.repeat(height, 0)[:n].repeat(width, 1)[:, :k]
        codes = nearest(w / wide, E4M3)
        tensors = {
            "weight": ("F8_E4M3", codes),
            scale_name: ("F32", scales if rows else scales.reshape(1)),
        }
        if static:
            tensors["input_scale"] = ("F32", np.array(0.02, np.float32))
        return tensors, wide * E4M3[codes]

    return write


def nvfp4(w):
    largest = absmax(w, 16)
    global_scale = np.float32(448 * 6 / largest.max())
    scales = nearest(global_scale * largest / 6, E4M3)
    wide = spread(E4M3[scales] / global_scale, w.shape[1], 16)
    codes = nearest(w / wide, E2M1)
    return {
        "weight_packed": ("U8", codes[:, ::2] | codes[:, 1::2] << 4),
        "weight_scale": ("F8_E4M3", scales),
        "weight_global_scale": ("F32", np.array([global_scale])),
    }, wide * E2M1[codes]


def mxfp4(w):
    exponents = np.floor(np.log2(absmax(w, 32))).astype(int) - 2
    wide = spread(np.exp2(exponents).astype(np.float32), w.shape[1], 32)
    codes = nearest(w / wide, E2M1)
    return {
        "weight_packed": ("U8", codes[:, ::2] | codes[:, 1::2] << 4),
        "weight_scale": ("U8", (exponents + 127).astype(np.uint8)),
    }, wide * E2M1[codes]


# GPTQ and AWQ


def gptq_layer(codes, scales, zeros, bits, version, group_of_column):
    stored = zeros if version == 2 else (zeros - 1) % 2**bits
    return {
        "qweight": ("I32", pack(codes, bits).T),
        "qzeros": ("I32", pack(stored.T, bits)),
        "scales": ("F16", scales.T),
        "g_idx": ("I32", group_of_column.astype(np.int32)),
    }


def gptq(bits, version=1, asymmetric=False, group=GROUP, order=False):
    def write(w):
        k = w.shape[1]
        # Columns sorted by importance, groups formed of these.
        place = np.random.default_rng(k).permutation(k) if order else np.arange(k)
        length = min(group, k)
        codes, scales, zeros, values = integers(w[:, place], bits, length, asymmetric)
        unsorted = np.argsort(place)
        layer = gptq_layer(codes[:, unsorted], scales, zeros, bits, version, unsorted // length)
        return layer, values[:, unsorted]

    return write


def awq(w):
    codes, scales, zeros, values = integers(w, 4, GROUP, True)

    def words(x):
        eights = x.T.reshape(x.shape[1], -1, 8)[..., [0, 2, 4, 6, 1, 3, 5, 7]]
        return pack(eights, 4)[..., 0]

    return {
        "qweight": ("I32", words(codes)),
        "qzeros": ("I32", words(zeros)),
        "scales": ("F16", scales.T),
    }, values


# bitsandbytes


def four_bit(kind, table, nested=False):
    def write(w):
        blocks = w.reshape(-1, 64)
        largest = np.abs(blocks).max(1)
        state = {"quant_type": kind, "blocksize": 64, "dtype": "float32", "shape": w.shape}
        tensors = {}
        if nested:
            # Any map will do: what is stored is what is multiplied.
            offset = np.float32(largest.mean())
            numbers = np.linspace(-1, 1, 256).astype(np.float32)
            scale = np.abs(largest - offset).max()
            codes = nearest((largest - offset) / scale, numbers)
            largest = numbers[codes] * scale + offset
            state |= {"nested_blocksize": 256, "nested_offset": float(offset)}
            tensors = {
                "weight.absmax": ("U8", codes),
                "weight.nested_absmax": ("F32", np.array([scale], np.float32)),
                "weight.nested_quant_map": ("F32", numbers),
            }
        else:
            tensors["weight.absmax"] = ("F32", largest)
        codes = nearest(blocks / largest[:, None], table)
        state = np.frombuffer(json.dumps(state).encode(), np.uint8)
        flat = codes.reshape(-1)
        tensors |= {
            "weight": ("U8", (flat[::2] << 4 | flat[1::2])[:, None]),
            "weight.quant_map": ("F32", table),
            f"weight.quant_state.bitsandbytes__{kind}": ("U8", state),
        }
        return tensors, (table[codes] * largest[:, None]).reshape(w.shape)

    return write


def llm_int8(w):
    largest = np.abs(w).max(1).astype(np.float32)
    codes = np.rint(w / largest[:, None] * 127).astype(np.int8)
    return {
        "weight": ("I8", codes),
        "SCB": ("F32", largest),
        "weight_format": ("U8", np.array(0, np.uint8)),
    }, codes * (largest[:, None] / np.float32(127))


def compressed(weights, activations=None):
    """quantization_config of compressed-tensors."""
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}

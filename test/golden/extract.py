# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the .bin files of this folder from the golden .npz files.

    python extract.py FOLDER_OF_THE_GOLDEN_FILES

Each array becomes FILE.ARRAY.bin: its bytes, little-endian, row-major, without a
header. The C++ tests know the types and shapes. good.gguf, good.json,
gguf_files.json and bnb.safetensors are plain copies.
"""

import json
import pathlib
import shutil
import sys

import numpy

SIMPLE = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0"]
SEARCHED = ["IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "IQ3_XXS", "IQ3_S"]
GRIDS = ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S"]
NEED_IMPORTANCE = ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_S", "IQ1_M"]
WEIGHED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", *SEARCHED, *NEED_IMPORTANCE]
PARTS = ("bytes", "values")
ROUNDED = ["pack3_group32", "pack4_group32", "pack5_group32", "pack4_channel"]
ASYMMETRIC = ["pack4_group32_asym", "pack3_group32_asym"]

MX_TYPES = ["f8E4M3FN", "f8E5M2", "f4E2M1FN"]
SMALL = [f"{kind}.{part}" for kind in MX_TYPES for part in ("decode", "x", "rne_saturated")]
MX = [
    f"{kind}.{mode}.{part}"
    for kind in MX_TYPES
    for mode in ("FLOOR", "CEIL", "EVEN", "RCEIL")
    for part in ("scale", "data")
]
FOUR_BIT = [
    f"{kind}.{case}"
    for kind in ("nf4", "fp4")
    for case in ("64.packed", "64.absmax", "64.values.float32", "128.packed", "128.absmax")
]
DYNAMIC = ["dynamic_map", *[f"dynamic.{part}" for part in ("x", "codes", "absmax", "values")]]
INT8 = ["weight", "bias", "x", "CB", "SCB", "CA", "SCA", "outlier_columns", "y_float64", "y"]
FP8 = [
    f"fp8_{case}.{part}" for case in ("tensor", "channel", "block") for part in ("weight", "values")
]
FLOATS = [
    *FP8,
    *[f"fp8_{case}.weight_scale" for case in ("tensor", "channel", "block")],
    *[f"{kind}.weight_scale" for kind in ("nvfp4", "mxfp4", "mxfp8")],
    *[f"{kind}.values" for kind in ("nvfp4", "mxfp4", "mxfp8")],
    *["nvfp4.weight_packed", "mxfp4.weight_packed", "mxfp8.weight", "nvfp4.weight_global_scale"],
]
GPTQ_CASES = ["channel4", "group4", "group4_asym", "group4_act_order", "group3"]
ALGORITHMS = [
    *["gptq.w", "gptq.h", "mse.group4.scale", "awq.x", "awq.x_mean", "awq.scales", "awq.losses"],
    *[
        f"gptq.{case}.{part}"
        for case in GPTQ_CASES
        for part in ("scale", "zero", "codes", "values")
    ],
    *[f"smoothquant.{part}" for part in ("act_absmax", "w_absmax", "0.5.scales", "0.85.scales")],
    *["fp8.x", "fp8.token.scale", "fp8.token.codes"],
]
CHECKPOINT_CASES = {
    "weight_packed": [
        *[f"pack{bits}_group32" for bits in (2, 3, 5, 8)],
        *["pack3_group32_asym", "pack4_group32_asym", "pack4_channel"],
    ],
    "weight": ["int8_channel", "int8_channel_asym"],
    "weight_scale": ["pack2_group32", "pack8_group32", "int8_channel", "int8_channel_asym"],
    "weight_zero_point": ["int8_channel_asym"],
    "values": ["pack2_group32", "pack8_group32", "int8_channel", "int8_channel_asym"],
}
CHECKPOINTS = [f"{case}.{part}" for part, cases in CHECKPOINT_CASES.items() for case in cases]
GPTQ_FILES = ["2bit_asym", "3bit_act_order", "4bit_act_order", "8bit_sym", "4bit_with_zero_point_0"]
GPTQ_PARTS = ["qweight", "qzeros_v1", "qzeros_v2", "scales", "g_idx", "weight"]
PACKING = [
    *[f"gptq.{case}.{part}" for case in GPTQ_FILES for part in GPTQ_PARTS],
    *[f"awq.{part}" for part in ("qweight", "qzeros", "scales", "weight")],
]
ODD = [f"{kind}.odd.{part}" for kind in ("nf4", "fp4") for part in ("packed", "absmax", "values")]

ARRAYS = {
    "algorithms": ALGORITHMS,
    "gguf_simple": ["x", *[f"{name}.{part}" for name in SIMPLE for part in PARTS]],
    "gguf_decode": [
        f"{name}.{part}" for name in SIMPLE + SEARCHED + NEED_IMPORTANCE for part in PARTS
    ],
    "gguf_codebooks": GRIDS,
    "gguf_search": [
        *["x", "imatrix"],
        *[f"{name}.plain" for name in SEARCHED],
        *[f"{name}.imatrix" for name in WEIGHED],
    ],
    "casts": ["f16.x", "f16.rne", "bf16.x", "bf16.rne", *SMALL],
    "bnb": [
        *["w", *FOUR_BIT, "dynamic_map", "dynamic.x", "dynamic.codes", "dynamic.absmax"],
        *["dynamic.values", *[f"int8.{part}" for part in INT8]],
        *["odd", *ODD, "file.nf4.absmax", "file.nf4.values.bfloat16"],
        *["nf4.codebook", "fp4.codebook", "file.fp4.values.bfloat16", "file.plain.values.float16"],
    ],
    "mx": ["x", *MX],
    "packing": PACKING,
    "compressed_tensors": ["w", *FLOATS, *CHECKPOINTS]
    + [f"{case}.{part}" for case in ROUNDED + ASYMMETRIC for part in ("weight_scale", "values")]
    + [f"{case}.weight_zero_point" for case in ASYMMETRIC],
}
# Tensors of bnb.safetensors, which become bnb.NAME.bin.
TENSORS = ["model.nf4.weight", "model.nf4.weight.absmax", "model.nf4.weight.nested_absmax"]
# bnb.safetensors is read as it is, too: its layers have values in bnb.npz.
COPIES = ["good.gguf", "good.json", "gguf_files.json", "bnb.safetensors"]


def main(source: pathlib.Path) -> None:
    target = pathlib.Path(__file__).parent
    for file, names in ARRAYS.items():
        with numpy.load(source / f"{file}.npz") as arrays:
            for name in names:
                array = numpy.ascontiguousarray(arrays[name])
                (target / f"{file}.{name}.bin").write_bytes(array.tobytes())
    content = (source / "bnb.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    for name in TENSORS:
        begin, end = header[name]["data_offsets"]
        (target / f"bnb.{name}.bin").write_bytes(data[begin:end])
    for name in COPIES:
        shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))

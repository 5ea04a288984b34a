# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the .bin files of this folder from the golden .npz files.

    python extract.py FOLDER_OF_THE_GOLDEN_FILES

Each array becomes FILE.ARRAY.bin: its bytes, little-endian, row-major, without a
header. The C++ tests know the types and shapes. good.gguf, good.json and
gguf_files.json are plain copies.
"""

import pathlib
import shutil
import sys

import numpy

BLOCKS = [f"{name}.{part}" for name in ("Q4_0", "Q4_1", "Q8_0") for part in ("bytes", "values")]
ROUNDED = ["pack3_group32", "pack4_group32", "pack5_group32", "pack4_channel"]
ASYMMETRIC = ["pack4_group32_asym", "pack3_group32_asym"]

ARRAYS = {
    "gguf_simple": ["x", *BLOCKS],
    "gguf_decode": BLOCKS,
    "casts": ["f16.x", "f16.rne", "bf16.x", "bf16.rne"],
    "compressed_tensors": ["w"]
    + [f"{case}.{part}" for case in ROUNDED + ASYMMETRIC for part in ("weight_scale", "values")]
    + [f"{case}.weight_zero_point" for case in ASYMMETRIC],
}
COPIES = ["good.gguf", "good.json", "gguf_files.json"]


def main(source: pathlib.Path) -> None:
    target = pathlib.Path(__file__).parent
    for file, names in ARRAYS.items():
        with numpy.load(source / f"{file}.npz") as arrays:
            for name in names:
                array = numpy.ascontiguousarray(arrays[name])
                (target / f"{file}.{name}.bin").write_bytes(array.tobytes())
    for name in COPIES:
        shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))

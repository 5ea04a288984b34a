# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What GPU kernels can reach at most, by their machine code, is no less than what is recorded."""

import json
import pathlib
import shutil
import sys

import pytest
from compiling import with_ptxas

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "bench/gpu"))
import roofline

BUDGET = pathlib.Path(__file__).with_name("gpu_budget.json")
RECORD = "python bench/gpu/roofline.py --record test/e2e/kernels/gpu_budget.json"


@pytest.mark.parametrize("target", roofline.GPUS)
def test_budget(target):
    env = with_ptxas()
    if not all(shutil.which(tool, path=env["PATH"]) for tool in ("nvdisasm", "ptxas")):
        pytest.skip("no nvdisasm or ptxas (requirements-tools.txt)")
    recorded = json.loads(BUDGET.read_text())[target]
    _, found = roofline.of_timed(target, env)
    assert found.keys() == recorded.keys()
    for kernel, by_rows in recorded.items():
        for rows, before in by_rows.items():
            now = found[kernel][rows]
            # Registers and shared memory, and what the inner loop executes.
            assert now.resident >= before["resident"], (kernel, rows, now, before, RECORD)
            assert now.share >= before["share"] - 0.02, (kernel, rows, now, before, RECORD)
    print(f"{target}: {sum(map(len, found.values()))} forms and numbers of rows within the budget")


def test_prediction():
    gpu = roofline.GPU(
        name="ten processors of 1 GHz",
        processors=10,
        hertz=1e9,
        bytes_per_s=1e12,
        cache=32,
        products={"f16": 1000, "int8": 2000},
        alone=0.5,
        warps=64,
        shared=100 << 10,
    )
    form = {
        "function": "kernel_matmul_int_1_mma8",
        "arguments": [{"name": "x", "row_bytes": 1000}, {"name": "out", "row_bytes": 640}],
        "blocks": 10,
        "most_rows": 8,
        "rows_per_block": 8,
        "threads": 128,
        "shared_bytes": 0,
    }
    kernel = {"weight": {"n": 160, "k": 1000, "bytes": 160000}, "steps": [[], [form]]}
    loops = {form["function"]: roofline.Loop(100, 4096, "int8", alone=True)}
    functions = {form["function"]: {"registers": 120, "shared_bytes": 0}}
    assert roofline.predict(gpu, kernel, loops, functions, rows=8) == roofline.Prediction(
        form="mma8",
        bytes_us=0.2,  # 160000 + 8 * 1640 bytes: 0.173
        cache_us=0.8,  # 160000 + 10 * 8 * 1000 bytes at 320 GB/s: 0.75
        math_us=0.1,  # 1.28 million at 10000 a nanosecond: 0.128
        issue_us=0.8,  # 312.5 times 100 instructions at 40 a nanosecond: 0.781
        resident=16,  # 64 Ki registers for blocks of 4 x 32 x 120
        share=0.22,  # 0.173 of 0.781
    )
    # A block for each eight rows, of which there are not enough for all processors.
    few = {**form, "blocks": 1}
    kernel["steps"][-1] = [few]
    assert roofline.predict(gpu, kernel, loops, functions, rows=1).share == pytest.approx(
        0.162 / 7.81, abs=0.01
    )


def test_products():
    for instruction, count, of in (
        ("HGMMA.64x128x16.F32 R24, R4, gdesc[UR8], R24, gsb0", 64 * 128 * 16 // 4, "f16"),
        ("@P0 IMMA.16832.U8.S8 R4, R8.ROW, R10.COL, R4", 16 * 8 * 32, "int8"),
        ("QMMA.16832.F32.E4M3.E4M3 R4, R8, R10, R4", 16 * 8 * 32, "fp8"),
        ("IDP.4A.U8.S8 R1, R2, R3, R1", 4 * 32, "dp4a"),
        ("FFMA R1, R2, R3, R1", 32, "f32"),
    ):
        found = roofline.products(instruction)
        assert (found.count, found.of) == (count, of), instruction
    assert roofline.products("IMAD.MOV.U32 R1, RZ, RZ, R2") is None

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Importance matrices: both forms of llama.cpp and our statistics say which columns count."""

import struct
import subprocess

import gguf_metadata
import numpy as np
import pytest
from block_formats import BLOCK_FORMATS
from failing import fails
from mutations import damaged
from quant_mlir import tools
from quant_mlir.safetensors import read as read_safetensors
from tiny_models import GGUF, LAYERS, STRING, VOCABULARY, Tensor, llama_folder, llama_gguf

HIDDEN, FEED_FORWARD, CALLS = 256, 512, 4
ROLES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]


def run(folder, tool, *arguments):
    command = [tools.find(tool), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def quantize(folder, recipe, imatrix="", model="--import-gguf=model.gguf"):
    """The changed weights."""
    run(folder, "quant-translate", model, "-o", "model.mlir")
    flag = f"--quantize=recipe={recipe} weights-out=w.safetensors imatrix={imatrix}"
    run(folder, "quant-opt", "model.mlir", flag, "-o", "quantized.mlir")
    tensors, _ = read_safetensors(folder / "w.safetensors")
    return {name: array.tobytes() for name, array in tensors.items()}


def importance(hidden=HIDDEN, feed_forward=FEED_FORWARD):
    """{weight: mean square of each column}; some columns are much louder than others."""
    random = np.random.default_rng(3)
    return {
        f"blk.{layer}.{role}.weight": np.exp(
            2 * random.standard_normal(feed_forward if role == "ffn_down" else hidden)
        ).astype(np.float32)
        for layer in range(LAYERS)
        for role in ROLES
    }


def old_form(means) -> bytes:
    raw = struct.pack("<i", len(means))
    for name, columns in means.items():
        raw += struct.pack("<i", len(name)) + name.encode()
        raw += struct.pack("<ii", CALLS, len(columns)) + (columns * CALLS).tobytes()
    return raw + struct.pack("<ii", CALLS, 4) + b"text"


def gguf_form(means) -> bytes:
    tensors = []
    for name, columns in means.items():
        sums = (columns * CALLS).tobytes()
        count = np.float32([CALLS]).tobytes()
        tensors.append(Tensor(f"{name}.in_sum2", [1, len(columns)], "F32", sums))
        tensors.append(Tensor(f"{name}.counts", [1, 1], "F32", count))
    return GGUF({"general.type": (STRING, "imatrix")}, tensors).bytes()


@pytest.fixture
def folder(tmp_path):
    model = llama_gguf("BF16", HIDDEN, FEED_FORWARD)
    (tmp_path / "model.gguf").write_bytes(model.bytes())
    (tmp_path / "old.dat").write_bytes(old_form(importance()))
    (tmp_path / "new.gguf").write_bytes(gguf_form(importance()))
    return tmp_path


def test_both_forms_say_the_same(folder):
    plain, old, new = (quantize(folder, "q4_K", f) for f in ("", "old.dat", "new.gguf"))
    assert old == new
    assert old.keys() == plain.keys()
    assert all(old[name] != plain[name] for name in old)


def test_statistics_say_it_too(folder):
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (2, 32), np.int32)
    np.save(folder / "t.npy", tokens)
    run(folder, "quant-calibrate", "model.gguf", "--tokens=t.npy", "-o", "s.safetensors")
    tensors, _ = read_safetensors(folder / "s.safetensors")
    means = {
        name.removesuffix(".hessian"): np.ascontiguousarray(np.diagonal(hessian))
        for name, hessian in tensors.items()
        if name.endswith(".hessian")
    }
    (folder / "of_sites.dat").write_bytes(old_form(means))
    statistics = quantize(folder, "q4_K", "s.safetensors")
    matrix = quantize(folder, "q4_K", "of_sites.dat")
    # A site is named by the first weight that reads it.
    assert "blk.1.ffn_down.weight" in means
    for name in means.keys() & matrix.keys():
        assert statistics[name] == matrix[name], name


def test_the_names_of_transformers(tmp_path):
    llama_folder(tmp_path / "hf")
    (tmp_path / "old.dat").write_bytes(old_form(importance(64, 96)))
    plain = quantize(tmp_path, "q4_0", "", "--import-hf=hf")
    weighed = quantize(tmp_path, "q4_0", "old.dat", "--import-hf=hf")
    assert all(weighed[name] != plain[name] for name in plain)


@pytest.mark.parametrize(
    "recipe, file_type, types",
    [
        ("IQ1_S", 24, {"IQ1_S", "IQ2_XXS", "Q2_K", "Q5_K"}),
        ("IQ2_XS", 20, {"IQ2_XS", "Q2_K", "Q5_K"}),
        ("IQ3_XXS", 23, {"IQ3_XXS", "IQ2_S", "IQ3_S", "Q5_K"}),
    ],
)
def test_mixes_that_need_one(folder, recipe, file_type, types):
    weights = quantize(folder, recipe, "new.gguf")
    run(folder, "quant-translate", "--export-gguf", "quantized.mlir", "-o", "out.gguf")
    assert gguf_metadata.read(folder / "out.gguf")["general.file_type"] == file_type
    tensors = gguf_metadata.read_tensors(folder / "out.gguf")
    ids = {BLOCK_FORMATS[name].id for name in types}
    assert {tensor.type for tensor in tensors.values() if len(tensor.shape) == 2} == ids
    assert all(tensors[name].data == data for name, data in weights.items())


@pytest.mark.parametrize(
    "recipe, imatrix, reason",
    [
        ("iq2_xs", "", "tensor 'blk.0.attn_q.weight': iq2_xs needs an importance matrix"),
        ("q4_K", "nothing.dat", "nothing.dat: No such file"),
        ("q4_K", "model.gguf", "model.gguf: is a GGUF file, but no importance matrix"),
        ("q4_K", "other.dat", "other.dat: has nothing to say of the weights"),
        ("q4_K", "short.dat", "'blk.0.attn_q.weight': has 3 columns, the weight 256"),
        ("int8", "old.dat", "old.dat: has nothing to say of the weights"),
    ],
)
def test_what_is_refused(folder, recipe, imatrix, reason):
    (folder / "other.dat").write_bytes(old_form({"other.weight": np.ones(3, np.float32)}))
    short = old_form({"blk.0.attn_q.weight": np.ones(3, np.float32)})
    (folder / "short.dat").write_bytes(short)
    arguments = ("model.gguf", "--recipe", recipe, "--imatrix", imatrix, "-o", "out")
    fails(folder, "quantc", *arguments, reason=reason)


def test_smoothed_inputs_are_others(folder):
    run(folder, "quant-translate", "--import-gguf", "model.gguf", "-o", "model.mlir")
    flag = "--qt-quantize=recipe=int4-g32-awq weights-out=w.safetensors imatrix=old.dat"
    command = [tools.find("quant-opt"), "model.mlir", flag]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0
    assert "changes the inputs that an importance matrix is of" in done.stderr


def test_damaged_files(folder):
    run(folder, "quant-translate", "--import-gguf=model.gguf", "-o", "model.mlir")
    random = np.random.default_rng(17)
    refused = 0
    for number in range(40):
        form, name = ((old_form, "m.dat"), (gguf_form, "m.gguf"))[number % 2]
        (folder / name).write_bytes(damaged(form(importance()), random, header=600))
        flag = f"--quantize=recipe=q4_0 weights-out=w.safetensors imatrix={name}"
        done = subprocess.run(
            [tools.find("quant-opt"), "model.mlir", flag, "-o", "q.mlir"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 1), f"{number}: {done.returncode} {done.stderr}"
        if done.returncode == 1:
            refused += 1
            assert f"{name}: " in done.stderr, done.stderr
    assert 15 <= refused < 40

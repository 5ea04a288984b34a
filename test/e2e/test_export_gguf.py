# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models as GGUF files: what is written is what the module says, and what the source said."""

import re
import subprocess

import gguf_metadata
import numpy as np
import pytest
import quant_mlir
from block_formats import BLOCK_FORMATS
from failing import fails
from quant_mlir import tools
from quant_mlir.safetensors import read as read_safetensors
from tiny_models import U32, VOCABULARY, llama_gguf

FILE_TYPE, VERSION = "general.file_type", "general.quantization_version"


def run(folder, tool, *arguments):
    command = [tools.find(tool), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def quantize(folder, recipe, model="model.gguf"):
    run(folder, "quant-translate", "--import-gguf", model, "-o", "model.mlir")
    flag = f"--quantize=recipe={recipe} weights-out=w.safetensors"
    run(folder, "quant-opt", "model.mlir", flag, "-o", "quantized.mlir")


def export(folder, recipe, model="model.gguf"):
    quantize(folder, recipe, model)
    run(folder, "quant-translate", "--export-gguf", "quantized.mlir", "-o", "out.gguf")
    return folder / "out.gguf"


def declared(module):
    """{name: type} of a module's weights. Floats are the same plain and by the scheme for them."""
    text = re.sub(r"!qt\.tensor<(\S+), #qt\.float<f32>>", r"tensor<\1>", module.read_text())
    return dict(re.findall(r"qt\.weight @(\S+) : (.*?) in ", text))


def assert_is_what_the_module_says(folder, out):
    """Types, and bytes of all weights that the recipe changed; the rest as in the source."""
    run(folder, "quant-translate", "--import-gguf", out.name, "-o", "again.mlir")
    assert declared(folder / "again.mlir") == declared(folder / "quantized.mlir")
    before = gguf_metadata.read_tensors(folder / "model.gguf")
    after = gguf_metadata.read_tensors(out)
    assert list(before) == list(after)
    changed, _ = read_safetensors(folder / "w.safetensors")
    assert changed
    for name, tensor in after.items():
        assert tensor.shape == before[name].shape
        expected = changed[name].tobytes() if name in changed else before[name].data
        assert tensor.data == expected, name


@pytest.fixture
def tiny(tmp_path):
    """A folder with a model, whose keys have these numbers too."""

    def make(type="F32", alignment=32, **keys):
        model = llama_gguf(type, hidden=256, feed_forward=512)
        model.alignment = alignment
        model.keys.update({name: (U32, number) for name, number in keys.items()})
        (tmp_path / "model.gguf").write_bytes(model.bytes())
        return tmp_path

    return make


@pytest.mark.parametrize(
    "recipe, file_type",
    [("Q4_0", 2), ("Q8_0", 7), ("Q4_K_M", 15), ("IQ3_XS", 22), ("q4_K", 14), ("f16", 1)],
)
def test_what_is_written(tiny, recipe, file_type):
    folder = tiny(**{FILE_TYPE: 0})
    out = export(folder, recipe)
    assert_is_what_the_module_says(folder, out)
    keys = gguf_metadata.read(folder / "model.gguf")
    assert gguf_metadata.read(out) == {**keys, FILE_TYPE: file_type, VERSION: 2}


@pytest.mark.parametrize("type", ["F32", "BF16", "Q5_K", "IQ2_S"])
@pytest.mark.parametrize("alignment", [32, 256])
def test_as_stored_is_the_same_file(tiny, type, alignment):
    """Also of types that are read only."""
    folder = tiny(type, alignment, **{FILE_TYPE: 3, "general.alignment": alignment})
    out = export(folder, "as-stored")
    assert out.read_bytes() == (folder / "model.gguf").read_bytes()


def test_data_is_aligned(tiny):
    folder = tiny(alignment=128, **{"general.alignment": 128})
    assert_is_what_the_module_says(folder, export(folder, "Q4_0"))


def test_the_file_computes_what_the_module_does(compiled, tiny):
    folder = tiny()
    export(folder, "Q4_K_M")
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, 40, np.int32)
    results = []
    for model, recipe in (("model.gguf", "Q4_K_M"), ("out.gguf", "as-stored")):
        with quant_mlir.load(compiled(folder / model, recipe)) as program:
            results.append(program.logits(tokens))
    np.testing.assert_array_equal(*results)


@pytest.mark.slow
def test_smollm2(tmp_path, smollm2_gguf):
    (tmp_path / "model.gguf").symlink_to(smollm2_gguf)
    out = export(tmp_path, "Q4_0")
    assert_is_what_the_module_says(tmp_path, out)
    types = [tensor.type for tensor in gguf_metadata.read_tensors(out).values()]
    # The table, whose rows are no whole blocks of Q6_K, and the norms are not Q4_0.
    ids = {name: block.id for name, block in BLOCK_FORMATS.items()}
    assert (types.count(ids["Q4_0"]), types.count(ids["Q8_0"]), types.count(0)) == (210, 1, 61)


@pytest.mark.parametrize(
    "recipe, reason",
    [
        ("int8", r"'blk\.0\.attn_q\.weight': is .*#qt\.int<8, channel>.*GGUF files do not have"),
        ("w8a8", r"'blk\.0\.attn_q\.weight': its input is rounded to #qt\.int<8, token>, which"),
        ("nf4", r"'blk\.0\.attn_q\.weight': is .*#qt\.codebook<nf4, group = 64>.* do not have"),
    ],
)
def test_what_gguf_cannot_hold(tiny, recipe, reason):
    folder = tiny()
    quantize(folder, recipe)
    arguments = ("--export-gguf", "quantized.mlir", "-o", "out.gguf")
    fails(folder, "quant-translate", *arguments, reason=f"w.safetensors: tensor {reason}")


def test_a_source_is_not_overwritten(tiny):
    folder = tiny()
    quantize(folder, "Q8_0")
    arguments = ("--export-gguf", "quantized.mlir", "-o", "model.gguf")
    reason = r"model\.gguf: is not overwritten: the module needs it"
    fails(folder, "quant-translate", *arguments, reason=reason)

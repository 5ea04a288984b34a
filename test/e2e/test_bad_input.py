# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folders, recipes, options, outputs and compiled models that are at fault, through the tools.

test_bad_gguf.py does the same for what is inside of GGUF files.
"""

import json
import shutil
import struct

import numpy as np
import pytest
from failing import fails
from tiny_models import (
    Tensor,
    llama_folder,
    llama_gguf,
    llama_tensors,
    safetensors,
    safetensors_header,
)


def refuse(folder, reason, name="bad"):
    """Both tools that read folders say the same."""
    fails(folder, "quant-translate", "--import-hf", name, "-o", "m.mlir", reason=reason)
    fails(folder, "quantc", name, "-o", "out", reason=reason)


# Hugging Face folders.


@pytest.mark.parametrize(
    "key, value, reason",
    [
        ("model_type", None, "no string 'model_type'"),
        ("model_type", 3, "no string 'model_type'"),
        ("model_type", "mamba", "model type 'mamba' is not supported"),
        ("quantization_config", {"quant_method": "quip"}, "has the method 'quip'"),
        ("model_type", "gemma3", "model type 'gemma3' is not supported"),
        ("num_local_experts", 8, "a mixture of experts is not supported in this architecture"),
        ("rope_scaling", {"type": "longrope"}, "rope scaling 'longrope' is not supported"),
        ("rope_scaling", {"rope_type": "yarn"}, "needs a positive factor"),
        ("rope_scaling", {"type": "linear", "factor": -2}, "needs a positive factor"),
        ("partial_rotary_factor", 0.2, "cannot be rotated in pairs"),
        ("hidden_act", "relu2", "activation 'relu2'"),
        ("num_hidden_layers", None, "no integer 'num_hidden_layers'"),
        ("num_hidden_layers", "two", "no integer 'num_hidden_layers'"),
        ("num_hidden_layers", 2**40, "layers = 1099511627776"),
        ("num_hidden_layers", 3, "'model.layers.2.input_layernorm.weight': is missing"),
        ("num_attention_heads", 0, "heads = 0"),
        ("num_key_value_heads", 3, "4 heads cannot share 3"),
        ("vocab_size", -1, "vocabulary = -1"),
        ("vocab_size", 64, r"has shape \[128, 64\], expected \[64, 64\]"),
        ("hidden_size", 2**60, "hidden size"),
        ("rms_norm_eps", None, "no number 'rms_norm_eps'"),
        ("rms_norm_eps", 0, "epsilon"),
        ("rms_norm_eps", "1e-5", "no number 'rms_norm_eps'"),
    ],
)
def test_config(tmp_path, key, value, reason):
    llama_folder(tmp_path / "bad", **{key: value})
    refuse(tmp_path, rf"error: bad/(config\.json|model\.safetensors): .*{reason}")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"model_type": "llama"', "is not JSON"),
        ('{"model_type":\n"llama",\n}', "is not JSON"),
        ('{"a": ' * 200, "is nested more than 100 levels"),
        (b"\xff\xfe{}", "is not JSON"),
        ('{"rms_norm_eps": NaN}', "is not JSON"),
    ],
)
def test_text_of_config(tmp_path, text, reason):
    folder = llama_folder(tmp_path / "bad")
    (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    refuse(tmp_path, rf"error: bad/config\.json: {reason}")


@pytest.mark.parametrize("model_type, key", [("llama", "vocab_size"), ("bert", "type_vocab_size")])
def test_config_without_a_size(tmp_path, model_type, key):
    llama_folder(tmp_path / "bad", model_type=model_type, **{key: None})
    refuse(tmp_path, rf"bad/config\.json: has no integer '{key}'")


def test_empty_folder(tmp_path):
    (tmp_path / "bad").mkdir()
    refuse(tmp_path, r"error: bad/config\.json: cannot be read: No such file")


def test_folder_without_weights(tmp_path):
    (llama_folder(tmp_path / "bad") / "model.safetensors").unlink()
    refuse(tmp_path, r"error: bad: has neither model\.safetensors nor model\.safetensors\.index")


def header_with(**change):
    def make(tensors):
        header = safetensors_header(tensors)
        header["model.norm.weight"].update(change)
        return safetensors(tensors, header)

    return make


WHOLE = safetensors(llama_tensors())
HEADER = struct.unpack("<Q", WHOLE[:8])[0]


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "is empty"),
        (WHOLE[:7], "too few"),
        (WHOLE[:8], "header claims to have"),
        (WHOLE[: HEADER // 2], "header claims to have"),
        (WHOLE[: 8 + HEADER], "its data ends at"),
        (WHOLE[:-1], "its data ends at"),
        (WHOLE + b"x", "1 bytes at its end belong to no tensor"),
        (struct.pack("<Q", 2**63) + WHOLE[8:], "claims to have 9223372036854775808 bytes"),
        (struct.pack("<Q", 5) + b"[1,2]", "does not start with '{'"),
        (safetensors([], b'{"a": {}}'), "has no 'dtype'"),
        (safetensors([], b'{"\xff": {}}'), "is not UTF-8"),
        (safetensors([], b'{"a": ' * 1000), "tensor 'a': has the unknown field 'a'"),
        (header_with(dtype="F8_WHAT"), "unknown type 'F8_WHAT'"),
        (header_with(dtype="F16"), "its data has 256 bytes, its shape of type F16 takes 128"),
        (header_with(shape=[2**40, 2**40]), "shape is too large"),
        (header_with(shape=[-64]), "expected a non-negative integer"),
        (header_with(shape=[8, 8]), r"has shape \[8, 8\], expected \[64\]"),
        (header_with(data_offsets=[0, 256]), "overlaps|gap"),
        (header_with(data_offsets=[256, 0]), "ends before it"),
        (header_with(data_offsets=[2**62, 2**62 + 256]), "behind the end of the data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_safetensors(tmp_path, content, reason):
    folder = llama_folder(tmp_path / "bad")
    content = content(llama_tensors()) if callable(content) else content
    (folder / "model.safetensors").write_bytes(content)
    refuse(tmp_path, rf"error: bad/model\.safetensors: .*{reason}")


def test_safetensors_with_a_name_twice(tmp_path):
    folder = llama_folder(tmp_path / "bad")
    entry = '"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}'
    text = f"{{{entry}, {entry}}}".encode()
    (folder / "model.safetensors").write_bytes(safetensors([], text))
    refuse(tmp_path, r"model\.safetensors: tensor 'a': the name appears twice")


def test_a_tensor_of_integers(tmp_path):
    folder = llama_folder(tmp_path / "bad")
    tensors = llama_tensors()
    place = next(i for i, t in enumerate(tensors) if t.name.endswith("q_proj.weight"))
    tensors[place] = Tensor(tensors[place].name, [64, 64], "I8", bytes(64 * 64))
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    refuse(tmp_path, r"layers\.0\.self_attn\.q_proj\.weight': is I8; supported are")


@pytest.mark.parametrize(
    "index, reason",
    [
        ("{", "is not JSON"),
        ("{}", "no tensors in 'weight_map'"),
        ({"a": 3}, "'a': its file is not a string"),
        ({"a": "../a.safetensors"}, "is not a name in the same folder"),
        ({"a": "/etc/passwd"}, "is not a name in the same folder"),
        ({"a": "gone.safetensors"}, "'gone.safetensors', which is not there"),
    ],
    ids=str,
)
def test_index_of_shards(tmp_path, index, reason):
    folder = llama_folder(tmp_path / "bad")
    (folder / "model.safetensors").unlink()
    text = index if isinstance(index, str) else json.dumps({"weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)
    refuse(tmp_path, rf"error: bad/model\.safetensors\.index\.json: .*{reason}")


# What stands on the command line.


@pytest.fixture
def tiny(tmp_path):
    """A good model as tiny.gguf, in tmp_path."""
    (tmp_path / "tiny.gguf").write_bytes(llama_gguf().bytes())
    return tmp_path


def test_input_that_is_not_a_file(tmp_path):
    (tmp_path / "folder.gguf").mkdir()
    for tool, flag in (("quant-translate", "--import-gguf"), ("python", "import")):
        where = ["-o", "m.mlir"]
        fails(tmp_path, tool, flag, "gone.gguf", *where, reason=r"gone\.gguf: .*No such file")
    translate = ["quant-translate", "--import-gguf"]
    fails(tmp_path, *translate, "folder.gguf", reason=r"folder\.gguf: is a directory")
    fails(tmp_path, *translate, "/dev/null", reason="/dev/null: is not a regular file")
    fails(tmp_path, "quant-translate", "--import-hf", "gone", reason="gone/config.json: ")
    fails(tmp_path, "quantc", "gone.gguf", "-o", "out", reason=r"gone\.gguf: .*No such file")
    fails(tmp_path, "quantc", "gone.mlir", "-o", "out", reason=r"gone\.mlir")
    fails(tmp_path, "quantc", "folder.gguf", "-o", "out", reason=r"folder\.gguf/config\.json")


@pytest.mark.parametrize(
    "flags, reason",
    [
        (["--recipe", "int9"], "int9"),
        (["--recipe", "int4-g0"], "int4-g0"),
        (["--recipe", "gone.yaml"], r"gone\.yaml"),
        (["--target", "cpu:z80"], "cpu:z80"),
        (["--target", "gpu"], "gpu"),
        (["--target", ""], "target"),
    ],
    ids=str,
)
def test_values_of_options(tiny, flags, reason):
    fails(tiny, "quantc", "tiny.gguf", "-o", "out", *flags, reason=rf"quantc: error: .*{reason}")
    fails(tiny, "python", "compile", "tiny.gguf", "-o", "out", *flags, reason=reason)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rules: [",
        "\tx: 1",
        "rules:\n  - targets: [Linear]\n    weights: '#qt.nothing'\n",
        "rules:\n  - targets: ['re:(']\n    weights: int8\n",
        "unknown_key: 3\n",
        "- 1\n- 2\n",
        "rules: 7\n",
    ],
)
def test_recipe_files(tiny, text):
    (tiny / "my.yaml").write_text(text)
    flags = ["-o", "out", "--recipe", "my.yaml"]
    fails(tiny, "quantc", "tiny.gguf", *flags, reason=r"my\.yaml")


@pytest.mark.parametrize(
    "tool, arguments, reason",
    [
        ("quantc", [], "and -o DIR are needed"),
        ("quantc", ["tiny.gguf"], "-o DIR"),
        ("quantc", ["tiny.gguf", "--kernels", "l.yaml", "-o", "out"], "a MODEL or --kernels LIST"),
        (
            "quantc",
            ["--kernels", "l.yaml", "-o", "out", "--recipe", "w8a8"],
            "--recipe is for models",
        ),
        ("quantc", ["--kernels", "l.yaml", "-o", "out", "--batch", "32"], "--batch is for models"),
        ("quantc", ["tiny.gguf", "-o", "out", "--no-such-option"], "no-such-option"),
        ("quantc", ["tiny.gguf", "-o", "out", "--batch", "many"], "many"),
        ("quantc", ["tiny.gguf", "-o", "out", "--cache", "int4"], "--cache 'int4'"),
        (
            "quantc",
            ["--kernels", "l.yaml", "-o", "out", "--cache", "int8"],
            "--cache is for models",
        ),
        ("quantc", ["tiny.gguf", "-o", "out", "--batch", "0"], "--batch 0"),
        ("quantc", ["tiny.gguf", "-o", "out", "--batch", "17"], "--batch 17"),
        ("quantc", ["tiny.gguf", "-o", "out", "--batch", "1048576"], "--batch 1048576"),
        ("quantc", ["tiny.gguf", "-o", "out", "--name", "a-b"], "--name 'a-b'"),
        ("quantc", ["tiny.gguf", "-o", "out", "--name", "../a"], r"--name '\.\./a'"),
        ("quantc", ["tiny.gguf", "-o", "out", "--name", "1a"], "--name '1a'"),
        ("quant-translate", [], "--import-gguf"),
        ("quant-translate", ["--import-gguf", "a", "--import-hf", "b"], "--import-gguf"),
        ("quant-run", ["."], "--tokens"),
        ("quant-run", [".", "--tokens", "1,two"], "two"),
        ("quant-run", [".", "--tokens", "1", "--window", "1"], "--window"),
        ("quant-run", [".", "--tokens", "1", "--top-k=-1"], "--top-k"),
    ],
    ids=str,
)
def test_wrong_usage(tiny, tool, arguments, reason):
    fails(tiny, tool, *arguments, reason=reason, code=2)


# Modules.


@pytest.mark.parametrize(
    "text, reason",
    [
        ("func.func @f(", r"bad\.mlir:1:\d+: "),
        ("module {\n  unknown.op\n}", r"bad\.mlir:2:\d+: "),
        (b"\x00\x01\xff" * 9, r"bad\.mlir"),
        (
            "func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {\n"
            "  %w = qt.load @gone : tensor<8x8xf32>\n"
            "  return %x : tensor<?x8xf32>\n}",
            r"bad\.mlir:2:\d+: .*gone",
        ),
        (
            'qt.weight @w : tensor<8x8xf32> in "gone.gguf"\n'
            "func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {\n"
            "  %w = qt.load @w : tensor<8x8xf32>\n"
            "  %y = lm.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>\n"
            "  return %y : tensor<?x8xf32>\n}",
            r"gone\.gguf: cannot be read",
        ),
    ],
)
def test_modules(tmp_path, text, reason):
    (tmp_path / "bad.mlir").write_bytes(text if isinstance(text, bytes) else text.encode())
    fails(tmp_path, "quantc", "bad.mlir", "-o", "out", reason=rf"quantc: error: .*{reason}")


def test_quantize_from_python(tmp_path):
    (tmp_path / "bad.mlir").write_text("module {\n  unknown.op\n}")
    (tmp_path / "good.mlir").write_text("module {\n}")
    flags = ["-o", "m.mlir", "--recipe"]
    fails(tmp_path, "python", "quantize", "bad.mlir", *flags, "int8", reason=r"bad\.mlir:2")
    fails(tmp_path, "python", "quantize", "good.mlir", *flags, "int9", reason="int9")


# Outputs.


def test_outputs_that_cannot_be_written(tiny):
    (tiny / "file").write_text("mine")
    (tiny / "folder").mkdir()
    translate = ["quant-translate", "--import-gguf", "tiny.gguf", "-o"]
    fails(tiny, *translate, "gone/m.mlir", reason=r"gone/m\.mlir: cannot be written")
    fails(tiny, *translate, "folder", reason="folder: cannot be written")
    fails(tiny, *translate, "/proc/m.mlir", reason=r"/proc/m\.mlir: cannot be written")
    compile = ["quantc", "tiny.gguf", "-o"]
    fails(tiny, *compile, "file", reason="file: .*(is not a folder|Not a directory|exists)")
    fails(tiny, *compile, "file/out", reason="file/out: cannot be made")
    fails(tiny, *compile, "/proc/out", reason="/proc/out: cannot be made")
    fails(tiny, *compile, "/proc/self", reason="/proc/self: cannot be written")
    fails(tiny, "python", "import", "tiny.gguf", "-o", "/proc/m", reason="/proc/m: cannot")


def test_a_late_failure_leaves_an_earlier_model_alone(tiny):
    """A folder where a file must go is found at the end, when all others are written."""
    (tiny / "out" / "tiny.so").mkdir(parents=True)
    (tiny / "out" / "tiny.o").write_text("of an earlier run")
    late = {"seconds": 60, "reason": r"out/tiny\.so: cannot be written: it is a folder"}
    fails(tiny, "quantc", "tiny.gguf", "-o", "out", **late)


def test_no_compiler_to_link_with(tiny, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    fails(tiny, "quantc", "tiny.gguf", "-o", "a/b/out", seconds=60, reason="no C compiler")


# Compiled models.


@pytest.fixture
def model(compiled, tmp_path, tmp_path_factory):
    """A copy of a compiled model as "model", to damage, in tmp_path."""
    gguf = tmp_path_factory.getbasetemp() / "tiny.gguf"
    gguf.write_bytes(llama_gguf().bytes())
    shutil.copytree(compiled(gguf), tmp_path / "model")
    return tmp_path


def damage_nothing(folder):
    pass


def damage_weights(change):
    def damage(folder):
        path = folder / "model.weights.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return damage


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lambda folder: shutil.rmtree(folder), "model: .*[Nn]o such"),
        (lambda folder: (folder / "model.json").unlink(), "model: .*no compiled model"),
        (lambda folder: (folder / "model.json").write_text("{"), "no compiled model|model.json: "),
        (
            lambda folder: shutil.copy(folder / "model.json", folder / "b.json"),
            "more than one compiled model",
        ),
        (lambda folder: (folder / "model.so").unlink(), r"model\.so"),
        (lambda folder: (folder / "model.so").write_bytes(b"\x7fELF"), r"model\.so"),
        (lambda folder: (folder / "model.weights.safetensors").unlink(), "model.*weights|No such"),
        (damage_weights(lambda content: content[:-64]), "model"),
        (damage_weights(lambda content: content[:4]), "model"),
        (damage_weights(lambda content: bytes(len(content))), "model"),
        (damage_weights(lambda content: content.replace(b"U8", b"I8", 1)), "model"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [["quant-run", "model", "--tokens", "1"], ["python", "generate", "model", "a", "--raw"]],
    ids=["quant-run", "python"],
)
def test_compiled_models(model, command, damage, reason):
    damage(model / "model")
    fails(model, *command, reason=reason)


def test_tokens(model):
    fails(model, "quant-run", "model", "--tokens", "1,128", reason="model: .*128")
    fails(model, "quant-run", "model", "--tokens=-1", reason="model: .*-1")
    fails(model, "quant-run", "model", "--tokens", "1", "--top-k", "129", reason="129.*1 to 128")
    many = ",".join(["1"] * 65)
    fails(model, "quant-run", "model", "--tokens", many, reason="model: .*(64|65)")
    fails(model, "quant-run", "model", "--bench", "pp=x", reason="--bench pp=x: expected")
    (model / "file").write_text("mine")
    fails(model, "quant-run", "file", "--tokens", "1", reason="file: Not a directory")


def npy(array) -> bytes:
    import io

    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "wrong magic"),
        (b"PK\x03\x04" * 9, "wrong magic"),
        (npy(np.arange(8, dtype=np.int32))[:9], "cut off|wrong magic"),
        (npy(np.arange(8, dtype=np.int32))[:40], "header is cut off"),
        (npy(np.arange(8, dtype=np.int32))[:-1], "data is cut off"),
        (npy(np.arange(8, dtype=np.int32))[:-4], "data is cut off"),
        (npy(np.ones(8)), "expected int32 or int64"),
        (npy(np.ones((2, 4), np.int32)), "expected one dimension"),
        (npy(np.array(7, np.int64)), "expected one or two dimensions"),
        (npy(np.array([-1, 2], np.int64)), "has a negative token"),
        (npy(np.array([-2, 2], np.int64)), "out of range"),
        (npy(np.array([2**40, 2], np.int64)), "out of range"),
        (npy(np.array([1, 2], np.int32)), "fewer tokens than a window"),
    ],
)
def test_files_of_tokens(model, content, reason):
    (model / "tokens.npy").write_bytes(content)
    flags = ["--perplexity", "tokens.npy", "--window", "8"]
    fails(model, "quant-run", "model", *flags, reason=rf"error: tokens\.npy: .*{reason}")

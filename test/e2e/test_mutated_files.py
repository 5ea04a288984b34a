# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models that are almost right: every importer ends with a module or with one line of error.

The readers below the importers are fuzzed under sanitizers (test/fuzz); here what they let through
says wrong things. Of ONNX: test_bad_onnx.py.
"""

import json
import struct
import subprocess

import numpy as np
import pytest
import tiny_checkpoints
import tiny_decoders
from mutations import WORDS, mutate
from quant_mlir import tools
from tiny_models import ARRAY, BOOL, F32, STRING, U32


def import_all(path, mutations, arguments, least):
    """Runs `quant-translate` on what `mutations` write; `least` are to be refused, and some not."""
    refused = count = 0
    for name in mutations:
        command = [tools.find("quant-translate"), *arguments, "-o", "m.mlir"]
        done = subprocess.run(command, cwd=path, stderr=subprocess.PIPE, timeout=60)
        said = done.stderr.decode("utf-8")
        assert done.returncode in (0, 1), f"{name}: {done.returncode} {said}"
        count += 1
        if done.returncode == 1:
            refused += 1
            assert said.count("\n") == 1 and said[:-1].isprintable(), f"{name}: {said!r}"
            assert "error: " in said, said
    assert least <= refused < count, f"{refused} of {count}"


def configs(path, makers, count):
    """Hugging Face folders with another config.json, in every other case other tensors, too."""
    random = np.random.default_rng(11)
    for number in range(count):
        folder = path / f"m{number}"
        makers[number % len(makers)](folder)
        if number % 3:
            config = folder / "config.json"
            changed = mutate(json.loads(config.read_text()), random)
            config.write_text(json.dumps(changed))
        else:
            weights = folder / "model.safetensors"
            whole = weights.read_bytes()
            size = int.from_bytes(whole[:8], "little")
            header = mutate(json.loads(whole[8 : 8 + size]), random)
            text = json.dumps(header).encode()
            weights.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + size :])
        (path / "model").unlink(missing_ok=True)
        (path / "model").symlink_to(folder)
        yield number


@pytest.mark.parametrize("part", range(2))
def test_folders(tmp_path, part):
    makers = [
        lambda folder, name=name: tiny_decoders.folder(folder, name)
        for name in list(tiny_decoders.CONFIGS)[part::2]
    ]
    import_all(tmp_path, configs(tmp_path, makers, 120), ["--import-hf", "model"], 50)


def test_checkpoints(tmp_path):
    makers = [
        lambda folder, name=name: tiny_checkpoints.encode(name, folder)
        for name in tiny_checkpoints.FORMATS
    ]
    import_all(tmp_path, configs(tmp_path, makers, 120), ["--import-hf", "model"], 40)


def gguf_files(path, count):
    random = np.random.default_rng(13)
    names = [name for name in tiny_decoders.CONFIGS if name not in tiny_decoders.HF_ONLY]
    for number in range(count):
        file = tiny_decoders.gguf(names[number % len(names)])
        keys = [key for key, (kind, _) in file.keys.items() if kind != ARRAY]
        kind = random.integers(4)
        if kind == 0:
            tensor = file.tensors[random.integers(len(file.tensors))]
            tensor.name = WORDS[random.integers(len(WORDS))] + tensor.name[1:]
        elif kind == 1:
            tensor = file.tensors[random.integers(len(file.tensors))]
            tensor.shape = tensor.shape[::-1] if random.integers(2) else [*tensor.shape, 1]
        elif kind == 2:
            del file.keys[keys[random.integers(len(keys))]]
        else:
            values = [(U32, 0), (U32, 7), (U32, 0xFFFFFFFF), (F32, -1.0), (F32, float("nan"))]
            values += [(STRING, "x"), (BOOL, True), (ARRAY, (U32, [])), (ARRAY, (U32, [1, 0]))]
            file.keys[keys[random.integers(len(keys))]] = values[random.integers(len(values))]
        (path / "model.gguf").write_bytes(file.bytes())
        yield number


def test_gguf(tmp_path):
    import_all(tmp_path, gguf_files(tmp_path, 220), ["--import-gguf", "model.gguf"], 90)

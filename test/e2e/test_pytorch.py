# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules that torch.export and PyTorch's ONNX exporter wrote (torch/export_onnx.py)."""

import builtins
import pathlib
import re
import subprocess

import numpy as np
import pytest
import quant_mlir
from quant_mlir import tools

FOLDER = pathlib.Path(__file__).parent / "torch" / "onnx"
EXPECTED = np.load(FOLDER / "expected.npz")
MODELS = sorted(path.stem for path in FOLDER.glob("*.onnx"))


@pytest.mark.parametrize("name", MODELS)
def test_results_are_those_of_torch(compiled, name):
    inputs = [EXPECTED[key] for key in sorted(EXPECTED.files) if key.startswith(f"{name}.input")]
    with quant_mlir.load(compiled(FOLDER / f"{name}.onnx", "f32")) as model:
        result = model.run(*inputs)
    expected = EXPECTED[f"{name}.result"]
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() <= 2e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", MODELS)
def test_attention_and_norms_are_found(name, tmp_path):
    imported, raised = tmp_path / "imported.mlir", tmp_path / "raised.mlir"
    subprocess.run(
        [tools.find("quant-translate"), "--import-onnx", FOLDER / f"{name}.onnx", "-o", imported],
        check=True,
    )
    tools.run_opt(imported, "--lm-raise-linalg", "-o", raised)
    found = re.findall(r"\blm\.(\w+) ", raised.read_text())
    counts = {op: found.count(op) for op in ("attention", "linear", "activation", "embedding")}
    bert = name == "bert"
    assert counts == {
        "attention": 1,
        "linear": 6 if bert else 8,
        "activation": 1,
        "embedding": 3 if bert else 1,
    }
    # Qwen3 has one for queries and one for keys.
    norms = {"bert": ("layer_norm", 3), "llama": ("rms_norm", 3), "qwen3": ("rms_norm", 5)}
    op, count = norms[name]
    assert found.count(op) == count


def test_without_torch_one_line_says_so(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **others):
        if name in ("torch", "onnxscript"):
            raise ImportError(f"No module named '{name}'")
        return real(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(quant_mlir.InputError, match="need torch and onnxscript: No module named"):
        quant_mlir.compile_torch(None, (), "out")


def test_compile_torch(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    module = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 32))
    x = torch.randn(5, 32)
    shapes = ({0: torch.export.Dim("rows", max=64)},)
    folder = tmp_path / "made" / "out"
    with quant_mlir.compile_torch(
        module, (x,), folder, recipe="w8a8", dynamic_shapes=shapes
    ) as model:
        result = model.run(x[:3].numpy())
    expected = module(x[:3]).detach().numpy()
    assert np.abs(result - expected).max() <= 0.05 * np.abs(expected).max()
    assert [path.name for path in folder.parent.iterdir()] == ["out"]

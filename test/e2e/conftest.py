# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import os
import pathlib

import numpy as np
import pytest
from compiling import Compiler

REFERENCES = pathlib.Path(__file__).parent / "references"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    # pytest-xdist gives each process a folder inside of one that they share.
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    cache.mkdir(exist_ok=True)
    return Compiler(cache)


@pytest.fixture(scope="session")
def smollm2_reference():
    return np.load(REFERENCES / "smollm2.npz")


@pytest.fixture(scope="session")
def sentences():
    return (REFERENCES / "sentences.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="session")
def minilm_reference():
    rows = np.load(REFERENCES / "minilm.npz")["embeddings"].astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

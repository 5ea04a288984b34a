# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which tokens quant-run and the Python package choose, by the logits of a tiny model."""

import subprocess

import numpy as np
import pytest
import quant_mlir
from quant_mlir import tools
from tiny_models import llama_gguf

PROMPT, COUNT = [1, 20, 3], 8


@pytest.fixture(scope="module")
def folder(compiled, tmp_path_factory):
    gguf = tmp_path_factory.mktemp("generation") / "tiny.gguf"
    gguf.write_bytes(llama_gguf().bytes())
    return compiled(gguf)


def quant_run(folder, *flags):
    command = [tools.find("quant-run"), folder, "--tokens", ",".join(map(str, PROMPT))]
    command += ["--generate", str(COUNT), *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(token) for token in done.stdout.split(",")]


def ranks(folder, tokens):
    """The place of each generated token among those that were possible, the likeliest being 0."""
    with quant_mlir.load(folder) as model:
        logits = model.logits(PROMPT + tokens)[len(PROMPT) - 1 : -1]
    order = np.argsort(-logits, axis=1, kind="stable")
    return [int(np.flatnonzero(row == token)[0]) for row, token in zip(order, tokens)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_greedy(folder, threads):
    tokens = quant_run(folder, "--greedy", "--threads", threads)
    assert len(tokens) == COUNT and ranks(folder, tokens) == [0] * COUNT
    assert quant_run(folder, "--top-k", 1, "--threads", threads) == tokens
    with quant_mlir.load(folder, threads) as model, model.session() as session:
        fed = PROMPT
        for token in tokens:
            (best,), _ = session.best(fed, 1)
            assert best == token
            fed = [token]


def test_samples_of_the_likeliest(folder):
    seen = set()
    for seed in range(12):
        tokens = quant_run(folder, "--top-k", 3, "--seed", seed)
        seen.update(ranks(folder, tokens))
    # 96 draws of three: that one of them is never drawn, with logits so close, is not to happen.
    assert seen == {0, 1, 2}

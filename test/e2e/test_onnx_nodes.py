# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every node test of the package onnx whose operators we claim: import, lowering, JIT."""

import pathlib

import pytest

pytest.importorskip("onnx")
import node_cases

CASES = node_cases.claimed()
NAMES = sorted(name for name in CASES if node_cases.why_not(CASES[name]) is None)
# So many are called from one module: starting the JIT takes longer than a test.
TOGETHER = 40


@pytest.mark.parametrize("first", range(0, len(NAMES), TOGETHER))
def test_nodes(first, tmp_path):
    wrong = node_cases.run([CASES[name] for name in NAMES[first : first + TOGETHER]], tmp_path)
    assert not wrong, "\n".join(f"{name}: {reason}" for name, reason in wrong.items())


def test_the_documentation_lists_them():
    page = pathlib.Path(__file__).parents[2] / "docs" / "onnx.md"
    assert node_cases.listing() in page.read_text(encoding="utf-8")

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The scripts of scripts/: what they write, and that it compiles."""

import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from building import compile_command, generate

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRANSFORMS = "Dialect/QT/Transforms"


def script(name):
    """scripts/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(name, *arguments):
    command = [sys.executable, ROOT / "scripts" / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def sources(tmp_path):
    """A copy of the parts of the tree that the generators change."""
    for name in ["include", "lib"]:
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_new_pass_is_declared_built_and_tested(sources):
    done = call("new_pass", "QT", "FoldScales", "Fold scales", "--root", sources)
    assert done.returncode == 0, done.stderr
    passes = (sources / "include/quant-mlir" / TRANSFORMS / "Passes.td").read_text()
    assert 'def FoldScalesPass : Pass<"qt-fold-scales"' in passes
    assert passes.rstrip().splitlines()[-1].startswith("#endif")
    cmake = (sources / "lib" / TRANSFORMS / "CMakeLists.txt").read_text()
    listed = re.findall(r"^  (\w+\.cpp)$", cmake, re.MULTILINE)
    assert "FoldScales.cpp" in listed
    test = (sources / "test/Dialect/QT/fold-scales.mlir").read_text()
    assert "quant-opt %s --qt-fold-scales | FileCheck %s" in test
    # Every source that was listed still is.
    before = (ROOT / "lib" / TRANSFORMS / "CMakeLists.txt").read_text()
    assert set(re.findall(r"\w+\.cpp", before)) | {"FoldScales.cpp"} == set(
        re.findall(r"\w+\.cpp", cmake)
    )


def test_a_pass_is_not_written_twice(sources):
    arguments = ["CPU", "FuseNothing", "Fuse nothing", "--root", sources]
    assert call("new_pass", *arguments).returncode == 0
    again = call("new_pass", *arguments)
    assert again.returncode == 1
    assert "--cpu-fuse-nothing already" in again.stderr


@pytest.mark.parametrize("name", ["foldScales", "Fold-Scales", "FoldScalesPass"])
def test_names_of_passes(sources, name):
    done = call("new_pass", "QT", name, "Fold", "--root", sources)
    assert done.returncode == 2
    assert "is not a name like FoldScales" in done.stderr


def test_new_scheme_is_listed_and_tested(sources):
    done = call("new_scheme", "Toy2", "--bits", "2", "--values", "64", "--root", sources)
    assert done.returncode == 0, done.stderr
    definitions = (sources / "include/quant-mlir/Dialect/QT/Schemes/Schemes.def").read_text()
    assert "\nQT_SCHEME(Toy2)\n" in definitions
    folder = sources / "lib/Dialect/QT/Schemes/Toy2"
    # f16 scale and 64 codes of 2 bits: 2 + 16 bytes.
    assert "values = 64, bytes = 18;" in (folder / "Toy2.cpp").read_text()
    assert 'QT_BlocksAttr<"Toy2", "toy2">' in (folder / "Toy2.td").read_text()
    assert "#qt.toy2" in (sources / "test/Dialect/QT/scheme-toy2.mlir").read_text()


def test_new_scheme_compiles(sources):
    command = compile_command("lib/Dialect/QT/Schemes/GGUF/GGUF.cpp")
    assert call("new_scheme", "Toy4", "--root", sources).returncode == 0
    folder = sources / "lib/Dialect/QT/Schemes/Toy4"
    flags = ["-attrdefs-dialect=qt"]
    generate(folder / "Toy4.td", folder / "Toy4.h.inc", "-gen-attrdef-decls", *flags)
    generate(folder / "Toy4.td", folder / "Toy4.cpp.inc", "-gen-attrdef-defs", *flags)
    check_syntax(command, folder / "Toy4.cpp", folder)


def test_new_pass_compiles(sources):
    command = compile_command(f"lib/{TRANSFORMS}/LowerToLinalgPass.cpp")
    done = call("new_pass", "QT", "FoldScales", "Fold scales", "--root", sources)
    assert done.returncode == 0
    headers = sources / "include/quant-mlir" / TRANSFORMS
    generate(headers / "Passes.td", headers / "Passes.h.inc", "-gen-pass-decls", "-name=QT")
    check_syntax(command, sources / "lib" / TRANSFORMS / "FoldScales.cpp", sources / "include")


def check_syntax(command, source, include):
    """Compiles `source` by the command of another, without making an object."""
    start = next(i for i, word in enumerate(command) if word.endswith(("++", "cc", "clang")))
    end = command.index("-o")
    words = [command[start], f"-I{include}", *command[start + 1 : end], "-fsyntax-only", source]
    words = [word for word in words if word != "ccache"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]


def test_dead_links_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# A heading, with `code`\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) [b](other.md#a-heading-with-code) [c](https://example.org/x)\n"
        "`[not](a-link.md)`\n\n    [nor](this.md)\n\n"
        "[d](gone.md)\n[e](other.md#no-such)\n![f](gone.svg)\n"
    )
    dead = [(number, link) for number, link, _ in script("check_links").dead_links(page)]
    assert dead == [(6, "gone.md"), (7, "other.md#no-such"), (8, "gone.svg")]


@pytest.mark.parametrize(
    ("suite", "text", "expected"),
    [
        ("lit", "Total Discovered Tests: 5\n  Passed: 3 (60%)\n  Failed: 2 (40%)\n", (3, 2)),
        ("lit", "  Passed           : 7 (87%)\n  Expectedly Failed: 1 (13%)\n", (8, 0)),
        ("gtest", "[  PASSED  ] 9 tests.\n[  PASSED  ] 1 test.\n", (10, 0)),
        ("gtest", "1: [  PASSED  ] 8 tests.\n2: [  PASSED  ] 3 tests.\n", (11, 0)),
        ("gtest", "[  PASSED  ] 4 tests.\n[  FAILED  ] 2 tests, listed below:\n", (4, 2)),
        ("gtest", "1: [  PASSED  ] 8 tests.\n\t  5 - RunTests (Not Run)\n", (8, 1)),
        ("pytest", "test_9 failed to fail\n3 passed, 1 skipped in 2.0s\n", (3, 0)),
        ("pytest", "= 2 failed, 3 passed, 1 error in 2.0s =\n", (3, 3)),
    ],
)
def test_counting(suite, text, expected):
    assert getattr(script("run_tests"), f"count_{suite}")(text) == expected

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the test suites of a finished build and adds up what they say.

    scripts/run_tests.py [--build DIR] [--fuzz-seconds 10] [SUITE]...

Suites are lit, unit, pytest and fuzz, which all run if none is named, and fuzz-importers, which
takes ten minutes to build. Each one's output goes to the terminal as it comes. All suites run even
if one fails; the last line, also in DIR/test-counts.txt, is "N passed, N failed". Exit code 1 if
anything failed.
"""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def total(pattern: str, text: str) -> int:
    return sum(int(number) for number in re.findall(pattern, text, re.MULTILINE))


def count_lit(text: str) -> tuple:
    passed = total(r"^ *(?:Passed|Expectedly Failed) *: +(\d+)", text)
    bad = r"^ *(?:Failed|Unresolved|Timed Out|Unexpectedly Passed) *: +(\d+)"
    return passed, total(bad, text)


def count_gtest(text: str) -> tuple:
    # ctest puts the number of the test program in front of each line.
    passed = total(r"^(?:\d+: )?\[  PASSED  \] (\d+) tests?", text)
    failed = total(r"^(?:\d+: )?\[  FAILED  \] (\d+) tests?, listed below", text)
    # Programs that ended before they could count: ctest's list says (Not Run), (SEGFAULT), ...
    return passed, failed + len(re.findall(r"^\s+\d+ - \w+ \((?!Failed)", text, re.MULTILINE))


def count_pytest(text: str) -> tuple:
    # The last line is the summary; test names above it may hold any words.
    last = text.strip().splitlines()[-1] if text.strip() else ""
    return total(r"(\d+) passed", last), total(r"(\d+) (?:failed|errors?)\b", last)


def count_fuzz(text: str) -> tuple:
    # A finding ends it before it can say how many cases there were.
    return len(re.findall(r"^\d+ cases", text, re.MULTILINE)), 0


# What GTest says about each test, and ctest about itself: not for the terminal.
NOISE = re.compile(
    r"\d+: (\[( RUN|       OK|-----|=====)|Test (command|timeout)|Working|$)|UpdateC"
)


def run(command: list) -> tuple:
    """(exit code, output); shows the output while it comes, but for noise."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    for line in process.stdout:
        if not NOISE.match(line):
            print(line, end="", flush=True)
        lines.append(line)
    return process.wait(), "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--fuzz-seconds", default=10, type=int)
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    options = parser.parse_args()
    ninja = ["cmake", "--build", str(options.build), "--target"]
    build = shlex.join(ninja)

    def fuzz(target, files, prepare="true"):
        # Compiled with sanitizers, which is why it is not part of all.
        program = shlex.quote(str(options.build / "bin" / target))
        seconds = f"--seconds {options.fuzz_seconds}"
        steps = [f"{build} {target}", prepare, f"{program} {seconds} {files}"]
        return ["sh", "-c", " && ".join(steps)], count_fuzz

    seeds = shlex.quote(str(options.build / "fuzz-seeds"))
    make_seeds = f"{shlex.quote(sys.executable)} test/fuzz/importer_seeds.py {seeds}"
    suites = {
        "lit": ([*ninja, "check-lit"], count_lit),
        "unit": (["ctest", "--test-dir", str(options.build), "-L", "unit", "-V"], count_gtest),
        # Models are compiled once for both processes (test/python/compiling.py).
        "pytest": (
            [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal"],
            count_pytest,
        ),
        "fuzz": fuzz("fuzz-weight-files", "test/golden/good.gguf test/golden/good.onnx"),
        "fuzz-importers": fuzz("fuzz-importers", f"{seeds}/*", make_seeds),
    }
    if unknown := set(options.suites) - set(suites):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")

    counts_file = ROOT / options.build / "test-counts.txt"
    counts_file.unlink(missing_ok=True)
    rows = []
    for name in options.suites or ["lit", "unit", "pytest", "fuzz"]:
        command, count = suites[name]
        print(f"== {name}", flush=True)
        start = time.monotonic()
        status, text = run(command)
        passed, failed = count(text)
        if status != 0 and failed == 0:
            failed = 1  # It broke before it could count.
        if status == 0 and passed == 0:
            failed += 1  # A suite that finds no test is broken too.
        rows.append((name, passed, failed, time.monotonic() - start))

    print("== tests")
    for name, passed, failed, seconds in rows:
        print(f"{name:6} {passed:5} passed {failed:4} failed {seconds:7.0f} s")
    passed, failed = sum(row[1] for row in rows), sum(row[2] for row in rows)
    counts_file.write_text(f"{passed} passed, {failed} failed\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

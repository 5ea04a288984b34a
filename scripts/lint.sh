#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Formatting, Python mistakes and dead links; with --fix, repairs what a program can.
# TIDY=1 adds clang-tidy over the files that differ from the branch main (slow).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
mapfile -t sources < <(git ls-files -co --exclude-standard -- '*.cpp' '*.h' '*.c')
mapfile -t existing < <(for f in "${sources[@]}"; do [ -f "$f" ] && echo "$f"; done)

if [ "${1:-}" = --fix ]; then
  [ ${#existing[@]} = 0 ] || $bin/clang-format -i "${existing[@]}"
  $bin/ruff check -q --fix . || true
  $bin/ruff format -q .
  exit
fi

status=0
for file in "${existing[@]}"; do
  $bin/clang-format "$file" | cmp -s - "$file" || { echo "$file: not formatted"; status=1; }
done
$bin/ruff check -q . || status=1
$bin/ruff format --check . | grep "^Would reformat" && status=1
$bin/python scripts/check_links.py || status=1
if [ -n "${TIDY:-}" ]; then
  mapfile -t changed < <(git diff --name-only --diff-filter=d "${BASE:-main}" -- '*.cpp')
  [ ${#changed[@]} = 0 ] ||
    $bin/clang-tidy -quiet -p "${BUILD:-build}" "${changed[@]}" || status=1
fi
exit $status

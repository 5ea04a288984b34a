# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The commands of everyday; `make help` lists them. CMake and Ninja do the work.

BUILD ?= build
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 10
# Another MLIR 22 than the pinned wheels: make MLIR_DIR=... LLVM_DIR=...
SITE = $$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
MLIR_DIR ?= $(SITE)/mlir/lib/cmake/mlir
LLVM_DIR ?= $(SITE)/llvm/lib/cmake/llvm

PYTHON := $(CURDIR)/.venv/bin/python
STAMP := .venv/stamp
NINJA = cmake --build $(BUILD) -j $(JOBS) --target
export PYTHONPATH := $(CURDIR)/python
export QUANT_MLIR_TOOLS := $(abspath $(BUILD))/bin

.DEFAULT_GOAL := build
.PHONY: build help setup demo test fuzz bench bench-accuracy gpu-bundle format lint docs clean

build: configure ## the tools, libraries and tests into build/ (default)
	@$(NINJA) all

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | sort | expand -t 16

setup: $(STAMP) ## the virtual environment .venv, and Debian packages if root
$(STAMP): requirements.txt requirements-test.txt requirements-models.txt \
  requirements-tools.txt scripts/setup.sh
	@scripts/setup.sh && touch $@

.PHONY: configure
configure: $(BUILD)/build.ninja
$(BUILD)/build.ninja: $(STAMP)
	@cmake -G Ninja -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release --log-level=NOTICE \
	  $(if $(shell command -v ccache),-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache) \
	  -DPython3_EXECUTABLE=$(PYTHON) -DMLIR_DIR=$(MLIR_DIR) -DLLVM_DIR=$(LLVM_DIR)

demo: configure ## SmolLM2 in five formats: an answer, size, speed, accuracy
	@$(NINJA) quantc quant-run
	@$(PYTHON) -m quant_mlir.demo -o $(BUILD)/demo $(DEMO_FLAGS)

test: build ## lit, unit and Python tests, the fuzzer for a moment
	@$(PYTHON) scripts/run_tests.py --build $(BUILD) --fuzz-seconds $(FUZZ_SECONDS) $(TESTS)

fuzz: configure ## the readers of weight files and the importers, FUZZ_SECONDS each
	@$(PYTHON) scripts/run_tests.py --build $(BUILD) --fuzz-seconds $(FUZZ_SECONDS) fuzz fuzz-importers

bench: configure ## our speed beside others', which are installed the first time
	@test -x $(BUILD)/bench/llama/bin/llama-bench || bench/setup.sh $(abspath $(BUILD))/bench
	@$(NINJA) quantc quant-run
	@$(PYTHON) bench/kernels.py --folder $(BUILD)/bench --chart $(BUILD)/bench/kernels.svg
	@$(PYTHON) bench/models.py --folder $(BUILD)/bench
	@$(PYTHON) bench/encoder.py --folder $(BUILD)/bench

bench-accuracy: configure ## what each recipe loses beside the peers; DATA=FOLDER with the texts
	@$(NINJA) quantc
	@$(PYTHON) bench/accuracy.py --work $(BUILD)/bench/accuracy $(if $(DATA),--data $(DATA)) \
	  $(foreach pattern,$(ONLY),--only '$(pattern)')

gpu-bundle: configure ## build/gpu-bundle: kernels to check and time on a GPU; MODEL=FILE adds a model
	@$(NINJA) quantc quant_gpu quant_gpu_emulator
	@$(PYTHON) bench/gpu/bundle.py -o $(BUILD)/gpu-bundle $(if $(MODEL),--model $(MODEL))

docs: configure ## build/docs: written and generated pages, links checked
	@$(NINJA) quant-docs
	@$(PYTHON) scripts/make_docs.py --build $(BUILD)

format: ## clang-format and ruff, in place
	@scripts/setup.sh lint
	@scripts/lint.sh --fix

lint: ## formatting, ruff, links; clang-tidy with TIDY=1
	@scripts/setup.sh lint
	@TIDY=$(TIDY) BUILD=$(BUILD) scripts/lint.sh

clean: ## removes build/, keeps .venv
	rm -rf $(BUILD)

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/GPU/Target.h"
#include "llvm/Support/Errc.h"
#include <string>

using namespace quantmlir::cuda;

/// PTX versions: the oldest that has what is emitted, so that old drivers can
/// compile it; LLVM ends the process if one is too old. Those of sm_90a have
/// been measured on an H200, others not: with 32 tokens `mma` spills on sm_89,
/// and narrow tiles do but on sm_90a. The large tile is wide where the weight
/// is: each of its warps decodes rows that no other does, and activations,
/// which have more bits, are read by fewer blocks.
static constexpr TileSizes large = {256, 64, 8}, small = {64, 64, 4},
                           narrow = {64, 32, 4}, wide = {256, 128, 8},
                           none = {};
/// Products of four warps: two such blocks, which do not wait for each other,
/// decode and multiply by turns.
static constexpr TileSizes together = {128, 64, 4};
static constexpr int64_t KB = 1024;
static constexpr GPUTarget targets[] = {
    {"sm_80", "+ptx70", 4, 16, 8, large, small, none, wide, 4, 108, 163 * KB,
     false, false},
    {"sm_89", "+ptx84", 4, 16, 8, large, small, none, wide, 4, 128, 99 * KB,
     true, false},
    {"sm_90a", "+ptx84", 4, 32, 8, together, small, narrow, wide, 4, 132,
     227 * KB, false, true},
};

static constexpr llvm::StringLiteral real = "cuda:", onCPU = "cuda-emulated:";

bool quantmlir::cuda::isGPUTarget(llvm::StringRef spec) {
  return spec.starts_with("cuda");
}

bool quantmlir::cuda::isEmulated(llvm::StringRef spec) {
  return spec.starts_with(onCPU);
}

llvm::Expected<GPUTarget>
quantmlir::cuda::parseGPUTarget(llvm::StringRef spec) {
  llvm::StringRef chip = spec;
  if (chip.consume_front(real) || chip.consume_front(onCPU))
    for (const GPUTarget &target : targets)
      if (target.chip == chip) {
        GPUTarget found = target;
        // An emulator runs one block after the other; what it takes to compile
        // a tile for it and to run it grows with its size.
        if (isEmulated(spec)) {
          found.processors = 1;
          found.largeTile = {128, 16, 4};
          found.smallTile = {64, 16, 4};
          found.narrowTile = {64, 8, 2};
          found.wideTile = {128, 32, 4};
        }
        return found;
      }
  std::string known;
  for (const GPUTarget &target : targets)
    known += (known.empty() ? "" : ", ") + (real + target.chip).str();
  return llvm::createStringError(llvm::errc::invalid_argument,
                                 "unknown target '" + spec +
                                     "'; the GPUs are " + known);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_GPU_TARGET_H
#define QUANT_MLIR_CODEGEN_GPU_TARGET_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace quantmlir::cuda {

/// How much of a product a block of the forms `tiles` and `wgmma` computes.
struct TileSizes {
  int64_t rows;   ///< of the weight, by 32
  int64_t tokens; ///< rows of the activation
  int64_t warps;
};

/// All that code generation knows about a GPU: a row of the table in
/// Target.cpp.
struct GPUTarget {
  llvm::StringRef chip;     ///< as LLVM and ptxas call it: sm_80
  llvm::StringRef features; ///< LLVM feature string: the PTX version
  int64_t dotTokens;        ///< most activations that dot products are for
  int64_t mmaTokens;        ///< activations of a warp on tensor cores, by 8
  int64_t warps;            ///< of a block
  TileSizes largeTile;      ///< where such blocks keep the processors busy
  TileSizes smallTile;      ///< where they do not
  TileSizes narrowTile;     ///< where these do not either; no rows: none
  TileSizes wideTile;       ///< of `wgmma`, if sums need no scale on their way
  int64_t stages;           ///< of a tile, copies that are on their way
  int64_t processors;       ///< of the GPU that most people have
  int64_t sharedBytes;      ///< most that a block can have
  bool float8;              ///< a warp multiplies 8-bit floats as they are
  bool wgmma;               ///< has products of four warps, of those, too
};

/// `cuda:` or `cuda-emulated:` and the name of a row. Errors name the rows.
llvm::Expected<GPUTarget> parseGPUTarget(llvm::StringRef spec);

/// Whether `spec` means to be such a target.
bool isGPUTarget(llvm::StringRef spec);

/// Whether it asks for code for the CPU that does what the GPU would: a test.
bool isEmulated(llvm::StringRef spec);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_CODEGEN_GPU_TARGET_H

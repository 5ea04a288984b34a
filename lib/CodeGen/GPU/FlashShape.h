// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_FLASHSHAPE_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_FLASHSHAPE_H

#include "Forms.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::cuda {

/// Rows of f16 in shared memory, in quads: four side by side.
struct HalfMatrix {
  int64_t firstByte, rows, quads;

  static constexpr int64_t quadBytes = 8;

  /// The lanes of half a warp, which have four quads of four rows, are to read
  /// from different banks: quads are 4, 12, … for that.
  int64_t rowBytes() const {
    return (quads % 8 == 4 ? quads : quads + 4) * quadBytes;
  }
  int64_t endByte() const { return firstByte + rows * rowBytes(); }
};

/// What a block of the form `flash` has in shared memory: its queries, and keys
/// and values of a chunk of positions.
struct FlashShape {
  FlashShape(kernel::AttentionOp op, const Form &form);

  /// Rows of a block by tensor cores: 16 for each warp, all heads of a token.
  bool fits(const Form &form, const GPUTarget &gpu) const;

  int64_t kvHeads;
  int64_t group; ///< heads that share keys and values
  int64_t size;  ///< of a head
  int64_t chunk; ///< positions
  HalfMatrix queries, keys;
  /// [element][position]; of 16 positions first 0, 1, 8, 9, then 2, 3, 10, 11,
  /// …: as lanes have scores.
  HalfMatrix values;
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_FLASHSHAPE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_TILESTAGE_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_TILESTAGE_H

#include "Forms.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"

namespace quantmlir::cuda {

/// What a block of the forms `tiles` and `wgmma` has in shared memory of one
/// step along K:
///
///   activations [token][word] | regions of the weight [panel] | numbers
///
/// The four lanes of a warp that share a row take `laneWords` words each: 64
/// bytes of a row of activations, or less where a group of the weight has no
/// more. Words of the weight are as in its panels.
///
/// Activations of `tiles` are as the matrix has them, and a lane has words that
/// follow each other. Those of `wgmma`, which reads them by itself, are as that
/// wants them: K as a product has it, and pieces of 16 bytes of a row swizzled.
/// A lane has every fourth word.
struct TileStage {
  /// A bit plane of the codes, or floats.
  struct Region {
    int64_t source; ///< where it starts in a group
    int64_t bytes;  ///< of a panel
    int64_t start;  ///< in the stage
  };

  TileStage(const kernel::PanelLayout &layout, bool isBytes, const Form &form);

  /// Whether groups can be cut into steps, for a form of that name.
  static bool fits(const kernel::PanelLayout &layout, bool isBytes,
                   const Form &form);

  /// Whether weights can be scaled before they are multiplied, in f16:
  /// integers, and fractions, whose scales are brought near 1.
  static bool canScale(const kernel::PanelLayout &layout, bool isBytes) {
    return !isBytes && layout.form.scaleType &&
           layout.form.kind == qt::LaneForm::Kind::Integer;
  }

  /// Bytes of a word of the activation: of 8 bits (`isBytes`), or f16.
  int64_t wordBytes() const { return isBytes ? 4 : 8; }
  int64_t tokenBytes() const { return words * wordBytes(); }
  int64_t steps(const kernel::PanelLayout &layout) const {
    return layout.wordsPerGroup() / words;
  }

  /// What swizzling by addresses takes for granted.
  static constexpr int64_t swizzleAlignment = 1024;

  bool isBytes;
  bool inOrder; ///< a form that reads activations from memory
  int64_t laneWords;
  int64_t words; ///< of a row: four lanes'
  llvm::SmallVector<Region, 3> regions;
  int64_t panels;
  int64_t numbers; ///< where they start: up to two of 4 bytes for each token
  int64_t bytes;
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_TILESTAGE_H

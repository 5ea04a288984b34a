// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_TILESTAGE_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_TILESTAGE_H

#include "Forms.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"

namespace quantmlir::cuda {

/// What a block of the form `tiles` has in shared memory of one step along K:
///
///   activations [token][word] | regions of the weight [panel] | numbers
///
/// The four lanes of a warp that share a row take `laneWords` words each, one
/// after the other: 64 bytes of a row of activations, or less where a group of
/// the weight has no more. Words of the weight are as in its panels.
struct TileStage {
  /// A bit plane of the codes, or floats.
  struct Region {
    int64_t source; ///< where it starts in a group
    int64_t bytes;  ///< of a panel
    int64_t start;  ///< in the stage
  };

  TileStage(const kernel::PanelLayout &layout, bool isInteger,
            const Form &form);

  /// Whether groups can be cut into steps.
  static bool fits(const kernel::PanelLayout &layout);

  /// Bytes of a word of the activation: int8, or f16.
  int64_t wordBytes() const { return isInteger ? 4 : 8; }
  int64_t tokenBytes() const { return words * wordBytes(); }
  int64_t steps(const kernel::PanelLayout &layout) const {
    return layout.wordsPerGroup() / words;
  }

  bool isInteger;
  int64_t laneWords;
  int64_t words; ///< of a row: four lanes'
  llvm::SmallVector<Region, 3> regions;
  int64_t panels;
  int64_t numbers; ///< where they start: up to two of 4 bytes for each token
  int64_t bytes;
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_TILESTAGE_H

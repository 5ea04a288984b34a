// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_STREAMSHAPE_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_STREAMSHAPE_H

#include "TileStage.h"

namespace quantmlir::cuda {

/// How a warp of the form `stream` goes through K: in units, of which it has
/// one in registers while the next one is on its way. A unit is some groups, or
/// some steps of the only one, so that there is enough to wait for at once.
struct StreamShape {
  StreamShape(const kernel::PanelLayout &layout, bool isBytes,
              const Form &form);

  /// Whether groups can be cut into steps, and a unit's registers are there.
  static bool fits(const kernel::PanelLayout &layout, bool isBytes,
                   const Form &form);

  TileStage stage;   ///< what a step is; it has no place in shared memory
  int64_t pairs;     ///< of panels, of a warp
  int64_t groups;    ///< of a unit
  int64_t steps;     ///< of a group of a unit
  int64_t units;     ///< along K
  int64_t unitLoads; ///< of a lane, 16 bytes each
  bool isSimple;     ///< whether decoding and scaling take few registers
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_STREAMSHAPE_H

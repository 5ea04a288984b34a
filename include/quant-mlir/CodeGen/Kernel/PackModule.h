// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_KERNEL_PACKMODULE_H
#define QUANT_MLIR_CODEGEN_KERNEL_PACKMODULE_H

#include "mlir/IR/BuiltinOps.h"

namespace quantmlir::kernel {

/// What packing has to know of a target: which panels its kernels read.
struct PanelShape {
  int64_t lanes;      ///< rows whose words lie side by side
  int64_t vectors;    ///< most of those in a panel
  int64_t floatDepth; ///< numbers of a row that lie side by side
  bool pairs;         ///< floats that meet bf16 lie in pairs
  bool float8;        ///< 8-bit floats that meet are multiplied as they are
  bool rowsOfTables;  ///< tables that nothing multiplies have panels of one row
  bool halves;        ///< activations that are floats are rounded to 16 bits
};

/// What `--cpu-pack` and `--gpu-pack` do, for panels of any shape. `target` is
/// written down.
llvm::LogicalResult packModule(mlir::ModuleOp module, const PanelShape &shape,
                               llvm::StringRef target);

} // namespace quantmlir::kernel

#endif // QUANT_MLIR_CODEGEN_KERNEL_PACKMODULE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_APPROXIMATIONS_H
#define QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_APPROXIMATIONS_H

#include "mlir/IR/PatternMatch.h"

namespace quantmlir::cpu {

/// exp and erf of f32 become cheap polynomials, before MLIR's own patterns see
/// them.
void populateApproximations(mlir::RewritePatternSet &patterns);

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_APPROXIMATIONS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CALIBRATE_PASSES_H
#define QUANT_MLIR_CALIBRATE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quantmlir {

#define GEN_PASS_DECL
#include "quant-mlir/Calibrate/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quant-mlir/Calibrate/Passes.h.inc"

} // namespace quantmlir

#endif // QUANT_MLIR_CALIBRATE_PASSES_H

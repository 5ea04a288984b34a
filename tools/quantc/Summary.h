// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TOOLS_QUANTC_SUMMARY_H
#define QUANT_MLIR_TOOLS_QUANTC_SUMMARY_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace quantmlir {

/// What a recipe has made of a module's weights: a line for those that are
/// alike in their scheme, in what they are multiplied with and in whether they
/// were rounded or kept as stored. All but the largest group are named.
std::string summarizeWeights(mlir::ModuleOp quantized);

} // namespace quantmlir

#endif // QUANT_MLIR_TOOLS_QUANTC_SUMMARY_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_TRANSFORMS_ACTIVATIONSCHEME_H
#define QUANT_MLIR_DIALECT_QT_TRANSFORMS_ACTIVATIONSCHEME_H

#include "quant-mlir/Dialect/QT/IR/QTScheme.h"
#include <string>

namespace quantmlir::qt {

/// What a recipe's activations "auto" mean beside weights of this form with
/// rows of length `k`: a scheme as text, or "float".
std::string chooseActivationScheme(const LaneForm &weights, int64_t k);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_TRANSFORMS_ACTIVATIONSCHEME_H

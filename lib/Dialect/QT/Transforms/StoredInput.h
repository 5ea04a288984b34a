// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_STOREDINPUT_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_STOREDINPUT_H

#include "RecipeSchemes.h"

namespace quantmlir::qt {

/// What the file of a weight says of the activation that it is multiplied with
/// (inputAttrName).
struct StoredInput {
  RecipeRule rule;   ///< as a recipe would say it
  std::string scale; ///< the weight with the activation's scale; may be empty
};

/// Null if the file says nothing, or the recipe, whose `rule` keeps the weight,
/// something else.
std::unique_ptr<StoredInput> readStoredInput(WeightOp weight,
                                             const RecipeRule &rule);

/// The weight has other numbers now, in this file under the symbol's name.
void moveWeight(WeightOp weight, llvm::StringRef file);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_STOREDINPUT_H

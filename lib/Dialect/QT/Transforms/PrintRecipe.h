// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_PRINTRECIPE_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_PRINTRECIPE_H

#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/Support/raw_ostream.h"

namespace quantmlir::qt {

/// A YAML scalar in single quotes, in which nothing but they is special.
std::string quoteYAML(llvm::StringRef text);

/// What a group of a recipe file says beside its targets.
void printRecipeRule(const RecipeRule &rule, llvm::raw_ostream &out);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_PRINTRECIPE_H

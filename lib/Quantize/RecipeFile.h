// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_QUANTIZE_RECIPEFILE_H
#define QUANT_MLIR_LIB_QUANTIZE_RECIPEFILE_H

#include "quant-mlir/Quantize/Recipe.h"

namespace quantmlir {

/// Reads a recipe from YAML.
llvm::Expected<Recipe> readRecipeFile(llvm::StringRef path);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_QUANTIZE_RECIPEFILE_H

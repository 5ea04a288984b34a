// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_QUANTIZE_RECIPE_H
#define QUANT_MLIR_QUANTIZE_RECIPE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace quantmlir {

/// How some layers are quantized. Schemes are text as in the IR, such as
/// "#qt.int<4, group = 32, scale = f16>", so that a recipe needs to know no
/// format.
struct RecipeRule {
  /// Which layers: "Linear" or "Embedding", a weight's name, or "re:" and a
  /// regular expression that a weight's name must match from its start.
  std::vector<std::string> targets;
  /// The scheme of weights; "keep" leaves them as they are stored.
  std::string weights = "keep";
  /// The scheme of activations; "float", or "auto": float for float weights,
  /// int8 in groups for integer weights.
  std::string activations = "auto";
};

/// Which scheme goes to which layer. The first rule that matches decides; a
/// layer that none matches is kept.
struct Recipe {
  std::string name;
  std::vector<RecipeRule> rules;

  /// A built-in recipe (as-stored, f32, f16, bf16, w8a8, intB, intB-gN,
  /// intB-gN-asym, q4_0, q4_1, q8_0) or a YAML file; see docs/recipes.md. The
  /// error names what is known, or file and line.
  static llvm::Expected<Recipe> load(llvm::StringRef nameOrFile);

  /// The rule for a layer of the class "Linear" or "Embedding" with the weight
  /// of this name; null if none matches.
  const RecipeRule *find(llvm::StringRef layerClass,
                         llvm::StringRef weight) const;
};

/// True if a layer of this class and weight name is one that `target` means.
/// A bad regular expression matches nothing; `load` has refused it.
bool matchesTarget(llvm::StringRef target, llvm::StringRef layerClass,
                   llvm::StringRef weight);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_RECIPE_H

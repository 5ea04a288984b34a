// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_RECIPESCHEMES_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_RECIPESCHEMES_H

#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/StringMap.h"

namespace quantmlir::qt {

/// A recipe whose schemes, which it has as text, are attributes.
class RecipeSchemes {
public:
  /// Loads a recipe by name or file; columns of weights may be known to count
  /// differently. Errors, also about schemes that do not parse, are emitted at
  /// the module.
  mlir::LogicalResult load(mlir::Operation *module, llvm::StringRef recipe,
                           bool hasImportance = false);

  const Recipe &getRecipe() const { return recipe; }
  /// Null, with an error, if the text is no scheme.
  QuantSchemeInterface parse(const RecipeText &text);
  /// The scheme of the rule, which does not keep weights, that can hold this
  /// one. Null, with an error, if none can.
  QuantSchemeInterface parseWeights(const RecipeRule &rule, WeightOp weight);
  /// The rule for a weight that these ops read; one that keeps it if none is
  /// meant for it.
  const RecipeRule &getRule(llvm::ArrayRef<QuantizableOpInterface> readers,
                            llvm::StringRef weight) const;
  /// Warns about targets of a file that name no layer: typing errors, most
  /// likely. `layers`: class and weight of every layer.
  void warnAboutIdleTargets(
      llvm::ArrayRef<std::pair<std::string, std::string>> layers);

private:
  mlir::Operation *module = nullptr;
  Recipe recipe;
  llvm::StringMap<QuantSchemeInterface> schemes;
};

/// "Linear" for lm.linear: the last part of the name, as people write it.
std::string getLayerClass(mlir::Operation *op);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_RECIPESCHEMES_H

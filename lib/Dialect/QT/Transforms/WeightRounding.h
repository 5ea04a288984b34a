// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTROUNDING_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTROUNDING_H

#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "quant-mlir/Quantize/Statistics.h"

namespace quantmlir::qt {

/// A weight in a scheme's storage parts.
struct RoundedWeight {
  std::vector<std::vector<uint8_t>> parts;
  /// What the parts stand for, row-major.
  std::vector<float> values;
  /// |values - original| / |original|.
  double error = 0;
  /// What to add to the bias, [n]; empty if nothing.
  std::vector<float> biasChange;
  /// What the user should know, without the weight's name.
  std::vector<std::string> warnings;
};

/// What is known of the layer that a weight belongs to.
struct LayerInput {
  /// Of the activation that is multiplied with the weight; null if unknown.
  const ActivationStatistics *statistics = nullptr;
  /// How much the error of each column counts; empty if all count the same.
  std::vector<float> importance;
  /// What statistics call the weight.
  llvm::StringRef weight;
  /// The product gets a bias, which may change.
  bool hasBias = false;
};

/// Puts `values`, [n, k] row-major, on the grid of a scheme in the way that a
/// recipe asks for. Errors do not name the weight.
llvm::Expected<RoundedWeight> roundWeight(QuantSchemeInterface scheme,
                                          const Rounding &rounding,
                                          std::vector<float> values, int64_t n,
                                          int64_t k, const LayerInput &input);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTROUNDING_H

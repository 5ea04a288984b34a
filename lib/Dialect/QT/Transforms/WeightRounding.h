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
  /// What the user should know, without the weight's name.
  std::vector<std::string> warnings;
};

/// Puts `values`, [n, k] row-major, on the grid of a scheme in the way that a
/// recipe asks for. `statistics`: of the activation that is multiplied with
/// them, null if unknown (method Nearest alone). Errors do not name the weight.
llvm::Expected<RoundedWeight>
roundWeight(QuantSchemeInterface scheme, const Rounding &rounding,
            std::vector<float> values, int64_t n, int64_t k,
            const ActivationStatistics *statistics);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTROUNDING_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CALIBRATE_OUTPUTDIFFERENCE_H
#define QUANT_MLIR_CALIBRATE_OUTPUTDIFFERENCE_H

// How far a model's results are from those of the model that it was made from.

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// The exact model's results for one text, [rows, columns]. They are kept.
class OutputDifference {
public:
  enum class Kind {
    Divergence, ///< of logits: sum over rows of KL(exact ‖ other), in nats
    Error       ///< of vectors: |other - exact|²
  };
  OutputDifference(Kind kind, llvm::ArrayRef<float> exact, int64_t columns);

  /// Another model's results for the same text.
  double measure(llvm::ArrayRef<float> other) const;
  /// What to divide by: the rows, or |exact|².
  double whole() const { return size; }

private:
  double divergence(llvm::ArrayRef<float> row, int64_t index) const;

  Kind kind;
  int64_t columns;
  std::vector<float> exact; ///< Divergence: probabilities
  /// Divergence: of each row, sum of p log p, logarithms from -0 down.
  std::vector<double> negativeEntropy;
  double size = 0;
};

} // namespace quantmlir

#endif // QUANT_MLIR_CALIBRATE_OUTPUTDIFFERENCE_H

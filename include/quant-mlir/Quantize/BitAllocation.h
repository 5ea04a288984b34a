// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Mixed precision: one of several formats for each layer, so that the losses
// add up to as little as possible within a budget of bits. (Losses of layers
// add up to the model's in good approximation while they are small.)
//
// This is the multiple-choice knapsack problem. It is solved exactly over sizes
// that are rounded up to a 20,000th of what there is to give away, then single
// and double exchanges use what the rounding left over. If the sizes have a
// common unit that is coarser, as they have for layers of few shapes, the
// result is the optimum.

#ifndef QUANT_MLIR_QUANTIZE_BITALLOCATION_H
#define QUANT_MLIR_QUANTIZE_BITALLOCATION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace quantmlir {

/// A format that a layer may get: the bits of the whole layer, scales and zero
/// points counted, and the loss that the model has from it.
struct BitCandidate {
  double bits;
  double loss;
};

/// The index of the candidate for each layer. Fails if a layer has none, a
/// number is not finite, or the smallest candidates exceed the budget already.
llvm::Expected<std::vector<unsigned>>
allocateBits(llvm::ArrayRef<std::vector<BitCandidate>> layers, double budget);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_BITALLOCATION_H

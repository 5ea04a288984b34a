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

#include "quant-mlir/Quantize/Gptq.h"
#include <optional>

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

/// What a format costs a layer.
struct Sensitivity {
  double bits;     ///< of the whole layer
  double loss;     ///< trace((Q - W) H (Q - W)ᵀ)
  double relative; ///< the same as a share of trace(W H Wᵀ)
};

/// Quantizes a copy of `w` by GPTQ, or by rounding if `options` are none (`fit`
/// then chooses the parameters).
llvm::Expected<Sensitivity>
measureSensitivity(llvm::ArrayRef<float> w, int64_t n, int64_t k,
                   llvm::ArrayRef<float> h, const Grid &grid,
                   const std::optional<GptqOptions> &options,
                   const FitOptions &fit = {});

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_BITALLOCATION_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What rounding a weight costs, judged by its input. With H = mean of x xᵀ over
// the tokens of a calibration text, [K, K], a change D of the weight W, [N, K],
// changes the output y = W x by
//
//   mean |D x|² = trace(D H Dᵀ)
//
// so H is all that is needed of the text. H counts without the factor 2 that
// some papers give it; nothing here depends on it.

#ifndef QUANT_MLIR_QUANTIZE_HESSIAN_H
#define QUANT_MLIR_QUANTIZE_HESSIAN_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// trace(d h dᵀ) of `d`, [n, k], and a symmetric `h`, [k, k]. If n is more than
/// `maxRows` (and that is not 0), rows evenly spread over `d` stand for all.
/// Sums in f32.
double hessianLoss(llvm::ArrayRef<float> d, int64_t n, int64_t k,
                   llvm::ArrayRef<float> h, int64_t maxRows = 0);

/// Fails if an entry is not finite or one of the diagonal is negative; the
/// message names its row and column.
llvm::Error checkHessian(llvm::ArrayRef<float> h, int64_t k);

std::vector<float> getDiagonal(llvm::ArrayRef<float> h, int64_t k);

/// The covariance: h - mean meanᵀ, in place. `h` need not be of the same
/// vector on both sides: [n, k] less `left`, [n], times `right`, [k].
void centre(llvm::MutableArrayRef<float> h, llvm::ArrayRef<float> left,
            llvm::ArrayRef<float> right);

/// Corrects a weight for what layers before it have done to its input
/// (asymmetric calibration: Li et al., GPTAQ, arXiv:2504.02692). Where the
/// input is x̂ in the float model and x now, W x̂ is better approximated by W' x
/// with
///
///   W' = W + strength * (W C + R) (H + damping * mean(diag H) I)⁻¹
///
/// where `h` = mean of x xᵀ, `c` = mean of (x̂ - x) xᵀ, both [k, k], and `r`,
/// [n, k] or empty, = mean of (r̂ - r) xᵀ of an activation r that the product is
/// added to. Rounding W' with H (roundToGrid, gptq) then makes up for errors of
/// layers before. `w` is [n, k], changed in place. Fails like checkHessian, or
/// if H is not positive definite even when damped.
llvm::Error correctForDrift(llvm::MutableArrayRef<float> w, int64_t n,
                            int64_t k, llvm::ArrayRef<float> h,
                            llvm::ArrayRef<float> c, llvm::ArrayRef<float> r,
                            double damping, double strength);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_HESSIAN_H

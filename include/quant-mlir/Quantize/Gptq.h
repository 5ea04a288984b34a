// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ (Frantar et al., arXiv:2210.17323): rounds the columns of a weight one
// after another and lets the columns that are still free make up for the error,
// so that trace((Q - W) H (Q - W)ᵀ) stays small (H as in Hessian.h).
//
// The paper updates the free columns with rows of the Cholesky factor of H⁻¹.
// Here is the same in another order of sums. Put the columns so that the last
// position is rounded first, and let H = L Lᵀ. With E = Q - W,
//
//   trace(E H Eᵀ) = |E L|² = sum over b of
//       L_bb² * |E_b + sum over a > b of E_a L_ab / L_bb|²
//
// The sum over a is known when b's turn comes, so the best Q_b is the grid's
// nearest to  W_b - sum E_a L_ab / L_bb.  No inverse is needed, rows of W are
// independent of each other (threads, vector lanes), and an error is what the
// stored numbers really have. All sums are in f64.
//
// L_bb² is what an error of column b costs once the later columns have
// answered: the right importance for choosing scales (Importance::Feedback).

#ifndef QUANT_MLIR_QUANTIZE_GPTQ_H
#define QUANT_MLIR_QUANTIZE_GPTQ_H

#include "quant-mlir/Quantize/Grid.h"
#include <string>

namespace quantmlir {

struct GptqOptions {
  /// Which column is rounded first.
  enum class Order {
    Natural,    ///< the first
    Activation, ///< the one with the largest H_ii ("act-order", "desc_act")
    Groups      ///< like Activation within a group; the groups in order of
                ///< their mean H_ii. Groups stay runs of neighbours.
  };
  /// When a group's parameters are chosen.
  enum class Groups {
    Static, ///< before, from the original weight ("static groups")
    Current ///< when its turn comes, from the weight as changed by then; not
            ///< with Order::Activation, which enters all groups at once
  };
  /// How the fit of a group weighs columns.
  enum class Importance {
    None,    ///< all alike, as in GPTQ's own mse search
    Hessian, ///< by H_ii
    Feedback ///< by L_bb²
  };

  Order order = Order::Natural;
  Groups groups = Groups::Static;
  FitOptions fit;
  Importance importance = Importance::None;
  /// Parameters [n, G] that were chosen elsewhere (a clip search, scales shared
  /// by rows); then `groups`, `fit` and `importance` do not matter.
  llvm::ArrayRef<GroupParams> params;
  /// Added to the diagonal of H, as a share of its mean.
  double damping = 0.01;
  /// Tokens behind H, 0 if unknown. Fewer than K leave H singular: the result
  /// warns, and the damping is at least 0.05.
  int64_t tokens = 0;
  /// As in the original, columns whose input was always zero become 0 and count
  /// as 1 in the mean that damping refers to. Else they are rounded like others
  /// (the calibration text may merely not have used them) and do not count.
  bool zeroDead = false;
};

struct GptqResult {
  GridMatrix matrix;
  /// trace((Q - W) H (Q - W)ᵀ).
  double loss = 0;
  /// The damping with which H could be factored; negative if with none, so
  /// that the weight was merely rounded.
  double damping = 0;
  /// What the user should know, without the name of the tensor.
  std::vector<std::string> warnings;
};

/// Quantizes `w`, [n, k] row-major, which becomes its dequantized self. `h` is
/// [k, k]. Uses all threads; the result does not depend on their number. Fails
/// if a number is not finite (the message names its row and column), a scale
/// does not fit its type, or the options contradict each other.
llvm::Expected<GptqResult> gptq(llvm::MutableArrayRef<float> w, int64_t n,
                                int64_t k, llvm::ArrayRef<float> h,
                                const Grid &grid,
                                const GptqOptions &options = {});

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_GPTQ_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random Hadamard rotations (QuIP#, QuaRot): x Q with an orthogonal Q whose
// entries all have the same magnitude spreads an outlier over all channels. The
// linear before takes W Q into its rows, the linear behind Qᵀ, and the model
// computes the same.
//
//   Q = diag(random signs) * H / sqrt(n)
//
// H, of order n = 2^p * m, is the Kronecker product of a Hadamard matrix of
// order m (Paley's constructions, from quadratic residues: 12, 20, 28, 36, 60
// ...) and p of order 2. If n has no such m, H is block diagonal with blocks of
// the largest power of two that divides n.

#ifndef QUANT_MLIR_QUANTIZE_ROTATION_H
#define QUANT_MLIR_QUANTIZE_ROTATION_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

class Rotation {
public:
  /// The rotation of vectors of length `n`; `seed` draws the signs.
  Rotation(int64_t n, uint64_t seed);

  int64_t size() const { return int64_t(signs.size()); }
  /// The order of the blocks of H; `size()` if it is one.
  int64_t blockSize() const { return dense * power; }

  /// x Q, in place.
  void apply(llvm::MutableArrayRef<float> x) const;
  /// x Qᵀ, in place: takes it back.
  void applyInverse(llvm::MutableArrayRef<float> x) const;
  /// W Q for `w` [rows, size()]: each row. The weight of a linear that reads
  /// rotated inputs.
  void applyToRows(llvm::MutableArrayRef<float> w) const;
  /// Qᵀ W for `w` [size(), k]: each column. The weight of a linear whose output
  /// is to be rotated.
  void applyToColumns(llvm::MutableArrayRef<float> w, int64_t k) const;

private:
  void multiply(float *x, bool transposed) const;

  std::vector<float> signs;
  int64_t dense = 1, power = 1; ///< m and 2^p
  std::vector<float> matrix;    ///< the one of order m, +1 and -1
};

/// A Hadamard matrix of order `m` by Paley's constructions (or 1, 2),
/// row-major; empty if they have none.
std::vector<float> paleyHadamard(int64_t m);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_ROTATION_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rows of a site's weights that judge the trials of a search.

#ifndef QUANT_MLIR_LIB_QUANTIZE_SAMPLED_H
#define QUANT_MLIR_LIB_QUANTIZE_SAMPLED_H

#include "quant-mlir/Quantize/Awq.h"

namespace quantmlir {

struct SampledWeight {
  std::vector<float> w; ///< [rows, k]
  int64_t rows;
  double share; ///< how many rows each of them stands for
  const Grid *grid;
};

/// Up to `maxRows` (0: all) evenly spread rows of each weight. Fails if a
/// number is not finite.
llvm::Expected<std::vector<SampledWeight>>
sampleRows(llvm::ArrayRef<SiteWeight> weights, int64_t k, int64_t maxRows);

/// The change D = Q(w * s) / s - w.
std::vector<float> roundingError(const SampledWeight &weight, int64_t k,
                                 llvm::ArrayRef<float> s,
                                 const FitOptions &fit);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_QUANTIZE_SAMPLED_H

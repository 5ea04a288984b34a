// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ (Lin et al., arXiv:2306.00978): before a weight is rounded, its columns
// that meet large inputs are multiplied by s > 1 and the inputs divided by it,
// so that their relative error shrinks at the cost of others. Then the range of
// each group is clipped where that helps. Both are searches; both judge a trial
// by the change of the output, trace(D H Dᵀ) of Hessian.h, so statistics are
// all they need.
//
// A site is an activation and the linears that read it; they share s.

#ifndef QUANT_MLIR_QUANTIZE_AWQ_H
#define QUANT_MLIR_QUANTIZE_AWQ_H

#include "quant-mlir/Quantize/Grid.h"

namespace quantmlir {

/// A weight [n, k] of a site and the grid it is going to.
struct SiteWeight {
  llvm::ArrayRef<float> w;
  int64_t n;
  const Grid *grid;
};

struct AwqOptions {
  /// Exponents r = 0, 1/steps, ... below 1 are tried.
  int steps = 20;
  /// s = m^r / mean(|w|)^(1-r) instead of m^r, with |w| as a share of its
  /// group's absmax: AutoAWQ's "duo scaling".
  bool duo = false;
  /// How groups are fitted in a trial. A search costs its time for each r.
  FitOptions fit;
  /// Rows of a weight that judge a trial, evenly spread; 0 takes all. A few
  /// hundred give the same r as all do.
  int64_t maxRows = 0;
};

struct AwqResult {
  std::vector<float> s;       ///< [k]; all 1 if nothing was better
  double ratio = 0;           ///< the r of s
  double loss = 0;            ///< its loss
  double lossWithout = 0;     ///< that of s = 1
  std::vector<double> losses; ///< by r; a share of trace(W H Wᵀ) of all weights
};

/// The s of a ratio: max(m^r, 1e-4), so scaled that max * min is 1. `meanAbs`
/// is the mean |x| of each channel, `weightShare` what duo scaling divides by,
/// or empty.
std::vector<float> awqScales(llvm::ArrayRef<float> meanAbs,
                             llvm::ArrayRef<float> weightShare, double ratio);

/// The mean over all rows of |w| / absmax of its group: [k].
std::vector<float> awqWeightShare(llvm::ArrayRef<SiteWeight> weights,
                                  int64_t k);

/// The best scale of a site. `h` is [k, k]. Fails if a number is not finite.
llvm::Expected<AwqResult> searchAwqScales(llvm::ArrayRef<float> meanAbs,
                                          llvm::ArrayRef<float> h,
                                          llvm::ArrayRef<SiteWeight> weights,
                                          const AwqOptions &options = {});

struct ClipOptions {
  /// Ranges shrunk by 0, step, 2 * step, ... up to maxShrink are tried.
  double maxShrink = 0.5;
  double step = 0.02;
  /// The ends of an asymmetric range shrink independently.
  bool bothEnds = false;
};

/// Parameters [n, G] whose ranges are clipped so that each group's part of the
/// output, d H_gg dᵀ with H_gg the group's block of `h`, changes least. For
/// roundToGrid or GptqOptions::params. Fails like fitGroups and checkHessian.
llvm::Expected<std::vector<GroupParams>>
searchClip(llvm::ArrayRef<float> w, int64_t n, int64_t k,
           llvm::ArrayRef<float> h, const Grid &grid,
           const ClipOptions &options = {});

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_AWQ_H

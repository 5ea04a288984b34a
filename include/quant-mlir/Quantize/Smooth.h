// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SmoothQuant (Xiao et al., arXiv:2211.10438): input channels with large values
// are divided by s, the columns of the weights that read them multiplied, so
// that both are easy to round to 8 bits.
//
//   s = max(a^alpha / b^(1 - alpha), 1e-5)
//
// with a the largest |x| of a channel and b the largest |w| of its column over
// all linears of the site. A channel that is always 0, in the input or in all
// weights, has s = 1.
//
// The best alpha depends on the site. searchAlpha tries them and predicts the
// mean squared change of the outputs; with rows of the real activation exactly,
// otherwise from H by a model of the rounding:
//
//   weights      trace(D H Dᵀ), D = Q(w s) / s - w
//   activations  the sum over channels of |w column|² * e, where e is the mean
//                squared error of the channel, step² s² / 12, or the channel's
//                own mean square if that is less (it is rounded to 0)
//   step         2 * reach / 254, reach the largest |x / s|: of all tokens if
//                one scale serves all, else of a token, for which the channels
//                are taken as independent and normal

#ifndef QUANT_MLIR_QUANTIZE_SMOOTH_H
#define QUANT_MLIR_QUANTIZE_SMOOTH_H

#include "quant-mlir/Quantize/Awq.h"
#include <optional>

namespace quantmlir {

/// The largest |w| of each column over all weights: [k].
std::vector<float> columnAbsmax(llvm::ArrayRef<SiteWeight> weights, int64_t k);

/// The root mean square of each column over all weights: [k].
std::vector<float> columnRms(llvm::ArrayRef<SiteWeight> weights, int64_t k);

/// `actAbsmax` and `weightAbsmax` are [k]: the largest magnitudes, or for both
/// another measure of size.
std::vector<float> smoothFactors(llvm::ArrayRef<float> actAbsmax,
                                 llvm::ArrayRef<float> weightAbsmax,
                                 double alpha);

struct SmoothOptions {
  enum class Activation {
    Token, ///< a scale per token, found at run time
    Tensor ///< one scale, from calibration: max(a / s) / 127
  };
  Activation activation = Activation::Token;
  /// The alphas that are tried: 0, 1/steps, ... 1.
  int steps = 20;
  FitOptions fit;
  /// As in AwqOptions.
  int64_t maxRows = 0;
};

struct SmoothResult {
  std::vector<float> s;        ///< [k]; all 1 if nothing was better
  std::optional<double> alpha; ///< none: s = 1
  double loss = 0;             ///< a share of the mean square of all outputs
  double lossWithout = 0;      ///< that of s = 1
  std::vector<double> losses;  ///< by alpha
};

/// The best alpha of a site whose activations become 8-bit integers (symmetric,
/// absmax / 127) and whose weights go to their grids. `h` is [k, k]; `samples`
/// are rows of the activation, [t, k], or empty. Fails if a number is not
/// finite.
llvm::Expected<SmoothResult> searchAlpha(llvm::ArrayRef<float> actAbsmax,
                                         llvm::ArrayRef<float> h,
                                         llvm::ArrayRef<float> samples,
                                         llvm::ArrayRef<SiteWeight> weights,
                                         const SmoothOptions &options = {});

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_SMOOTH_H

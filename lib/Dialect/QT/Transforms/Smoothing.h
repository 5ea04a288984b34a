// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_SMOOTHING_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_SMOOTHING_H

// What qt-smooth and qt-awq have in common: going through the activations,
// asking for factors, moving them.

#include "ChannelScaling.h"
#include "RecipeSchemes.h"
#include "quant-mlir/Dialect/QT/Transforms/Calibration.h"
#include "quant-mlir/Quantize/Awq.h"

namespace quantmlir::qt {

/// The weights that read an activation, on the grids that a recipe takes them
/// to. Empty if the recipe keeps one of them, or a scheme has no grid.
struct SiteGrids {
  /// `values`: of each reader of the site, [N, K] row-major, with the factors
  /// of other sites.
  SiteGrids(ActivationSite &site, llvm::ArrayRef<std::vector<float>> values,
            RecipeSchemes &rules);

  std::vector<SiteWeight> weights;
  int64_t channels; ///< K
  /// What the recipe makes of the activation; the first reader's.
  std::string activations;

private:
  std::vector<std::unique_ptr<Grid>> grids;
};

/// The factors of an activation's channels: positive, [K]; empty to leave it
/// alone.
using ChooseFactors = llvm::function_ref<llvm::Expected<std::vector<float>>(
    const ActivationStatistics &, const SiteGrids &)>;

/// Makes factors of channels with one source equal: their geometric mean.
void tieFactors(const ChannelFold &fold, llvm::MutableArrayRef<float> factors);

/// What the passes are told. Options of the same names are documented there.
struct SmoothingRequest {
  llvm::StringRef pass;
  std::string recipe, calibration, weightsOut;
  bool multiply;
  StatisticsContent content;
};

struct SmoothingCounts {
  unsigned scaled = 0, declined = 0;
};

/// Asks for the factors of every activation that can take some, moves them and
/// writes the changed weights. Activations that cannot, and no `multiply` lets
/// the program divide, are left alone, with a remark that says why. Statistics
/// are those of the file, if one is named, or else the provider's.
mlir::FailureOr<SmoothingCounts>
smoothActivations(mlir::ModuleOp module, const SmoothingRequest &request,
                  std::shared_ptr<CalibrationProvider> provider,
                  ChooseFactors choose);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_SMOOTHING_H

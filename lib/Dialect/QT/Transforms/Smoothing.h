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

/// What a method is told of a site.
struct SmoothingInput {
  ActivationSite &site;
  const ActivationStatistics &statistics;
  const ChannelFold &fold;
  /// Of each reader, [N, K] row-major, with the factors of other sites.
  llvm::ArrayRef<std::vector<float>> weights;
};

/// The weights of a site on the grids that a recipe takes them to. Empty if the
/// recipe keeps one of them, or a scheme has no grid.
struct SiteGrids {
  SiteGrids(SmoothingInput &input, RecipeSchemes &rules);

  std::vector<SiteWeight> weights;
  /// What the recipe makes of the activation; the first reader's.
  std::string activations;

private:
  std::vector<std::unique_ptr<Grid>> grids;
};

/// The factors of a site: positive, [K]; empty to leave it alone.
using ChooseFactors =
    llvm::function_ref<llvm::Expected<std::vector<float>>(SmoothingInput &)>;

/// Makes factors of channels with one source equal: their geometric mean.
void tieFactors(const ChannelFold &fold, llvm::MutableArrayRef<float> factors);

struct SmoothingCounts {
  unsigned scaled = 0, declined = 0;
};

/// Asks for the factors of every site that can take some, moves them and
/// writes the changed weights to `file`. Sites that cannot are left alone, with
/// a remark that says why; with `multiply` the program divides them.
mlir::FailureOr<SmoothingCounts>
smoothActivations(mlir::ModuleOp module, Calibration &calibration,
                  llvm::StringRef file, bool multiply, ChooseFactors choose);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_SMOOTHING_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_TRANSFORMS_CALIBRATION_H
#define QUANT_MLIR_DIALECT_QT_TRANSFORMS_CALIBRATION_H

// How passes that change weights learn what the activations are like: from a
// statistics file, or by running the model while they change it. The passes do
// not know which; the second, which needs the compiler's later stages, is
// handed in from above (Calibrate/ModelCalibration.h).

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "quant-mlir/Quantize/Statistics.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>

namespace quantmlir::qt {

/// One pass's view of a model's activations.
class Calibration {
public:
  /// May take the statistics away and may call `replaceWeight`.
  using AfterSite = llvm::function_ref<llvm::Error(ActivationStatistics &)>;

  virtual ~Calibration() = default;
  /// Calls `afterSite` for every activation that linears read, in the order of
  /// the program.
  virtual llvm::Error run(AfterSite afterSite) = 0;
  /// Lets the sites that are still to come see other numbers, row-major, in
  /// place of a weight. Where statistics were taken before, nothing happens.
  virtual llvm::Error replaceWeight(llvm::StringRef name,
                                    std::vector<float> values) = 0;
};

/// Makes the calibration of a module when a pass runs.
class CalibrationProvider {
public:
  virtual ~CalibrationProvider() = default;
  /// What `create` needs loaded.
  virtual void getDependentDialects(mlir::DialectRegistry &) const {}
  /// `content`: what the pass wants to know of each site.
  virtual llvm::Expected<std::unique_ptr<Calibration>>
  create(mlir::ModuleOp module, const StatisticsContent &content) const = 0;
};

/// Statistics that `--qt-calibrate` wrote. If the module has been smoothed
/// since, they are divided by the factors. Errors: a file of another model, or
/// without statistics that are asked for.
std::shared_ptr<CalibrationProvider> makeFileCalibration(std::string path);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_TRANSFORMS_CALIBRATION_H

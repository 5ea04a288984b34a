// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CALIBRATE_MODELCALIBRATION_H
#define QUANT_MLIR_CALIBRATE_MODELCALIBRATION_H

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Dialect/QT/Transforms/Calibration.h"

namespace quantmlir {

/// Calibrates by running the module that a pass works on over the texts in
/// `tokens` (see readWindows): weights that the pass replaces are seen by
/// everything behind them, so that later layers are fitted to what earlier ones
/// became.
std::shared_ptr<qt::CalibrationProvider>
makeModelCalibration(std::string tokens, const WindowOptions &windows);

} // namespace quantmlir

#endif // QUANT_MLIR_CALIBRATE_MODELCALIBRATION_H

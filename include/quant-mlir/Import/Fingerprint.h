// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_FINGERPRINT_H
#define QUANT_MLIR_IMPORT_FINGERPRINT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quantmlir {

/// Identifies a model: a hash of its weights' names and shapes and of some of
/// their numbers. A pass that changes the numbers but not what the model
/// computes keeps the fingerprint, as the module's `qt.fingerprint`.
llvm::Expected<std::string> fingerprintModel(mlir::ModuleOp module);

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_FINGERPRINT_H

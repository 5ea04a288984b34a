// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_EXPORT_EXPORTEDMODULE_H
#define QUANT_MLIR_LIB_EXPORT_EXPORTEDMODULE_H

// What exporters ask of a quantized module.

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"

namespace quantmlir {

/// The file or folder that the module was imported from.
llvm::Expected<std::string> findSource(mlir::ModuleOp module);

/// The weight that a value is loaded from; null if it is none.
qt::WeightOp weightOf(mlir::Value loaded);

/// `FILE: tensor NAME: reason`
llvm::Error weightError(qt::WeightOp weight, const llvm::Twine &reason);

/// True if a file says nothing of an activation that is rounded like this:
/// integers in groups are our kernels' way with weights that alone are meant to
/// be quantized, and plain floats are the reader's choice, too.
bool isReadersChoice(qt::QuantizeOp quantize);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_EXPORT_EXPORTEDMODULE_H

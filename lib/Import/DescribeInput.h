// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a stored matrix says about the activation that it is multiplied with, as
// an attribute of its weight.

#ifndef QUANT_MLIR_LIB_IMPORT_DESCRIBEINPUT_H
#define QUANT_MLIR_LIB_IMPORT_DESCRIBEINPUT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "quant-mlir/Import/Checkpoint.h"

namespace quantmlir {

/// The value of `inputAttrName`; null if the matrix says nothing. The weight
/// with the one scale is made by `declareScale`, if there is one.
mlir::DictionaryAttr
describeInput(mlir::MLIRContext *context, const StoredMatrix &stored,
              llvm::function_ref<mlir::FlatSymbolRefAttr()> declareScale);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_DESCRIBEINPUT_H

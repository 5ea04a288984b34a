// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_STORAGETYPE_H
#define QUANT_MLIR_IMPORT_STORAGETYPE_H

#include "quant-mlir/Dialect/QT/IR/QTScheme.h"
#include "quant-mlir/Import/WeightFile.h"

namespace quantmlir {

/// What the numbers of a storage part are in a file.
DType dtypeOf(const qt::StoragePart &part);

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_STORAGETYPE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_EXPERTS_H
#define QUANT_MLIR_DIALECT_QT_IR_EXPERTS_H

#include "mlir/IR/Operation.h"

namespace quantmlir::qt {

/// Of a product whose weight has `rows` rows, N: those of one expert if it has
/// `experts` [E + 1], all of them if these are null. An error of rule C3 at
/// `op` if they do not fit, or if there is a bias, too.
llvm::FailureOr<int64_t> verifyExperts(mlir::Operation *op, mlir::Value experts,
                                       mlir::Value bias, int64_t rows);

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_IR_EXPERTS_H

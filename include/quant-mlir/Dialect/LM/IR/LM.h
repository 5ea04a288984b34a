// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_IR_LM_H
#define QUANT_MLIR_DIALECT_LM_IR_LM_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"

#include "quant-mlir/Dialect/LM/IR/LMDialect.h.inc"
#include "quant-mlir/Dialect/LM/IR/LMEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quant-mlir/Dialect/LM/IR/LMAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "quant-mlir/Dialect/LM/IR/LMTypes.h.inc"

#define GET_OP_CLASSES
#include "quant-mlir/Dialect/LM/IR/LMOps.h.inc"

namespace quantmlir::lm {

/// Emits an activation function on a float scalar or vector with arith and
/// math operations: the one definition that the reference lowering and the
/// kernels share.
mlir::Value emitActivation(mlir::OpBuilder &builder, mlir::Location loc,
                           ActivationKind kind, mlir::Value x);

} // namespace quantmlir::lm

#endif // QUANT_MLIR_DIALECT_LM_IR_LM_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_KERNEL_IR_KERNEL_H
#define QUANT_MLIR_DIALECT_KERNEL_IR_KERNEL_H

#include "quant-mlir/Dialect/LM/IR/LM.h"

#include "quant-mlir/Dialect/Kernel/IR/KernelDialect.h.inc"
#include "quant-mlir/Dialect/Kernel/IR/KernelInterfaces.h.inc"

#define GET_OP_CLASSES
#include "quant-mlir/Dialect/Kernel/IR/KernelOps.h.inc"

#endif // QUANT_MLIR_DIALECT_KERNEL_IR_KERNEL_H

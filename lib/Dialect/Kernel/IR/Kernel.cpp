// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantmlir::kernel;

#include "quant-mlir/Dialect/Kernel/IR/KernelDialect.cpp.inc"
#include "quant-mlir/Dialect/Kernel/IR/KernelInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "quant-mlir/Dialect/Kernel/IR/KernelOps.cpp.inc"

void KernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "quant-mlir/Dialect/Kernel/IR/KernelOps.cpp.inc"
      >();
}

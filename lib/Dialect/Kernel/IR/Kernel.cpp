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

mlir::LogicalResult MatmulFloatOp::verify() {
  bool isRounded = !getX().getType().getElementType().isF32();
  std::optional<Type> codes = getCodes();
  if (isRounded != codes.has_value() ||
      (codes && !codes->isF16() && !codes->isBF16()))
    return emitOpError("has activations of f32, or of words with `codes`, f16 "
                       "or bf16, that say what they are");
  return success();
}

void KernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "quant-mlir/Dialect/Kernel/IR/KernelOps.cpp.inc"
      >();
}

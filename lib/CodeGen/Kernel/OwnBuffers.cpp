// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_KERNELOWNBUFFERSPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;

namespace {

struct OwnBuffers : kernel::impl::KernelOwnBuffersPassBase<OwnBuffers> {
  void runOnOperation() override {
    getOperation().walk([](tensor::EmptyOp empty) {
      while (!empty->use_empty() && !empty->hasOneUse()) {
        OpOperand &use = *empty->use_begin();
        OpBuilder builder(use.getOwner());
        use.set(builder.clone(*empty)->getResult(0));
      }
    });
  }
};

} // namespace

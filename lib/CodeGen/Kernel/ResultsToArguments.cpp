// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_KERNELRESULTSTOARGUMENTSPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;
using kernel::KernelDialect;

namespace {

struct ResultsToArguments
    : kernel::impl::KernelResultsToArgumentsPassBase<ResultsToArguments> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    auto returnOp =
        dyn_cast<func::ReturnOp>(function.getBody().front().getTerminator());
    if (!returnOp)
      return;
    Builder builder(&getContext());
    auto role = builder.getDictionaryAttr(builder.getNamedAttr(
        KernelDialect::roleAttrName, builder.getStringAttr("output")));
    // Before the weights, behind what the function reads.
    unsigned place = 0;
    while (place < function.getNumArguments() &&
           !function.getArgAttr(place, KernelDialect::roleAttrName))
      ++place;
    for (Value result : returnOp.getOperands()) {
      auto alloc = result.getDefiningOp<memref::AllocOp>();
      if (!alloc) {
        returnOp.emitOpError(
            "returns what the function does not make, or twice");
        return signalPassFailure();
      }
      if (failed(function.insertArgument(place, alloc.getType(), role,
                                         function.getLoc())))
        return signalPassFailure();
      alloc.replaceAllUsesWith(function.getArgument(place++));
      alloc.erase();
    }
    returnOp->setOperands({});
    function.setType(builder.getFunctionType(function.getArgumentTypes(), {}));
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_KERNELTOLLVMPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;
using kernel::KernelDialect;

static constexpr StringLiteral barrierFunction = "qm_barrier";

/// The argument that the runtime passes for `role`.
static Value argumentFor(func::FuncOp function, StringRef role) {
  for (BlockArgument argument : function.getArguments()) {
    auto attr = function.getArgAttrOfType<StringAttr>(
        argument.getArgNumber(), KernelDialect::roleAttrName);
    if (attr && attr.getValue() == role)
      return argument;
  }
  return {};
}

namespace {

struct KernelToLLVM : kernel::impl::KernelToLLVMPassBase<KernelToLLVM> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    SmallVector<kernel::BarrierOp> barriers;
    module.walk([&](kernel::BarrierOp op) { barriers.push_back(op); });
    auto pointer = LLVM::LLVMPointerType::get(context);
    Type i64 = IntegerType::get(context, 64);
    if (!barriers.empty() && !module.lookupSymbol(barrierFunction)) {
      OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
      LLVM::LLVMFuncOp::create(
          builder, module.getLoc(), barrierFunction,
          LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                      {pointer, i64}));
    }
    for (kernel::BarrierOp op : barriers) {
      auto function = op->getParentOfType<func::FuncOp>();
      Value barrier = argumentFor(function, "barrier");
      Value threads = argumentFor(function, "thread_count");
      if (!barrier || !threads) {
        op.emitOpError("is in a function without a barrier argument "
                       "(--kernel-distribute)");
        return signalPassFailure();
      }
      OpBuilder builder(op);
      Value count =
          arith::IndexCastOp::create(builder, op.getLoc(), i64, threads);
      LLVM::CallOp::create(builder, op.getLoc(), TypeRange(), barrierFunction,
                           ValueRange{barrier, count});
      op.erase();
    }
    for (auto weight :
         llvm::make_early_inc_range(module.getOps<qt::WeightOp>()))
      weight.erase();
  }
};

} // namespace

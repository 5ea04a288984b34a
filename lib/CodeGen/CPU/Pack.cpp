// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/CPU/Passes.h"
#include "quant-mlir/CodeGen/CPU/Target.h"
#include "quant-mlir/CodeGen/Kernel/PackModule.h"

namespace quantmlir::cpu {
#define GEN_PASS_DEF_CPUPACKPASS
#include "quant-mlir/CodeGen/CPU/Passes.h.inc"
} // namespace quantmlir::cpu

using namespace mlir;
using namespace quantmlir;

namespace {

struct PackPass : cpu::impl::CPUPackPassBase<PackPass> {
  using CPUPackPassBase::CPUPackPassBase;

  void runOnOperation() override {
    llvm::Expected<cpu::CPUTargets> targets = cpu::parseCPUTargets(target);
    if (!targets) {
      getOperation().emitError(llvm::toString(targets.takeError()));
      return signalPassFailure();
    }
    cpu::CPUTarget widest = cpu::chooseForPanels(*targets);
    kernel::PanelShape shape = {widest.lanes,         widest.vectors,
                                /*floatDepth=*/1,     widest.dotsBF16,
                                /*float8=*/false,
                                /*rowsOfTables=*/true};
    if (failed(kernel::packModule(getOperation(), shape, target)))
      signalPassFailure();
  }
};

} // namespace

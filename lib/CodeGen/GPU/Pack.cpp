// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
#include "quant-mlir/CodeGen/Kernel/PackModule.h"

namespace quantmlir::cuda {
#define GEN_PASS_DEF_GPUPACKPASS
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"
} // namespace quantmlir::cuda

using namespace mlir;
using namespace quantmlir;

namespace {

struct PackPass : cuda::impl::GPUPackPassBase<PackPass> {
  using GPUPackPassBase::GPUPackPassBase;

  void runOnOperation() override {
    llvm::Expected<cuda::GPUTarget> gpu = cuda::parseGPUTarget(target);
    if (!gpu) {
      getOperation().emitError(llvm::toString(gpu.takeError()));
      return signalPassFailure();
    }
    // 16 rows are those of a tensor core's operand, on every GPU.
    kernel::PanelShape shape = {
        /*lanes=*/16,           /*vectors=*/1,   /*floatDepth=*/4,
        /*pairs=*/false,        /*float8=*/true,
        /*rowsOfTables=*/false, /*halves=*/true};
    if (failed(kernel::packModule(getOperation(), shape, target)))
      signalPassFailure();
  }
};

} // namespace

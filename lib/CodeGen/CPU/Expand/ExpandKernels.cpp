// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Approximations.h"
#include "Expand.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "quant-mlir/CodeGen/CPU/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace quantmlir::cpu {
#define GEN_PASS_DEF_CPUEXPANDPASS
#include "quant-mlir/CodeGen/CPU/Passes.h.inc"
} // namespace quantmlir::cpu

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {

struct ExpandKernels : cpu::impl::CPUExpandPassBase<ExpandKernels> {
  using CPUExpandPassBase::CPUExpandPassBase;

  void runOnOperation() override {
    llvm::Expected<CPUTarget> cpu = parseCPUTarget(target);
    if (!cpu) {
      getOperation().emitError(llvm::toString(cpu.takeError()));
      return signalPassFailure();
    }
    SmallVector<Operation *> kernels;
    getOperation().walk([&](Operation *op) {
      if (isa<kernel::KernelOpInterface, linalg::LinalgOp>(op))
        kernels.push_back(op);
    });
    for (Operation *op : kernels) {
      auto matmul = dyn_cast<kernel::MatmulOpInterface>(op);
      if (matmul && !matmul.getRows()) {
        op->emitOpError("has no rows of a tile (--cpu-choose-tiles)");
        return signalPassFailure();
      }
      KernelBuilder b(op, *cpu);
      LogicalResult expanded =
          TypeSwitch<Operation *, LogicalResult>(op)
              .Case<kernel::QuantizeOp, kernel::RoundOp, kernel::EncodeOp,
                    kernel::SplitOutliersOp, kernel::MatmulIntOp,
                    kernel::MatmulBF16Op, kernel::MatmulFloatOp,
                    kernel::GatherOp, kernel::RMSNormOp, kernel::LayerNormOp,
                    kernel::RopeOp, kernel::CacheWriteOp, kernel::AttentionOp,
                    kernel::MergeAttentionOp, kernel::ObserveChannelsOp,
                    kernel::HistogramOp, kernel::PackColumnsOp, kernel::GramOp>(
                  [&](auto kernelOp) { return expand(b, kernelOp); })
              .Case<linalg::LinalgOp>([&](linalg::LinalgOp linalgOp) {
                return expand(b, linalgOp);
              })
              .Default([](Operation *unknown) {
                return unknown->emitOpError("has no CPU kernel");
              });
      if (failed(expanded))
        return signalPassFailure();
      op->erase();
    }
    // exp, tanh and erf of vectors, without a call of a library.
    RewritePatternSet patterns(&getContext());
    populateApproximations(patterns);
    populateMathPolynomialApproximationPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Raising in five steps. First upstream's own simplifications make one value of
// each size and fold what follows from sizes not being negative; then the
// patterns run from the end of the function to its start, so that a whole is
// seen before its parts: gelu before the tanh in it, attention before its
// products.

#include "Matchers.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"

namespace quantmlir::lm {
#define GEN_PASS_DEF_RAISELINALGPASS
#include "quant-mlir/Dialect/LM/Transforms/Passes.h.inc"
} // namespace quantmlir::lm

using namespace mlir;
using namespace quantmlir::lm;

namespace {
struct RaiseLinalgPass
    : quantmlir::lm::impl::RaiseLinalgPassBase<RaiseLinalgPass> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;

    OpPassManager normalise(func::FuncOp::getOperationName());
    normalise.addPass(createCanonicalizerPass());
    normalise.addPass(createCSEPass());
    normalise.addPass(memref::createResolveRankedShapeTypeResultDimsPass());
    normalise.addPass(arith::createIntRangeOptimizationsPass());
    normalise.addPass(createCanonicalizerPass());
    normalise.addPass(createCSEPass());
    OpPassManager simplify(func::FuncOp::getOperationName());
    simplify.addPass(createCanonicalizerPass());
    simplify.addPass(createCSEPass());

    raise::Remarks remarks;
    if (failed(runPipeline(normalise, func)) ||
        failed(apply(raise::populateStaticReshape)) ||
        failed(apply([&](RewritePatternSet &patterns) {
          raise::populateActivation(patterns);
          raise::populateAttention(patterns, remarks);
          raise::populateEmbedding(patterns);
          raise::populateLinear(patterns);
          raise::populateNorm(patterns);
        })) ||
        // The result of attention is split into heads and merged again: that
        // has to be gone before unit dimensions are looked for.
        failed(runPipeline(simplify, func)) ||
        failed(apply(raise::populateTidy)) ||
        failed(runPipeline(simplify, func)))
      return signalPassFailure();

    func.walk([&](Operation *op) {
      if (isa_and_nonnull<LMDialect>(op->getDialect()))
        ++numRaised;
    });
  }

private:
  LogicalResult apply(function_ref<void(RewritePatternSet &)> populate) {
    RewritePatternSet patterns(&getContext());
    populate(patterns);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(false);
    config.enableFolding(false);
    config.enableConstantCSE(false);
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    return applyPatternsGreedily(getOperation(), std::move(patterns), config);
  }
};
} // namespace

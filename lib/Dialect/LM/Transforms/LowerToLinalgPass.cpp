// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"

namespace quantmlir::lm {
#define GEN_PASS_DEF_LOWERTOLINALGPASS
#include "quant-mlir/Dialect/LM/Transforms/Passes.h.inc"
} // namespace quantmlir::lm

using namespace mlir;
using namespace quantmlir::lm;

namespace {
struct LowerToLinalgPass
    : quantmlir::lm::impl::LowerToLinalgPassBase<LowerToLinalgPass> {
  void runOnOperation() override {
    // The cases that no pattern takes, in words of their own.
    WalkResult checked = getOperation().walk([](AttentionOp op) {
      if (op.getCache() &&
          !isa<FloatType>(op.getCache().getType().getElementType())) {
        op.emitOpError("with a cache of ")
            << op.getCache().getType().getElementType()
            << " runs on kernels only";
        return WalkResult::interrupt();
      }
      if (op.getCache() &&
          cast<RankedTensorType>(op.getType()).getRank() != 2) {
        op.emitOpError("with a cache is lowered on [tokens, heads * "
                       "head_size] only, got ")
            << op.getType();
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (checked.wasInterrupted())
      return signalPassFailure();

    MLIRContext *context = &getContext();
    TypeConverter converter;
    converter.addConversion([](Type type) { return type; });
    addCacheConversion(converter);

    RewritePatternSet patterns(context);
    populateLowerToLinalgPatterns(patterns);
    populateLowerAttentionPatterns(patterns, converter);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   converter);
    populateCallOpTypeConversionPattern(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);

    ConversionTarget target(*context);
    target.addIllegalDialect<LMDialect>();
    // Whoever makes a cache casts its memref to one; the casts meet and go.
    target.addLegalOp<UnrealizedConversionCastOp>();
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      return converter.isSignatureLegal(op.getFunctionType());
    });
    scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns,
                                                         target);
    target.markUnknownOpDynamicallyLegal(
        [&](Operation *op) { return converter.isLegal(op); });
    if (failed(
            applyFullConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace

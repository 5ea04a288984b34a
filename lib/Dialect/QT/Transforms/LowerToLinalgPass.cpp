// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_LOWERTOLINALGPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir::qt;

/// Says why an op cannot be lowered; the conversion itself would only say that
/// it cannot.
static LogicalResult checkSupported(Operation *op) {
  if (isa<LoadOp>(op))
    return op->emitOpError("reads a file: run --qt-materialize-weights before "
                           "--qt-to-linalg");
  auto hasLayout = [](Type type) {
    auto quantized = dyn_cast<QuantTensorType>(type);
    return quantized && quantized.getLayout();
  };
  if (isa_and_nonnull<QTDialect>(op->getDialect()) &&
      (llvm::any_of(op->getOperandTypes(), hasLayout) ||
       llvm::any_of(op->getResultTypes(), hasLayout)))
    return op->emitOpError("has a tensor with a layout; the reference lowering "
                           "is for tensors that are not packed");
  if (auto quantize = dyn_cast<QuantizeOp>(op)) {
    // Ask in a scratch block, since a scheme answers by emitting.
    OpBuilder builder(op->getContext());
    Block scratch;
    builder.setInsertionPointToStart(&scratch);
    Value input =
        scratch.addArgument(quantize.getInput().getType(), op->getLoc());
    Value scale;
    if (quantize.getScale())
      scale = scratch.addArgument(quantize.getScale().getType(), op->getLoc());
    SmallVector<Value> parts;
    if (failed(quantize.getType().getScheme().emitQuantize(
            builder, op->getLoc(), input, scale, parts)))
      return op->emitOpError("cannot quantize to ")
             << quantize.getType().getScheme()
             << " while the program runs: the scheme is for stored weights";
  }
  return success();
}

namespace {
struct LowerToLinalgPass
    : quantmlir::qt::impl::LowerToLinalgPassBase<LowerToLinalgPass> {
  void runOnOperation() override {
    WalkResult checked = getOperation().walk([](Operation *op) {
      return failed(checkSupported(op)) ? WalkResult::interrupt()
                                        : WalkResult::advance();
    });
    if (checked.wasInterrupted())
      return signalPassFailure();

    MLIRContext *context = &getContext();
    TypeConverter converter;
    converter.addConversion([](Type type) { return type; });
    addPartsConversion(converter);

    RewritePatternSet patterns(context);
    populateLowerToLinalgPatterns(patterns, converter);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   converter);
    populateCallOpTypeConversionPattern(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);

    ConversionTarget target(*context);
    target.addIllegalDialect<QTDialect>();
    target.addLegalOp<WeightOp>();
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

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From values to buffers. The ops of a model's graph are large and few, so each
// gets a buffer of its own here and kernel-plan-workspace lets them share
// memory; the general machinery of bufferization is only needed for the linalg
// between them, which stays on tensors until after this pass.

#include "KernelPattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_CONVERTTOKERNELPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;
using kernel::KernelDialect;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static MemRefType cacheBuffer(lm::KVCacheType type) {
  Type element = type.getElementType();
  int64_t scale = element.isInteger(8) ? lm::KVCacheType::scaleBytes : 0;
  return MemRefType::get({type.getLayers(), 2, type.getKvHeads(),
                          ShapedType::kDynamic, type.getHeadSize() + scale},
                         element);
}

namespace {

struct BufferTypeConverter : TypeConverter {
  BufferTypeConverter() {
    addConversion([](Type type) { return type; });
    addConversion([](RankedTensorType type) {
      return MemRefType::get(type.getShape(), type.getElementType());
    });
    addConversion([](lm::KVCacheType type) { return cacheBuffer(type); });
    addConversion(
        [](qt::QuantTensorType type,
           SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
          // A packed weight is its offset.
          if (isa_and_nonnull<qt::PanelsAttr>(type.getLayout())) {
            results.push_back(IndexType::get(type.getContext()));
            return success();
          }
          return activationBuffers(type, results);
        });
    addTargetMaterialization([](OpBuilder &builder, MemRefType type,
                                ValueRange inputs, Location loc) -> Value {
      return bufferization::ToBufferOp::create(builder, loc, type,
                                               inputs.front());
    });
    addSourceMaterialization([](OpBuilder &builder, RankedTensorType type,
                                ValueRange inputs, Location loc) -> Value {
      return bufferization::ToTensorOp::create(builder, loc, type,
                                               inputs.front(),
                                               /*restrict=*/true);
    });
  }
};

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct ConvertToKernel
    : kernel::impl::ConvertToKernelPassBase<ConvertToKernel> {
  using ConvertToKernelPassBase::ConvertToKernelPassBase;
  void runOnOperation() override;
};

} // namespace

/// An activation function is elementwise code like any other between kernels.
static void lowerActivation(lm::ActivationOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getType());
  Value init = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, op.getX()),
      type.getElementType());
  SmallVector<AffineMap> maps(2,
                              builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc, type, op.getX(), init, maps, iterators,
      [&](OpBuilder &body, Location bodyLoc, ValueRange args) {
        linalg::YieldOp::create(
            body, bodyLoc,
            lm::emitActivation(body, bodyLoc, op.getKind(), args[0]));
      });
  op.replaceAllUsesWith(generic.getResult(0));
  op.erase();
}

/// What has no kernel becomes plain loops: a product whose weight is computed
/// by the program, not stored, has nothing to pack; routes to experts are
/// short.
static LogicalResult lowerOtherOps(ModuleOp module) {
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    if (isa<lm::LinearOp, lm::RouteOp>(op))
      ops.push_back(op);
  });
  if (ops.empty())
    return success();
  RewritePatternSet patterns(module.getContext());
  lm::populateLowerToLinalgPatterns(patterns);
  GreedyRewriteConfig config;
  config.setStrictness(GreedyRewriteStrictness::ExistingOps);
  return applyOpPatternsGreedily(ops, std::move(patterns), config);
}

/// Attention that kernels do not take, of several sequences or with heads of an
/// odd size, becomes plain loops.
static LogicalResult lowerOtherAttentions(ModuleOp module) {
  MLIRContext *context = module.getContext();
  TypeConverter converter;
  converter.addConversion([](Type type) { return type; });
  RewritePatternSet patterns(context);
  lm::populateLowerAttentionPatterns(patterns, converter);
  ConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  target.addDynamicallyLegalOp<lm::AttentionOp>([](lm::AttentionOp op) {
    return op.getCache() ||
           (cast<RankedTensorType>(op.getType()).getRank() == 2 &&
            op.getHeadSize() % 16 == 0);
  });
  return applyPartialConversion(module, target, std::move(patterns));
}

/// Results are buffers that the caller reads; there is no place for a number.
static LogicalResult checkResults(func::FuncOp function) {
  for (Type type : function.getResultTypes())
    if (!isa<RankedTensorType>(type))
      return function.emitOpError("returns ")
             << type << "; compiled functions return tensors";
  return success();
}

/// If `buffer` is a fresh allocation that one matmul fills and `use` alone
/// reads, that matmul.
static Operation *soleWriter(Value buffer, Operation *use) {
  if (!buffer.getDefiningOp<memref::AllocOp>() ||
      !llvm::hasNItems(buffer.getUses(), 2))
    return nullptr;
  for (Operation *user : buffer.getUsers())
    if (user != use && isa<kernel::MatmulIntOp, kernel::MatmulBF16Op,
                           kernel::MatmulFloat8Op, kernel::MatmulFloatOp>(user))
      return user;
  return nullptr;
}

/// x + x·Wᵀ: the addition moves into the matmul's last step.
static void foldResidual(arith::AddFOp add) {
  for (auto [matmulSide, otherSide] : {std::pair(add.getLhs(), add.getRhs()),
                                       std::pair(add.getRhs(), add.getLhs())}) {
    auto toTensor = matmulSide.getDefiningOp<bufferization::ToTensorOp>();
    if (!toTensor || !toTensor->hasOneUse())
      continue;
    Operation *matmul = soleWriter(toTensor.getBuffer(), toTensor);
    auto other = otherSide.getDefiningOp<bufferization::ToTensorOp>();
    auto type = cast<MemRefType>(toTensor.getBuffer().getType());
    if (!matmul || !other || type.getRank() != 2)
      continue;
    auto setResidual = [&](auto op) {
      if (op.getResidual())
        return false;
      op.getResidualMutable().assign(other.getBuffer());
      return true;
    };
    bool done = llvm::TypeSwitch<Operation *, bool>(matmul)
                    .Case<kernel::MatmulIntOp, kernel::MatmulBF16Op,
                          kernel::MatmulFloat8Op, kernel::MatmulFloatOp>(
                        [&](auto op) { return setResidual(op); });
    if (!done)
      continue;
    // The other operand may be computed after the matmul was.
    matmul->moveBefore(add);
    toTensor->moveBefore(add);
    add.replaceAllUsesWith(toTensor.getResult());
    add.erase();
    return;
  }
}

void ConvertToKernel::runOnOperation() {
  ModuleOp module = getOperation();
  MLIRContext *context = &getContext();
  if (batch < positionBlock || batch % positionBlock != 0) {
    module.emitError("the batch must be a positive multiple of ")
        << positionBlock << ", not " << int64_t(batch);
    return signalPassFailure();
  }
  SmallVector<lm::ActivationOp> activations;
  module.walk([&](lm::ActivationOp op) { activations.push_back(op); });
  llvm::for_each(activations, lowerActivation);
  if (failed(lowerOtherOps(module)) || failed(lowerOtherAttentions(module)))
    return signalPassFailure();

  auto bytes =
      MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 8));
  for (auto function : module.getOps<func::FuncOp>()) {
    if (failed(checkResults(function)))
      return signalPassFailure();
    function->setAttr(KernelDialect::batchAttrName,
                      IntegerAttr::get(IntegerType::get(context, 64), batch));
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
      if (isa<lm::KVCacheType>(type))
        function.setArgAttr(index, KernelDialect::roleAttrName,
                            StringAttr::get(context, "cache"));
    auto role = DictionaryAttr::get(
        context, NamedAttribute(KernelDialect::roleAttrName,
                                StringAttr::get(context, "weights")));
    if (failed(function.insertArgument(function.getNumArguments(), bytes, role,
                                       function.getLoc())))
      return signalPassFailure();
  }

  BufferTypeConverter types;
  ConversionTarget target(*context);
  target.addIllegalDialect<lm::LMDialect, qt::QTDialect>();
  target.addLegalOp<qt::WeightOp>();
  target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
    return types.isSignatureLegal(op.getFunctionType());
  });
  target.addDynamicallyLegalOp<func::ReturnOp>(
      [&](func::ReturnOp op) { return types.isLegal(op); });
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  RewritePatternSet patterns(context);
  populateQuantizedPatterns(patterns, types);
  populateLayerPatterns(patterns, types);
  populateStatisticsPatterns(patterns, types);
  populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                 types);
  populateReturnOpTypeConversionPattern(patterns, types);
  if (failed(applyFullConversion(module, target, std::move(patterns))))
    return signalPassFailure();

  SmallVector<arith::AddFOp> additions;
  module.walk([&](arith::AddFOp op) {
    if (isa<RankedTensorType>(op.getType()))
      additions.push_back(op);
  });
  llvm::for_each(additions, foldResidual);
}

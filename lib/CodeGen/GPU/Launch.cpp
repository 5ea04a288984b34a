// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Launch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "llvm/ADT/StringMap.h"

namespace quantmlir::cuda {
#define GEN_PASS_DEF_GPULAUNCHPASS
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"
} // namespace quantmlir::cuda

using namespace mlir;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

void quantmlir::cuda::declareFunction(ModuleOp module, StringRef name,
                                      ArrayRef<Type> arguments) {
  if (module.lookupSymbol(name))
    return;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(module.getContext()), arguments);
  LLVM::LLVMFuncOp::create(builder, module.getLoc(), name, type);
}

Value quantmlir::cuda::putInMemory(ImplicitLocOpBuilder &b, ValueRange values) {
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Value> slots;
  Value list;
  {
    OpBuilder::InsertionGuard guard(b);
    Operation *function = b.getInsertionBlock()->getParentOp();
    while (!isa<FunctionOpInterface>(function))
      function = function->getParentOp();
    b.setInsertionPointToStart(&function->getRegion(0).front());
    Value one = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(1));
    for (Value value : values)
      slots.push_back(
          LLVM::AllocaOp::create(b, pointer, value.getType(), one, 16));
    list = LLVM::AllocaOp::create(
        b, pointer, LLVM::LLVMArrayType::get(pointer, values.size() + 1), one,
        16);
  }
  auto place = [&](size_t i) -> Value {
    return LLVM::GEPOp::create(b, pointer, pointer, list,
                               ArrayRef<LLVM::GEPArg>{int32_t(i)});
  };
  for (auto [i, value] : llvm::enumerate(values)) {
    LLVM::StoreOp::create(b, value, slots[i], /*alignment=*/16);
    LLVM::StoreOp::create(b, slots[i], place(i));
  }
  LLVM::StoreOp::create(b, LLVM::ZeroOp::create(b, pointer),
                        place(values.size()));
  return list;
}

void quantmlir::cuda::callLauncher(
    mlir::gpu::LaunchFuncOp op, StringRef launcher,
    llvm::function_ref<Value(ImplicitLocOpBuilder &)> code) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Type i64 = b.getI64Type();
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto wide = [&](Value value) -> Value {
    Type type = value.getType();
    if (type.isIndex())
      return arith::IndexCastUIOp::create(b, i64, value);
    if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() >= 64)
      return value;
    if (isa<FloatType>(type))
      value = arith::BitcastOp::create(
          b, b.getIntegerType(type.getIntOrFloatBitWidth()), value);
    return arith::ExtUIOp::create(b, i64, value);
  };
  Value memory = op.getDynamicSharedMemorySize();
  memory = memory ? arith::ExtUIOp::create(b, i64, memory).getResult()
                  : LLVM::ConstantOp::create(b, b.getI64IntegerAttr(0));
  SmallVector<Value> arguments;
  for (Value operand : op.getKernelOperands())
    arguments.push_back(wide(operand));
  Value list = putInMemory(b, arguments), first = code(b);
  declareFunction(op->getParentOfType<ModuleOp>(), launcher,
                  {first.getType(), pointer, i64, i64, i64, i64});
  LLVM::CallOp::create(b, TypeRange(), launcher,
                       ValueRange{first, list, wide(op.getGridSizeX()),
                                  wide(op.getGridSizeY()),
                                  wide(op.getBlockSizeX()), memory});
  op.erase();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {

struct Launch : cuda::impl::GPULaunchPassBase<Launch> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::StringMap<int64_t> numbers;
    for (auto functions : module.getOps<mlir::gpu::GPUModuleOp>())
      for (auto function : functions.getOps<LLVM::LLVMFuncOp>())
        numbers.try_emplace(function.getName(), numbers.size());
    SmallVector<mlir::gpu::LaunchFuncOp> launches;
    for (auto function : module.getOps<func::FuncOp>()) {
      if (failed(checkHost(function)))
        return signalPassFailure();
      function.walk(
          [&](mlir::gpu::LaunchFuncOp op) { launches.push_back(op); });
    }
    for (mlir::gpu::LaunchFuncOp op : launches) {
      int64_t number = numbers.at(op.getKernelName().getValue());
      cuda::callLauncher(
          op, "qm_gpu_launch", [&](ImplicitLocOpBuilder &b) -> Value {
            return LLVM::ConstantOp::create(b, b.getI64IntegerAttr(number));
          });
    }
  }

private:
  /// What the host is given are addresses of the GPU's memory: it may compute
  /// others from them, no more.
  static LogicalResult checkHost(func::FuncOp function) {
    WalkResult result = function.walk([](Operation *op) {
      auto effects = dyn_cast<MemoryEffectOpInterface>(op);
      if (!effects)
        return WalkResult::advance();
      SmallVector<MemoryEffects::EffectInstance> found;
      effects.getEffects(found);
      for (const MemoryEffects::EffectInstance &effect : found)
        if (Value value = effect.getValue();
            value && isa<BaseMemRefType>(value.getType())) {
          op->emitOpError("touches memory outside of kernels, which the host "
                          "of a GPU cannot do");
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The emulator's functions are in lib/Emulator. They take their operands and
// leave their results in memory, so that one signature is enough for all.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "llvm/ADT/StringSet.h"

namespace quantmlir::cuda {
#define GEN_PASS_DEF_GPUEMULATEPASS
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"
} // namespace quantmlir::cuda

using namespace mlir;
using namespace quantmlir;

namespace {

struct Emulate : cuda::impl::GPUEmulatePassBase<Emulate> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<mlir::gpu::GPUModuleOp> functions(
        module.getOps<mlir::gpu::GPUModuleOp>());
    for (mlir::gpu::GPUModuleOp each : functions)
      if (failed(moveToHost(each)))
        return signalPassFailure();
    SmallVector<mlir::gpu::LaunchFuncOp> launches;
    module.walk([&](mlir::gpu::LaunchFuncOp op) { launches.push_back(op); });
    for (mlir::gpu::LaunchFuncOp op : launches)
      emulateLaunch(op);
    for (mlir::gpu::GPUModuleOp each : functions)
      each.erase();
    module->removeAttr(mlir::gpu::GPUDialect::getContainerModuleAttrName());
  }

private:
  LogicalResult moveToHost(mlir::gpu::GPUModuleOp functions);
  LogicalResult emulateIntrinsic(LLVM::CallIntrinsicOp op);
  void emulateLaunch(mlir::gpu::LaunchFuncOp op);
  void wrap(LLVM::LLVMFuncOp function);
  void declare(StringRef name, ArrayRef<Type> arguments);
  Value inMemory(ImplicitLocOpBuilder &b, ValueRange values);
  LLVM::LLVMPointerType pointer() {
    return LLVM::LLVMPointerType::get(&getContext());
  }
};

} // namespace

static const llvm::StringSet<> &knownIntrinsics() {
  static const llvm::StringSet<> known = {
      "read.ptx.sreg.tid.x",
      "read.ptx.sreg.ctaid.x",
      "read.ptx.sreg.ctaid.y",
      "shfl.sync.bfly.i32",
      "barrier.cta.sync.aligned.all",
      "idp4a.u.s",
      "prmt",
      "ff2f16x2.rn",
      "ff2bf16x2.rn",
      "mma.m16n8k32.row.col.u8.s8",
      "mma.m16n8k16.row.col.f32.f32",
      "mma.m16n8k16.row.col.bf16",
  };
  return known;
}

void Emulate::declare(StringRef name, ArrayRef<Type> arguments) {
  ModuleOp module = getOperation();
  if (module.lookupSymbol(name))
    return;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(&getContext()), arguments);
  LLVM::LLVMFuncOp::create(builder, module.getLoc(), name, type);
}

/// Pointers to the values, one behind the other, in the function's frame.
Value Emulate::inMemory(ImplicitLocOpBuilder &b, ValueRange values) {
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
          LLVM::AllocaOp::create(b, pointer(), value.getType(), one, 16));
    list = LLVM::AllocaOp::create(
        b, pointer(), LLVM::LLVMArrayType::get(pointer(), values.size() + 1),
        one, 16);
  }
  for (auto [i, value] : llvm::enumerate(values)) {
    LLVM::StoreOp::create(b, value, slots[i], /*alignment=*/16);
    Value place = LLVM::GEPOp::create(b, pointer(), pointer(), list,
                                      ArrayRef<LLVM::GEPArg>{int32_t(i)});
    LLVM::StoreOp::create(b, slots[i], place);
  }
  return list;
}

LogicalResult Emulate::emulateIntrinsic(LLVM::CallIntrinsicOp op) {
  StringRef name = op.getIntrin();
  if (!name.consume_front("llvm.nvvm."))
    return success();
  if (!knownIntrinsics().contains(name))
    return op.emitOpError("calls ")
           << op.getIntrin() << ", which the emulator does not know";
  std::string callee = "qm_emulate_" + name.str();
  std::replace(callee.begin(), callee.end(), '.', '_');
  declare(callee, {pointer(), pointer()});
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Value operands = inMemory(b, op.getArgs());
  Value result = operands;
  Type type;
  if (op->getNumResults()) {
    type = op->getResult(0).getType();
    OpBuilder::InsertionGuard guard(b);
    auto function = op->getParentOfType<LLVM::LLVMFuncOp>();
    b.setInsertionPointToStart(&function.getBody().front());
    Value one = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(1));
    result = LLVM::AllocaOp::create(b, pointer(), type, one, 16);
  }
  LLVM::CallOp::create(b, TypeRange(), callee, ValueRange{operands, result});
  if (type)
    op->getResult(0).replaceAllUsesWith(
        LLVM::LoadOp::create(b, type, result, /*alignment=*/16).getResult());
  op.erase();
  return success();
}

/// FUNCTION.threads(pointers to arguments), what the emulator calls.
void Emulate::wrap(LLVM::LLVMFuncOp function) {
  ImplicitLocOpBuilder b(function.getLoc(), &getContext());
  b.setInsertionPointToEnd(getOperation().getBody());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(&getContext()), {pointer()});
  auto wrapper = LLVM::LLVMFuncOp::create(
      b, function.getName().str() + ".thread", type, LLVM::Linkage::Internal);
  b.setInsertionPointToStart(wrapper.addEntryBlock(b));
  SmallVector<Value> arguments;
  for (auto [i, argument] : llvm::enumerate(function.getArgumentTypes())) {
    Value place =
        LLVM::GEPOp::create(b, pointer(), pointer(), wrapper.getArgument(0),
                            ArrayRef<LLVM::GEPArg>{int32_t(i)});
    Value slot = LLVM::LoadOp::create(b, pointer(), place);
    arguments.push_back(LLVM::LoadOp::create(b, argument, slot));
  }
  LLVM::CallOp::create(b, TypeRange(), function.getName(), arguments);
  LLVM::ReturnOp::create(b, ValueRange());
}

LogicalResult Emulate::moveToHost(mlir::gpu::GPUModuleOp functions) {
  ModuleOp module = getOperation();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  for (Operation &op : *functions.getBody()) {
    if (!isa<LLVM::LLVMFuncOp, LLVM::GlobalOp>(op))
      return op.emitOpError("is not in the LLVM dialect yet");
    Operation *copy = builder.clone(op);
    auto function = dyn_cast<LLVM::LLVMFuncOp>(copy);
    if (!function)
      continue;
    if (function.isExternal())
      return op.emitOpError("is a library's, which the emulator does not have");
    for (NamedAttribute attr : llvm::to_vector(function->getDiscardableAttrs()))
      function->removeDiscardableAttr(attr.getName());
    function.setLinkage(LLVM::Linkage::Internal);
    SmallVector<LLVM::CallIntrinsicOp> intrinsics;
    function.walk(
        [&](LLVM::CallIntrinsicOp call) { intrinsics.push_back(call); });
    for (LLVM::CallIntrinsicOp call : intrinsics)
      if (failed(emulateIntrinsic(call)))
        return failure();
    WalkResult rest = function.walk([&](Operation *inner) {
      if (inner->getName().getDialectNamespace() != "nvvm")
        return WalkResult::advance();
      inner->emitOpError("is nothing that the emulator knows");
      return WalkResult::interrupt();
    });
    if (rest.wasInterrupted())
      return failure();
    wrap(function);
    builder.setInsertionPointToEnd(module.getBody());
  }
  return success();
}

void Emulate::emulateLaunch(mlir::gpu::LaunchFuncOp op) {
  static constexpr StringLiteral launcher = "qm_emulate_launch";
  Type i64 = IntegerType::get(&getContext(), 64);
  declare(launcher, {pointer(), pointer(), i64, i64, i64});
  ImplicitLocOpBuilder b(op.getLoc(), op);
  auto wide = [&](Value value) -> Value {
    return value.getType().isIndex()
               ? arith::IndexCastUIOp::create(b, i64, value).getResult()
               : value;
  };
  SmallVector<Value> arguments;
  for (Value operand : op.getKernelOperands())
    arguments.push_back(wide(operand));
  Value list = inMemory(b, arguments);
  Value thread = LLVM::AddressOfOp::create(
      b, pointer(), op.getKernelName().str() + ".thread");
  LLVM::CallOp::create(b, TypeRange(), launcher,
                       ValueRange{thread, list, wide(op.getGridSizeX()),
                                  wide(op.getGridSizeY()),
                                  wide(op.getBlockSizeX())});
  op.erase();
}

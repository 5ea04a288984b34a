// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The emulator's functions are in lib/Emulator. They take their operands and
// leave their results in memory, so that one signature is enough for all.

#include "Launch.h"
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
  LogicalResult emulateAssembly(LLVM::InlineAsmOp op);
  /// Calls qm_emulate_`name` in the place of `op`.
  void callInstead(Operation *op, StringRef name, ValueRange operands);
  void emulateLaunch(mlir::gpu::LaunchFuncOp op);
  void wrap(LLVM::LLVMFuncOp function);
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
      "shfl.sync.idx.i32",
      "barrier.cta.sync.aligned.all",
      "idp4a.u.s",
      "prmt",
      "ex2.approx.ftz.f32",
      "ff2f16x2.rn",
      "ff2bf16x2.rn",
      "cp.async.cg.shared.global.16",
      "cp.async.ca.shared.global.4",
      "cp.async.commit.group",
      "cp.async.wait.group",
      "mma.m16n8k16.row.col.u8.s8",
      "mma.m16n8k32.row.col.u8.s8",
      "mma.m16n8k16.row.col.f32.f32",
      "mma.m16n8k16.row.col.bf16",
      "mma.m16n8k32.row.col.f32.e4m3.e4m3.f32",
      "mma.m16n8k32.row.col.f32.e4m3.e5m2.f32",
      "mma.m16n8k32.row.col.f32.e5m2.e4m3.f32",
      "mma.m16n8k32.row.col.f32.e5m2.e5m2.f32",
      "wgmma.fence.sync.aligned",
      "wgmma.commit_group.sync.aligned",
      "wgmma.wait_group.sync.aligned",
  };
  return known;
}

LogicalResult Emulate::emulateIntrinsic(LLVM::CallIntrinsicOp op) {
  StringRef name = op.getIntrin();
  if (!name.consume_front("llvm.nvvm."))
    return success();
  if (!knownIntrinsics().contains(name))
    return op.emitOpError("calls ")
           << op.getIntrin() << ", which the emulator does not know";
  callInstead(op, name, op.getArgs());
  return success();
}

/// What is nothing but an order between threads and memory is nothing here.
/// `wgmma` exists for every number of columns, which becomes an operand.
LogicalResult Emulate::emulateAssembly(LLVM::InlineAsmOp op) {
  StringRef text = op.getAsmString();
  if (text == "fence.proxy.async.shared::cta;") {
    op.erase();
    return success();
  }
  ImplicitLocOpBuilder b(op.getLoc(), op);
  if (text.empty()) {
    // Results are the last operands; what is in front of them is only held.
    auto type = cast<LLVM::LLVMStructType>(op.getRes().getType());
    Value all = LLVM::PoisonOp::create(b, type);
    auto last = op.getOperands().take_back(type.getBody().size());
    for (auto [i, operand] : llvm::enumerate(last))
      all = LLVM::InsertValueOp::create(b, all, operand, int64_t(i));
    op.replaceAllUsesWith(ValueRange(all));
    op.erase();
    return success();
  }
  StringRef name = text.split(' ').first;
  int32_t columns;
  if (!name.consume_front("wgmma.mma_async.sync.aligned.m64n") ||
      name.consumeInteger(10, columns) ||
      !llvm::is_contained({"k32.s32.u8.s8", "k16.f32.f16.f16",
                           "k16.f32.bf16.bf16", "k32.f32.e4m3.e4m3",
                           "k32.f32.e4m3.e5m2", "k32.f32.e5m2.e4m3",
                           "k32.f32.e5m2.e5m2"},
                          name))
    return op.emitOpError("is ")
           << text.split(' ').first << ", which the emulator does not know";
  SmallVector<Value> operands = {
      LLVM::ConstantOp::create(b, b.getI32IntegerAttr(columns))};
  llvm::append_range(operands, op.getOperands());
  callInstead(op, ("wgmma." + name).str(), operands);
  return success();
}

void Emulate::callInstead(Operation *op, StringRef name, ValueRange operands) {
  std::string callee = "qm_emulate_" + name.str();
  std::replace(callee.begin(), callee.end(), '.', '_');
  cuda::declareFunction(getOperation(), callee, {pointer(), pointer()});
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value places = cuda::putInMemory(b, operands);
  Value result = places;
  Type type;
  if (op->getNumResults()) {
    type = op->getResult(0).getType();
    OpBuilder::InsertionGuard guard(b);
    auto function = op->getParentOfType<LLVM::LLVMFuncOp>();
    b.setInsertionPointToStart(&function.getBody().front());
    Value one = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(1));
    result = LLVM::AllocaOp::create(b, pointer(), type, one, 16);
  }
  LLVM::CallOp::create(b, TypeRange(), callee, ValueRange{places, result});
  if (type)
    op->getResult(0).replaceAllUsesWith(
        LLVM::LoadOp::create(b, type, result, /*alignment=*/16).getResult());
  op->erase();
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
    SmallVector<Operation *> calls;
    function.walk([&](Operation *inner) {
      if (isa<LLVM::CallIntrinsicOp, LLVM::InlineAsmOp>(inner))
        calls.push_back(inner);
    });
    for (Operation *call : calls) {
      auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(call);
      if (failed(intrinsic ? emulateIntrinsic(intrinsic)
                           : emulateAssembly(cast<LLVM::InlineAsmOp>(call))))
        return failure();
    }
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
  cuda::callLauncher(op, "qm_emulate_launch",
                     [&](ImplicitLocOpBuilder &b) -> Value {
                       return LLVM::AddressOfOp::create(
                           b, pointer(), op.getKernelName().str() + ".thread");
                     });
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One object for several targets. They read the same packed weights, so the
// module is packed once; then each gets code of its own, in functions whose
// names end in the target's, and LLVM is told per function what the CPU has.
// What an application calls looks up the version that its CPU can run.

#include "Target.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"

using namespace mlir;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Code for each target
//===----------------------------------------------------------------------===//

llvm::Error quantmlir::runStage(ModuleOp module, StringRef stage,
                                llvm::function_ref<void(PassManager &)> build) {
  PassManager pm(module.getContext());
  build(pm);
  if (failed(pm.run(module)))
    return llvm::createStringError("stage '" + stage + "' failed");
  return llvm::Error::success();
}

/// The translation warns about attributes of arguments that it does not know;
/// ours have been read by then.
static void dropOwnAttributes(ModuleOp module) {
  for (FunctionOpInterface function : module.getOps<FunctionOpInterface>())
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      for (NamedAttribute attr : llvm::to_vector(function.getArgAttrs(i)))
        if (!isa_and_nonnull<LLVM::LLVMDialect>(attr.getNameDialect()))
          function.removeArgAttr(i, attr.getName());
}

llvm::Expected<std::unique_ptr<llvm::Module>>
quantmlir::lowerVersion(ModuleOp module, StringRef name, StringRef target,
                        StringRef choices, llvm::LLVMContext &context) {
  CodegenCPUOptions codegen;
  codegen.target = target.str();
  codegen.choices = choices.str();
  if (llvm::Error error = runStage(module, "codegen-cpu", [&](PassManager &pm) {
        buildExpansionPipeline(pm, codegen);
      }))
    return std::move(error);
  return translateToLLVM(module, name, context);
}

llvm::Expected<std::unique_ptr<llvm::Module>>
quantmlir::translateToLLVM(ModuleOp module, StringRef name,
                           llvm::LLVMContext &context) {
  dropOwnAttributes(module);
  std::unique_ptr<llvm::Module> translated =
      translateModuleToLLVMIR(module, context, name);
  if (!translated)
    return llvm::createStringError("translation to LLVM IR failed");
  return std::move(translated);
}

/// Makes the functions those of one version among others.
static void markVersion(llvm::Module &module, const cpu::CPUTarget &target,
                        StringRef suffix) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.setName(function.getName() + suffix);
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
  }
}

llvm::Expected<std::unique_ptr<llvm::Module>>
quantmlir::lowerToLLVM(ModuleOp module, ModelInfo &model,
                       const CodegenCPUOptions &codegen,
                       llvm::LLVMContext &context, const TuneProgress &tune) {
  if (llvm::Error error = runStage(module, "codegen-cpu", [&](PassManager &pm) {
        buildKernelPipeline(pm, codegen);
      }))
    return std::move(error);
  model.functions = describeFunctions(module);
  if (!model.gpu.target.empty())
    return lowerForGPU(module, model, context);
  if (tune)
    if (llvm::Error error = tuneTiles(module, model.targets, codegen.choices,
                                      codegen.batch, tune))
      return std::move(error);
  if (model.targets.size() == 1)
    return lowerVersion(module, model.name,
                        model.emulated.empty()
                            ? "cpu:" + model.targets.front().name
                            : model.emulated,
                        codegen.choices, context);
  auto together = std::make_unique<llvm::Module>(model.name, context);
  for (auto [version, target] : llvm::enumerate(model.targets)) {
    OwningOpRef<ModuleOp> copy = module.clone();
    auto lowered = lowerVersion(*copy, model.name, "cpu:" + target.name,
                                codegen.choices, context);
    if (!lowered)
      return lowered.takeError();
    markVersion(**lowered, target, model.suffix(version));
    if (llvm::Linker::linkModules(*together, std::move(*lowered)))
      return llvm::createStringError("versions of " + model.name +
                                     " cannot be linked");
  }
  return std::move(together);
}

llvm::Expected<std::string>
quantmlir::compileToObject(ModuleOp module, ModelInfo &model,
                           const CodegenCPUOptions &codegen,
                           const TuneProgress &tune) {
  llvm::LLVMContext context;
  auto lowered = lowerToLLVM(module, model, codegen, context, tune);
  if (!lowered)
    return lowered.takeError();
  emitDescriptor(**lowered, model);
  return emitObject(**lowered, model.targets);
}

//===----------------------------------------------------------------------===//
// The choice
//===----------------------------------------------------------------------===//

VersionEmitter::VersionEmitter(llvm::Module &module, const ModelInfo &model)
    : module(module), model(model) {
  llvm::LLVMContext &context = module.getContext();
  auto *i32 = llvm::Type::getInt32Ty(context);
  auto *i64 = llvm::Type::getInt64Ty(context);
  auto global = [&](llvm::Constant *value, const llvm::Twine &name,
                    llvm::GlobalValue::LinkageTypes linkage) {
    return new llvm::GlobalVariable(module, value->getType(),
                                    /*isConstant=*/true, linkage, value, name);
  };
  auto text = [&](StringRef value) {
    return global(llvm::ConstantDataArray::getString(context, value), "text",
                  llvm::GlobalValue::PrivateLinkage);
  };
  // qm_version
  SmallVector<llvm::Constant *> records;
  for (const cpu::CPUTarget &target : model.targets)
    records.push_back(llvm::ConstantStruct::getAnon(
        {text(target.name), llvm::ConstantInt::get(i64, target.needs)}));
  auto *type = llvm::ArrayType::get(records.front()->getType(), records.size());
  auto *list = global(llvm::ConstantArray::get(type, records), "versions",
                      llvm::GlobalValue::PrivateLinkage);
  // qm_versions
  versions =
      global(llvm::ConstantStruct::getAnon(
                 {text(model.name), llvm::ConstantInt::get(i32, records.size()),
                  list}),
             model.name + "_versions", llvm::GlobalValue::ExternalLinkage);
  if (records.size() > 1)
    chosen = new llvm::GlobalVariable(
        module, i32, /*isConstant=*/false, llvm::GlobalValue::PrivateLinkage,
        llvm::ConstantInt::getSigned(i32, -1), "chosen");
}

llvm::Function *VersionEmitter::entry(
    StringRef name,
    llvm::function_ref<llvm::Function *(const llvm::Twine &, StringRef)> emit) {
  SmallVector<llvm::Function *> callees;
  for (unsigned version = 0; version < model.targets.size(); ++version) {
    std::string suffix = model.suffix(version);
    callees.push_back(emit(name + suffix, suffix));
  }
  return callees.size() == 1 ? callees.front() : dispatch(name, callees);
}

/// The first call of any function asks the runtime. Several threads may do so
/// at once, and find the same.
llvm::Function *VersionEmitter::dispatch(StringRef name,
                                         ArrayRef<llvm::Function *> callees) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto *tableType = llvm::ArrayType::get(pointer, callees.size());
  SmallVector<llvm::Constant *> addresses(callees.begin(), callees.end());
  auto *addressTable = new llvm::GlobalVariable(
      module, tableType, /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage,
      llvm::ConstantArray::get(tableType, addresses), name + ".versions");
  llvm::FunctionType *type = callees.front()->getFunctionType();
  for (llvm::Function *callee : callees)
    callee->setLinkage(llvm::GlobalValue::InternalLinkage);
  auto *function = llvm::Function::Create(
      type, llvm::GlobalValue::ExternalLinkage, name, module);
  auto *start = llvm::BasicBlock::Create(context, "", function);
  auto *choose = llvm::BasicBlock::Create(context, "choose", function);
  auto *stop = llvm::BasicBlock::Create(context, "stop", function);
  auto *keep = llvm::BasicBlock::Create(context, "keep", function);
  auto *call = llvm::BasicBlock::Create(context, "call", function);

  llvm::IRBuilder<> b(start);
  auto isNone = [&](llvm::Value *number) {
    return b.CreateICmpSLT(number, b.getInt32(0));
  };
  llvm::LoadInst *known =
      b.CreateAlignedLoad(b.getInt32Ty(), chosen, llvm::Align(4));
  known->setAtomic(llvm::AtomicOrdering::Monotonic);
  b.CreateCondBr(isNone(known), choose, call);
  b.SetInsertPoint(choose);
  llvm::FunctionCallee chooser =
      module.getOrInsertFunction("qm_choose_version", b.getInt32Ty(), pointer);
  llvm::Value *found = b.CreateCall(chooser, {versions});
  b.CreateCondBr(isNone(found), stop, keep);
  // Who asks first, as the header says, does not come here.
  b.SetInsertPoint(stop);
  b.CreateIntrinsic(llvm::Intrinsic::trap, {});
  b.CreateUnreachable();
  b.SetInsertPoint(keep);
  b.CreateAlignedStore(found, chosen, llvm::Align(4))
      ->setAtomic(llvm::AtomicOrdering::Monotonic);
  b.CreateBr(call);
  b.SetInsertPoint(call);
  llvm::PHINode *number = b.CreatePHI(b.getInt32Ty(), 2);
  number->addIncoming(known, start);
  number->addIncoming(found, keep);
  llvm::Value *slot =
      b.CreateGEP(tableType, addressTable, {b.getInt32(0), number});
  SmallVector<llvm::Value *> arguments;
  for (llvm::Argument &argument : function->args())
    arguments.push_back(&argument);
  b.CreateCall(type, b.CreateLoad(pointer, slot), arguments)->setTailCall();
  b.CreateRetVoid();
  return function;
}

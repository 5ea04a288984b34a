// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Target/JIT.h"
#include "Target.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace quantmlir;

llvm::Expected<LoadedObject> quantmlir::loadObject(StringRef object,
                                                   StringRef name) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  llvm::orc::JITDylib &library = (*jit)->getMainJITDylib();
  // What generated code calls: the runtime's barrier, and memcpy and the like.
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  llvm::orc::SymbolMap symbols;
  symbols[(*jit)->mangleAndIntern("qm_barrier")] = llvm::orc::ExecutorSymbolDef(
      llvm::orc::ExecutorAddr::fromPtr(&qm_barrier),
      llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable);
  if (llvm::Error error =
          library.define(llvm::orc::absoluteSymbols(std::move(symbols))))
    return std::move(error);
  if (llvm::Error error = (*jit)->addObjectFile(
          llvm::MemoryBuffer::getMemBufferCopy(object, name)))
    return std::move(error);
  auto descriptor = (*jit)->lookup((name + "_descriptor").str());
  if (!descriptor)
    return descriptor.takeError();
  return LoadedObject{std::move(*jit),
                      descriptor->toPtr<const qm_descriptor *>()};
}

JITModel::JITModel() = default;
JITModel::~JITModel() = default;

llvm::Expected<std::unique_ptr<JITModel>>
JITModel::create(ModuleOp module, const JITOptions &options) {
  llvm::Expected<cpu::CPUTarget> target = cpu::parseCPUTarget(options.target);
  if (!target)
    return target.takeError();
  llvm::Triple host(llvm::sys::getProcessTriple());
  if (llvm::Triple(target->triple).getArch() != host.getArch())
    return llvm::createStringError("target " + options.target +
                                   " cannot run in this process");
  ModelInfo info;
  info.name = "jit";
  info.task = "graph";
  info.batch = options.batch;
  info.targets = {*target};
  if (auto size =
          module->getAttrOfType<IntegerAttr>(lm::LMDialect::vocabSizeAttrName))
    info.vocabulary = size.getInt();
  CodegenCPUOptions codegen;
  codegen.batch = options.batch;
  llvm::Expected<std::string> object = compileToObject(module, info, codegen);
  if (!object)
    return object.takeError();

  llvm::Expected<LoadedObject> loaded = loadObject(*object, info.name);
  if (!loaded)
    return loaded.takeError();
  std::unique_ptr<JITModel> result(new JITModel());
  result->jit = std::move(loaded->jit);
  result->found = loaded->descriptor;
  return result;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Code for a GPU: host code that computes where buffers are and launches
// functions, and these as PTX and machine code beside it. For an emulated GPU
// they are host code, too, and what launches them takes them for a GPU's.

#include "Target.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace quantmlir;

/// Takes the functions out of the module, as a GPU's driver wants them.
static llvm::Error extractCode(ModuleOp module, GPUCode &code) {
  llvm::Expected<cuda::GPUTarget> target = cuda::parseGPUTarget(code.target);
  if (!target)
    return target.takeError();
  auto functions = *module.getOps<mlir::gpu::GPUModuleOp>().begin();
  llvm::Expected<std::string> ptx = emitPTX(functions, *target);
  if (!ptx)
    return ptx.takeError();
  llvm::Expected<Cubin> cubin = assemblePTX(*ptx, *target);
  if (!cubin)
    return cubin.takeError();
  code.ptx = std::move(*ptx);
  code.cubin = std::move(*cubin);
  functions.erase();
  module->removeAttr(mlir::gpu::GPUDialect::getContainerModuleAttrName());
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<llvm::Module>>
quantmlir::lowerForGPU(ModuleOp module, ModelInfo &model,
                       llvm::LLVMContext &context) {
  if (llvm::Error error = runStage(module, "codegen-gpu", [&](PassManager &pm) {
        buildGPUExpansionPipeline(pm, model.gpu.target);
      }))
    return std::move(error);
  return lowerLaunches(module, model, context);
}

llvm::Expected<std::unique_ptr<llvm::Module>>
quantmlir::lowerLaunches(ModuleOp module, ModelInfo &model,
                         llvm::LLVMContext &context) {
  GPUCode &code = model.gpu;
  if (llvm::Error error = runStage(module, "codegen-gpu", [&](PassManager &pm) {
        buildGPULaunchPipeline(pm);
      }))
    return std::move(error);
  for (auto functions : module.getOps<mlir::gpu::GPUModuleOp>())
    for (auto function : functions.getOps<LLVM::LLVMFuncOp>())
      code.functions.push_back(function.getName().str());
  if (!cuda::isEmulated(code.target))
    if (llvm::Error error = extractCode(module, code))
      return std::move(error);
  if (llvm::Error error = runStage(module, "codegen-gpu", [&](PassManager &pm) {
        buildGPUHostPipeline(pm);
      }))
    return std::move(error);
  return translateToLLVM(module, model.name, context);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Target/KernelLibrary.h"
#include "Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Import/WeightFile.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace quantmlir;

llvm::StringMap<Type> quantmlir::placeWeights(ModuleOp module) {
  llvm::StringMap<Type> weights;
  Builder builder(module.getContext());
  for (auto weight : module.getOps<qt::WeightOp>())
    weight.setOffsetAttr(builder.getI64IntegerAttr(0));
  module.walk([&](qt::LoadOp load) {
    auto function = load->getParentOfType<func::FuncOp>();
    weights[function.getSymName()] = load.getType();
  });
  return weights;
}

void quantmlir::dropUnusedWeights(ModelInfo &library,
                                  const llvm::StringMap<Type> &weights) {
  for (FunctionInfo &function : library.functions)
    for (FunctionValue &value : function.values)
      if (value.role == "weights" && !weights.contains(function.name))
        value.role = "unused";
}

llvm::Error quantmlir::compileKernels(ModuleOp module,
                                      const CompileOptions &options) {
  llvm::Expected<cpu::CPUTargets> targets = parseHostTargets(options.target);
  if (!targets)
    return targets.takeError();
  bool isGPU = cuda::isGPUTarget(options.target);
  if (isGPU && !cuda::isEmulated(options.target))
    return compileGPUKernels(module, options);
  if (std::error_code code = llvm::sys::fs::create_directories(options.folder))
    return fileError(options.folder, "cannot be made: " + code.message());
  PassManager pm(module.getContext());
  PackOptions pack;
  pack.target = options.target;
  buildPackPipeline(pm, pack);
  if (failed(pm.run(module)))
    return llvm::createStringError("stage 'pack' failed");
  llvm::StringMap<Type> weights = placeWeights(module);

  CodegenCPUOptions codegen;
  codegen.batch = options.batch;
  codegen.choices = options.choices;
  codegen.resultsToArguments = true;
  ModelInfo library;
  library.name = options.name;
  library.targets = *targets;
  if (isGPU)
    library.emulated = options.target;
  llvm::LLVMContext context;
  auto lowered = lowerToLLVM(module, library, codegen, context, options.tune);
  if (!lowered)
    return lowered.takeError();
  dropUnusedWeights(library, weights);
  emitKernelEntries(**lowered, library);
  llvm::Expected<std::string> object = emitObject(**lowered, *targets);
  if (!object)
    return object.takeError();

  if (llvm::Error error =
          writeKernelManifest(options, describeKernels(library, weights)))
    return error;
  return writeLibrary(options, targets->front(), *object,
                      makeKernelHeader(library, options, weights));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Pipelines/Pipelines.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "quant-mlir/CodeGen/CPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Quantize/Recipe.h"

using namespace mlir;
using namespace quantmlir;

void quantmlir::buildRaisePipeline(OpPassManager &pm,
                                   const RaiseOptions &options) {
  pm.addNestedPass<func::FuncOp>(lm::createRaiseLinalgPass());
  // After raising: a linear's weight is recognised through its transposition.
  pm.addPass(qt::createExternalizeConstantsPass({options.weightsOut}));
}

void quantmlir::buildQuantizePipeline(
    OpPassManager &pm, const QuantizeOptions &options,
    std::shared_ptr<qt::CalibrationProvider> provider) {
  llvm::Expected<Recipe> recipe = Recipe::load(options.recipe);
  if (!recipe) {
    // qt-quantize reports it, at the module.
    llvm::consumeError(recipe.takeError());
  } else if (recipe->smoothing) {
    std::string smoothed = options.weightsOut.empty()
                               ? recipe->name + ".smoothed.safetensors"
                               : options.weightsOut + ".smoothed";
    if (recipe->smoothing->method == Smoothing::Method::AWQ)
      pm.addPass(qt::createAWQPass({options.recipe, options.calibration,
                                    smoothed, recipe->smoothing->multiply},
                                   provider));
    else
      pm.addPass(
          qt::createSmoothPass({options.recipe, options.calibration, smoothed,
                                recipe->smoothing->strength.value_or(-1.0),
                                toString(recipe->smoothing->measure).str(),
                                recipe->smoothing->multiply},
                               provider));
  }
  if (!options.cache.empty())
    pm.addPass(lm::createStoreCachePass({options.cache}));
  // After smoothing, which changes what there is to round.
  pm.addPass(qt::createQuantizePass({options.recipe, options.weightsOut,
                                     options.calibration, options.imatrix},
                                    provider));
}

void quantmlir::buildPackPipeline(OpPassManager &pm,
                                  const PackOptions &options) {
  pm.addPass(createCanonicalizerPass());
  // Equal quantizations of one activation become one, shared by its readers.
  pm.addPass(createCSEPass());
  if (cuda::isGPUTarget(options.target))
    pm.addPass(cuda::createGPUPackPass({options.target}));
  else
    pm.addPass(cpu::createCPUPackPass({options.target}));
}

void quantmlir::buildKernelPipeline(OpPassManager &pm,
                                    const CodegenCPUOptions &options) {
  pm.addPass(kernel::createConvertToKernelPass({options.batch}));
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(kernel::createKernelJoinMatmulsPass());
  // What is left on tensors is elementwise code between kernels, mostly.
  function.addPass(createConvertElementwiseToLinalgPass());
  // The first round of fusion only frees ops from writing over an operand; its
  // size, asked for instead, would be a second use that stops fusion.
  function.addPass(createLinalgElementwiseOpFusionPass());
  function.addPass(memref::createResolveRankedShapeTypeResultDimsPass());
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  function.addPass(createLinalgElementwiseOpFusionPass());
  function.addPass(createCanonicalizerPass());
  function.addPass(kernel::createKernelOwnBuffersPass());
  pm.addPass(bufferization::createOneShotBufferizePass());
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  if (options.resultsToArguments)
    pm.addNestedPass<func::FuncOp>(
        kernel::createKernelResultsToArgumentsPass());
  pm.addNestedPass<func::FuncOp>(kernel::createKernelPlanWorkspacePass());
  pm.addPass(kernel::createKernelDistributePass());
}

static void addLLVMPasses(OpPassManager &pm) {
  pm.addPass(kernel::createKernelToLLVMPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void quantmlir::buildExpansionPipeline(OpPassManager &pm,
                                       const CodegenCPUOptions &options) {
  if (cuda::isGPUTarget(options.target)) {
    buildGPUExpansionPipeline(pm, options.target);
    pm.addPass(cuda::createGPUEmulatePass());
    addLLVMPasses(pm);
    return;
  }
  pm.addPass(cpu::createCPUChooseTilesPass({options.target, options.choices}));
  pm.addNestedPass<func::FuncOp>(cpu::createCPUExpandPass({options.target}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  addLLVMPasses(pm);
}

void quantmlir::buildGPUExpansionPipeline(OpPassManager &pm, StringRef target) {
  pm.addPass(cuda::createGPUChooseKernelsPass({target.str()}));
  pm.addPass(cuda::createGPUExpandPass({target.str()}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<gpu::GPUModuleOp>(createSCFToControlFlowPass());
  // Of all functions, but the host's have no branches yet.
  pm.addPass(createConvertControlFlowToLLVMPass());
  OpPassManager &functions = pm.nest<gpu::GPUModuleOp>();
  functions.addPass(createConvertGpuOpsToNVVMOps());
  functions.addPass(createConvertVectorToLLVMPass());
  functions.addPass(createArithToLLVMConversionPass());
  functions.addPass(createConvertIndexToLLVMPass());
  functions.addPass(createReconcileUnrealizedCastsPass());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
}

void quantmlir::buildGPULaunchPipeline(OpPassManager &pm) {
  pm.addPass(cuda::createGPULaunchPass());
}

void quantmlir::buildGPUHostPipeline(OpPassManager &pm) {
  // Functions that are still there are for the host.
  pm.addPass(cuda::createGPUEmulatePass());
  addLLVMPasses(pm);
}

void quantmlir::buildCodegenGPUPipeline(OpPassManager &pm,
                                        const CodegenGPUOptions &options) {
  CodegenCPUOptions kernels;
  kernels.batch = options.batch;
  buildKernelPipeline(pm, kernels);
  buildGPUExpansionPipeline(pm, options.target);
}

void quantmlir::buildCodegenCPUPipeline(OpPassManager &pm,
                                        const CodegenCPUOptions &options) {
  buildKernelPipeline(pm, options);
  buildExpansionPipeline(pm, options);
}

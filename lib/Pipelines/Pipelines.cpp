// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Pipelines/Pipelines.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "quant-mlir/CodeGen/CPU/Passes.h"

using namespace mlir;
using namespace quantmlir;

void quantmlir::buildPackPipeline(OpPassManager &pm,
                                  const PackOptions &options) {
  pm.addPass(createCanonicalizerPass());
  // Equal quantizations of one activation become one, shared by its readers.
  pm.addPass(createCSEPass());
  pm.addPass(cpu::createCPUPackPass({options.target}));
}

/// lm and qt on tensors to kernels on buffers of one workspace.
static void addKernelPasses(OpPassManager &pm, int64_t batch) {
  pm.addPass(cpu::createConvertToKernelPass({batch}));
  // What is left on tensors is elementwise code between kernels, mostly.
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(createConvertElementwiseToLinalgPass());
  function.addPass(createLinalgElementwiseOpFusionPass());
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  pm.addPass(bufferization::createOneShotBufferizePass());
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(cpu::createKernelPlanWorkspacePass());
}

static void addLLVMPasses(OpPassManager &pm) {
  pm.addPass(cpu::createKernelToLLVMPass());
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

void quantmlir::buildCodegenCPUPipeline(OpPassManager &pm,
                                        const CodegenCPUOptions &options) {
  addKernelPasses(pm, options.batch);
  pm.addPass(cpu::createKernelDistributePass());
  pm.addNestedPass<func::FuncOp>(
      cpu::createKernelExpandPass({options.target}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  addLLVMPasses(pm);
}

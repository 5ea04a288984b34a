// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "quant-mlir/Calibrate/ModelCalibration.h"
#include "quant-mlir/Calibrate/Passes.h"
#include "quant-mlir/CodeGen/CPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Pipelines/Pipelines.h"

void quantmlir::registerAllDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  registry.insert<qt::QTDialect, lm::LMDialect, kernel::KernelDialect>();
}

void quantmlir::registerAllPasses() {
  mlir::registerAllPasses();
  qt::registerQTPasses();
  lm::registerLMPasses();
  kernel::registerKernelPasses();
  cpu::registerCPUPasses();
  cuda::registerGPUPasses();
  registerCalibratePasses();
  mlir::PassPipelineRegistration<RaiseOptions>(
      "raise", "Stage: linalg written by others becomes lm",
      buildRaisePipeline);
  mlir::PassPipelineRegistration<QuantizeOptions>(
      "quantize", "Stage: choose schemes by a recipe",
      [](mlir::OpPassManager &pm, const QuantizeOptions &options) {
        buildQuantizePipeline(
            pm, options,
            options.tokens.empty()
                ? nullptr
                : makeModelCalibration(
                      options.tokens, {options.windows, options.windowLength}));
      });
  mlir::PassPipelineRegistration<PackOptions>(
      "pack", "Stage: choose layouts for a target", buildPackPipeline);
  mlir::PassPipelineRegistration<CodegenCPUOptions>(
      "codegen-cpu", "Stage: from packed lm and qt to the LLVM dialect",
      buildCodegenCPUPipeline);
  mlir::PassPipelineRegistration<CodegenGPUOptions>(
      "codegen-gpu", "Stage: from packed qt to GPU functions",
      buildCodegenGPUPipeline);
}

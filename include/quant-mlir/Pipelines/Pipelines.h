// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_PIPELINES_PIPELINES_H
#define QUANT_MLIR_PIPELINES_PIPELINES_H

// The stages of the compiler as pass pipelines; see docs/stages.md. quant-opt
// has them as --raise, --quantize, --pack and --codegen-cpu, quantc runs them
// in order.

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace quantmlir {

namespace qt {
class CalibrationProvider;
} // namespace qt

/// Stage "raise": graphs from outside, as linalg on tensors, become lm, and
/// their constants weights in a file.
struct RaiseOptions : mlir::PassPipelineOptions<RaiseOptions> {
  Option<std::string> weightsOut{
      *this, "weights-out",
      llvm::cl::desc("The safetensors file to move constants to"),
      llvm::cl::init("")};
};
void buildRaisePipeline(mlir::OpPassManager &pm, const RaiseOptions &options);

/// Stage "quantize": schemes of weights and activations by a recipe.
struct QuantizeOptions : mlir::PassPipelineOptions<QuantizeOptions> {
  Option<std::string> recipe{
      *this, "recipe",
      llvm::cl::desc("Name of a built-in recipe, or a YAML file"),
      llvm::cl::init("as-stored")};
  Option<std::string> weightsOut{
      *this, "weights-out",
      llvm::cl::desc("The safetensors file to write changed weights to"),
      llvm::cl::init("")};
  Option<std::string> calibration{
      *this, "calibration",
      llvm::cl::desc("Statistics of activations (--qt-calibrate), for recipes "
                     "that need them"),
      llvm::cl::init("")};
  Option<std::string> imatrix{
      *this, "imatrix",
      llvm::cl::desc("An importance matrix of llama.cpp, or statistics of "
                     "activations: how much columns of weights count"),
      llvm::cl::init("")};
  Option<std::string> tokens{
      *this, "tokens",
      llvm::cl::desc("Instead: a .npy file of tokens to run the model over, so "
                     "that layers are fitted to rounded layers before them"),
      llvm::cl::init("")};
  Option<std::string> cache{
      *this, "cache",
      llvm::cl::desc(
          "What the cache of keys and values holds (lm-store-cache); "
          "as imported if empty"),
      llvm::cl::init("")};
  Option<int64_t> windows{*this, "windows",
                          llvm::cl::desc("Most texts of tokens to run"),
                          llvm::cl::init(128)};
  Option<int64_t> windowLength{*this, "window-length",
                               llvm::cl::desc("Most tokens of a text"),
                               llvm::cl::init(512)};
};
/// `provider` answers for `tokens`; see makeModelCalibration.
void buildQuantizePipeline(
    mlir::OpPassManager &pm, const QuantizeOptions &options,
    std::shared_ptr<qt::CalibrationProvider> provider = nullptr);

/// Stage "pack": layouts of weights and activations for the target.
struct PackOptions : mlir::PassPipelineOptions<PackOptions> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("Target such as cpu:x86-64-v3"),
                             llvm::cl::init("cpu:native")};
};
void buildPackPipeline(mlir::OpPassManager &pm, const PackOptions &options);

/// Stage "codegen-cpu": from packed lm and qt to the LLVM dialect.
struct CodegenCPUOptions : mlir::PassPipelineOptions<CodegenCPUOptions> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("Target such as cpu:x86-64-v3"),
                             llvm::cl::init("cpu:native")};
  Option<int64_t> batch{
      *this, "batch",
      llvm::cl::desc("Bound of dynamic dimensions: tokens per call, a multiple "
                     "of 16"),
      llvm::cl::init(128)};
  Option<std::string> choices{
      *this, "choices",
      llvm::cl::desc("File of measured choices (cpu-choose-tiles)"),
      llvm::cl::init("")};
  Option<bool> resultsToArguments{
      *this, "results-to-arguments",
      llvm::cl::desc("The caller says where results go"),
      llvm::cl::init(false)};
};
void buildCodegenCPUPipeline(mlir::OpPassManager &pm,
                             const CodegenCPUOptions &options);
/// Its two halves: to functions of kernels, each function's signature final;
/// and from there to the LLVM dialect.
void buildKernelPipeline(mlir::OpPassManager &pm,
                         const CodegenCPUOptions &options);
void buildExpansionPipeline(mlir::OpPassManager &pm,
                            const CodegenCPUOptions &options);

/// Stage "codegen-gpu": from packed qt to GPU functions.
struct CodegenGPUOptions : mlir::PassPipelineOptions<CodegenGPUOptions> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("Target such as cuda:sm_90a"),
                             llvm::cl::init("cuda:sm_80")};
  Option<int64_t> batch{*this, "batch",
                        llvm::cl::desc("Bound of dynamic dimensions"),
                        llvm::cl::init(128)};
};
void buildCodegenGPUPipeline(mlir::OpPassManager &pm,
                             const CodegenGPUOptions &options);
/// Its second half: launches on the host, functions in the LLVM dialect in
/// gpu.module. The first is that of a CPU.
void buildGPUExpansionPipeline(mlir::OpPassManager &pm, llvm::StringRef target);

/// For code that is run: launches become calls of the runtime, and once the
/// GPU's functions are gone, the host's go to the LLVM dialect.
void buildGPULaunchPipeline(mlir::OpPassManager &pm);
void buildGPUHostPipeline(mlir::OpPassManager &pm);

/// Registers all dialects, passes, pipelines and interface models that the
/// tools use.
void registerAllDialects(mlir::DialectRegistry &registry);
void registerAllPasses();

} // namespace quantmlir

#endif // QUANT_MLIR_PIPELINES_PIPELINES_H

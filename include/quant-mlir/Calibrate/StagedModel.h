// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a model's float graph over calibration texts, a piece at a time.
//
// GPTQ wants a Hessian for every input of a linear, and wants the input to come
// from layers that are quantized already. Collecting all Hessians at once takes
// more memory than the model; running the model again for each layer takes for
// ever. So the graph is cut behind every such input (a *site*), and one stage
// after the other runs over all texts:
//
//   stage 0 -> site 0 | stage 1 -> site 1 | ... | last stage -> outputs
//             ^ statistics of site 0 are complete: its readers may get new
//               weights now, and everything behind sees them
//
// Between stages, what later ones need of each text is kept in memory; each
// token passes each layer once. All stages are compiled once, by this compiler,
// with f32 weights; layers that are alike share their code. A stage's weights
// are made when it starts and given back when no later one needs them soon, so
// memory holds one stage's weights, one site's Hessian and the texts' hidden
// states, however deep the model is.

#ifndef QUANT_MLIR_CALIBRATE_STAGEDMODEL_H
#define QUANT_MLIR_CALIBRATE_STAGEDMODEL_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "quant-mlir/Quantize/Statistics.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>

namespace quantmlir {

struct StagedModelOptions {
  std::string target = "cpu:native";
  /// Default: the cores that this process may use.
  int64_t threads = 0;
  /// Most tokens of a text.
  int64_t windowLength = 512;
  StatisticsContent statistics;
};

/// A text: token ids.
using Window = std::vector<int32_t>;

class StagedModel {
public:
  /// Compiles the float graph of `module`, which is left alone: weights are
  /// `qt.load` or `qt.dequantize` of one, and there is one function with
  /// linears, which takes tokens (and, for language models, position, outputs
  /// and a cache). Weight files are read when stages run.
  static llvm::Expected<std::unique_ptr<StagedModel>>
  create(mlir::ModuleOp module, const StagedModelOptions &options);
  ~StagedModel();

  /// What `create` needs loaded when it is called inside a pass.
  static void getDependentDialects(mlir::DialectRegistry &registry);

  /// In the order of the program.
  llvm::ArrayRef<SiteInfo> sites() const;

  /// Called when a site's statistics are complete. May take them away and may
  /// call readWeight and replaceWeight.
  using AfterSite =
      llvm::function_ref<llvm::Error(size_t site, ActivationStatistics &)>;
  /// Called with the function's first result for each text: logits, or a
  /// vector for each token; [rows, columns], valid during the call.
  using Output = llvm::function_ref<llvm::Error(
      size_t window, llvm::ArrayRef<float> values, int64_t columns)>;
  /// Called after each call of a stage.
  using Progress = llvm::function_ref<void(int64_t done, int64_t total)>;

  /// Runs all stages over all texts; the last one, which has no site, only if
  /// there is an `output`. Errors: a text that is empty, too long or has ids
  /// outside the vocabulary; an activation with NaN or infinity, named.
  llvm::Error run(llvm::ArrayRef<Window> windows, AfterSite afterSite,
                  Output output = nullptr, Progress progress = nullptr);

  /// Other numbers for a weight, given its own.
  using Change = llvm::function_ref<llvm::Expected<std::vector<float>>(
      llvm::StringRef weight, std::vector<float> values)>;
  /// As `Output`; `variant` is none for the model itself.
  using VariantOutput = llvm::function_ref<llvm::Error(
      std::optional<size_t> variant, size_t window,
      llvm::ArrayRef<float> values, int64_t columns)>;

  /// Runs the model, and beside it a variant of it for each of `weights`, in
  /// which only that weight has changed. A variant starts from the hidden
  /// states of the model, at the first stage that reads its weight. As many
  /// variants at a time as `atOnce` share a run; in each run the model's own
  /// output comes first.
  llvm::Error runVariants(llvm::ArrayRef<Window> windows,
                          llvm::ArrayRef<std::string> weights, Change change,
                          VariantOutput output, Progress progress = nullptr,
                          int64_t atOnce = 32);

  /// A weight as the stages that are still to come see it: [N, K] row-major for
  /// a matrix. Any weight of the module, also norm gains and biases.
  llvm::Expected<std::vector<float>> readWeight(llvm::StringRef name);
  /// Gives a weight other numbers until the last stage that reads it has run;
  /// called before `run`, that means for the whole run.
  llvm::Error replaceWeight(llvm::StringRef name, std::vector<float> values);

private:
  struct Implementation;
  explicit StagedModel(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation;
};

} // namespace quantmlir

#endif // QUANT_MLIR_CALIBRATE_STAGEDMODEL_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CALIBRATE_STAGEDMODELIMPLEMENTATION_H
#define QUANT_MLIR_LIB_CALIBRATE_STAGEDMODELIMPLEMENTATION_H

#include "Accumulator.h"
#include "LiveValues.h"
#include "StageProgram.h"
#include "StageWeights.h"
#include "quant-mlir/Target/JIT.h"

namespace quantmlir {

struct FreeModel {
  void operator()(qm_model *model) const { qm_model_free(model); }
};
struct FreeSession {
  void operator()(qm_session *session) const { qm_session_free(session); }
};

/// One text while it passes through the stages.
struct Text {
  const Window *tokens;
  std::vector<int64_t> wide; ///< the tokens, if the model wants i64
  LiveValues live;
  LiveValues exact; ///< the same in the float model, if drift is wanted
};

/// A variant of the model that runs beside it.
struct Variant;

/// The drift of one site.
struct SiteDrift {
  DriftSums activation;
  std::optional<DriftSums> residual;
};

struct StagedModel::Implementation {
  explicit Implementation(StageProgram built)
      : program(std::move(built)), weights(program) {}

  llvm::Error compile(mlir::ModuleOp module);
  llvm::Error check(llvm::ArrayRef<Window> windows) const;
  std::vector<Text> start(llvm::ArrayRef<Window> windows);
  qm_tensor tokens(Text &text, const StageValue &value);
  /// Runs a function and returns its results, which are valid until the next
  /// call.
  llvm::Expected<llvm::SmallVector<qm_tensor>>
  runFunction(llvm::StringRef function, llvm::ArrayRef<qm_tensor> inputs,
              size_t results);
  llvm::SmallVector<qm_tensor> gatherInputs(const Stage &stage, Text &text,
                                            LiveValues &live);
  void dropDead(size_t stage, LiveValues &live);
  /// Runs a stage over a text as it is now.
  llvm::Error call(size_t stage, size_t window, Text &text, Accumulator *sums,
                   Output output);
  /// The same in the float model.
  llvm::Error callExact(size_t stage, Text &text);
  std::optional<SiteDrift> startDrift(size_t stage) const;
  llvm::Error addDrift(const Stage &stage, Text &text, SiteDrift &drift);
  /// Runs a stage over all texts and hands on what it found.
  llvm::Error runStage(size_t stage, llvm::MutableArrayRef<Text> texts,
                       AfterSite afterSite, Output output,
                       llvm::function_ref<void()> step);

  bool reads(size_t stage, llvm::StringRef weight) const;
  llvm::Expected<std::vector<Variant>>
  findVariants(llvm::ArrayRef<std::string> names);
  /// Runs all stages over the model's own texts and those of the variants.
  llvm::Error runBeside(llvm::ArrayRef<Window> windows,
                        llvm::MutableArrayRef<Variant> variants, Change change,
                        VariantOutput output, llvm::function_ref<void()> step);
  llvm::Error runVariant(size_t stage, Variant &variant, Change change,
                         VariantOutput output, llvm::function_ref<void()> step);
  llvm::Error runTexts(size_t stage, llvm::MutableArrayRef<Text> texts,
                       std::optional<size_t> variant, VariantOutput output,
                       llvm::function_ref<void()> step);

  StageProgram program;
  StageWeights weights;
  StagedModelOptions options;
  int64_t batch = 0;
  int64_t vocabulary = 0;
  /// The last stage that reads a live value.
  llvm::DenseMap<int64_t, size_t> lastUse;
  // In this order: a session needs its model, and both the code.
  std::unique_ptr<JITModel> code;
  std::unique_ptr<qm_model, FreeModel> model;
  std::unique_ptr<qm_session, FreeSession> session;
};

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_CALIBRATE_STAGEDMODELIMPLEMENTATION_H

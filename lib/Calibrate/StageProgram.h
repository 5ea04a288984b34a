// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CALIBRATE_STAGEPROGRAM_H
#define QUANT_MLIR_LIB_CALIBRATE_STAGEPROGRAM_H

// The stages as a table: what the runner has to know, read off the IR before it
// becomes machine code.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quant-mlir/Calibrate/StagedModel.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include <map>

namespace quantmlir {

/// A stage's argument or result.
struct StageValue {
  enum class Kind { Tokens, Live, Statistic, Output };
  Kind kind;
  int64_t live = -1;           ///< Kind::Live
  qt::Statistics statistic = {}; ///< Kind::Statistic
  mlir::RankedTensorType type;
};

struct Stage {
  std::string function;
  std::vector<StageValue> inputs, results;
  std::vector<std::string> weights;
  /// Rows of the observed activation, if not one for each token.
  std::optional<int64_t> rows;
};

/// A weight, as it is in its file and as stages read it.
struct StageWeight {
  qt::WeightOp source;
  /// Of the packed data: a plain tensor or a `!qt.tensor` with panels.
  mlir::Type packedType;
  int64_t offset = 0, bytes = 0;
  size_t lastStage = 0;

  mlir::RankedTensorType logicalType();
};

struct StageProgram {
  std::vector<Stage> stages;
  std::vector<SiteInfo> sites;
  /// By the name in the module.
  std::map<std::string, StageWeight> weights;
  int64_t weightsBytes = 0;
  /// The declarations that `weights` point to.
  mlir::OwningOpRef<mlir::ModuleOp> declarations;
};

/// Turns a copy of a model's module into packed stages, ready to be compiled,
/// and describes them.
llvm::Expected<StageProgram> buildStages(mlir::ModuleOp module,
                                         const StagedModelOptions &options);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_CALIBRATE_STAGEPROGRAM_H

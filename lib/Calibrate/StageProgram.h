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
  int64_t live = -1;             ///< Kind::Live
  qt::Statistics statistic = {}; ///< Kind::Statistic
  mlir::RankedTensorType type;
};

/// Where the packed numbers of a weight lie while a stage runs.
struct WeightSlot {
  /// A plain tensor, or a `!qt.tensor` with panels.
  mlir::Type type;
  int64_t offset = 0, bytes = 0;
};

/// A stage. Layers are alike, so several stages may share one function; it
/// reads its weights from slots that are filled anew for each of them.
struct Stage {
  std::string function;
  /// The same without statistics; if drift is wanted.
  std::string plainFunction;
  std::vector<StageValue> inputs, results;
  struct Weight {
    std::string name, slot;
  };
  std::vector<Weight> weights;
  /// Rows of the observed activation, if not one for each token.
  std::optional<int64_t> rows;

  /// A live value whose drift is measured. The function takes the value in the
  /// float model, the value now, and the site's activation; it returns
  /// ActivationDrift's cross and mean as sums.
  struct Drift {
    int64_t live;
    mlir::RankedTensorType type;
    std::string function;
  };
  /// Of the site's activation; its `live` is known in any case.
  std::optional<Drift> activation;
  /// Of what the next stage adds to the product of `residualReader`.
  std::optional<Drift> residual;
  std::string residualReader;
};

/// A weight of the model.
struct StageWeight {
  qt::WeightOp source; ///< as it is in its file
  size_t lastStage = 0;

  mlir::RankedTensorType logicalType();
};

struct StageProgram {
  std::vector<Stage> stages;
  std::vector<SiteInfo> sites;
  /// By the name in the module.
  std::map<std::string, StageWeight> weights;
  std::map<std::string, WeightSlot> slots;
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

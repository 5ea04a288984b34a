// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CALIBRATE_CALIBRATE_H
#define QUANT_MLIR_CALIBRATE_CALIBRATE_H

// From tokens in a file to statistics in a file.

#include "quant-mlir/Calibrate/StagedModel.h"

namespace quantmlir {

/// How calibration texts are cut out of an array of tokens.
struct WindowOptions {
  int64_t count = 128;
  int64_t length = 512;
};

/// Reads calibration texts from a .npy file of int32 or int64. One dimension:
/// one long text, from which `count` windows of `length` tokens are taken,
/// spread evenly from its start to its end; fewer if they would overlap, and
/// one shorter window of a text that has no whole one. Two dimensions: a text a
/// row, ending at the first -1, cut at `length`; `count` of them spread evenly
/// if there are more.
llvm::Expected<std::vector<Window>> readWindows(llvm::StringRef path,
                                                const WindowOptions &options);

/// The tokens of the longest.
int64_t longest(llvm::ArrayRef<Window> windows);

/// Runs the model over the windows and writes the statistics of every site,
/// one site in memory at a time. `source` says where the tokens came from.
llvm::Error calibrate(mlir::ModuleOp module, llvm::ArrayRef<Window> windows,
                      const StagedModelOptions &options, llvm::StringRef source,
                      llvm::StringRef output,
                      StagedModel::Progress progress = nullptr);

/// How weights are rounded by `probeWeights` unless one says otherwise:
/// coarsely enough to stand out from noise.
inline constexpr llvm::StringLiteral probeScheme =
    "#qt.int<3, group = 32, scale = f16, zero = i3>";

/// Writes what each weight, by itself rounded to `scheme`, does to the model's
/// output (WeightEffects.h).
llvm::Error probeWeights(mlir::ModuleOp module, llvm::ArrayRef<Window> windows,
                         const StagedModelOptions &options,
                         llvm::StringRef scheme, llvm::StringRef source,
                         llvm::StringRef output,
                         StagedModel::Progress progress = nullptr);

/// Progress in percent with the time left, on stderr if a person is watching.
class ProgressLine {
public:
  explicit ProgressLine(llvm::StringRef title);
  /// Clears the line.
  ~ProgressLine();
  void operator()(int64_t done, int64_t total);

private:
  std::string title;
  bool shown, written = false;
  double started, last = 0;
};

/// "range", "mean", "mean_abs", "hessian" and "histogram" as a set; all if
/// empty.
llvm::Expected<StatisticsContent>
parseStatisticsContent(llvm::ArrayRef<std::string> words);

} // namespace quantmlir

#endif // QUANT_MLIR_CALIBRATE_CALIBRATE_H

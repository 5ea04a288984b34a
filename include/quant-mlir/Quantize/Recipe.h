// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_QUANTIZE_RECIPE_H
#define QUANT_MLIR_QUANTIZE_RECIPE_H

// Which number format goes to which layer. A recipe knows no format: schemes
// are text, as in the IR, and a new scheme needs no change here.

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace quantmlir {

/// A word of a recipe, and where it stands; line 0 in a built-in recipe.
struct RecipeText {
  std::string text;
  int line = 0;
};

/// How the values of a weight are put on the grid of its scheme.
struct Rounding {
  enum class Method {
    Nearest, ///< each value by itself
    GPTQ     ///< errors of a column are made up for by the next ones
  };
  /// Who chooses the range of the values that share a scale.
  enum class Range {
    Extremes,   ///< its largest and smallest value
    MSE,        ///< the range with the least squared error
    Percentile, ///< what a share of the values do not exceed in magnitude
    Calibrated  ///< the one with the least error of the output
  };
  Method method = Method::Nearest;
  Range range = Range::Extremes;
  /// Range::Percentile: the share, in percent.
  double percentile = 99.9;
  /// GPTQ: the share of the Hessian's mean diagonal that is added to it.
  double damping = 0.01;
  /// GPTQ: columns are rounded in the order of their importance. Scales stay
  /// those of the original order, so nothing has to be permuted when it runs.
  bool actOrder = true;
  /// GPTQ: the share of the error that layers before have made of a layer's
  /// input which its weight is corrected for first (GPTAQ, arXiv:2504.02692); 0
  /// to 1. Needs two runs of the model.
  double correction = 0;
  /// GPTQ: a bias takes up what rounding changes in the mean of the output, and
  /// the weight is rounded for what varies around it.
  bool biasCorrection = true;

  /// True if it needs to know the inputs of the layer.
  bool needsCalibration() const {
    return method == Method::GPTQ || range == Range::Calibrated;
  }
};

/// As recipes spell it: extremes, mse, percentile, calibrated.
std::optional<Rounding::Range> parseRange(llvm::StringRef text);
llvm::StringRef toString(Rounding::Range range);

/// How outliers of activations are moved into weights before anything is
/// rounded.
struct Smoothing {
  enum class Method {
    SmoothQuant, ///< ranges of activations against ranges of weights
    AWQ          ///< the channels that matter most are rounded most finely
  };
  /// SmoothQuant: how large a channel is.
  enum class Measure {
    RMS, ///< its root mean square: for scales that each token has of its own
    Max, ///< its largest magnitude: for one scale that has to hold all tokens
    Both ///< activations: the geometric mean of both; weights: root mean
         ///< squares
  };
  Method method = Method::SmoothQuant;
  Measure measure = Measure::Both;
  /// SmoothQuant: the migration strength, 0 to 1; if there is none, the best
  /// one for each activation is searched (by Measure::Max).
  std::optional<double> strength = 0.5;
  /// An activation that no division folds into is divided when the model runs,
  /// while it is quantized if it is; else it is left alone.
  bool multiply = false;
};

/// As recipes and the pass's option spell it: both, rms, max.
std::optional<Smoothing::Measure> parseMeasure(llvm::StringRef text);
llvm::StringRef toString(Smoothing::Measure measure);

/// How calibration finds the one scale that an activation has.
struct StaticActivations {
  /// The largest magnitude that is not clipped.
  enum class Range {
    Extremes,  ///< the largest that was seen
    MSE,       ///< the one with the least squared error
    KL,        ///< the one that keeps the distribution most alike
    Percentile ///< what a share of the values do not exceed
  };
  Range range = Range::Extremes;
  /// Range::Percentile: the share, in percent.
  double percentile = 99.99;
  /// An activation whose largest magnitude is more than so many times its root
  /// mean square is left with a scale for each token, `perToken`.
  std::optional<double> maxCrest;
  RecipeText perToken;
};

/// How some layers are quantized.
struct RecipeRule {
  /// Which layers: "Linear" or "Embedding", a weight's name with or without
  /// ".weight" at its end, or "re:" and a POSIX regular expression that such a
  /// name must match from its start.
  std::vector<RecipeText> targets;
  /// The scheme of weights, such as "#qt.int<4, group = 32, scale = f16>";
  /// "keep" leaves them as they are stored.
  RecipeText weights = {"keep"};
  /// The scheme of weights that this one cannot hold, such as those whose rows
  /// are no whole blocks; empty if such a weight is an error.
  RecipeText fallback = {};
  /// The scheme of activations; "float", or "auto": float for float weights,
  /// int8 in groups for integer weights.
  RecipeText activations = {"auto"};
  Rounding rounding;
  /// Columns of an activation that reach this magnitude are multiplied as
  /// floats (LLM.int8); 0 for none.
  double outlierThreshold = 0;
  /// The scale of an activation is found by calibration, not at run time.
  std::optional<StaticActivations> staticActivations;
};

struct Mix;
struct MixWeight;

struct Recipe {
  std::string name;
  std::string file; ///< empty for a built-in recipe
  /// Targets that are kept as stored and multiplied with floats, whatever the
  /// rules say.
  std::vector<RecipeText> ignore;
  std::vector<RecipeRule> rules;
  std::optional<Smoothing> smoothing;
  /// One of llama.cpp's mixes (Mix.h): the only rule is that of most weights,
  /// until `fitMix` makes one for each type.
  const Mix *mix = nullptr;

  /// True if a step of it needs calibration.
  bool needsCalibration() const;

  /// A built-in recipe or a YAML file; see docs/recipes.md for both. The error
  /// names what is known, or file and line.
  static llvm::Expected<Recipe> load(llvm::StringRef nameOrFile);

  /// With a mix: the rules for the weights of a model, which come in the order
  /// of its layers, and may be known to count differently by column. Does
  /// nothing without one.
  void fitMix(llvm::ArrayRef<MixWeight> weights, bool hasImportance = false);

  /// The rule for a layer of the class "Linear" or "Embedding" with the weight
  /// of this name; null if nothing is said of it: it is kept as stored. What
  /// names a layer most narrowly wins: the weight's name, then a regular
  /// expression, then the class; of equals the first.
  const RecipeRule *find(llvm::StringRef layerClass,
                         llvm::StringRef weight) const;

  /// "file:line: " or "recipe 'name': ", for messages about `text`.
  std::string where(const RecipeText &text) const;
};

/// How narrowly a target names a layer.
enum class TargetMatch { None, Class, Pattern, Name };

/// How `target` (see RecipeRule::targets) names a layer of this class and
/// weight name. A bad regular expression names nothing; `Recipe::load` refuses
/// it.
TargetMatch matchTarget(llvm::StringRef target, llvm::StringRef layerClass,
                        llvm::StringRef weight);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_RECIPE_H

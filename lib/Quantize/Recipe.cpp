// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/Support/Regex.h"

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;

std::optional<Rounding::Range> quantmlir::parseRange(StringRef text) {
  for (auto range : {Rounding::Range::Extremes, Rounding::Range::MSE,
                     Rounding::Range::Percentile, Rounding::Range::Calibrated})
    if (text == toString(range))
      return range;
  return std::nullopt;
}

StringRef quantmlir::toString(Rounding::Range range) {
  switch (range) {
  case Rounding::Range::Extremes:
    return "extremes";
  case Rounding::Range::MSE:
    return "mse";
  case Rounding::Range::Percentile:
    return "percentile";
  case Rounding::Range::Calibrated:
    return "calibrated";
  }
  llvm_unreachable("unknown range");
}

std::optional<Smoothing::Measure> quantmlir::parseMeasure(StringRef text) {
  for (auto measure : {Smoothing::Measure::Both, Smoothing::Measure::RMS,
                       Smoothing::Measure::Max})
    if (text == toString(measure))
      return measure;
  return std::nullopt;
}

StringRef quantmlir::toString(Smoothing::Measure measure) {
  switch (measure) {
  case Smoothing::Measure::Both:
    return "both";
  case Smoothing::Measure::RMS:
    return "rms";
  case Smoothing::Measure::Max:
    return "max";
  }
  llvm_unreachable("unknown measure");
}

TargetMatch quantmlir::matchTarget(StringRef target, StringRef layerClass,
                                   StringRef weight) {
  // What PyTorch calls a layer has its weight as "LAYER.weight".
  StringRef layer = weight;
  layer.consume_back(".weight");
  if (target.consume_front("re:")) {
    llvm::Regex regex(("^(" + target + ")").str());
    return regex.match(weight) || regex.match(layer) ? TargetMatch::Pattern
                                                     : TargetMatch::None;
  }
  if (target == weight || target == layer)
    return TargetMatch::Name;
  return target == layerClass ? TargetMatch::Class : TargetMatch::None;
}

const RecipeRule *Recipe::find(StringRef layerClass, StringRef weight) const {
  static const RecipeRule ignored = [] {
    RecipeRule rule;
    rule.activations = {"float"};
    return rule;
  }();
  for (const RecipeText &target : ignore)
    if (matchTarget(target.text, layerClass, weight) != TargetMatch::None)
      return &ignored;
  const RecipeRule *best = nullptr;
  TargetMatch closest = TargetMatch::None;
  for (const RecipeRule &rule : rules)
    for (const RecipeText &target : rule.targets) {
      TargetMatch match = matchTarget(target.text, layerClass, weight);
      if (match > closest) {
        closest = match;
        best = &rule;
      }
    }
  return best;
}

bool Recipe::needsCalibration() const {
  return smoothing || llvm::any_of(rules, [](const RecipeRule &rule) {
           return rule.rounding.needsCalibration() ||
                  rule.staticActivations.has_value();
         });
}

std::string Recipe::where(const RecipeText &text) const {
  return (file.empty() ? "recipe '" + Twine(name) + "': "
                       : Twine(file) + ":" + Twine(text.line) + ": ")
      .str();
}

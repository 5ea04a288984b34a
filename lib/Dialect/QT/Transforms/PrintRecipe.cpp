// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "PrintRecipe.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace quantmlir;

std::string quantmlir::qt::quoteYAML(StringRef text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

static void printRounding(const Rounding &rounding, raw_ostream &out) {
  bool gptq = rounding.method == Rounding::Method::GPTQ;
  out << "    rounding: {method: " << (gptq ? "gptq" : "nearest")
      << ", range: " << toString(rounding.range);
  if (rounding.range == Rounding::Range::Percentile)
    out << llvm::format(", percentile: %.17g", rounding.percentile);
  if (gptq)
    out << llvm::format(", damping: %g, act_order: ", rounding.damping)
        << (rounding.actOrder ? "true" : "false");
  if (gptq && rounding.correction > 0)
    out << llvm::format(", correction: %g", rounding.correction);
  if (gptq && !rounding.biasCorrection)
    out << ", bias_correction: false";
  out << "}\n";
}

void quantmlir::qt::printRecipeRule(const RecipeRule &rule, raw_ostream &out) {
  out << "    weights: " << quoteYAML(rule.weights.text) << "\n";
  if (!rule.fallback.text.empty())
    out << "    fallback: " << quoteYAML(rule.fallback.text) << "\n";
  if (rule.activations.text == "float")
    out << "    input_activations: float\n";
  else if (rule.activations.text != "auto")
    out << "    input_activations: " << quoteYAML(rule.activations.text)
        << "\n";
  if (rule.outlierThreshold > 0)
    out << llvm::format("    outlier_threshold: %g\n", rule.outlierThreshold);
  printRounding(rule.rounding, out);
}

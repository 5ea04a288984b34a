// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recipes by name. A name is a format and, anywhere behind it, the methods that
// take weights there: w8a8-smoothquant, nf4-gptq, w4a16-awq-gptq. Docs:
// docs/recipes.md.

#include "RecipeFile.h"
#include "quant-mlir/Quantize/Mix.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FileSystem.h"

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;

static std::vector<RecipeText> texts(llvm::ArrayRef<const char *> words) {
  std::vector<RecipeText> result;
  for (const char *word : words)
    result.push_back({word});
  return result;
}

/// What chooses experts: small, and a token that goes to the wrong one is lost.
static const char *const routers[] = {"re:.*\\.ffn_gate_inp$",
                                      "re:.*\\.(mlp|block_sparse_moe)\\.gate$"};

/// Linears change; tables and the head, whose errors every token sees, stay,
/// and the head's input is not rounded.
static Recipe linearRecipe(const Twine &weights,
                           StringRef activations = "auto") {
  Recipe recipe;
  recipe.ignore = texts({"Embedding", "token_embd.weight", "output.weight",
                         "lm_head.weight", "re:(.*\\.)?embed_tokens$",
                         "re:(.*\\.)?[a-z_]*embeddings$"});
  llvm::append_range(recipe.ignore, texts(routers));
  RecipeRule rule;
  rule.targets = texts({"Linear"});
  rule.weights = {weights.str()};
  rule.activations = {activations.str()};
  recipe.rules.push_back(std::move(rule));
  return recipe;
}

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

namespace {
struct Format {
  const char *name, *weights, *activations;
  Rounding::Range range = Rounding::Range::Extremes;
  /// Of weights whose rows are no whole super-blocks; those of llama-quantize.
  const char *fallback = "";
};
} // namespace

static const Format formats[] = {
    {"w8a8", "#qt.int<8, channel>", "#qt.int<8, token>"},
    {"w8a8-static", "#qt.int<8, channel>", "#qt.int<8, tensor>"},
    {"int8-llm", "#qt.int<8, channel>", "#qt.int<8, token>"},
    {"nf4", "#qt.codebook<nf4, group = 64>", "float"},
    {"nf4-dq", "#qt.codebook<nf4, group = 64, nested = 256>", "float"},
    {"nf4-a8", "#qt.codebook<nf4, group = 64>", "#qt.int<8, group = 64>"},
    {"fp4", "#qt.codebook<fp4, group = 64>", "float"},
    {"fp4-dq", "#qt.codebook<fp4, group = 64, nested = 256>", "float"},
    {"fp4-a8", "#qt.codebook<fp4, group = 64>", "#qt.int<8, group = 64>"},
    // Where values lie between powers of two counts, and costs nothing to
    // choose.
    {"fp8", "#qt.float<f8E4M3FN, channel>", "#qt.float<f8E4M3FN, token>",
     Rounding::Range::MSE},
    {"fp8-static", "#qt.float<f8E4M3FN, tensor>",
     "#qt.float<f8E4M3FN, tensor>"},
    {"fp8-block", "#qt.float<f8E4M3FN, block = 128x128>",
     "#qt.float<f8E4M3FN, group = 128>"},
    {"mxfp8", "#qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU>", "float"},
    {"mxfp4", "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>", "auto"},
    {"nvfp4", "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>", "auto"},
    {"q4_0", "#qt.q4_0", "auto"},
    {"q4_1", "#qt.q4_1", "auto"},
    {"q5_0", "#qt.q5_0", "auto"},
    {"q5_1", "#qt.q5_1", "auto"},
    {"q8_0", "#qt.q8_0", "auto"},
    {"iq4_nl", "#qt.iq4_nl", "auto"},
    {"q2_K", "#qt.q2_K", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"q3_K", "#qt.q3_K", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"q4_K", "#qt.q4_K", "auto", Rounding::Range::Extremes, "#qt.q5_0"},
    {"q5_K", "#qt.q5_K", "auto", Rounding::Range::Extremes, "#qt.q5_1"},
    {"q6_K", "#qt.q6_K", "auto", Rounding::Range::Extremes, "#qt.q8_0"},
    {"iq4_xs", "#qt.iq4_xs", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq3_s", "#qt.iq3_s", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq3_xxs", "#qt.iq3_xxs", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq2_s", "#qt.iq2_s", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq2_xs", "#qt.iq2_xs", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq2_xxs", "#qt.iq2_xxs", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq1_m", "#qt.iq1_m", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"iq1_s", "#qt.iq1_s", "auto", Rounding::Range::Extremes, "#qt.iq4_nl"},
    {"tq2_0", "#qt.tq2_0", "auto", Rounding::Range::Extremes, "#qt.q4_0"},
    {"tq1_0", "#qt.tq1_0", "auto", Rounding::Range::Extremes, "#qt.q4_0"},
};

/// A few bits leave much to gain by choosing ranges; 8 have room for extremes.
static bool isNarrow(const RecipeRule &rule) {
  StringRef scheme = rule.weights.text;
  return !scheme.contains("int<8") && !scheme.contains("f8E4M3FN,");
}

/// intB and wBa16, with -gN (for wBa16 it is 128 unless given) and -asym. What
/// says neither -asym nor -sym is asymmetric if `asymmetric`.
static std::optional<Recipe> integerRecipe(StringRef name, bool asymmetric) {
  StringRef rest = name;
  unsigned bits = 0, group = 0;
  bool prefixed = rest.consume_front("w");
  if ((!prefixed && !rest.consume_front("int")) ||
      rest.consumeInteger(10, bits) || bits < 2 || bits > 8 ||
      (prefixed && !rest.consume_front("a16")))
    return std::nullopt;
  if (prefixed)
    group = 128;
  if (rest.consume_front("-g") && (rest.consumeInteger(10, group) || group < 1))
    return std::nullopt;
  if (rest.consume_front("-asym"))
    asymmetric = true;
  else if (rest.consume_front("-sym"))
    asymmetric = false;
  if (!rest.empty())
    return std::nullopt;
  std::string scheme = "#qt.int<" + std::to_string(bits);
  scheme += group ? ", group = " + std::to_string(group) + ", scale = f16"
                  : std::string(", channel");
  if (asymmetric)
    scheme += ", zero = i" + std::to_string(bits);
  Recipe recipe = linearRecipe(scheme + ">", "auto");
  // In groups without zero points some range is wasted otherwise. Elsewhere
  // clipping gains in encoders and loses in language models.
  if (group && !asymmetric && isNarrow(recipe.rules.front()))
    recipe.rules.front().rounding.range = Rounding::Range::MSE;
  return recipe;
}

static std::optional<Recipe> formatRecipe(StringRef name, bool asymmetric) {
  if (name == "as-stored")
    return Recipe();
  if (const Mix *mix = findMix(name)) {
    Recipe recipe = linearRecipe(Twine("#qt.") + mix->type);
    recipe.ignore = texts(routers);
    recipe.rules.front().targets = texts({"Linear", "Embedding"});
    recipe.mix = mix;
    return recipe;
  }
  if (name == "bf16-a16")
    return linearRecipe("#qt.float<bf16>", "#qt.float<bf16>");
  if (name == "f32" || name == "f16" || name == "bf16") {
    Recipe recipe;
    RecipeRule rule;
    rule.targets = texts({"Linear", "Embedding"});
    rule.weights = {("#qt.float<" + name + ">").str()};
    rule.activations = {"float"};
    recipe.rules.push_back(std::move(rule));
    return recipe;
  }
  for (const Format &format : formats) {
    if (name != format.name)
      continue;
    Recipe recipe = linearRecipe(format.weights, format.activations);
    if (name.ends_with("-static"))
      recipe.rules.front().staticActivations.emplace();
    recipe.rules.front().rounding.range = format.range;
    recipe.rules.front().fallback = {format.fallback};
    if (name == "int8-llm")
      recipe.rules.front().outlierThreshold = 6;
    return recipe;
  }
  return integerRecipe(name, asymmetric);
}

//===----------------------------------------------------------------------===//
// Methods
//===----------------------------------------------------------------------===//

static std::optional<Recipe> builtIn(StringRef name) {
  llvm::SmallVector<StringRef> words;
  name.split(words, '-');
  auto take = [&](StringRef method) {
    auto *found = llvm::find(words, method);
    if (found == words.end() || found == words.begin())
      return false;
    words.erase(found);
    return true;
  };
  bool gptaq = take("gptaq"), gptq = take("gptq") || gptaq;
  bool awq = take("awq"), smooth = take("smoothquant"), floats = take("a32");
  // What is known as AWQ has zero points.
  std::optional<Recipe> recipe =
      formatRecipe(llvm::join(words, "-"), /*asymmetric=*/awq && !gptq);
  if (!recipe || (awq && smooth) ||
      (recipe->rules.empty() && (gptq || awq || smooth)))
    return std::nullopt;
  recipe->name = name.str();
  if (floats) {
    // Of recipes that say nothing about activations.
    if (recipe->rules.empty() ||
        recipe->rules.front().activations.text != "auto")
      return std::nullopt;
    recipe->rules.front().activations = {"float"};
  }
  if (smooth || awq) {
    Smoothing &smoothing = recipe->smoothing.emplace();
    smoothing.multiply = true;
    if (awq) {
      smoothing.method = Smoothing::Method::AWQ;
    } else if (recipe->rules.front().staticActivations) {
      smoothing.measure = Smoothing::Measure::Max;
      smoothing.strength = 0.9;
    }
  }
  for (RecipeRule &rule : recipe->rules) {
    if (gptq)
      rule.rounding.method = Rounding::Method::GPTQ;
    // All of it would fit the calibration text rather than the model.
    if (gptaq)
      rule.rounding.correction = 0.5;
    if ((gptq || awq) && isNarrow(rule))
      rule.rounding.range = Rounding::Range::Calibrated;
  }
  return recipe;
}

llvm::Expected<Recipe> Recipe::load(StringRef nameOrFile) {
  if (std::optional<Recipe> recipe = builtIn(nameOrFile))
    return std::move(*recipe);
  if (llvm::sys::fs::exists(nameOrFile))
    return readRecipeFile(nameOrFile);
  std::string known =
      "as-stored, f32, f16, bf16, bf16-a16, int2 to int8, int4-g32 (any "
      "bits, any group), w4a16 (the same with groups of 128), "
      "each of these with -asym";
  for (const Format &format : formats)
    known += std::string(", ") + format.name;
  for (const Mix &mix : getMixes())
    known += std::string(", ") + mix.name;
  return llvm::createStringError(
      llvm::errc::invalid_argument,
      "recipe '" + nameOrFile + "' is neither a file nor one of " + known +
          ", with -gptq, -gptaq, -awq or -smoothquant behind them, and -a32 "
          "for "
          "float activations with weight-only formats");
}

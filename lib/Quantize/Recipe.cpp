// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Recipe.h"
#include "RecipeFile.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Regex.h"

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;

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
  for (const RecipeText &target : ignore)
    if (matchTarget(target.text, layerClass, weight) != TargetMatch::None)
      return nullptr;
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

std::string Recipe::where(const RecipeText &text) const {
  return (file.empty() ? "recipe '" + Twine(name) + "': "
                       : Twine(file) + ":" + Twine(text.line) + ": ")
      .str();
}

//===----------------------------------------------------------------------===//
// Built-in recipes
//===----------------------------------------------------------------------===//

static std::vector<RecipeText> texts(llvm::ArrayRef<const char *> words) {
  std::vector<RecipeText> result;
  for (const char *word : words)
    result.push_back({word});
  return result;
}

/// Linears change; tables and the head, whose errors every token sees, stay.
static Recipe linearRecipe(const Twine &name, const Twine &weights,
                           StringRef activations = "auto") {
  Recipe recipe;
  recipe.name = name.str();
  recipe.ignore = texts({"Embedding", "token_embd.weight", "output.weight",
                         "lm_head.weight", "re:(.*\\.)?embed_tokens$",
                         "re:(.*\\.)?[a-z_]*embeddings$"});
  recipe.rules.push_back(
      {texts({"Linear"}), {weights.str()}, {activations.str()}});
  return recipe;
}

/// intB, intB-gN and each with -asym.
static std::optional<Recipe> integerRecipe(StringRef name) {
  StringRef rest = name;
  unsigned bits = 0, group = 0;
  if (!rest.consume_front("int") || rest.consumeInteger(10, bits) || bits < 2 ||
      bits > 8)
    return std::nullopt;
  std::string scheme = "#qt.int<" + std::to_string(bits);
  if (rest.consume_front("-g")) {
    if (rest.consumeInteger(10, group) || group < 1)
      return std::nullopt;
    scheme += ", group = " + std::to_string(group) + ", scale = f16";
  } else {
    scheme += ", channel";
  }
  if (rest.consume_front("-asym"))
    scheme += ", zero = i" + std::to_string(bits);
  if (!rest.empty())
    return std::nullopt;
  return linearRecipe(name, scheme + ">");
}

namespace {
struct LinearRecipe {
  const char *name, *weights, *activations;
};
} // namespace

static const LinearRecipe linearRecipes[] = {
    {"w8a8", "#qt.int<8, channel>", "#qt.int<8, token>"},
    {"nf4", "#qt.codebook<nf4, group = 64>", "auto"},
    {"nf4-dq", "#qt.codebook<nf4, group = 64, nested = 256>", "auto"},
    {"fp4", "#qt.codebook<fp4, group = 64>", "auto"},
    {"fp8", "#qt.float<f8E4M3FN, channel>", "#qt.float<f8E4M3FN, token>"},
    {"fp8-block", "#qt.float<f8E4M3FN, block = 128x128>",
     "#qt.float<f8E4M3FN, group = 128>"},
    {"mxfp8", "#qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU>", "float"},
    {"mxfp4", "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>", "auto"},
    {"nvfp4", "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>", "auto"},
};

static std::optional<Recipe> builtIn(StringRef name) {
  if (name == "as-stored")
    return Recipe{"as-stored", {}, {}, {}};
  if (name == "f32" || name == "f16" || name == "bf16")
    return Recipe{name.str(),
                  {},
                  {},
                  {{texts({"Linear", "Embedding"}),
                    {("#qt.float<" + name + ">").str()},
                    {"float"}}}};
  for (const LinearRecipe &recipe : linearRecipes)
    if (name == recipe.name)
      return linearRecipe(name, recipe.weights, recipe.activations);
  if (name == "int8-llm") {
    Recipe recipe =
        linearRecipe(name, "#qt.int<8, channel>", "#qt.int<8, token>");
    recipe.rules.front().outlierThreshold = 6;
    return recipe;
  }
  if (name == "q4_0" || name == "q4_1" || name == "q8_0")
    return linearRecipe(name, "#qt." + name);
  return integerRecipe(name);
}

llvm::Expected<Recipe> Recipe::load(StringRef nameOrFile) {
  if (std::optional<Recipe> recipe = builtIn(nameOrFile))
    return std::move(*recipe);
  if (llvm::sys::fs::exists(nameOrFile))
    return readRecipeFile(nameOrFile);
  return llvm::createStringError(
      llvm::errc::invalid_argument,
      "recipe '" + nameOrFile +
          "' is neither a file nor one of as-stored, f32, f16, bf16, w8a8, "
          "int2 to int8, int4-g32 (any bits, any group), int4-g32-asym, q4_0, "
          "q4_1, q8_0, int8-llm, nf4, nf4-dq, fp4, fp8, fp8-block, mxfp8, "
          "mxfp4, "
          "nvfp4");
}

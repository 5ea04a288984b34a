// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Recipe.h"
#include "RecipeFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Regex.h"

using namespace quantmlir;
using llvm::StringRef;

bool quantmlir::matchesTarget(StringRef target, StringRef layerClass,
                              StringRef weight) {
  if (target.consume_front("re:"))
    return llvm::Regex(("^(" + target + ")").str()).match(weight);
  return target == layerClass || target == weight;
}

const RecipeRule *Recipe::find(StringRef layerClass, StringRef weight) const {
  for (const RecipeRule &rule : rules)
    for (const std::string &target : rule.targets)
      if (matchesTarget(target, layerClass, weight))
        return &rule;
  return nullptr;
}

/// What built-in recipes for linears leave alone: tables and heads, whose errors
/// every token sees.
static RecipeRule keepTablesAndHeads() {
  return {{"Embedding", "token_embd.weight", "output.weight", "lm_head.weight",
           "re:.*embed_tokens\\.weight", "re:.*embeddings\\."},
          "keep",
          "auto"};
}

static Recipe linearRecipe(StringRef name, StringRef weights,
                           StringRef activations) {
  return {name.str(),
          {keepTablesAndHeads(),
           {{"Linear"}, weights.str(), activations.str()}}};
}

/// intB, intB-gN and intB-gN-asym.
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
  return linearRecipe(name, scheme + ">", "auto");
}

llvm::Expected<Recipe> Recipe::load(StringRef nameOrFile) {
  if (nameOrFile == "as-stored")
    return Recipe{"as-stored", {}};
  for (StringRef type : {"f32", "f16", "bf16"})
    if (nameOrFile == type)
      return Recipe{type.str(),
                    {{{"Linear", "Embedding"},
                      ("#qt.float<" + type + ">").str(),
                      "float"}}};
  if (nameOrFile == "w8a8")
    return linearRecipe("w8a8", "#qt.int<8, channel>", "#qt.int<8, token>");
  for (StringRef type : {"q4_0", "q4_1", "q8_0"})
    if (nameOrFile == type)
      return linearRecipe(type, ("#qt." + type).str(), "auto");
  if (std::optional<Recipe> recipe = integerRecipe(nameOrFile))
    return *recipe;
  if (llvm::sys::fs::exists(nameOrFile))
    return readRecipeFile(nameOrFile);
  return llvm::createStringError(
      llvm::errc::invalid_argument,
      "recipe '" + nameOrFile +
          "' is neither a file nor one of as-stored, f32, f16, bf16, w8a8, "
          "int2..int8, int4-g32 (any bits and group), int4-g32-asym, q4_0, "
          "q4_1, q8_0");
}

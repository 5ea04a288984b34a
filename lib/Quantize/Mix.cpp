// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Mix.h"
#include "quant-mlir/Quantize/BlockFormats.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include <map>

using namespace quantmlir;
using llvm::ArrayRef;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// The mixes
//===----------------------------------------------------------------------===//

ArrayRef<Mix> quantmlir::getMixes() {
  using Role = MixRole;
  using In = MixLayers;
  using If = MixCase;
  static const std::vector<Mix> mixes = {
      {"Q4_0", 2, "q4_0", {{Role::Down, In::Eighth, "q4_1", If::Important}}},
      {"Q4_1", 3, "q4_1"},
      {"Q5_0", 8, "q5_0", {{Role::Down, In::Eighth, "q5_1", If::Important}}},
      {"Q5_1", 9, "q5_1"},
      {"Q8_0", 7, "q8_0"},
      {"Q2_K_S",
       21,
       "q2_K",
       {{Role::Value, In::Grouped, "q4_K"}, {Role::Down, In::Eighth, "q4_K"}}},
      {"Q2_K",
       10,
       "q2_K",
       {{Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "q3_K"},
        {Role::AttentionOutput, In::All, "q3_K"},
        {Role::Down, In::All, "q3_K"}}},
      {"Q3_K_S", 11, "q3_K"},
      {"Q3_K_M",
       12,
       "q3_K",
       {{Role::Value, In::First2, "q5_K"},
        {Role::Value, In::All, "q4_K"},
        {Role::AttentionOutput, In::All, "q4_K"},
        {Role::Down, In::Sixteenth, "q5_K"},
        {Role::Down, In::All, "q4_K"}}},
      {"Q3_K_L",
       13,
       "q3_K",
       {{Role::Value, In::All, "q5_K"},
        {Role::AttentionOutput, In::All, "q5_K"},
        {Role::Down, In::All, "q5_K"}}},
      {"Q4_K_S",
       14,
       "q4_K",
       {{Role::Value, In::First4, "q5_K"}, {Role::Down, In::Eighth, "q5_K"}}},
      {"Q4_K_M",
       15,
       "q4_K",
       {{Role::Value, In::Spread, "q6_K"}, {Role::Down, In::Spread, "q6_K"}}},
      {"Q5_K_S", 16, "q5_K"},
      {"Q5_K_M",
       17,
       "q5_K",
       {{Role::Value, In::Spread, "q6_K"}, {Role::Down, In::Spread, "q6_K"}}},
      {"Q6_K", 18, "q6_K"},
      {"IQ1_S",
       24,
       "iq1_s",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "q2_K"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "q2_K"},
        {Role::AttentionOutput, In::All, "iq2_xxs"},
        {Role::Down, In::Eighth, "q2_K"}}},
      {"IQ1_M",
       31,
       "iq1_m",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "q2_K"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "q2_K"},
        {Role::AttentionOutput, In::All, "iq2_xxs"},
        {Role::Down, In::Eighth, "q2_K"}}},
      {"IQ2_XXS",
       19,
       "iq2_xxs",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "q2_K"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "q2_K"},
        {Role::Down, In::Eighth, "q2_K"}}},
      {"IQ2_XS",
       20,
       "iq2_xs",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "q2_K"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "q2_K"},
        {Role::Down, In::Eighth, "q2_K"}}},
      {"IQ2_S",
       28,
       "iq2_xs",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "iq3_s"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "iq3_s"},
        {Role::AttentionOutput, In::All, "iq3_s"},
        {Role::Down, In::Eighth, "iq3_s"}}},
      {"IQ2_M",
       29,
       "iq2_s",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "iq3_s"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Value, In::All, "iq3_s"},
        {Role::AttentionOutput, In::All, "iq3_s"},
        {Role::Down, In::Eighth, "iq3_s"}}},
      {"IQ3_XXS",
       23,
       "iq3_xxs",
       {{Role::Head, In::All, "q5_K"},
        {Role::Table, In::All, "iq3_s"},
        {Role::Value, In::Grouped, "q4_K"},
        {Role::Query, In::All, "iq2_s"},
        {Role::Key, In::All, "iq2_s"},
        {Role::AttentionOutput, In::All, "iq3_s"}}},
      {"IQ3_S", 26, "iq3_s", {{Role::Value, In::Grouped, "q4_K"}}},
      {"IQ3_M",
       27,
       "iq3_s",
       {{Role::Value, In::All, "q4_K"},
        {Role::AttentionOutput, In::All, "q4_K"},
        {Role::Down, In::Eighth, "q4_K"}}},
      {"IQ3_XS",
       22,
       "iq3_s",
       {{Role::Value, In::Grouped, "q4_K"},
        {Role::Query, In::All, "iq3_xxs"},
        {Role::Key, In::All, "iq3_xxs"},
        {Role::Gate, In::Middle, "iq3_xxs"},
        {Role::Up, In::Middle, "iq3_xxs"}}},
      {"IQ4_NL",
       25,
       "iq4_nl",
       {{Role::Value, In::Grouped, "q5_K"},
        {Role::Down, In::Eighth, "q5_K", If::Unimportant}}},
      {"IQ4_XS",
       30,
       "iq4_xs",
       {{Role::Value, In::Grouped, "q5_K"},
        {Role::Down, In::Eighth, "q5_K", If::Unimportant}}},
      {"TQ1_0", 36, "tq1_0", {{Role::Table, In::All, "q4_K"}}},
      {"TQ2_0", 37, "tq2_0", {{Role::Table, In::All, "q4_K"}}},
  };
  return mixes;
}

const Mix *quantmlir::findMix(StringRef name) {
  const Mix *found = llvm::find_if(
      getMixes(), [&](const Mix &mix) { return name == mix.name; });
  return found == getMixes().end() ? nullptr : found;
}

//===----------------------------------------------------------------------===//
// Choosing
//===----------------------------------------------------------------------===//

static MixRole roleOf(StringRef name) {
  name.consume_back(".weight");
  if (name == "output") // but not blk.0.attn_output
    return MixRole::Head;
  // The longer of two that fit stands in front.
  static const std::pair<StringRef, MixRole> roles[] = {
      {"lm_head", MixRole::Head},
      {"token_embd", MixRole::Table},
      {"embed_tokens", MixRole::Table},
      {"word_embeddings", MixRole::Table},
      {"position_embd", MixRole::Kept},
      {"position_embeddings", MixRole::Kept},
      {"token_types", MixRole::Kept},
      {"token_type_embeddings", MixRole::Kept},
      {"attn_q", MixRole::Query},
      {"q_proj", MixRole::Query},
      {"self.query", MixRole::Query},
      {"attn_k", MixRole::Key},
      {"k_proj", MixRole::Key},
      {"self.key", MixRole::Key},
      {"attn_v", MixRole::Value},
      {"v_proj", MixRole::Value},
      {"self.value", MixRole::Value},
      {"attn_output", MixRole::AttentionOutput},
      {"o_proj", MixRole::AttentionOutput},
      {"attention.output.dense", MixRole::AttentionOutput},
      {"ffn_gate", MixRole::Gate},
      {"ffn_gate_exps", MixRole::Gate},
      {"ffn_up_exps", MixRole::Up},
      {"ffn_down_exps", MixRole::Down},
      {"experts.w1", MixRole::Gate},
      {"experts.w3", MixRole::Up},
      {"experts.w2", MixRole::Down},
      {"gate_proj", MixRole::Gate},
      {"ffn_up", MixRole::Up},
      {"up_proj", MixRole::Up},
      {"intermediate.dense", MixRole::Up},
      {"ffn_down", MixRole::Down},
      {"down_proj", MixRole::Down},
      {"output.dense", MixRole::Down},
  };
  for (auto [end, role] : roles)
    if (name.ends_with(end))
      return role;
  return MixRole::Other;
}

/// Layer i of n is meant.
static bool contains(MixLayers layers, int64_t i, int64_t n, bool grouped) {
  bool middle = i >= n / 8 && i < 7 * n / 8;
  switch (layers) {
  case MixLayers::All:
    return true;
  case MixLayers::Grouped:
    return grouped;
  case MixLayers::First2:
    return i < 2;
  case MixLayers::First4:
    return i < 4;
  case MixLayers::Eighth:
    return i < n / 8;
  case MixLayers::Sixteenth:
    return i < n / 16;
  case MixLayers::Middle:
    return middle;
  case MixLayers::Spread:
    return !middle || (i - n / 8) % 3 == 2;
  }
  llvm_unreachable("unknown layers");
}

/// The type, or one of smaller blocks that a row is a whole number of.
static std::string schemeOf(StringRef type, int64_t rowLength) {
  auto fits = [&](StringRef type) {
    const BlockFacts *facts =
        llvm::find_if(blockFacts, [&](const BlockFacts &facts) {
          return type == facts.name;
        });
    return rowLength % facts->values == 0;
  };
  if (!fits(type)) {
    StringRef smaller = llvm::StringSwitch<StringRef>(type)
                            .Case("q4_K", "q5_0")
                            .Case("q5_K", "q5_1")
                            .Case("q6_K", "q8_0")
                            .StartsWith("iq", "iq4_nl")
                            .Default("q4_0");
    type = fits(smaller) ? smaller : "";
  }
  return type.empty() ? "#qt.float<f16>" : ("#qt." + type).str();
}

std::vector<std::string>
quantmlir::chooseMixSchemes(const Mix &mix, ArrayRef<MixWeight> weights,
                            bool hasImportance) {
  MixCase given = hasImportance ? MixCase::Important : MixCase::Unimportant;
  std::vector<MixRole> roles;
  int64_t counts[size_t(MixRole::Down) + 1] = {};
  int64_t queryRows = 0, valueRows = 1;
  for (const MixWeight &weight : weights) {
    MixRole role = roles.emplace_back(roleOf(weight.name));
    ++counts[size_t(role)];
    if (role == MixRole::Query)
      queryRows = weight.rows;
    if (role == MixRole::Value)
      valueRows = weight.rows;
  }
  bool grouped = queryRows >= 4 * valueRows;
  // LLaMA 2 with 70 billion: its values are an eighth of its queries, so more
  // bits for them cost little.
  int64_t layers = counts[size_t(MixRole::Value)];
  bool cheapValues = layers == 80 && queryRows > valueRows;
  bool isTiny = StringRef(mix.type).starts_with("iq1") ||
                StringRef(mix.type).starts_with("iq2");

  std::vector<std::string> schemes;
  int64_t places[std::size(counts)] = {};
  for (auto [weight, role] : llvm::zip_equal(weights, roles)) {
    int64_t place = places[size_t(role)]++;
    if (role == MixRole::Kept) {
      schemes.push_back("keep");
      continue;
    }
    if (role == MixRole::Table && !counts[size_t(MixRole::Head)])
      role = MixRole::Head;
    StringRef type = mix.type;
    if (role == MixRole::Head && type != "q8_0")
      type = "q6_K";
    for (const Mix::Exception &exception : mix.exceptions)
      if (exception.role == role &&
          (exception.when == MixCase::Any || exception.when == given) &&
          contains(exception.layers, place, counts[size_t(role)], grouped)) {
        type = exception.type;
        break;
      }
    if (role == MixRole::Value && cheapValues && !isTiny &&
        (type == "q3_K" || type == "q4_K"))
      type = "q5_K";
    // A head has one fallback, whatever its type is.
    if (role == MixRole::Head && weight.rowLength % 256 != 0)
      type = "q8_0";
    schemes.push_back(schemeOf(type, weight.rowLength));
  }
  return schemes;
}

//===----------------------------------------------------------------------===//
// As rules of a recipe
//===----------------------------------------------------------------------===//

void Recipe::fitMix(ArrayRef<MixWeight> weights, bool hasImportance) {
  if (!mix)
    return;
  RecipeRule most = std::move(rules.front());
  most.targets.clear();
  std::map<std::string, RecipeRule> byScheme;
  for (auto [weight, scheme] : llvm::zip_equal(
           weights, chooseMixSchemes(*mix, weights, hasImportance))) {
    RecipeRule &rule = byScheme.try_emplace(scheme, most).first->second;
    rule.weights.text = scheme;
    rule.targets.push_back({weight.name});
  }
  rules.clear();
  for (auto &[scheme, rule] : byScheme)
    rules.push_back(std::move(rule));
}

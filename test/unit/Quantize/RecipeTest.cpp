// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace quantmlir;

namespace {

/// The recipe, or what is wrong with it.
struct Result {
  Recipe recipe;
  std::string error;

  Result(llvm::Expected<Recipe> loaded) {
    if (loaded)
      recipe = std::move(*loaded);
    else
      error = llvm::toString(loaded.takeError());
  }
  /// "WEIGHTS with ACTIVATIONS", or "kept".
  std::string at(llvm::StringRef layerClass, llvm::StringRef weight) const {
    const RecipeRule *rule = recipe.find(layerClass, weight);
    return rule ? rule->weights.text + " with " + rule->activations.text
                : "kept";
  }
};

Result named(llvm::StringRef name) { return Result(Recipe::load(name)); }

/// A recipe file with this text; its path in messages is "FILE".
Result yaml(llvm::StringRef text) {
  llvm::SmallString<128> path;
  int descriptor;
  EXPECT_FALSE(
      llvm::sys::fs::createTemporaryFile("recipe", "yaml", descriptor, path));
  auto remove = llvm::make_scope_exit([&] { llvm::sys::fs::remove(path); });
  llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true) << text;
  Result result = named(path);
  if (llvm::StringRef(result.error).starts_with(path))
    result.error = "FILE" + result.error.substr(path.size());
  return result;
}

/// A recipe whose one rule has these weights, or what is wrong with it.
std::string weights(llvm::StringRef fields) {
  Result result =
      yaml(("config_groups: {a: {targets: [Linear], weights: " + fields + "}}")
               .str());
  return result.error.empty() ? result.recipe.rules.at(0).weights.text
                              : result.error;
}

std::string activations(llvm::StringRef fields) {
  Result result = yaml(
      ("config_groups: {a: {targets: [Linear], input_activations: " + fields +
       "}}")
          .str());
  return result.error.empty() ? result.recipe.rules.at(0).activations.text
                              : result.error;
}

std::string fixed(const std::string &fields) {
  return activations("{strategy: tensor, dynamic: false, " + fields + "}");
}

} // namespace

TEST(Recipe, BuiltInNames) {
  EXPECT_TRUE(named("as-stored").recipe.rules.empty());
  struct {
    const char *name, *scheme;
  } cases[] = {
      {"f32", "#qt.float<f32> with float"},
      {"bf16", "#qt.float<bf16> with float"},
      {"bf16-a16", "#qt.float<bf16> with #qt.float<bf16>"},
      {"w8a8", "#qt.int<8, channel> with #qt.int<8, token>"},
      {"int8", "#qt.int<8, channel> with auto"},
      {"int2", "#qt.int<2, channel> with auto"},
      {"int8-a32", "#qt.int<8, channel> with float"},
      {"w4a16-g32-asym-a32",
       "#qt.int<4, group = 32, scale = f16, zero = i4> with float"},
      {"q8_0-a32", "#qt.q8_0 with float"},
      {"int4-g32", "#qt.int<4, group = 32, scale = f16> with auto"},
      {"int3-g128-asym",
       "#qt.int<3, group = 128, scale = f16, zero = i3> with auto"},
      {"int5-asym", "#qt.int<5, channel, zero = i5> with auto"},
      {"q4_0", "#qt.q4_0 with auto"},
      {"q4_K", "#qt.q4_K with auto"},
      {"q6_K-a32", "#qt.q6_K with float"},
      {"nf4", "#qt.codebook<nf4, group = 64> with float"},
      {"nf4-dq", "#qt.codebook<nf4, group = 64, nested = 256> with float"},
      {"nf4-a8", "#qt.codebook<nf4, group = 64> with #qt.int<8, group = 64>"},
      {"fp4", "#qt.codebook<fp4, group = 64> with float"},
      {"fp4-a8", "#qt.codebook<fp4, group = 64> with #qt.int<8, group = 64>"},
      {"fp8", "#qt.float<f8E4M3FN, channel> with #qt.float<f8E4M3FN, token>"},
      {"fp8-block", "#qt.float<f8E4M3FN, block = 128x128> with "
                    "#qt.float<f8E4M3FN, group = 128>"},
      {"mxfp8",
       "#qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU> with float"},
      {"mxfp4", "#qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU> with auto"},
      {"nvfp4", "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN> with auto"},
      {"int8-llm", "#qt.int<8, channel> with #qt.int<8, token>"},
  };
  for (auto &[name, scheme] : cases) {
    EXPECT_EQ(named(name).at("Linear", "blk.0.ffn_up.weight"), scheme) << name;
    EXPECT_EQ(named(name).recipe.name, name);
  }
}

TEST(Recipe, Fallbacks) {
  auto fallback = [](const char *name) {
    return named(name).recipe.rules.at(0).fallback.text;
  };
  EXPECT_EQ(fallback("q4_K"), "#qt.q5_0");
  EXPECT_EQ(fallback("q6_K"), "#qt.q8_0");
  EXPECT_EQ(fallback("iq3_s"), "#qt.iq4_nl");
  EXPECT_EQ(fallback("tq2_0"), "#qt.q4_0");
  EXPECT_EQ(fallback("q4_0"), "");
}

TEST(Recipe, Outliers) {
  EXPECT_EQ(named("int8-llm").recipe.rules.at(0).outlierThreshold, 6);
  EXPECT_EQ(named("w8a8").recipe.rules.at(0).outlierThreshold, 0);
  auto threshold = [](const char *value) {
    return yaml(("config_groups: {a: {targets: [Linear], outlier_threshold: " +
                 llvm::Twine(value) + "}}")
                    .str());
  };
  EXPECT_EQ(threshold("4.5").recipe.rules.at(0).outlierThreshold, 4.5);
  for (const char *bad : {"0", "-1", "loud", "nan", "1e400"})
    EXPECT_NE(threshold(bad).error.find("expected a positive number"),
              std::string::npos)
        << bad;
}

TEST(Recipe, StaticActivations) {
  auto rule = [](const char *fields) {
    return yaml(("config_groups: {a: {targets: [Linear], input_activations: " +
                 llvm::Twine(fields) + "}}")
                    .str())
        .recipe.rules.at(0);
  };
  using Range = StaticActivations::Range;
  auto plain = rule("{strategy: tensor, dynamic: false}").staticActivations;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->range, Range::Extremes);
  EXPECT_FALSE(plain->maxCrest);
  EXPECT_FALSE(rule("{strategy: tensor}").staticActivations);
  EXPECT_FALSE(rule("{strategy: token}").staticActivations);

  auto with = [&](const char *fields) {
    return *rule(("{strategy: tensor, dynamic: false, " + std::string(fields) +
                  "}")
                     .c_str())
                .staticActivations;
  };
  EXPECT_EQ(with("range: extremes").range, Range::Extremes);
  EXPECT_EQ(with("range: mse").range, Range::MSE);
  EXPECT_EQ(with("range: kl").range, Range::KL);
  EXPECT_EQ(with("range: percentile").percentile, 99.99);
  EXPECT_EQ(with("range: percentile, percentile: 99").percentile, 99);
  EXPECT_EQ(with("range: percentile, percentile: 99").range, Range::Percentile);
  StaticActivations spiky = with("type: float, num_bits: 8, max_crest: 25");
  EXPECT_EQ(spiky.maxCrest, 25);
  EXPECT_EQ(spiky.perToken.text, "#qt.float<f8E4M3FN, token>");
}

TEST(Recipe, MethodsBehindFormats) {
  auto load = [](const char *name) {
    auto recipe = Recipe::load(name);
    EXPECT_TRUE(bool(recipe)) << name;
    return recipe ? *recipe : Recipe();
  };
  Recipe gptq = load("w4a16-gptq");
  EXPECT_EQ(gptq.rules[0].weights.text, "#qt.int<4, group = 128, scale = f16>");
  EXPECT_EQ(gptq.rules[0].rounding.method, Rounding::Method::GPTQ);
  EXPECT_EQ(gptq.rules[0].rounding.range, Rounding::Range::Calibrated);
  EXPECT_FALSE(gptq.smoothing);
  EXPECT_TRUE(gptq.needsCalibration());
  // The place of a method does not matter, and AWQ has zero points.
  EXPECT_EQ(load("w3a16-gptq-g64-asym").rules[0].weights.text,
            "#qt.int<3, group = 64, scale = f16, zero = i3>");
  Recipe awq = load("w4a16-awq");
  EXPECT_EQ(awq.rules[0].weights.text,
            "#qt.int<4, group = 128, scale = f16, zero = i4>");
  EXPECT_EQ(awq.smoothing->method, Smoothing::Method::AWQ);
  EXPECT_TRUE(awq.smoothing->multiply);
  EXPECT_EQ(awq.rules[0].rounding.method, Rounding::Method::Nearest);
  EXPECT_EQ(load("w4a16-awq-sym").rules[0].weights.text,
            "#qt.int<4, group = 128, scale = f16>");
  // Eight bits have room for the extremes.
  Recipe smooth = load("w8a8-smoothquant-gptq");
  EXPECT_EQ(smooth.smoothing->measure, Smoothing::Measure::Both);
  EXPECT_EQ(smooth.smoothing->strength, 0.5);
  EXPECT_EQ(smooth.rules[0].rounding.range, Rounding::Range::Extremes);
  Recipe fixed = load("w8a8-static-smoothquant");
  EXPECT_EQ(fixed.smoothing->measure, Smoothing::Measure::Max);
  EXPECT_EQ(fixed.smoothing->strength, 0.9);
  EXPECT_TRUE(fixed.rules[0].staticActivations);
  EXPECT_TRUE(load("w8a8-static").needsCalibration());
  EXPECT_FALSE(load("nf4").needsCalibration());
  EXPECT_EQ(load("fp8").rules[0].rounding.range, Rounding::Range::MSE);
  // Neither does choosing the range need data.
  EXPECT_EQ(load("int4-g32").rules[0].rounding.range, Rounding::Range::MSE);
  EXPECT_EQ(load("w7a16").rules[0].rounding.range, Rounding::Range::MSE);
  EXPECT_EQ(load("int4").rules[0].rounding.range, Rounding::Range::Extremes);
  EXPECT_EQ(load("int4-g32-asym").rules[0].rounding.range,
            Rounding::Range::Extremes);
  EXPECT_FALSE(load("int4-g32").needsCalibration());
  EXPECT_EQ(load("int8").rules[0].rounding.range, Rounding::Range::Extremes);
  EXPECT_EQ(load("q4_0").rules[0].rounding.range, Rounding::Range::Extremes);
  EXPECT_FALSE(load("fp8").needsCalibration());
}

TEST(Recipe, RoundingAndSmoothing) {
  auto with = [](const std::string &rounding, const std::string &smoothing) {
    return yaml("smoothing: " + smoothing +
                "\nconfig_groups: {a: {targets: [Linear], weights: {num_bits: "
                "4}, rounding: " +
                rounding + "}}");
  };
  Result full = with("{method: gptq, range: mse, damping: 0.05, act_order: no}",
                     "{measure: max, strength: search}");
  EXPECT_EQ(full.error, "FILE:2: expected true or false, not 'no'");
  full = with("{method: gptq, range: mse, damping: 0.05, act_order: false, "
              "correction: 0.25, bias_correction: false}",
              "{measure: max, strength: search, multiply: true}");
  ASSERT_EQ(full.error, "");
  const Rounding &rounding = full.recipe.rules[0].rounding;
  EXPECT_EQ(rounding.method, Rounding::Method::GPTQ);
  EXPECT_EQ(rounding.range, Rounding::Range::MSE);
  EXPECT_EQ(rounding.damping, 0.05);
  EXPECT_FALSE(rounding.actOrder);
  EXPECT_EQ(rounding.correction, 0.25);
  EXPECT_FALSE(rounding.biasCorrection);
  EXPECT_TRUE(full.recipe.smoothing->multiply);
  EXPECT_FALSE(full.recipe.smoothing->strength);

  full = with("{range: percentile}", "{}");
  EXPECT_EQ(full.recipe.rules[0].rounding.range, Rounding::Range::Percentile);
  EXPECT_EQ(full.recipe.rules[0].rounding.percentile, 99.9);
  full = with("{percentile: 98.5, range: percentile}", "{}");
  EXPECT_EQ(full.recipe.rules[0].rounding.percentile, 98.5);

  struct {
    const char *rounding, *smoothing, *error;
  } bad[] = {
      {"{method: best}", "{}",
       "FILE:2: method 'best' is neither nearest nor gptq"},
      {"{range: wide}", "{}",
       "FILE:2: range 'wide' is none of extremes, mse, percentile, "
       "calibrated"},
      {"{range: percentile, percentile: 101}", "{}",
       "FILE:2: a percentile is at most 100"},
      {"{range: percentile, percentile: 0}", "{}",
       "FILE:2: expected a positive number, not '0'"},
      {"{range: mse, percentile: 99}", "{}",
       "FILE:2: percentile goes with range: percentile"},
      {"{damping: 0.1}", "{}",
       "FILE:2: damping, act_order, correction and bias_correction belong to "
       "method: gptq"},
      {"{method: gptq, damping: 2}", "{}",
       "FILE:2: expected a number from 0 to 1, not '2'"},
      {"{}", "{method: awq, strength: 0.5}",
       "FILE:1: measure and strength belong to method: smoothquant"},
      {"{}", "{strength: search}",
       "FILE:1: strength: search goes with measure: max"},
      {"{}", "{measure: mean}",
       "FILE:1: measure 'mean' is none of both, rms, max"},
      {"{}", "{alpha: 0.5}", "FILE:1: unknown key 'alpha'"},
  };
  for (auto &[rounding, smoothing, error] : bad)
    EXPECT_EQ(with(rounding, smoothing).error, error);
}

TEST(Recipe, UnknownNames) {
  for (const char *name : {"",
                           "int1",
                           "int9",
                           "int",
                           "int4-",
                           "int4-g",
                           "int4-g0",
                           "int4-g-1",
                           "int4-g99999999999999999999",
                           "int4-g32-",
                           "int4-g32-asymm",
                           "w4a8",
                           "INT8",
                           "f64",
                           "gptq",
                           "as-stored-gptq",
                           "as-stored-a32",
                           "w8a8-a32",
                           "w4a16-awq-smoothquant",
                           "w4a16-gptq-gptq"}) {
    std::string error = named(name).error;
    EXPECT_NE(error.find("is neither a file nor one of"), std::string::npos)
        << name << ": " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

TEST(Recipe, BuiltInRecipesKeepTablesAndHeads) {
  Result w8a8 = named("w8a8");
  EXPECT_EQ(w8a8.at("Embedding", "token_embd.weight"), "keep with float");
  EXPECT_EQ(w8a8.at("Embedding", "anything"), "keep with float");
  for (const char *head :
       {"output.weight", "lm_head.weight", "token_embd.weight",
        "model.embed_tokens.weight", "embed_tokens.weight",
        "bert.embeddings.word_embeddings.weight"})
    EXPECT_EQ(w8a8.at("Linear", head), "keep with float") << head;
  for (const char *linear :
       {"blk.0.attn_output.weight", "encoder.layer.0.output.dense.weight",
        "model.layers.0.mlp.down_proj.weight"})
    EXPECT_NE(w8a8.at("Linear", linear), "keep with float") << linear;
  // Conversions convert everything.
  EXPECT_EQ(named("f16").at("Embedding", "token_embd.weight"),
            "#qt.float<f16> with float");
}

TEST(Recipe, Targets) {
  auto match = [](llvm::StringRef target) {
    return matchTarget(target, "Linear", "blk.10.ffn_down.weight");
  };
  EXPECT_EQ(match("Linear"), TargetMatch::Class);
  EXPECT_EQ(match("linear"), TargetMatch::None);
  EXPECT_EQ(match("blk.10.ffn_down.weight"), TargetMatch::Name);
  EXPECT_EQ(match("blk.10.ffn_down"), TargetMatch::Name);
  EXPECT_EQ(match("ffn_down"), TargetMatch::None);
  EXPECT_EQ(match("re:.*ffn_down"), TargetMatch::Pattern);
  EXPECT_EQ(match("re:.*ffn_down$"), TargetMatch::Pattern);
  EXPECT_EQ(match("re:.*down\\.weight$"), TargetMatch::Pattern);
  // From the start, also with alternatives.
  EXPECT_EQ(match("re:ffn_down"), TargetMatch::None);
  EXPECT_EQ(match("re:x|ffn_down"), TargetMatch::None);
  EXPECT_EQ(match("re:blk\\.1\\."), TargetMatch::None);
  EXPECT_EQ(match("re:("), TargetMatch::None);
}

TEST(Recipe, NarrowestTargetWins) {
  Result recipe = yaml(R"(
config_groups:
  all: {targets: [Linear], weights: "#all"}
  down: {targets: ["re:.*down"], weights: "#down"}
  also: {targets: ["re:.*"], weights: "#also"}
  one: {targets: [c.down], weights: "#one"}
ignore: ["d", "re:.*head"]
)");
  ASSERT_EQ(recipe.error, "");
  EXPECT_EQ(recipe.at("Linear", "a.down.weight"), "#down with auto");
  EXPECT_EQ(recipe.at("Linear", "a.up.weight"), "#also with auto");
  EXPECT_EQ(recipe.at("Linear", "c.down.weight"), "#one with auto");
  EXPECT_EQ(recipe.at("Embedding", "table"), "#also with auto");
  // Ignoring is stronger than any rule.
  EXPECT_EQ(recipe.at("Linear", "d.weight"), "keep with float");
  EXPECT_EQ(recipe.at("Linear", "lm_head"), "keep with float");
}

TEST(Recipe, Fields) {
  EXPECT_EQ(weights("{num_bits: 4, group_size: 32, scale_dtype: float16}"),
            "#qt.int<4, group = 32, scale = f16>");
  EXPECT_EQ(weights("{num_bits: 3, strategy: group, group_size: 64, "
                    "symmetric: false, type: int, dynamic: false}"),
            "#qt.int<3, group = 64, zero = i3>");
  EXPECT_EQ(weights("{strategy: tensor, scale_dtype: bfloat16}"),
            "#qt.int<8, tensor, scale = bf16>");
  EXPECT_EQ(weights("{num_bits: 8, group_size: null, scale_dtype: ~}"),
            "#qt.int<8, channel>");
  EXPECT_EQ(weights("{type: float, num_bits: 16}"), "#qt.float<f16>");
  EXPECT_EQ(weights("{type: float, num_bits: 8}"),
            "#qt.float<f8E4M3FN, channel>");
  EXPECT_EQ(weights("{type: float, num_bits: 8, strategy: block, "
                    "block_structure: [128, 64]}"),
            "#qt.float<f8E4M3FN, block = 128x64>");
  EXPECT_EQ(weights("{type: float, num_bits: 4, group_size: 16, scale_dtype: "
                    "float8_e4m3fn}"),
            "#qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>");
  EXPECT_EQ(weights("'#qt.q8_0'"), "#qt.q8_0");
  EXPECT_EQ(weights("keep"), "keep");
  EXPECT_EQ(weights("null"), "keep");

  EXPECT_EQ(activations("{num_bits: 8, dynamic: true}"), "#qt.int<8, token>");
  EXPECT_EQ(activations("{num_bits: 8, strategy: group, group_size: 32}"),
            "#qt.int<8, group = 32>");
  EXPECT_EQ(activations("{type: float, num_bits: 8, group_size: 128}"),
            "#qt.float<f8E4M3FN, group = 128>");
  EXPECT_EQ(activations("{strategy: tensor}"), "#qt.int<8, tensor>");
  EXPECT_EQ(activations("float"), "float");
  EXPECT_EQ(activations("null"), "auto");
}

TEST(Recipe, BadFields) {
  struct {
    std::string error;
    const char *reason;
  } cases[] = {
      {weights("{num_bits: 9}"), "integers have num_bits 2 to 8, not 9"},
      {weights("{num_bits: 0}"), "expected a positive number, not '0'"},
      {weights("{num_bits: four}"), "expected a positive number, not 'four'"},
      {weights("{num_bits: 99999999999999999999}"), "expected a positive"},
      {weights("{num_bit: 4}"), "unknown key 'num_bit'"},
      {weights("{num_bits: 4, num_bits: 8}"), "'num_bits' is there twice"},
      {weights("{num_bits: [4]}"), "expected a word or a number"},
      {weights("{type: float, num_bits: 6}"), "8, 16 or 32, not 6"},
      {activations("{type: float, num_bits: 4}"), "8, 16 or 32, not 4"},
      {weights("{type: float, symmetric: false}"), "no zero points"},
      {weights("{type: codebook}"), "type 'codebook' is neither int nor float"},
      {weights("{strategy: block}"), "block and block_structure: [rows, "},
      {weights("{block_structure: [4]}"), "[rows, columns] go together"},
      {weights("{block_structure: [4, 4]}"), "none of tensor, channel, group"},
      {weights("{block_structure: 4}"), "expected a list of numbers"},
      {weights("{scale_dtype: float8_e8m0fnu}"), "scale_dtype is float32, "},
      {weights("{strategy: token}"), "is none of tensor, channel, group"},
      {weights("{strategy: group}"), "group and group_size go together"},
      {weights("{strategy: channel, group_size: 32}"), "go together"},
      {weights("{symmetric: maybe}"), "expected true or false, not 'maybe'"},
      {weights("{scale_dtype: int8}"), "scale_dtype is float32, float16 or"},
      {weights("{dynamic: true}"), "weights cannot be dynamic"},
      {weights("int4"), "'int4' is neither a scheme"},
      {weights("float"), "nor keep"},
      {weights("[4]"), "a scheme must be a mapping"},
      {activations("{dynamic: false}"), "only strategy tensor has scales from"},
      {activations("{strategy: tensor, range: mse}"), "go with dynamic: false"},
      {fixed("range: widest"), "none of extremes, mse, kl, percentile"},
      {fixed("percentile: 99"), "percentile goes with range: percentile"},
      {fixed("range: percentile, percentile: 101"), "is at most 100"},
      {fixed("range: percentile, percentile: 0"), "expected a positive number"},
      {fixed("max_crest: few"), "expected a positive number, not 'few'"},
      {fixed("type: float, range: kl"), "range kl is for integers"},
      {weights("{range: mse}"), "ranges of weights belong to rounding"},
      {activations("{symmetric: false}"), "quantized symmetrically"},
      {activations("{strategy: channel}"), "none of token, group, tensor"},
      {activations("keep"), "nor float"},
  };
  for (auto &[error, reason] : cases) {
    EXPECT_EQ(error.rfind("FILE:1: ", 0), 0u) << error;
    EXPECT_NE(error.find(reason), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Recipe, BadFiles) {
  auto expectError = [](llvm::StringRef text, llvm::StringRef error) {
    EXPECT_EQ(yaml(text).error, error);
  };
  expectError("", "FILE:1: is empty");
  expectError("# nothing\n", "FILE:1: is empty");
  expectError("- a\n", "FILE:1: a recipe must be a mapping");
  expectError("ignore: [a]\n", "FILE:1: has no config_groups");
  expectError("\nconfig: {}\n", "FILE:2: unknown key 'config'");
  expectError("config_groups:\n  a:\n    weights: keep\n",
              "FILE:3: a config group needs targets");
  expectError("config_groups:\n  a:\n    targets: Linear\n",
              "FILE:3: expected a list of layers");
  expectError("config_groups:\n  a:\n    targets:\n      - Linear\n"
              "      - \"re:(\"\n",
              "FILE:5: '(' is not a regular expression: parentheses not "
              "balanced");
  expectError("config_groups:\n  a:\n    targets: ['re:blk\\.\\d+']\n",
              "FILE:3: 'blk\\.\\d+' is not a regular expression: \\d is not "
              "POSIX; write a class such as [0-9]");
  expectError("config_groups:\n  a:\n    targets: [Linear]\n    outputs: 1\n",
              "FILE:4: unknown key 'outputs'");
  expectError("\"a\\nb\": 1\n", "FILE:1: unknown key 'a\\x0Ab'");
}

/// Garbage ends in an error, without a crash.
TEST(Recipe, HostileFiles) {
  for (std::string text :
       {std::string(60000, '['), std::string(60000, '{'),
        std::string(100000, 'a'), std::string("\0\0\0\0", 4),
        std::string("\xff\xfe\xff\xff"), std::string("a: *b"),
        std::string("&a [*a]"), std::string("%YAML 9"), std::string("\t- :"),
        std::string("config_groups: {a: {targets: [\"\\q\"]}}")})
    EXPECT_NE(yaml(text).error, "") << text.substr(0, 40);
}

/// The examples of the documentation.
TEST(Recipe, Examples) {
  llvm::SmallString<128> folder(QUANT_TEST_GOLDEN_DIR);
  llvm::sys::path::append(folder, "..", "..", "docs", "recipes");
  int count = 0;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator file(folder, code), end;
       file != end && !code; file.increment(code), ++count) {
    Result result = named(file->path());
    EXPECT_EQ(result.error, "");
    EXPECT_FALSE(result.recipe.rules.empty()) << file->path();
  }
  EXPECT_GE(count, 2);
}

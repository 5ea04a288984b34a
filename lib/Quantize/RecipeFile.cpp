// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recipes as YAML, in the words of compressed-tensors' quantization_config:
//
//   config_groups:
//     group_0:
//       targets: [Linear]
//       weights: {num_bits: 4, group_size: 32, scale_dtype: float16}
//       input_activations: {num_bits: 8, strategy: token}
//   ignore: [lm_head, "re:.*embed_tokens"]
//
// `weights` and `input_activations` may also be a scheme as in the IR, "keep"
// or "float". `rounding` in a group and `smoothing` beside the groups say what
// is done to the numbers. What is not understood is an error: a setting that is
// silently dropped would only be noticed by the quality of the model.

#include "RecipeFile.h"
#include "quant-mlir/Quantize/YAMLReader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;
namespace yaml = llvm::yaml;

namespace {

/// The fields of compressed-tensors' QuantizationArgs.
struct SchemeFields {
  int64_t bits = 8, group = 0;
  std::string type = "int", strategy, scale = "float32";
  std::vector<int64_t> block; ///< rows and columns
  bool symmetric = true;
  std::optional<bool> dynamic;
  /// Of static activations; ours.
  std::string range;
  std::optional<double> percentile, maxCrest;
};

class RecipeReader : YAMLReader {
public:
  RecipeReader(StringRef path, StringRef text) : YAMLReader(path, text) {}

  llvm::Expected<Recipe> read();

private:
  bool targets(yaml::Node *node, std::vector<RecipeText> &values);
  bool fields(yaml::Node *node, SchemeFields &fields);
  bool scheme(yaml::Node *node, bool isWeight, RecipeText &text,
              std::optional<StaticActivations> &fixed);
  bool rounding(yaml::Node *node, Rounding &rounding);
  bool smoothing(yaml::Node *node, Smoothing &smoothing);
  bool group(yaml::Node *node, RecipeRule &rule);
};

} // namespace

/// Says what is wrong with a POSIX regular expression, or nothing.
static std::string regexProblem(StringRef pattern) {
  std::string why;
  if (!llvm::Regex(pattern).isValid(why))
    return why;
  // Python's \d would be a plain d here, and would quietly match nothing.
  for (size_t i = 0; i + 1 < pattern.size(); ++i)
    if (pattern[i] == '\\' && llvm::isAlpha(pattern[++i]))
      return ("\\" + Twine(pattern[i]) +
              " is not POSIX; write a class such as [0-9]")
          .str();
  return {};
}

bool RecipeReader::targets(yaml::Node *node, std::vector<RecipeText> &values) {
  auto *list = llvm::dyn_cast_or_null<yaml::SequenceNode>(node);
  if (!list)
    return fail(node, "expected a list of layers");
  for (yaml::Node &item : *list) {
    std::string name;
    if (!word(&item, name))
      return false;
    StringRef pattern = name;
    if (pattern.consume_front("re:"))
      if (std::string why = regexProblem(pattern); !why.empty())
        return fail(&item,
                    "'" + pattern + "' is not a regular expression: " + why);
    values.push_back({std::move(name), lineOf(&item)});
  }
  return problem.empty();
}

bool RecipeReader::fields(yaml::Node *node, SchemeFields &fields) {
  return forEach(node, "a scheme", [&](StringRef key, yaml::Node *value) {
    if (key == "num_bits")
      return number(value, fields.bits);
    if (key == "group_size")
      return number(value, fields.group);
    if (key == "type")
      return word(value, fields.type);
    if (key == "strategy")
      return word(value, fields.strategy);
    if (key == "scale_dtype")
      return word(value, fields.scale);
    if (key == "symmetric")
      return boolean(value, fields.symmetric);
    if (key == "block_structure")
      return numbers(value, fields.block);
    if (key == "dynamic") {
      bool flag = false;
      bool ok = boolean(value, flag);
      fields.dynamic = flag;
      return ok;
    }
    if (key == "range")
      return word(value, fields.range);
    if (key == "percentile")
      return positive(value, fields.percentile.emplace());
    if (key == "max_crest")
      return positive(value, fields.maxCrest.emplace());
    return fail(value, "unknown key '" + key + "'");
  });
}

static bool isStatic(const SchemeFields &fields) {
  return fields.dynamic == false && fields.strategy == "tensor" &&
         fields.bits <= 8;
}

/// What cannot be asked of static activations, or nothing.
static std::string staticProblem(const SchemeFields &fields, bool isWeight) {
  if (fields.range.empty() && !fields.percentile && !fields.maxCrest)
    return "";
  if (isWeight)
    return "range, percentile and max_crest are for activations; ranges of "
           "weights belong to rounding";
  if (!isStatic(fields))
    return "range, percentile and max_crest go with dynamic: false";
  StringRef range = fields.range;
  if (fields.percentile && range != "percentile")
    return "percentile goes with range: percentile";
  if (fields.percentile && *fields.percentile > 100)
    return "a percentile is at most 100";
  if (fields.type == "float" && (range == "mse" || range == "kl"))
    return "range " + fields.range + " is for integers";
  if (!range.empty() && range != "extremes" && range != "mse" &&
      range != "kl" && range != "percentile")
    return "range '" + fields.range +
           "' is none of extremes, mse, kl, percentile";
  return "";
}

static StaticActivations makeStatic(const SchemeFields &fields) {
  using Range = StaticActivations::Range;
  StaticActivations result;
  result.range = llvm::StringSwitch<Range>(fields.range)
                     .Case("mse", Range::MSE)
                     .Case("kl", Range::KL)
                     .Case("percentile", Range::Percentile)
                     .Default(Range::Extremes);
  result.percentile = fields.percentile.value_or(result.percentile);
  result.maxCrest = fields.maxCrest;
  return result;
}

/// What a scheme cannot be, or nothing.
static std::string fieldsProblem(const SchemeFields &fields, bool isWeight) {
  StringRef strategy = fields.strategy;
  if (fields.type != "int" && fields.type != "float")
    return "type '" + fields.type + "' is neither int nor float";
  bool isFloat = fields.type == "float";
  if (isFloat && (fields.bits == 16 || fields.bits == 32))
    return "";
  if (isFloat && fields.bits != 8 && (fields.bits != 4 || !isWeight))
    return ("floats have num_bits 4 (weights), 8, 16 or 32, not " +
            Twine(fields.bits))
        .str();
  if (!isFloat && (fields.bits < 2 || fields.bits > 8))
    return ("integers have num_bits 2 to 8, not " + Twine(fields.bits)).str();
  if ((strategy == "group") != (fields.group != 0))
    return "strategy group and group_size go together";
  if ((strategy == "block") != (fields.block.size() == 2))
    return "strategy block and block_structure: [rows, columns] go together";
  if (isFloat && !fields.symmetric)
    return "floats have no zero points";
  if (!isWeight) {
    if (fields.dynamic == false && strategy != "tensor")
      return "only strategy tensor has scales from calibration (dynamic: "
             "false)";
    if (!fields.symmetric)
      return "activations are quantized symmetrically";
    if (strategy != "token" && strategy != "group" && strategy != "tensor")
      return "strategy '" + fields.strategy +
             "' is none of token, group, tensor";
    return "";
  }
  if (fields.dynamic == true)
    return "weights cannot be dynamic";
  if (strategy != "tensor" && strategy != "channel" && strategy != "group" &&
      (strategy != "block" || !isFloat))
    return "strategy '" + fields.strategy + "' is none of tensor, channel, " +
           (isFloat ? "group, block" : "group");
  return "";
}

/// A scheme as text, or the fields of QuantizationArgs.
bool RecipeReader::scheme(yaml::Node *node, bool isWeight, RecipeText &text,
                          std::optional<StaticActivations> &fixed) {
  text.line = lineOf(node);
  if (llvm::isa_and_nonnull<yaml::ScalarNode>(node)) {
    if (!word(node, text.text))
      return false;
    StringRef special = isWeight ? "keep" : "float";
    return text.text == special || StringRef(text.text).starts_with("#") ||
           fail(node, "'" + text.text +
                          "' is neither a scheme such as "
                          "\"#qt.int<8, channel>\" nor " +
                          special);
  }
  SchemeFields given;
  if (!fields(node, given))
    return false;
  if (given.strategy.empty())
    given.strategy = given.group            ? "group"
                     : !given.block.empty() ? "block"
                     : isWeight             ? "channel"
                                            : "token";
  for (auto *problem : {fieldsProblem, staticProblem})
    if (std::string why = problem(given, isWeight); !why.empty())
      return fail(node, why);
  bool isFloat = given.type == "float";
  if (isFloat && given.bits >= 16) {
    text.text = !isWeight          ? "float"
                : given.bits == 16 ? "#qt.float<f16>"
                                   : "#qt.float<f32>";
    return true;
  }
  auto scale = llvm::StringSwitch<const char *>(given.scale)
                   .Case("float32", "")
                   .Case("float16", ", scale = f16")
                   .Case("bfloat16", ", scale = bf16")
                   .Case("float8_e8m0fnu", ", scale = f8E8M0FNU")
                   .Case("float8_e4m3fn", ", scale = f8E4M3FN")
                   .Default(nullptr);
  if (!scale || (!isFloat && StringRef(scale).contains("f8")))
    return fail(node,
                "scale_dtype is float32, float16 or bfloat16" +
                    Twine(isFloat ? ", float8_e8m0fnu or float8_e4m3fn" : "") +
                    ", not '" + given.scale + "'");
  std::string grain = given.strategy;
  if (grain == "group")
    grain += " = " + std::to_string(given.group);
  if (grain == "block")
    grain += " = " + std::to_string(given.block[0]) + "x" +
             std::to_string(given.block[1]);
  std::string format = !isFloat ? "#qt.int<" + std::to_string(given.bits)
                       : given.bits == 8 ? "#qt.float<f8E4M3FN"
                                         : "#qt.float<f4E2M1FN";
  std::string rest = scale;
  if (!given.symmetric)
    rest += ", zero = i" + std::to_string(given.bits);
  rest += ">";
  text.text = format + ", " + grain + rest;
  if (!isWeight && isStatic(given)) {
    fixed = makeStatic(given);
    fixed->perToken = {format + ", token" + rest, text.line};
  }
  return true;
}

bool RecipeReader::rounding(yaml::Node *node, Rounding &rounding) {
  bool gptqOption = false, percentile = false;
  auto field = [&](StringRef key, yaml::Node *value) {
    std::string text;
    if (key == "method") {
      if (!word(value, text))
        return false;
      rounding.method =
          text == "gptq" ? Rounding::Method::GPTQ : Rounding::Method::Nearest;
      return text == "gptq" || text == "nearest" ||
             fail(value, "method '" + text + "' is neither nearest nor gptq");
    }
    if (key == "range") {
      if (!word(value, text))
        return false;
      std::optional<Rounding::Range> range = parseRange(text);
      if (!range)
        return fail(value, "range '" + text +
                               "' is none of extremes, mse, percentile, "
                               "calibrated");
      rounding.range = *range;
      return true;
    }
    if (key == "percentile") {
      percentile = true;
      return positive(value, rounding.percentile) &&
             (rounding.percentile <= 100 ||
              fail(value, "a percentile is at most 100"));
    }
    gptqOption |= key == "damping" || key == "act_order" ||
                  key == "correction" || key == "bias_correction";
    if (key == "damping")
      return share(value, rounding.damping);
    if (key == "act_order")
      return boolean(value, rounding.actOrder);
    if (key == "correction")
      return share(value, rounding.correction);
    if (key == "bias_correction")
      return boolean(value, rounding.biasCorrection);
    return fail(value, "unknown key '" + key + "'");
  };
  if (!forEach(node, "rounding", field))
    return false;
  if (percentile && rounding.range != Rounding::Range::Percentile)
    return fail(node, "percentile goes with range: percentile");
  return !gptqOption || rounding.method == Rounding::Method::GPTQ ||
         fail(node,
              "damping, act_order, correction and bias_correction belong to "
              "method: gptq");
}

bool RecipeReader::smoothing(yaml::Node *node, Smoothing &smoothing) {
  bool tuned = false;
  auto field = [&](StringRef key, yaml::Node *value) {
    std::string text;
    if (key == "method") {
      if (!word(value, text))
        return false;
      smoothing.method = text == "awq" ? Smoothing::Method::AWQ
                                       : Smoothing::Method::SmoothQuant;
      return text == "awq" || text == "smoothquant" ||
             fail(value,
                  "method '" + text + "' is neither smoothquant nor awq");
    }
    if (key == "measure") {
      tuned = true;
      if (!word(value, text))
        return false;
      auto measure = parseMeasure(text);
      smoothing.measure = measure.value_or(smoothing.measure);
      return measure ||
             fail(value, "measure '" + text + "' is none of both, rms, max");
    }
    if (key == "strength") {
      tuned = true;
      if (!word(value, text))
        return false;
      if (text == "search") {
        smoothing.strength.reset();
        return true;
      }
      return share(value, smoothing.strength.emplace());
    }
    if (key == "multiply")
      return boolean(value, smoothing.multiply);
    return fail(value, "unknown key '" + key + "'");
  };
  if (!forEach(node, "smoothing", field))
    return false;
  if (tuned && smoothing.method == Smoothing::Method::AWQ)
    return fail(node, "measure and strength belong to method: smoothquant");
  return smoothing.strength || smoothing.measure == Smoothing::Measure::Max ||
         fail(node, "strength: search goes with measure: max");
}

bool RecipeReader::group(yaml::Node *node, RecipeRule &rule) {
  auto field = [&](StringRef key, yaml::Node *value) {
    if (key == "targets")
      return targets(value, rule.targets);
    if (key == "weights")
      return scheme(value, /*isWeight=*/true, rule.weights,
                    rule.staticActivations);
    if (key == "fallback") {
      std::optional<StaticActivations> none;
      return scheme(value, /*isWeight=*/true, rule.fallback, none) &&
             (rule.fallback.text != "keep" ||
              fail(value, "a fallback is a scheme"));
    }
    if (key == "input_activations")
      return scheme(value, /*isWeight=*/false, rule.activations,
                    rule.staticActivations);
    if (key == "outlier_threshold")
      return positive(value, rule.outlierThreshold);
    if (key == "rounding")
      return rounding(value, rule.rounding);
    return fail(value, "unknown key '" + key + "'");
  };
  if (!forEach(node, "a config group", field))
    return false;
  return !rule.targets.empty() || fail(node, "a config group needs targets");
}

llvm::Expected<Recipe> RecipeReader::read() {
  Recipe recipe;
  recipe.file = path;
  recipe.name = llvm::sys::path::stem(path).str();
  auto section = [&](StringRef key, yaml::Node *value) {
    if (key == "ignore")
      return targets(value, recipe.ignore);
    if (key == "smoothing")
      return smoothing(value, recipe.smoothing.emplace());
    if (key != "config_groups")
      return fail(value, "unknown key '" + key + "'");
    return forEach(value, "config_groups", [&](StringRef, yaml::Node *node) {
      recipe.rules.emplace_back();
      return group(node, recipe.rules.back());
    });
  };
  yaml::document_iterator document = stream.begin();
  if (document == stream.end() || isNull(document->getRoot()))
    note(1, "is empty");
  else if (forEach(document->getRoot(), "a recipe", section) &&
           recipe.rules.empty())
    note(1, "has no config_groups");
  if (stream.failed())
    note(1, "is not valid YAML");
  if (!problem.empty())
    return llvm::createStringError(llvm::errc::invalid_argument,
                                   Twine(problem));
  return recipe;
}

llvm::Expected<Recipe> quantmlir::readRecipeFile(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   path + ": " + buffer.getError().message());
  // The parser recurses; no recipe is anywhere near this long.
  if ((*buffer)->getBufferSize() > 1 << 16)
    return llvm::createStringError(llvm::errc::file_too_large,
                                   path + ": is too long for a recipe");
  return RecipeReader(path, (*buffer)->getBuffer()).read();
}

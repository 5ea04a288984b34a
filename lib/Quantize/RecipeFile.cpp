// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recipes as YAML, in the words of compressed-tensors' quantization_config:
//
//   config_groups:
//     group_0:
//       targets: [Linear]
//       weights: {num_bits: 4, strategy: group, group_size: 32, scale_dtype: float16}
//       input_activations: {num_bits: 8, strategy: token}
//   ignore: [lm_head.weight, "re:.*embed_tokens.*"]
//
// `weights` and `input_activations` may also be a scheme as in the IR, "keep" or
// "float". Groups are tried in the order of the file, after `ignore`.

#include "RecipeFile.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;
namespace yaml = llvm::yaml;

namespace {

class RecipeReader {
public:
  RecipeReader(StringRef path, StringRef text)
      : path(path), stream(text, sources) {
    sources.setDiagHandler(
        [](const llvm::SMDiagnostic &diagnostic, void *reader) {
          auto *self = static_cast<RecipeReader *>(reader);
          self->note(diagnostic.getLineNo(), diagnostic.getMessage());
        },
        this);
  }

  llvm::Expected<Recipe> read();

private:
  using Entry = llvm::function_ref<bool(StringRef, yaml::Node *)>;

  /// Remembers the first problem; always false.
  bool note(int line, const Twine &message) {
    if (problem.empty())
      problem = (path + ":" + Twine(line) + ": " + message).str();
    return false;
  }
  bool fail(yaml::Node *node, const Twine &message) {
    if (problem.empty())
      stream.printError(node, message);
    return note(0, message);
  }
  bool forEach(yaml::Node *node, const Twine &what, Entry entry);
  bool scalar(yaml::Node *node, std::string &value);
  bool number(yaml::Node *node, int64_t &value);
  bool names(yaml::Node *node, std::vector<std::string> &values);
  bool scheme(yaml::Node *node, std::string &text);
  bool group(yaml::Node *node, RecipeRule &rule);

  std::string path, problem;
  llvm::SourceMgr sources;
  yaml::Stream stream;
};

} // namespace

bool RecipeReader::forEach(yaml::Node *node, const Twine &what, Entry entry) {
  auto *map = llvm::dyn_cast_or_null<yaml::MappingNode>(node);
  if (!map)
    return fail(node, what + " must be a mapping");
  for (yaml::KeyValueNode &item : *map) {
    std::string key;
    if (!scalar(item.getKey(), key) || !entry(key, item.getValue()))
      return false;
  }
  return problem.empty();
}

bool RecipeReader::scalar(yaml::Node *node, std::string &value) {
  auto *text = llvm::dyn_cast_or_null<yaml::ScalarNode>(node);
  if (!text)
    return fail(node, "expected a word or a number");
  llvm::SmallString<64> storage;
  value = text->getValue(storage).str();
  return true;
}

bool RecipeReader::number(yaml::Node *node, int64_t &value) {
  std::string text;
  if (!scalar(node, text))
    return false;
  if (StringRef(text).getAsInteger(10, value) || value < 1)
    return fail(node, "expected a positive number, not '" + text + "'");
  return true;
}

bool RecipeReader::names(yaml::Node *node, std::vector<std::string> &values) {
  auto *list = llvm::dyn_cast_or_null<yaml::SequenceNode>(node);
  if (!list)
    return fail(node, "expected a list of names");
  for (yaml::Node &item : *list) {
    std::string name, why;
    if (!scalar(&item, name))
      return false;
    StringRef pattern = name;
    if (pattern.consume_front("re:") && !llvm::Regex(pattern).isValid(why))
      return fail(&item, "'" + pattern + "' is no regular expression: " + why);
    values.push_back(std::move(name));
  }
  return problem.empty();
}

/// A scheme as text, or the fields of compressed-tensors' QuantizationArgs.
bool RecipeReader::scheme(yaml::Node *node, std::string &text) {
  if (llvm::isa_and_nonnull<yaml::ScalarNode>(node))
    return scalar(node, text);
  int64_t bits = 8, group = 0;
  std::string type = "int", strategy = "channel", scale = "float32",
              symmetric = "true", ignored;
  auto field = [&](StringRef key, yaml::Node *value) {
    if (key == "num_bits")
      return number(value, bits);
    if (key == "group_size")
      return number(value, group);
    std::string *target = key == "type"          ? &type
                          : key == "strategy"    ? &strategy
                          : key == "scale_dtype" ? &scale
                          : key == "symmetric"   ? &symmetric
                          : key == "dynamic"     ? &ignored
                                                 : nullptr;
    if (!target)
      return fail(value, "unknown key '" + key + "'");
    return scalar(value, *target);
  };
  if (!forEach(node, "a scheme", field))
    return false;
  if (type == "float") {
    text = bits == 16 ? "#qt.float<f16>" : "#qt.float<f32>";
    return bits == 16 || bits == 32 ||
           fail(node, "floats of " + Twine(bits) + " bits are not supported");
  }
  StringRef scaleType = scale == "float32"    ? ""
                        : scale == "float16"  ? ", scale = f16"
                        : scale == "bfloat16" ? ", scale = bf16"
                                              : "?";
  if (type != "int" || scaleType == "?" || bits < 2 || bits > 8)
    return fail(node, "type is int (num_bits 2 to 8) or float, scale_dtype is "
                      "float32, float16 or bfloat16");
  if (strategy == "group") {
    if (!group)
      return fail(node, "strategy group needs a group_size");
    strategy = "group = " + std::to_string(group);
  } else if (strategy != "tensor" && strategy != "channel" &&
             strategy != "token") {
    return fail(node, "strategy '" + strategy + "' is not supported");
  }
  text = ("#qt.int<" + Twine(bits) + ", " + strategy + scaleType +
          (symmetric == "false" ? ", zero = i" + Twine(bits) : Twine()) + ">")
             .str();
  return true;
}

bool RecipeReader::group(yaml::Node *node, RecipeRule &rule) {
  auto field = [&](StringRef key, yaml::Node *value) {
    if (key == "targets")
      return names(value, rule.targets);
    if (key == "weights")
      return scheme(value, rule.weights);
    if (key == "input_activations")
      return scheme(value, rule.activations);
    return fail(value, "unknown key '" + key + "'");
  };
  if (!forEach(node, "a config group", field))
    return false;
  return !rule.targets.empty() || fail(node, "a config group needs targets");
}

llvm::Expected<Recipe> RecipeReader::read() {
  Recipe recipe;
  recipe.name = llvm::sys::path::stem(path).str();
  RecipeRule kept;
  auto section = [&](StringRef key, yaml::Node *value) {
    if (key == "ignore")
      return names(value, kept.targets);
    if (key != "config_groups")
      return fail(value, "unknown key '" + key + "'");
    return forEach(value, "config_groups", [&](StringRef, yaml::Node *node) {
      recipe.rules.emplace_back();
      return group(node, recipe.rules.back());
    });
  };
  yaml::document_iterator document = stream.begin();
  if (document == stream.end() || !document->getRoot())
    note(1, "is empty");
  else if (forEach(document->getRoot(), "a recipe", section) &&
           recipe.rules.empty())
    note(1, "has no config_groups");
  if (stream.failed())
    note(1, "is not valid YAML");
  if (!problem.empty())
    return llvm::createStringError(llvm::errc::invalid_argument, problem);
  recipe.rules.insert(recipe.rules.begin(), kept);
  return recipe;
}

llvm::Expected<Recipe> quantmlir::readRecipeFile(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   path + ": " + buffer.getError().message());
  return RecipeReader(path, (*buffer)->getBuffer()).read();
}

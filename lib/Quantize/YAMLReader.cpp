// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/YAMLReader.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;
namespace yaml = llvm::yaml;

YAMLReader::YAMLReader(StringRef path, StringRef text)
    : path(path), stream(text, sources) {
  sources.setDiagHandler(
      [](const llvm::SMDiagnostic &diagnostic, void *reader) {
        static_cast<YAMLReader *>(reader)->note(diagnostic.getLineNo(),
                                                diagnostic.getMessage());
      },
      this);
}

bool YAMLReader::note(int line, const Twine &message) {
  if (!problem.empty())
    return false;
  problem = (path + ":" + Twine(line) + ": ").str();
  // What it quotes of the file may hold anything, and is to stay one line.
  for (char c : message.str())
    if (llvm::isPrint(c) || uint8_t(c) >= 0x80)
      problem += c;
    else
      problem += "\\x" + llvm::toHex(StringRef(&c, 1));
  return false;
}

bool YAMLReader::fail(yaml::Node *node, const Twine &message) {
  return note(lineOf(node), message);
}

int YAMLReader::lineOf(yaml::Node *node) {
  llvm::SMLoc start = node ? node->getSourceRange().Start : llvm::SMLoc();
  return start.isValid() ? sources.FindLineNumber(start) : 1;
}

bool quantmlir::isNull(yaml::Node *node) {
  if (!node || llvm::isa<yaml::NullNode>(node))
    return true;
  auto *text = llvm::dyn_cast<yaml::ScalarNode>(node);
  return text && (text->getRawValue() == "null" || text->getRawValue() == "~");
}

bool YAMLReader::forEach(yaml::Node *node, const Twine &what, Entry entry) {
  auto *map = llvm::dyn_cast_or_null<yaml::MappingNode>(node);
  if (!map)
    return fail(node, what + " must be a mapping");
  llvm::StringSet<> seen;
  for (yaml::KeyValueNode &item : *map) {
    std::string key;
    if (!word(item.getKey(), key))
      return false;
    if (!seen.insert(key).second)
      return fail(item.getKey(), "'" + key + "' is there twice");
    if (!isNull(item.getValue()) && !entry(key, item.getValue()))
      return false;
  }
  return problem.empty();
}

bool YAMLReader::word(yaml::Node *node, std::string &value) {
  auto *text = llvm::dyn_cast_or_null<yaml::ScalarNode>(node);
  if (!text)
    return fail(node, "expected a word or a number");
  llvm::SmallString<64> storage;
  value = text->getValue(storage).str();
  return problem.empty();
}

bool YAMLReader::number(yaml::Node *node, int64_t &value) {
  std::string text;
  if (!word(node, text))
    return false;
  if (StringRef(text).getAsInteger(10, value) || value < 1)
    return fail(node, "expected a positive number, not '" + text + "'");
  return true;
}

bool YAMLReader::numbers(yaml::Node *node, std::vector<int64_t> &values) {
  auto *list = llvm::dyn_cast_or_null<yaml::SequenceNode>(node);
  if (!list)
    return fail(node, "expected a list of numbers");
  for (yaml::Node &item : *list) {
    values.push_back(0);
    if (!number(&item, values.back()))
      return false;
  }
  return problem.empty();
}

bool YAMLReader::positive(yaml::Node *node, double &value) {
  std::string text;
  if (!word(node, text))
    return false;
  return (!StringRef(text).getAsDouble(value) && value > 0 && value < 1e30) ||
         fail(node, "expected a positive number, not '" + text + "'");
}

bool YAMLReader::boolean(yaml::Node *node, bool &value) {
  std::string text;
  if (!word(node, text))
    return false;
  value = StringRef(text).equals_insensitive("true");
  return value || StringRef(text).equals_insensitive("false") ||
         fail(node, "expected true or false, not '" + text + "'");
}

bool YAMLReader::share(yaml::Node *node, double &value) {
  std::string text;
  if (!word(node, text))
    return false;
  if (StringRef(text).getAsDouble(value) || !(value >= 0 && value <= 1))
    return fail(node, "expected a number from 0 to 1, not '" + text + "'");
  return true;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tokenizer.json says how text becomes tokens; a GGUF file lists the tokens,
// but has only a name for how text is cut into words before they are merged. So
// the rules of tokenizer.json are looked up in a table of the names. What is
// not in it is refused: a wrong name would give other tokens without a
// complaint.

#include "GGUFTokenizer.h"
#include "quant-mlir/Import/JSONFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;
using json::Object;

/// tokenizer.ggml.token_type
enum TokenType : int32_t {
  Normal = 1,
  Control = 3,
  UserDefined = 4,
  Unused = 5
};

static std::string fileIn(StringRef folder, StringRef name) {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return path.str().str();
}

/// An object that may be missing.
static Expected<Object> readOptional(StringRef folder, StringRef name) {
  std::string path = fileIn(folder, name);
  if (!sys::fs::exists(path))
    return Object();
  return readJSONObject(path);
}

//===----------------------------------------------------------------------===//
// How text is cut into words
//===----------------------------------------------------------------------===//

/// The rules of a pre-tokenizer as one line: expressions that cut, "digits"
/// where each digit is a word, "words" where GPT-2's expression follows.
static std::string rulesOf(const Object &rule) {
  StringRef type = rule.getString("type").value_or("");
  if (type == "Sequence") {
    std::string all;
    if (const json::Array *parts = rule.getArray("pretokenizers"))
      for (const json::Value &part : *parts)
        if (const Object *object = part.getAsObject()) {
          std::string one = rulesOf(*object);
          all += (all.empty() || one.empty() ? "" : "\n") + one;
        }
    return all;
  }
  if (type == "ByteLevel") {
    if (rule.getBoolean("add_prefix_space").value_or(true))
      return "prefix";
    return rule.getBoolean("use_regex").value_or(true) ? "words" : "";
  }
  if (type == "Digits" && rule.getBoolean("individual_digits").value_or(false))
    return "digits";
  const Object *pattern = rule.getObject("pattern");
  if (type == "Split" && pattern && pattern->getString("Regex") &&
      rule.getString("behavior").value_or("") == "Isolated" &&
      !rule.getBoolean("invert").value_or(false))
    return pattern->getString("Regex")->str();
  return "unknown " + type.str();
}

/// tokenizer.ggml.pre of the rules; empty if they have none.
static StringRef nameOfRules(StringRef rules) {
  static constexpr StringLiteral front =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  static constexpr StringLiteral back =
      R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (rules == "words")
    return "gpt-2";
  if (rules == "digits\nwords")
    return "smollm";
  if (rules.consume_front(front) && rules.consume_back(back)) {
    if (rules == R"(\p{N}{1,3})")
      return "llama-bpe";
    if (rules == R"(\p{N})")
      return "qwen2";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

namespace {
class TokenizerReader {
public:
  TokenizerReader(StringRef path, int64_t vocabulary)
      : path(path), tokens(vocabulary), types(vocabulary, Unused) {}

  Error read(const Object &file);
  void describe(GGUFKeys &keys) const;
  /// The token's number; none if there is no such token.
  std::optional<uint32_t> find(StringRef text) const;

private:
  Error fail(const Twine &why) const { return fileError(path, why); }
  Error add(StringRef text, int64_t number, TokenType type);
  Error readMerges(const json::Array &list);

  std::string path;
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  StringRef pre;
};
} // namespace

Error TokenizerReader::add(StringRef text, int64_t number, TokenType type) {
  if (number < 0 || number >= int64_t(tokens.size()))
    return fail("the token " + quoteName(text) + " has the number " +
                Twine(number) + ", but the model has " + Twine(tokens.size()) +
                " tokens");
  tokens[number] = text.str();
  types[number] = type;
  return Error::success();
}

/// "a b", or ["a", "b"].
Error TokenizerReader::readMerges(const json::Array &list) {
  for (const json::Value &item : list) {
    std::optional<StringRef> text = item.getAsString();
    const json::Array *pair = item.getAsArray();
    if (pair && pair->size() == 2 && (*pair)[0].getAsString() &&
        (*pair)[1].getAsString())
      merges.push_back(
          (*(*pair)[0].getAsString() + " " + *(*pair)[1].getAsString()).str());
    else if (text)
      merges.push_back(text->str());
    else
      return fail("has a merge that is no pair of tokens");
  }
  return Error::success();
}

Error TokenizerReader::read(const Object &file) {
  const Object *model = file.getObject("model");
  const Object *vocabulary = model ? model->getObject("vocab") : nullptr;
  const json::Array *list = model ? model->getArray("merges") : nullptr;
  const Object *rule = file.getObject("pre_tokenizer");
  if (!vocabulary || !list || !rule ||
      model->getString("type").value_or("BPE") != "BPE" ||
      model->getBoolean("byte_fallback").value_or(false))
    return fail("is no byte-level BPE, and others cannot be written into GGUF "
                "files yet");
  pre = nameOfRules(rulesOf(*rule));
  if (pre.empty())
    return fail("cuts text into words in a way that GGUF files have no name "
                "for, or none that is known here");
  for (auto &[text, number] : *vocabulary)
    if (Error error =
            add(text, number.getAsInteger().value_or(-1), TokenType::Normal))
      return error;
  if (const json::Array *added = file.getArray("added_tokens"))
    for (const json::Value &item : *added) {
      const Object *token = item.getAsObject();
      if (!token || !token->getString("content"))
        return fail("has an added token without content");
      bool special = token->getBoolean("special").value_or(false);
      if (Error error = add(*token->getString("content"),
                            token->getInteger("id").value_or(-1),
                            special ? Control : UserDefined))
        return error;
    }
  // Rows of the table that no token has.
  for (auto [number, text] : enumerate(tokens))
    if (types[number] == Unused)
      text = "[PAD" + std::to_string(number) + "]";
  return readMerges(*list);
}

void TokenizerReader::describe(GGUFKeys &keys) const {
  keys.setString("tokenizer.ggml.model", "gpt2");
  keys.setString("tokenizer.ggml.pre", pre);
  keys.setStrings("tokenizer.ggml.tokens", tokens);
  keys.setIntegers("tokenizer.ggml.token_type", types);
  keys.setStrings("tokenizer.ggml.merges", merges);
}

std::optional<uint32_t> TokenizerReader::find(StringRef text) const {
  auto found = llvm::find(tokens, text);
  if (text.empty() || found == tokens.end())
    return std::nullopt;
  return uint32_t(found - tokens.begin());
}

//===----------------------------------------------------------------------===//
// Special tokens, and the template of chats
//===----------------------------------------------------------------------===//

/// A token's text: a string, or an object with its content.
static StringRef textOf(const Object &file, StringRef key) {
  if (const Object *token = file.getObject(key))
    return token->getString("content").value_or("");
  return file.getString(key).value_or("");
}

/// A number, or the first of several.
static std::optional<int64_t> numberOf(const Object &file, StringRef key) {
  if (const json::Array *list = file.getArray(key))
    return list->empty() ? std::nullopt : list->front().getAsInteger();
  return file.getInteger(key);
}

static void describeSpecial(const TokenizerReader &tokens,
                            const Object &settings, const Object &config,
                            int64_t vocabulary, GGUFKeys &keys) {
  static constexpr struct {
    const char *text, *number, *key;
  } special[] = {
      {"bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id"},
      {"eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
      {"unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id"},
      {"pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id"},
  };
  for (auto [text, number, key] : special) {
    std::optional<int64_t> place = numberOf(config, number);
    // What the tokenizer says counts more than what the model does.
    if (std::optional<uint32_t> found = tokens.find(textOf(settings, text)))
      place = *found;
    if (place && *place >= 0 && *place < vocabulary)
      keys.setInteger(key, uint32_t(*place));
  }
  if (std::optional<bool> adds = settings.getBoolean("add_bos_token"))
    keys.setBool("tokenizer.ggml.add_bos_token", *adds);
  if (std::optional<bool> adds = settings.getBoolean("add_eos_token"))
    keys.setBool("tokenizer.ggml.add_eos_token", *adds);
}

static void describeChat(StringRef folder, const Object &settings,
                         GGUFKeys &keys) {
  std::string path = fileIn(folder, "chat_template.jinja");
  if (auto buffer = MemoryBuffer::getFile(path))
    return keys.setString("tokenizer.chat_template", (*buffer)->getBuffer());
  if (std::optional<StringRef> text = settings.getString("chat_template"))
    keys.setString("tokenizer.chat_template", *text);
}

Error quantmlir::describeTokenizer(StringRef folder, int64_t vocabulary,
                                   GGUFKeys &keys) {
  std::string path = fileIn(folder, "tokenizer.json");
  Expected<Object> file = readJSONObject(path);
  if (!file)
    return file.takeError();
  TokenizerReader reader(path, vocabulary);
  if (Error error = reader.read(*file))
    return error;
  Expected<Object> settings = readOptional(folder, "tokenizer_config.json");
  if (!settings)
    return settings.takeError();
  Expected<Object> config = readOptional(folder, "config.json");
  if (!config)
    return config.takeError();
  reader.describe(keys);
  describeSpecial(reader, *settings, *config, vocabulary, keys);
  describeChat(folder, *settings, keys);
  return Error::success();
}

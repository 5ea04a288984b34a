// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_QUANTIZE_YAMLREADER_H
#define QUANT_MLIR_QUANTIZE_YAMLREADER_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"
#include <string>
#include <vector>

namespace quantmlir {

/// Words and numbers of a YAML file. A function that returns false has noted
/// what is wrong, with file and line; only the first problem is kept.
class YAMLReader {
protected:
  using Entry =
      llvm::function_ref<bool(llvm::StringRef key, llvm::yaml::Node *value)>;

  YAMLReader(llvm::StringRef path, llvm::StringRef text);

  /// Always false.
  bool note(int line, const llvm::Twine &message);
  bool fail(llvm::yaml::Node *node, const llvm::Twine &message);
  int lineOf(llvm::yaml::Node *node);
  /// Calls `entry` for every key whose value is not null.
  bool forEach(llvm::yaml::Node *node, const llvm::Twine &what, Entry entry);
  bool word(llvm::yaml::Node *node, std::string &value);
  bool number(llvm::yaml::Node *node, int64_t &value);
  bool numbers(llvm::yaml::Node *node, std::vector<int64_t> &values);
  bool positive(llvm::yaml::Node *node, double &value);
  bool boolean(llvm::yaml::Node *node, bool &value);
  /// A number from 0 to 1.
  bool share(llvm::yaml::Node *node, double &value);

  std::string path, problem;
  llvm::SourceMgr sources;
  llvm::yaml::Stream stream;
};

/// True for what YAML calls nothing: such a setting is not made.
bool isNull(llvm::yaml::Node *node);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_YAMLREADER_H

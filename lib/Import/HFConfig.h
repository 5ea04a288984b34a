// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_HFCONFIG_H
#define QUANT_MLIR_LIB_IMPORT_HFCONFIG_H

// The config.json of a Hugging Face folder.

#include "DecoderGraph.h"
#include "quant-mlir/Import/JSONFile.h"

namespace quantmlir {

/// config.json, with errors that name the key.
class HFConfig {
public:
  static llvm::Expected<HFConfig> open(llvm::StringRef folder);

  const std::string path;

  const llvm::json::Object &get() const { return object; }
  llvm::Error
  readIntegers(llvm::ArrayRef<std::pair<const char *, int64_t *>> items) const;
  llvm::Error readNumber(llvm::StringRef key, double &value) const;
  /// The number; `otherwise` if the key is missing, 0 if it is null.
  double numberOr(llvm::StringRef key, double otherwise) const;
  /// A function by its name in transformers.
  llvm::Expected<lm::ActivationKind>
  readActivation(llvm::StringRef key, lm::ActivationKind otherwise) const;

private:
  HFConfig(std::string path, llvm::json::Object object)
      : path(std::move(path)), object(std::move(object)) {}
  llvm::json::Object object;
};

/// A decoder and what its tensors are called.
struct HFDecoder {
  DecoderConfig config;
  DecoderNames names;
};

/// `type`: the folder's model_type. None if it is no decoder that is supported.
llvm::Expected<std::optional<HFDecoder>>
readHFDecoder(const HFConfig &file, llvm::StringRef type,
              const GraphBuilder &graph);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_HFCONFIG_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_GGUFKEYS_H
#define QUANT_MLIR_EXPORT_GGUFKEYS_H

#include "quant-mlir/Export/GGUFWriter.h"
#include "llvm/Support/Allocator.h"

namespace quantmlir {

/// The keys of a GGUF file: those of another one, and new ones, whose names and
/// values are copied.
class GGUFKeys {
public:
  void set(llvm::StringRef key, const GGUFValue &value);
  void setInteger(llvm::StringRef key, uint32_t value);
  void setNumber(llvm::StringRef key, float value);
  void setBool(llvm::StringRef key, bool value);
  void setString(llvm::StringRef key, llvm::StringRef value);
  void setIntegers(llvm::StringRef key, llvm::ArrayRef<int32_t> values);
  void setStrings(llvm::StringRef key, llvm::ArrayRef<std::string> values);
  void erase(llvm::StringRef key) { keys.erase(key); }

  const GGUFWriter::Keys &get() const { return keys; }

private:
  void setBytes(llvm::StringRef key, GGUFType type, llvm::StringRef payload,
                std::optional<uint64_t> count = std::nullopt);

  GGUFWriter::Keys keys;
  llvm::BumpPtrAllocator allocator;
};

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_GGUFKEYS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_SAFETENSORSWRITER_H
#define QUANT_MLIR_EXPORT_SAFETENSORSWRITER_H

#include "quant-mlir/Export/OutputFile.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace quantmlir {

/// Writes a safetensors file of any size with little memory: the header first,
/// then the data as it comes.
class SafetensorsWriter {
public:
  struct Entry {
    std::string name;
    std::string dtype; ///< as in the header: "U8", "F32", ...
    llvm::SmallVector<int64_t> shape;
    uint64_t bytes;
  };

  /// Writes the header, padded with spaces so that the data starts at a
  /// multiple of 64. The tensors lie in the order of `entries`, back to back.
  /// Errors: an entry whose bytes disagree with its shape and dtype, a name
  /// that appears twice, is empty or not UTF-8, a path that cannot be written.
  static llvm::Expected<std::unique_ptr<SafetensorsWriter>>
  create(llvm::StringRef path, llvm::ArrayRef<Entry> entries,
         llvm::ArrayRef<std::pair<std::string, std::string>> metadata = {});

  /// The next bytes of the data section; calls need not match the tensors.
  /// More than the entries announced is an error.
  llvm::Error append(llvm::ArrayRef<uint8_t> bytes);
  /// Moves the file to its place. Missing data is an error.
  llvm::Error finish();

  /// FNV-1a, 64 bits, of the JSON header with its padding (without the length
  /// in front of it).
  uint64_t headerHash() const { return hash; }
  /// Size of the whole file when it is finished.
  uint64_t fileBytes() const { return headerBytes + dataBytes; }

private:
  explicit SafetensorsWriter(std::unique_ptr<OutputFile> file)
      : file(std::move(file)) {}

  std::unique_ptr<OutputFile> file;
  uint64_t hash = 0, headerBytes = 0, dataBytes = 0, written = 0;
};

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_SAFETENSORSWRITER_H

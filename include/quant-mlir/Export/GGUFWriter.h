// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_GGUFWRITER_H
#define QUANT_MLIR_EXPORT_GGUFWRITER_H

#include "quant-mlir/Export/OutputFile.h"
#include "quant-mlir/Import/GGUF.h"

namespace quantmlir {

/// Writes a GGUF file of any size with little memory: keys and the list of
/// tensors first, then their data as it comes.
class GGUFWriter {
public:
  using Keys = llvm::MapVector<llvm::StringRef, GGUFValue>;
  struct Entry {
    std::string name;
    DType type;
    llvm::SmallVector<int64_t, 4> shape; ///< outermost first
  };

  /// Writes all but the data, which `general.alignment` of the keys aligns.
  /// Errors: a tensor that GGUF cannot have, a path that cannot be written.
  static llvm::Expected<std::unique_ptr<GGUFWriter>>
  create(llvm::StringRef path, const Keys &keys, llvm::ArrayRef<Entry> entries);

  /// The data of the next tensor, all of it.
  llvm::Error append(llvm::ArrayRef<uint8_t> data);
  /// Moves the file to its place. Missing data is an error.
  llvm::Error finish();

private:
  GGUFWriter(std::unique_ptr<OutputFile> file, uint64_t alignment)
      : file(std::move(file)), alignment(alignment) {}

  std::unique_ptr<OutputFile> file;
  uint64_t alignment;
  /// Bytes of the tensors whose data is still to come, the next one last.
  std::vector<uint64_t> sizes;
};

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_GGUFWRITER_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Safetensors files, and folders in which one index spreads a model over
// several of them.

#ifndef QUANT_MLIR_IMPORT_SAFETENSORS_H
#define QUANT_MLIR_IMPORT_SAFETENSORS_H

#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <map>

namespace quantmlir {

/// A u64 length, a JSON header of that length, the data. The header maps names
/// to {"dtype", "shape", "data_offsets": [begin, end]}; "__metadata__" maps
/// strings to strings. The data must cover the rest of the file, each byte
/// once.
class SafetensorsFile : public WeightFile {
public:
  /// Maps and checks a file.
  static llvm::Expected<std::shared_ptr<SafetensorsFile>>
  open(llvm::StringRef path);
  /// Checks a file that is in memory already; the buffer must outlive the
  /// result. Its identifier is the path in messages.
  static llvm::Expected<std::shared_ptr<SafetensorsFile>>
  parse(llvm::MemoryBufferRef buffer);

  /// The bytes of the JSON header, padding included.
  llvm::StringRef getHeader() const { return header; }
  /// Where the data starts, in bytes from the start of the file.
  uint64_t dataOffset() const { return 8 + header.size(); }
  /// The strings of "__metadata__".
  const std::map<std::string, std::string> &metadata() const { return strings; }

  static bool classof(const WeightFile *file) {
    return file->getKind() == Kind::Safetensors;
  }

private:
  friend class SafetensorsParser;
  explicit SafetensorsFile(llvm::StringRef path)
      : WeightFile(Kind::Safetensors, path) {}
  llvm::Error parse();

  llvm::StringRef header;
  std::map<std::string, std::string> strings;
};

/// The paths of the weight files of a Hugging Face folder, sorted. Fails if
/// there is none, or if the index names a file that is not directly in the
/// folder; whether the files are good is found out when they are opened.
llvm::Expected<std::vector<std::string>>
findSafetensorsShards(llvm::StringRef folder);

/// The weights of a Hugging Face folder: model.safetensors, or the files that
/// model.safetensors.index.json names. One lookup over all of them.
class SafetensorsFolder {
public:
  /// A tensor and the file that it is in.
  struct Place {
    const SafetensorsFile *file = nullptr;
    const TensorInfo *tensor = nullptr;
    explicit operator bool() const { return tensor; }
    llvm::ArrayRef<uint8_t> data() const { return file->data(*tensor); }
  };

  /// Opens the folder's files. Fails if there is none, if the index names a
  /// file that is not directly in the folder, or a tensor that is not in its
  /// file.
  static llvm::Expected<SafetensorsFolder> open(llvm::StringRef folder);

  llvm::StringRef path() const { return folderPath; }
  llvm::ArrayRef<std::shared_ptr<SafetensorsFile>> files() const {
    return opened;
  }
  /// All tensors, in the order of the files and their data. Those that an index
  /// does not mention are left out.
  llvm::ArrayRef<Place> tensors() const { return places; }
  /// The tensor of that name; a null place if there is none.
  Place find(llvm::StringRef name) const;
  /// The tensor of that name, or an error that names it.
  llvm::Expected<Place> require(llvm::StringRef name) const;

private:
  std::string folderPath;
  std::vector<std::shared_ptr<SafetensorsFile>> opened;
  std::vector<Place> places;
  llvm::StringMap<Place> byName;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_SAFETENSORS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file of named tensors, mapped into memory. Opening reads the header alone
// and checks all of it: afterwards every tensor lies inside the file and its
// bytes can be used without a copy and without another check.
//
// Files come from strangers. A count or a length is compared with the bytes
// that are left before anything is allocated for it, so a bad file costs at
// most a small multiple of its own size. Every error is one line:
//
//   FILE: reason                    FILE: tensor 'NAME': reason

#ifndef QUANT_MLIR_IMPORT_WEIGHTFILE_H
#define QUANT_MLIR_IMPORT_WEIGHTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quantmlir {

/// The element types of weight files, see DTypes.def.
enum class DType {
#define QUANT_DTYPE(NAME, VALUES, BYTES, GGUF, SAFETENSORS) NAME,
#include "quant-mlir/Import/DTypes.def"
};

/// "F32", "Q4_K", …
llvm::StringRef dtypeName(DType type);
/// How a type is stored: `blockValues` consecutive values of a row (1 for plain
/// numbers, 32 for Q4_0) take `blockBytes` bytes (4 for F32, 18 for Q4_0).
struct DTypeInfo {
  int64_t blockValues, blockBytes;
};
DTypeInfo dtypeInfo(DType type);
/// True for F16 to F64 and signed integers, which weights in f32 are read from.
bool isPlainNumber(DType type);
/// The type with this id in GGUF files; none if unknown or removed.
std::optional<DType> dtypeFromGGUF(uint32_t id);
/// The type with this name in safetensors files; none if unknown.
std::optional<DType> dtypeFromSafetensors(llvm::StringRef name);
/// The name in safetensors files; empty for types that only GGUF has.
llvm::StringRef dtypeSafetensorsName(DType type);

/// Where a tensor lies in its file.
struct TensorInfo {
  std::string name;
  DType type = DType::F32;
  llvm::SmallVector<int64_t, 4> shape; ///< outermost first; empty for a scalar
  uint64_t offset = 0;                 ///< bytes from the start of the file
  uint64_t size = 0;                   ///< bytes

  /// The product of the shape.
  int64_t numElements() const;
};

/// The bytes that a tensor takes. None if a size is negative, the product of
/// those that are not 0 reaches 2^63, or the values are not a whole number of
/// blocks. (That every GGUF *row* is whole blocks is for its parser to check.)
std::optional<uint64_t> tensorBytes(DType type, llvm::ArrayRef<int64_t> shape);

/// 'NAME' for a message: what is not printable is escaped, so that a name from
/// a file cannot break a line, and a long one is shortened.
std::string quoteName(llvm::StringRef name);

/// `path: message` as an error.
llvm::Error fileError(llvm::StringRef path, const llvm::Twine &message);
/// `path: tensor 'name': message` as an error.
llvm::Error tensorError(llvm::StringRef path, llvm::StringRef name,
                        const llvm::Twine &message);

/// Maps a file for reading. Fails if it is not a regular file, or is empty.
llvm::Expected<llvm::sys::fs::mapped_file_region> mapFile(llvm::StringRef path);

/// See the top of this file. Immutable after opening, so that threads may share
/// it. References to tensors and data live as long as the object.
class WeightFile {
public:
  enum class Kind { GGUF, Safetensors, ONNX };

  /// Opens a file of one of these kinds. GGUF and safetensors are told apart by
  /// their first bytes, ONNX, which has no mark, by the name. Fails if it is
  /// not a regular file, is empty, or breaks a rule of its format.
  static llvm::Expected<std::shared_ptr<WeightFile>> open(llvm::StringRef path);

  virtual ~WeightFile();
  WeightFile(const WeightFile &) = delete;
  WeightFile &operator=(const WeightFile &) = delete;

  Kind getKind() const { return kind; }
  /// As given to `open`.
  llvm::StringRef path() const { return filePath; }
  /// All tensors in the order of their data.
  llvm::ArrayRef<TensorInfo> tensors() const { return infos; }
  /// The tensor of that name, or null.
  const TensorInfo *find(llvm::StringRef name) const;
  /// The tensor of that name, or an error that names it.
  llvm::Expected<const TensorInfo *> require(llvm::StringRef name) const;
  /// The stored bytes of one of `tensors()`. Not necessarily aligned to the
  /// element type.
  virtual llvm::ArrayRef<uint8_t> data(const TensorInfo &tensor) const {
    return bytes.slice(tensor.offset, tensor.size);
  }
  /// Size of the whole file.
  uint64_t fileBytes() const { return bytes.size(); }

protected:
  WeightFile(Kind kind, llvm::StringRef path) : kind(kind), filePath(path) {}

  /// Maps the file.
  llvm::Error map();
  /// Makes `find` work. Fails if two tensors have the same name.
  llvm::Error indexTensors();
  llvm::Error error(const llvm::Twine &message) const {
    return fileError(filePath, message);
  }
  llvm::Error error(const TensorInfo &tensor,
                    const llvm::Twine &message) const {
    return tensorError(filePath, tensor.name, message);
  }

  llvm::ArrayRef<uint8_t> bytes;
  std::vector<TensorInfo> infos;

private:
  Kind kind;
  std::string filePath;
  llvm::sys::fs::mapped_file_region region;
  llvm::DenseMap<llvm::StringRef, uint32_t> byName;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_WEIGHTFILE_H

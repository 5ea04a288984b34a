// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF files, versions 2 and 3: keys with typed values, then tensors.
//
// Refused beyond what the format says, because no program writes it and every
// reader of the result would have to think about it: tensors without dimensions
// or with a dimension of 0, empty tensor names, names and keys that are not
// UTF-8, more than 2^16 keys or 2^20 tensors. Split files (split.count > 1) are
// not supported yet and say so.

#ifndef QUANT_MLIR_IMPORT_GGUF_H
#define QUANT_MLIR_IMPORT_GGUF_H

#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <mutex>

namespace quantmlir {

/// The types of values, with their ids in the file.
enum class GGUFType : uint32_t {
  U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  U64 = 10,
  I64 = 11,
  F64 = 12,
};

/// "u32", "string", …
llvm::StringRef ggufTypeName(GGUFType type);
/// Bytes of a value; 0 for strings and arrays, whose size varies.
uint64_t ggufTypeSize(GGUFType type);

/// The id of a tensor's type in the file; none if such files have no such type.
std::optional<uint32_t> ggufTensorType(DType type);

/// A value, or an array of values of one type, as it lies in the file: nothing
/// is copied until it is asked for (a vocabulary has 100,000 strings).
class GGUFValue {
public:
  GGUFValue(GGUFType type, bool array, uint64_t count,
            llvm::ArrayRef<uint8_t> payload)
      : type(type), array(array), count(count), payload(payload) {}

  /// The type, of the items if it is an array.
  GGUFType getType() const { return type; }
  bool isArray() const { return array; }
  /// The bytes of the file behind the type (and, of an array, the number of
  /// items).
  llvm::ArrayRef<uint8_t> getPayload() const { return payload; }
  /// Items of an array, else 1.
  uint64_t size() const { return count; }

  /// What `T` must be: uint64_t or int64_t for an integer of any width that
  /// fits, double for f32 and f64, bool, llvm::StringRef (into the file). The
  /// value; none if it is an array or has another type.
  template <typename T> std::optional<T> as() const;
  /// All items; none if it is not an array or they have another type.
  template <typename T> std::optional<std::vector<T>> asVector() const;

  /// As JSON. Strings that are not UTF-8 are mended with U+FFFD, numbers that
  /// JSON does not have (infinite, NaN) become null.
  llvm::json::Value toJSON() const;

private:
  /// Calls `item(payload of item)` until it returns false.
  template <typename Fn> bool forEach(Fn item) const;

  GGUFType type;
  bool array;
  uint64_t count;
  llvm::ArrayRef<uint8_t> payload; ///< after the type and count
};

class GGUFFile : public WeightFile {
public:
  /// Maps and checks a file.
  static llvm::Expected<std::shared_ptr<GGUFFile>> open(llvm::StringRef path);
  /// Checks a file that is in memory already; the buffer must outlive the
  /// result. Its identifier is the path in messages.
  static llvm::Expected<std::shared_ptr<GGUFFile>>
  parse(llvm::MemoryBufferRef buffer);

  uint32_t version() const { return formatVersion; }
  uint64_t alignment() const { return dataAlignment; }

  /// All keys in the order of the file.
  const llvm::MapVector<llvm::StringRef, GGUFValue> &keys() const {
    return values;
  }
  /// The value of a key, or null.
  const GGUFValue *findKey(llvm::StringRef key) const;

  /// A single value. Fails if the key is missing or has another type; see
  /// `GGUFValue::as` for `T`.
  template <typename T> llvm::Expected<T> get(llvm::StringRef key) const;
  /// The same, `otherwise` if the key is missing.
  template <typename T>
  llvm::Expected<T> getOr(llvm::StringRef key, T otherwise) const;
  /// An array. Fails if the key is missing or has another type.
  template <typename T>
  llvm::Expected<std::vector<T>> getVector(llvm::StringRef key) const;

  /// A single value; none if the key is missing or has another type.
  std::optional<int64_t> getInt(llvm::StringRef key) const;
  std::optional<double> getFloat(llvm::StringRef key) const;
  std::optional<bool> getBool(llvm::StringRef key) const;
  std::optional<llvm::StringRef> getString(llvm::StringRef key) const;

  /// All keys as one object, made when it is first asked for. It takes some
  /// forty bytes for each byte of an array of u8, so prefer the functions
  /// above.
  const llvm::json::Object &metadata() const;

  static bool classof(const WeightFile *file) {
    return file->getKind() == Kind::GGUF;
  }

private:
  friend class GGUFParser;
  explicit GGUFFile(llvm::StringRef path) : WeightFile(Kind::GGUF, path) {}
  llvm::Error parse();
  llvm::Error missingKey(llvm::StringRef key) const;
  llvm::Error wrongType(llvm::StringRef key, const GGUFValue &value,
                        llvm::StringRef wanted) const;

  uint32_t formatVersion = 0;
  uint64_t dataAlignment = 32;
  llvm::MapVector<llvm::StringRef, GGUFValue> values;
  mutable std::once_flag jsonMade;
  mutable llvm::json::Object object;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_GGUF_H

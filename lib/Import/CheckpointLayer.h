// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_CHECKPOINTLAYER_H
#define QUANT_MLIR_LIB_IMPORT_CHECKPOINTLAYER_H

// What the families of checkpoints share: the tensors of a layer, checked, and
// codes in words of 32 bits.

#include "quant-mlir/Import/Checkpoint.h"

namespace quantmlir {

/// The configuration of a family and the file that it is from.
struct CheckpointConfig {
  std::string path;
  llvm::json::Object object;

  llvm::Error error(const llvm::Twine &message) const {
    return fileError(path, "quantization_config " + message);
  }
};

/// One family each.
llvm::Expected<std::unique_ptr<Checkpoint>>
openCompressedTensors(const SafetensorsFolder &folder, CheckpointConfig config);
llvm::Expected<std::unique_ptr<Checkpoint>>
openFP8(const SafetensorsFolder &folder, CheckpointConfig config);
llvm::Expected<std::unique_ptr<Checkpoint>>
openGPTQ(const SafetensorsFolder &folder, CheckpointConfig config);
llvm::Expected<std::unique_ptr<Checkpoint>>
openAWQ(const SafetensorsFolder &folder, CheckpointConfig config);
llvm::Expected<std::unique_ptr<Checkpoint>>
openBitsAndBytes(const SafetensorsFolder &folder, CheckpointConfig config);

/// A tensor's bytes and type.
struct StoredTensor {
  DType type = DType::F32;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<uint8_t> bytes;

  int64_t size() const;
};

/// The tensors of one layer. `find` and `require` note that a tensor is used.
class LayerTensors {
public:
  LayerTensors(const SafetensorsFolder &folder, llvm::StringRef layer)
      : folder(folder), layer(layer) {}

  std::string name(llvm::StringRef suffix) const {
    return (layer + "." + suffix).str();
  }
  bool has(llvm::StringRef suffix) const {
    return bool(folder.find(name(suffix)));
  }
  /// None if it is not there.
  std::optional<StoredTensor> find(llvm::StringRef suffix);
  /// Fails if it is not there, or has another type or shape. Dimensions of 1 do
  /// not count: a column may be a vector.
  llvm::Expected<StoredTensor> require(llvm::StringRef suffix,
                                       llvm::ArrayRef<DType> types,
                                       llvm::ArrayRef<int64_t> shape);
  /// A tensor of the layer that is not needed, if it is there.
  void ignore(llvm::ArrayRef<llvm::StringRef> suffixes);
  /// An error about a tensor of the layer.
  llvm::Error error(llvm::StringRef suffix, const llvm::Twine &message) const;

  std::vector<std::string> used;

private:
  const SafetensorsFolder &folder;
  llvm::StringRef layer;
};

/// Scales of integer and small float schemes.
inline constexpr DType scaleTypes[] = {DType::F32, DType::F16, DType::BF16};
/// "", or ", scale = f16", as schemes print it.
std::string scaleSuffix(DType type);

/// `count` codes of `bits` bits from 32-bit words that are `stride` words
/// apart, least significant bit first; codes may straddle words.
void unpackWords(const uint8_t *words, int64_t stride, int64_t count,
                 unsigned bits, uint8_t *codes, int64_t codeStride = 1);

/// The inverse of `unpackWords`.
void packWords(const uint8_t *codes, int64_t count, unsigned bits,
               uint8_t *words, int64_t stride, int64_t codeStride = 1);

/// Words that `count` codes take, as `unpackWords` reads them.
inline int64_t wordsFor(int64_t count, int64_t bits) {
  return (count * bits + 31) / 32;
}

/// [rows, columns] of elements of `width` bytes to [columns, rows].
std::vector<uint8_t> transpose(llvm::ArrayRef<uint8_t> bytes, int64_t rows,
                               int64_t columns, int64_t width);

/// Which columns share scales.
struct ColumnGroups {
  int64_t group = 0; ///< columns per scale; 0 for one scale for the tensor
  std::vector<int32_t> order;       ///< see StoredMatrix
  std::vector<int32_t> storedGroup; ///< of each group of ours: that on file
};

/// The groups that a tensor g_idx [k] forms: columns are sorted by their
/// group; where groups have several sizes, ours are as long as divides all.
/// Fails if an index is not below `groups`.
llvm::Expected<ColumnGroups> groupColumns(const LayerTensors &layer,
                                          llvm::StringRef suffix,
                                          const StoredTensor &indices,
                                          int64_t groups);
/// Groups of `group` columns side by side.
ColumnGroups consecutiveGroups(int64_t k, int64_t group);

/// A matrix of integers as it is on file, taken apart.
struct StoredIntegers {
  unsigned bits = 0;
  ColumnGroups columns;
  std::vector<uint8_t> scales; ///< bytes of [n, groups on file], or of one
  DType scaleType = DType::F16;
  /// The same shape as scales, unsigned; empty if all are in the middle.
  std::vector<uint8_t> zeros;
  /// [n, k], unsigned, columns as on file.
  std::function<std::vector<uint8_t>()> readCodes;
};

/// Describes the matrix. Zero points that are all in the middle are none.
void describeIntegers(StoredMatrix &matrix, StoredIntegers stored, int64_t n,
                      int64_t k);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_CHECKPOINTLAYER_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized checkpoints: folders of safetensors in which a matrix is several
// tensors, as GPTQ, AWQ, bitsandbytes, compressed-tensors and FP8 recipes write
// them. Each family says which scheme of ours a matrix is and how the bytes on
// file become that scheme's storage parts; no number is rounded again.
//
//   config.json: quantization_config        which family, and its choices
//   LAYER.qweight, LAYER.scales, …          a matrix of it
//
// Whether a layer is quantized at all is told by the tensors that it has, not
// by lists of exceptions.

#ifndef QUANT_MLIR_IMPORT_CHECKPOINT_H
#define QUANT_MLIR_IMPORT_CHECKPOINT_H

#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/JSON.h"
#include <functional>
#include <optional>

namespace quantmlir {

/// On a `qt.weight`: that it is a matrix of a checkpoint, and of which method.
/// Its file is the folder and its name there that of the layer. The method
/// "onnx" is a graph: a file, and a value that is made with the matrix.
inline constexpr llvm::StringLiteral checkpointAttrName = "qt.checkpoint";
/// On a `qt.weight`: how its checkpoint wants the activation quantized that it
/// is multiplied with. A dictionary of `scheme`, or "float" for not at all;
/// `scale`, the weight that holds its one scale; `outliers`, f64, the magnitude
/// from which on values are multiplied as floats.
inline constexpr llvm::StringLiteral inputAttrName = "qt.input";

/// The bytes of each storage part of a scheme.
using StorageBytes = std::vector<std::vector<uint8_t>>;

/// A matrix of a checkpoint. All its tensors have been checked.
struct StoredMatrix {
  std::string scheme; ///< as IR text
  /// What the activation is quantized to that it is multiplied with, as IR
  /// text, the tensor with the one scale of that, and LLM.int8's threshold;
  /// empty and 0 where the checkpoint says nothing.
  std::string inputScheme, inputScale;
  double outliers = 0;
  /// Where columns are stored in another order: column j is column order[j] of
  /// the layer.
  std::vector<int32_t> order;
  std::vector<std::string> tensors; ///< the names of all its tensors
  /// Makes the storage parts, as long as the checkpoint lives. Fails if numbers
  /// in them are not those of the scheme.
  std::function<llvm::Expected<StorageBytes>()> decode;
};

/// A family of quantized checkpoints, for one folder.
class Checkpoint {
public:
  /// Null if the folder's configuration (config.json, or quantize_config.json
  /// of older programs) does not say that it is quantized.
  static llvm::Expected<std::unique_ptr<Checkpoint>>
  open(const SafetensorsFolder &folder);
  /// `path` and `config`: where quantization_config was read, and what it is.
  static llvm::Expected<std::unique_ptr<Checkpoint>>
  create(const SafetensorsFolder &folder, llvm::StringRef path,
         llvm::json::Object config);
  virtual ~Checkpoint();

  const SafetensorsFolder &folder() const { return tensors; }
  /// "gptq", "awq", …: what quantization_config calls the family.
  llvm::StringRef method() const { return methodName; }
  /// The layer's matrix [n, k]; none if it is not stored quantized.
  virtual llvm::Expected<std::optional<StoredMatrix>>
  find(llvm::StringRef layer, int64_t n, int64_t k) const = 0;
  /// True if the folder has a matrix of the layer, quantized or not.
  bool has(llvm::StringRef layer) const;

protected:
  explicit Checkpoint(const SafetensorsFolder &folder) : tensors(folder) {}

private:
  SafetensorsFolder tensors;
  std::string methodName;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_CHECKPOINT_H

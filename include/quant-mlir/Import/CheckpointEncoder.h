// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized checkpoints on their way out: the inverse of Import/Checkpoint.h,
// beside it because packing and unpacking are one knowledge. A family says as
// which tensors a matrix of ours is stored, and what quantization_config says
// of all of them; no number is rounded again.

#ifndef QUANT_MLIR_IMPORT_CHECKPOINTENCODER_H
#define QUANT_MLIR_IMPORT_CHECKPOINTENCODER_H

#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Import/Checkpoint.h"

namespace quantmlir {

/// A matrix of a program that is to be stored.
struct QuantizedMatrix {
  std::string layer; ///< what checkpoints call it
  qt::QuantTensorType type;
  /// What the activation is quantized to that it is multiplied with; null if
  /// that is the reader's choice.
  qt::QuantSchemeInterface input;
  /// Its scale is known already and stored, too.
  bool staticInput = false;
};

/// How a matrix is stored.
struct EncodedMatrix {
  struct Tensor {
    std::string suffix; ///< behind the layer's name and a dot
    DType type;
    llvm::SmallVector<int64_t> shape;
  };
  std::vector<Tensor> tensors;
  /// The bytes of the tensors, of the scheme's storage parts and, if the input
  /// is static, its scale as one more, an f32. Fails if numbers in them cannot
  /// be said.
  std::function<llvm::Expected<StorageBytes>(
      llvm::ArrayRef<llvm::ArrayRef<uint8_t>> parts)>
      encode;
};

/// A family, for one folder.
class CheckpointEncoder {
public:
  /// Null if there is no family of that name.
  static std::unique_ptr<CheckpointEncoder> create(llvm::StringRef name);
  /// The names, for messages.
  static llvm::StringRef names() {
    return "compressed-tensors, gptq and gptq_v2";
  }
  virtual ~CheckpointEncoder();

  /// Fails, saying what could be stored, if this matrix cannot.
  virtual llvm::Expected<EncodedMatrix> add(const QuantizedMatrix &matrix) = 0;
  /// quantization_config for what was added; `floatLayers` are the matrices of
  /// the model that were not.
  virtual llvm::json::Object
  config(llvm::ArrayRef<std::string> floatLayers) const = 0;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_CHECKPOINTENCODER_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TENSORS_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TENSORS_H

// Buffers of any rank and any strides, for code that no kernel knows and that
// names their elements by indices.

#include "KernelExpander.h"

namespace quantmlir::cuda {

/// Sizes or strides: known, or numbers that the function is given.
class Extents {
public:
  /// On the host: `name` of number `i` is an operand if it is not known.
  void add(mlir::OpFoldResult value, const std::string &name,
           llvm::SmallVectorImpl<Operand> &operands);
  /// In the function.
  mlir::Value get(GPUBuilder &b, const Arguments &given, size_t i) const;

private:
  llvm::SmallVector<std::pair<int64_t, std::string>> extents;
};

class Tensors {
public:
  using Value = mlir::Value;

  /// Each buffer once.
  void add(Value buffer);
  /// On the host: the buffers, and of their strides those that are not known.
  void addOperands(GPUBuilder &host, llvm::SmallVectorImpl<Operand> &operands);
  /// In the function: an element of what the host calls `buffer`.
  Value load(GPUBuilder &b, const Arguments &given, Value buffer,
             mlir::ValueRange indices) const;
  void store(GPUBuilder &b, const Arguments &given, Value value, Value buffer,
             mlir::ValueRange indices) const;

private:
  struct Tensor {
    Value buffer; ///< on the host
    std::string name;
    Extents strides;
  };
  const Tensor &find(Value buffer) const;
  static Value byteOf(GPUBuilder &b, const Arguments &given,
                      const Tensor &tensor, mlir::ValueRange indices);

  llvm::SmallVector<Tensor> tensors;
};

/// Whether a value from outside is made again where it is used.
bool isConstant(mlir::Value value);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TENSORS_H

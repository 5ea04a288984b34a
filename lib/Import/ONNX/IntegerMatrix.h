// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_INTEGERMATRIX_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_INTEGERMATRIX_H

// Integers in a file that stand for a matrix of floats,
//
//   value = scale * (code - zero point),
//
// as one of our schemes. No number is rounded again.

#include "quant-mlir/Import/Checkpoint.h"
#include "quant-mlir/Import/ONNX.h"

namespace quantmlir::onnx {

/// A matrix [n, k] that is multiplied along k, or a table of n rows.
struct IntegerMatrix {
  int64_t n = 0, k = 0;
  StoredMatrix stored; ///< can be decoded as long as the file is open
};

/// Codes as ONNX's own operators have them: a tensor of two dimensions, and
/// scales for all of it, for the indices of an axis or for blocks along it.
struct PlainCodes {
  const Tensor *codes = nullptr, *scales = nullptr;
  const Tensor *zeros = nullptr; ///< null for 0
  int64_t axis = 1, block = 0;
  bool transposed = false; ///< it is [k, n]
};

/// None if there is no scheme for it.
std::optional<IntegerMatrix> describe(const PlainCodes &matrix);

/// Codes as operators of com.microsoft have them: rows of blocks, each a whole
/// number of bytes, low bits first; the last block of a row is filled up.
struct BlockCodes {
  int64_t n = 0, k = 0, bits = 4, block = 32;
  const Tensor *codes = nullptr, *scales = nullptr;
  /// Packed in bytes row by row, or floats; null for the middle.
  const Tensor *zeros = nullptr;
  const Tensor *groups = nullptr; ///< the block that each column is in
};

/// The reason, if it is not valid or there is no scheme for it.
llvm::Expected<IntegerMatrix> describe(const BlockCodes &matrix);

} // namespace quantmlir::onnx

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_INTEGERMATRIX_H

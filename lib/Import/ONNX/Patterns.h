// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_PATTERNS_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_PATTERNS_H

// What several nodes are together: a product with, or a lookup in, a matrix
// that the file has as integers. Each is found from its last node by looking
// back, in the graph as it is in the file; so importing a graph and reading a
// weight later find the same matrix.
//
//   W -> DequantizeLinear -> (Transpose) -> MatMul, Gemm, Gather
//   W -> Gather -> DequantizeLinear
//   x -> QuantizeLinear -> DequantizeLinear -> MatMul, Gemm, as above
//   x -> DynamicQuantizeLinear -> MatMulInteger -> Cast -> Mul
//   QLinearMatMul, and com.microsoft's MatMulNBits, GatherBlockQuantized,
//   DynamicQuantizeMatMul, MatMulIntegerToFloat
//
// What the schemes of qt cannot say is not found, and is computed node by node.

#include "IntegerMatrix.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace quantmlir::onnx {

/// What `qt.checkpoint` says of their weights, which are called in the file
/// like the value that the product makes.
inline constexpr llvm::StringLiteral checkpointName = "onnx";

struct QuantizedProduct {
  /// What makes the node invalid, or what is missing to import it.
  std::string problem;
  IntegerMatrix matrix;
  /// The codes, the scales and, if there are any, the zero points.
  llvm::SmallVector<llvm::StringRef, 3> constants;
  bool transposed = false; ///< the codes are [k, n]
  /// Rows of the matrix are looked up, not multiplied.
  bool isLookup = false;
  /// The activation, or the indices of a lookup.
  llvm::StringRef x;
  /// If these are there the activation is codes.
  llvm::StringRef xScale, xZero;
  llvm::StringRef bias;
  /// If these are there the result is to be codes.
  llvm::StringRef yScale, yZero;

  /// The values that it is computed from.
  llvm::SmallVector<llvm::StringRef> reads() const;
};

/// The product that a node is the last of; none if it is not that.
std::optional<QuantizedProduct> findProduct(const ONNXFile &file,
                                            const Node &node);

/// All products of a graph.
struct Patterns {
  explicit Patterns(const ONNXFile &file);

  llvm::DenseMap<const Node *, QuantizedProduct> products;
  /// Nodes that nobody needs because products take their place.
  llvm::DenseSet<const Node *> absorbed;
};

/// The matrix of the product that makes a value.
llvm::Expected<IntegerMatrix> findMatrix(const ONNXFile &file,
                                         llvm::StringRef value);

} // namespace quantmlir::onnx

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_PATTERNS_H

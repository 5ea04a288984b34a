// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_OPERATORS_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_OPERATORS_H

#include "Importer.h"
#include "Scalars.h"

namespace quantmlir::onnx {

inline constexpr llvm::StringLiteral onnxDomain = "";
inline constexpr llvm::StringLiteral microsoftDomain = "com.microsoft";

/// An operator that can be imported. Of its inputs, the first `required` have
/// to be there and at most `most` may be.
struct Operator {
  llvm::StringLiteral name;
  unsigned required, most;
  void (*import)(Importer &);
  llvm::StringLiteral domain = onnxDomain;
};

/// For operators with any number of inputs.
inline constexpr unsigned anyNumber = 1 << 20;

// By subject, a table in each file.
llvm::ArrayRef<Operator> elementwiseOperators();
llvm::ArrayRef<Operator> activationOperators();
llvm::ArrayRef<Operator> shapeOperators();
llvm::ArrayRef<Operator> creationOperators();
llvm::ArrayRef<Operator> indexingOperators();
llvm::ArrayRef<Operator> reductionOperators();
llvm::ArrayRef<Operator> matmulOperators();
llvm::ArrayRef<Operator> normalizationOperators();
llvm::ArrayRef<Operator> quantizedOperators();
llvm::ArrayRef<Operator> productOperators();
llvm::ArrayRef<Operator> attentionOperators();
llvm::ArrayRef<Operator> einsumOperators();
llvm::ArrayRef<Operator> topKOperators();

/// The operator of that domain and name, or null.
const Operator *findOperator(llvm::StringRef domain, llvm::StringRef name);

// Checks that many operators make. An error, and false, if they do not hold.
bool requireSameType(Importer &g);
bool requireFloat(Importer &g);

// What operators are made of.
GraphValue applyFloat(Importer &g, GraphValue &x,
                      llvm::function_ref<Float(Float)> formula);
GraphValue reduceSum(Importer &g, GraphValue &x, llvm::ArrayRef<int64_t> axes,
                     bool keep);
GraphValue reduceMax(Importer &g, GraphValue &x, llvm::ArrayRef<int64_t> axes,
                     bool keep);
GraphValue reduceMean(Importer &g, GraphValue &x, llvm::ArrayRef<int64_t> axes,
                      bool keep);
GraphValue softmax(Importer &g, GraphValue &x, int64_t axis);
/// data[.., indices, ..] along an axis.
GraphValue gather(Importer &g, GraphValue &data, GraphValue &indices,
                  int64_t axis);
/// For each index the element at its place, but for the axis.
GraphValue gatherElements(Importer &g, GraphValue &data, GraphValue &indices,
                          int64_t axis);
/// x · y, with the batches broadcast.
GraphValue matmul(Importer &g, GraphValue &x, GraphValue &y);
/// x · rowsᵀ + bias, for a tensor of rows [N, K] and a bias that may be null.
GraphValue linear(Importer &g, GraphValue x, mlir::Value rows,
                  mlir::Value bias);
/// Codes with one scale and zero point, which may be null, as numbers, and
/// numbers as such codes.
GraphValue dequantize(Importer &g, GraphValue &codes, GraphValue &scale,
                      GraphValue *zero);
GraphValue quantize(Importer &g, GraphValue &x, GraphValue &scale,
                    GraphValue &zero);

/// The result of a node from the product that it is the last of.
void importProduct(Importer &g, const QuantizedProduct &product);

} // namespace quantmlir::onnx

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_OPERATORS_H

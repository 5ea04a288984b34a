// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_UTILS_LINALGEMITTER_H
#define QUANT_MLIR_DIALECT_UTILS_LINALGEMITTER_H

// Short words for the reference lowerings, so that they read like the formulas
// that they stand for:
//
//   y[m][n] = sum_k x[m][k] * w[n][k]
//
//   emit.reduce({M, N, K}, /*parallel=*/2, /*init=*/0.0,
//               {{x, dims(m, k)}, {w, dims(n, k)}}, multiplyAdd)
//
// All floats are converted to one compute type as they are read, and rounded
// once as they are written: nothing is ever computed in f16 or bf16.

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace quantmlir {

/// The float type that numbers of `type` are computed in: f32 for everything
/// narrower, the type itself otherwise.
mlir::FloatType getComputeType(mlir::Type type);

/// Extends or rounds (to nearest even) a float to `type`; does nothing if it
/// has that type.
mlir::Value convertFloat(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::Value value, mlir::Type type);

/// table[index], for an i32 index and a table of one dimension.
mlir::Value emitLookup(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::DenseElementsAttr table, mlir::Value index);

/// Emits `linalg.generic` on tensors.
class LinalgEmitter {
public:
  using Sizes = llvm::ArrayRef<mlir::OpFoldResult>;

  /// A tensor and the loops that index its dimensions.
  struct Operand {
    mlir::Value tensor;
    mlir::AffineMap map;
  };

  /// Computes an element from those of the operands, in their order.
  using MapBody = llvm::function_ref<mlir::Value(
      mlir::OpBuilder &, mlir::Location, mlir::ValueRange elements)>;
  /// The same, with what was accumulated so far.
  using ReduceBody = llvm::function_ref<mlir::Value(
      mlir::OpBuilder &, mlir::Location, mlir::Value accumulated,
      mlir::ValueRange elements)>;

  /// `compute` is the type that float elements are converted to.
  LinalgEmitter(mlir::OpBuilder &builder, mlir::Location loc,
                mlir::FloatType compute)
      : builder(builder), loc(loc), compute(compute) {}

  mlir::FloatType getCompute() const { return compute; }

  /// The sizes of a tensor, attributes where they are static.
  llvm::SmallVector<mlir::OpFoldResult> sizes(mlir::Value tensor);
  /// A size as a number of type `type`, an integer, float or index.
  mlir::Value sizeAs(mlir::OpFoldResult size, mlir::Type type);
  /// Loops as the dimensions of an operand, for a nest of `loops` loops.
  mlir::AffineMap dims(unsigned loops, llvm::ArrayRef<unsigned> which);

  /// A tensor of shape `sizes` whose elements are the body's. `linalg.index`
  /// may be used in the body.
  mlir::Value map(mlir::Type elementType, Sizes sizes,
                  llvm::ArrayRef<Operand> operands, MapBody body);

  /// Folds the last loops into one element, starting from `init` and in the
  /// order of the indices; the first `parallel` loops are the result's
  /// dimensions. The result has the compute type.
  mlir::Value reduce(Sizes loopSizes, unsigned parallel, double init,
                     llvm::ArrayRef<Operand> operands, ReduceBody body);

private:
  mlir::Value generic(mlir::Value init, Sizes loopSizes, unsigned parallel,
                      llvm::ArrayRef<Operand> operands, ReduceBody body);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::FloatType compute;
};

} // namespace quantmlir

#endif // QUANT_MLIR_DIALECT_UTILS_LINALGEMITTER_H

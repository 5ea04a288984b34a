// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD
#define QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToLinalgPass : Pass<"qt-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Turn qt operations into linalg: their meaning, in plain loops";
  let description = [{
    The reference lowering, like `--lm-to-linalg`. A `!qt.tensor` becomes the
    tensors that it is stored as, also where functions take and return one.
    Every scheme says itself how an element is read from its parts
    (`emitElement`) and, if values can be quantized while the program runs, how
    the parts are made (`emitQuantize`).

    Before:   weights are values: `--qt-materialize-weights` or function
              arguments. No tensor has a layout.
    After:    no qt operation but `qt.weight` and no `!qt.tensor` is left.
    Numerics: `qt.dequantize` equals the scheme's own `unpackRows` bit by bit. A
              `qt.matmul` is the f32 product of the dequantized operands, summed
              in the order of k.
    Example:  test/Dialect/QT/lower-to-linalg.mlir; with numbers,
              test/Dialect/QT/run-*.mlir
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD

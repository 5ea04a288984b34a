// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_TD
#define QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToLinalgPass : Pass<"lm-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Turn lm operations into linalg: their meaning, in plain loops";
  let description = [{
    The reference lowering. It is written to be read: optimised code is tested
    against what it computes, so it has no tiles and no fused loops.

    A `!lm.kv_cache<L x H x D x T>` becomes a `memref<Lx2xHx?xDxT>`: layers, keys
    and values, heads, positions, elements of a head, in this plain order
    (kernels order keys differently). Attention writes to it in place.

    Before:   lm operations on tensors; an attention with a cache is on
              [tokens, heads * head_size].
    After:    no lm operation and no lm type is left; linalg, arith, math, tensor
              and, for caches, memref and bufferization.
    Numerics: sums in the order of the indices, in f32 (f64 for f64 tensors);
              results narrower than that are rounded once. Rope's angles are
              computed in f64.
    Example:  test/Dialect/LM/lower-to-linalg.mlir; with numbers,
              test/Dialect/LM/run-*.mlir
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_TD

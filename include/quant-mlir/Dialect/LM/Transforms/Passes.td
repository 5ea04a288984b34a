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

def RaiseLinalgPass : Pass<"lm-raise-linalg", "::mlir::func::FuncOp"> {
  let summary = "Find lm operations in linalg written by others";
  let description = [{
    For graphs from outside, such as those that torch-mlir writes: linears,
    norms, attention, activations and embeddings are recognised by the formula
    of a result's element, so not by how many operations compute it, in which
    order, and through which transpositions and reshapes.

    Before:   linalg on tensors, weights as constants, `qt.load` or arguments.
    After:    what was recognised is an lm operation, without a batch of one in
              front; lookups of known rows (positions, one token type) are slices
              of their table; additions and products of equal shapes are arith on
              tensors; sizes are simplified. Everything else is the linalg that
              it was, up to canonicalization. A softmax over keys that weighs
              values but is no `lm.attention` leaves a remark that says why.
    Numerics: equal over the reals; rounds differently. (Sums that were in f64
              are in the type of the tensor; torch-mlir's inexact constant in
              gelu_tanh becomes the exact one, 6e-05 at most.) Where PyTorch sets
              rows to 0 of which a mask hides all keys, that stays. Assertions
              that an id lies within its table are dropped with the lookup.
    Example:  test/Dialect/LM/raise-*.mlir
  }];
  let dependentDialects = [
    "::quantmlir::lm::LMDialect", "::mlir::affine::AffineDialect",
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numRaised", "raised", "lm operations in the function">,
  ];
}

def DropCachePass : Pass<"lm-drop-cache", "::mlir::func::FuncOp"> {
  let summary = "A function for whole texts: no cache, all outputs";
  let description = [{
    Calibration and scoring feed every text in one call from position 0. Then a
    cache holds nothing but what the call itself wrote: attention reads its own
    keys and values, the position is 0, and `outputs` (the index argument of that
    `lm.name`) is the number of tokens, so that every token has a result.

    Before:   caches and their positions are arguments of the function.
    After:    these arguments are gone.
    Numerics: unchanged.
    Example:  test/Dialect/LM/drop-cache.mlir
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"
  ];
}

def StoreCachePass : Pass<"lm-store-cache", "::mlir::ModuleOp"> {
  let summary = "Choose how caches hold keys and values";
  let description = [{
    Importers make caches of f32. Half of that, or a quarter and a scale for each
    head and position (int8), is memory that attention need not read.

    Before:   at least one `!lm.kv_cache`.
    After:    all of them have the element type.
    Numerics: keys and values are rounded when they are appended.
    Example:  test/Dialect/LM/store-cache.mlir
  }];
  let options = [
    Option<"as", "as", "std::string", "\"float16\"",
           "float32, float16 or int8">,
  ];
}

#endif // QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_TD

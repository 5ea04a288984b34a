// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_TRANSFORMS_RAISELINALG_ATTENTION_H
#define QUANT_MLIR_DIALECT_LM_TRANSFORMS_RAISELINALG_ATTENTION_H

// The two halves of recognising attention: the softmax of scores, in
// Scores.cpp, and tensors with heads, in Heads.cpp.

#include "Matchers.h"

namespace quantmlir::lm::raise {

/// What the scores are made of.
struct Scores {
  double scale = 1;
  const Expr *query = nullptr, *key = nullptr;
  /// Runs over a head's elements in both.
  mlir::AffineExpr column;
  bool causal = false;
  llvm::SmallVector<const Expr *> masks;
  /// Rows whose keys are all hidden are to become 0.
  bool guarded = false;
};

/// Reads `weights` as softmax of scores over the keys: a query is at `token`, a
/// key at `key`. Null, or why it is none. The scores are then the result's
/// `scores`.
const char *matchSoftmax(Reader &reader, const Expr *weights,
                         mlir::AffineExpr key, const Expr *&scores,
                         bool &guarded);
/// Reads scores as products of queries and keys, scaled and masked. Null, or
/// why they are none.
const char *matchScores(Reader &reader, const Expr *scores,
                        mlir::AffineExpr token, mlir::AffineExpr key,
                        Scores &found);

/// A mask that does not differ between heads and sequences as [tokens, keys];
/// null if there is no such tensor.
mlir::Value makeMask(Reader &reader, mlir::OpBuilder &builder,
                     mlir::Location loc, const Expr *mask,
                     mlir::AffineExpr token, mlir::AffineExpr key,
                     mlir::Type elementType);
/// Sets the rows of `result` [.., tokens, width] to 0 whose keys the mask hides
/// all, as PyTorch does. (The softmax of minus infinities is no number.)
mlir::Value clearHiddenRows(mlir::OpBuilder &builder, mlir::Location loc,
                            mlir::Value result, mlir::Value mask);

/// A tensor with heads.
struct Heads {
  enum Layout {
    Split,  ///< [batch.., tokens, heads, size]
    Merged, ///< [batch.., tokens, heads * size]
    Front,  ///< [batch.., heads, tokens, size]
  };

  mlir::Value tensor;
  Layout layout = Split;
  llvm::SmallVector<mlir::AffineExpr> batch;
  mlir::AffineExpr head;
  int64_t numHeads = 0, size = 0;

  /// As [batch.., tokens, heads * size].
  mlir::Value merge(mlir::OpBuilder &builder, mlir::Location loc) const;
};

/// All ways to read `e` as a tensor with heads, nearest first.
llvm::SmallVector<Heads> findHeads(Reader &reader, const Expr *e,
                                   mlir::AffineExpr token,
                                   mlir::AffineExpr column,
                                   mlir::Type elementType);

/// [batch.., tokens, heads * size] to [batch.., heads, tokens, size].
mlir::Value splitHeads(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value result, const Heads &heads);

} // namespace quantmlir::lm::raise

#endif // QUANT_MLIR_DIALECT_LM_TRANSFORMS_RAISELINALG_ATTENTION_H

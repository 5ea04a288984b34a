// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_ATTENTION_H
#define QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_ATTENTION_H

#include "Cache.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quant-mlir/CodeGen/Kernel/AttentionSplit.h"

namespace quantmlir::cpu {

using kernel::AttentionSplit;

/// Writes the loops of kernel.attention; see Attention.cpp for the way they
/// take, and AttentionInt8.cpp for integers.
class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &b, kernel::AttentionOp op)
      : b(b), op(op), cache(b, op.getCache(), op.getLayer()),
        groupSize(int64_t(op.getHeads()) / cache.heads), kvHeads(cache.heads),
        size(cache.size), vectors(size / block),
        most(b.target.lanes >= block ? 8 : 4), f32(b.f32Vec(block)),
        i32(b.vec(block, b.getI32Type())) {}

  void emit();

private:
  using Value = mlir::Value;
  using Rows = llvm::SmallVector<Value>;

  void emitTile(int64_t rows, Value item, Value kvHead, Value segment);
  void emitResults(int64_t rows, Value item, Value kvHead);
  void emitPartials(int64_t rows, Value item, Value kvHead, Value segment);
  void emitScores(int64_t rows, Value kvHead, Value firstKey, Value blocks);
  void emitSoftmax(int64_t rows, Value blocks);
  void emitSums(int64_t rows, Value kvHead, Value firstKey, Value blocks);
  void emitIntScores(int64_t rows, Value kvHead, Value firstKey, Value blocks);
  void emitIntSums(int64_t rows, Value kvHead, Value firstKey, Value blocks);
  int64_t sumsWidth(int64_t rows) const;
  /// Whether registers hold `count` blocks of sums and what is added to them.
  bool fitsRegisters(int64_t count) const {
    int64_t perBlock = llvm::divideCeil(block, b.target.lanes);
    int64_t registers = b.target.isNeon() || b.target.lanes == 16 ? 32 : 16;
    return count * perBlock <= registers * 3 / 4;
  }
  void prefetch(int64_t rows, int64_t plane, Value kvHead, Value blockStart);
  Value roundRow(Value source, Value target, Value row, Value count);
  Value loadWords(int64_t plane, Value kvHead, Value at);
  Value splatWord(Value buffer, int64_t row, Value at);
  Value finishScore(Value sum, Value row, Value firstKey, Value limit);
  Value hide(Value scores, Value row, Value firstKey, Value limit);

  Value token(Value item) { return b.div(item, groupSize); }
  Value column(Value item, Value kvHead) {
    Value head = b.add(b.mul(kvHead, groupSize), b.rem(item, groupSize));
    return b.mul(head, size);
  }
  Value cacheVector(int64_t plane, Value kvHead, Value at) {
    return b.toF32(cache.load(b.vec(block, cache.element), plane, kvHead, at));
  }
  /// One instruction, which the maximum that keeps NaNs is not.
  Value larger(Value x, Value y) {
    Value isLarger =
        mlir::arith::CmpFOp::create(b, mlir::arith::CmpFPredicate::OGT, x, y);
    return mlir::arith::SelectOp::create(b, isLarger, x, y);
  }
  Value largestLane(Value vector) {
    for (int64_t lanes = block / 2; lanes >= 1; lanes /= 2) {
      llvm::SmallVector<int64_t> low, high;
      for (int64_t i = 0; i < lanes; ++i) {
        low.push_back(i);
        high.push_back(i + lanes);
      }
      vector = larger(mlir::vector::ShuffleOp::create(b, vector, vector, low),
                      mlir::vector::ShuffleOp::create(b, vector, vector, high));
    }
    return mlir::vector::ExtractOp::create(b, vector, 0);
  }
  /// Of numbers that are not infinite, and no power of which is.
  Value exp(Value x) {
    return mlir::math::ExpOp::create(b, x, mlir::arith::FastMathFlags::ninf);
  }
  Value buffer(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
    return mlir::memref::AllocaOp::create(
        b, mlir::MemRefType::get(shape, element), b.getI64IntegerAttr(64));
  }

  static constexpr int64_t chunk = AttentionSplit::chunk;
  static constexpr int64_t block = CacheLayout::block;

  KernelBuilder &b;
  kernel::AttentionOp op;
  CacheLayout cache;
  int64_t groupSize, kvHeads, size, vectors;
  /// Rows of a tile: registers hold a score or two vectors of sums of each.
  int64_t most;
  mlir::VectorType f32, i32;
  Value total;
  Value isSplit; ///< over segments of positions
  /// Of the tile: [rows][size] queries and sums, [rows][chunk] scores, and
  /// numbers of each row.
  Value queries, sums, scores, tokens, limits, largest, divisors, shrinks;
  Value newLargest, added; ///< by the chunk
  /// Int8: pairs of 16-bit queries, [rows][size / 2], and weights, [rows][chunk
  /// / 2], and what each query is divided by.
  Value queryCodes, weightCodes, queryScales;
};

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_ATTENTION_H

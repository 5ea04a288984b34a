// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_CACHE_H
#define QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_CACHE_H

#include "Expand.h"

namespace quantmlir::cpu {

/// Where the keys and values of a layer's head lie, as kernel.cache_write
/// documents: in blocks of 16 positions.
class CacheLayout {
public:
  using Value = mlir::Value;

  /// Positions of a block.
  static constexpr int64_t block = 16;
  static constexpr int64_t keys = 0, values = 1;

  CacheLayout(KernelBuilder &b, Value cache, Value layer);

  bool isInt8() const { return element.isInteger(8); }

  /// Index of a position's element, plane by plane.
  Value keyAt(Value position, Value i);
  Value valueAt(Value position, Value i);
  /// Int8: of a position's scale, in either plane: four bytes of an f32.
  Value scaleAt(Value position);
  /// Of the first element of the block that `position` is in.
  Value blockAt(Value position);

  /// Elements, and scales, of a block.
  int64_t blockSize() const { return block * (size + scaleSize()); }
  void prefetch(int64_t plane, Value head, Value at);
  Value load(mlir::VectorType type, int64_t plane, Value head, Value at);
  void store(Value scalarOrVector, int64_t plane, Value head, Value at);
  /// Int8: the scales of the 16 positions of a block.
  Value loadScales(int64_t plane, Value head, Value blockStart);

  int64_t heads, size; ///< of a head
  mlir::Type element;

private:
  int64_t scaleSize() const;

  KernelBuilder &b;
  Value cache, layer;
};

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_CACHE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_H

// The kernels on the GPU. A function gets a pointer for each buffer of its
// kernel and the number of rows; an emitter writes what one thread does.

#include "../FlashShape.h"
#include "../Forms.h"
#include "Matmul.h"
#include "quant-mlir/CodeGen/Kernel/AttentionSplit.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include <optional>

namespace quantmlir::cuda {

/// A kernel on the GPU: blocks along x, and `tokens` rows for each along y.
struct LaunchShape {
  int64_t blocks;
  int64_t tokens;
  int64_t threads;
  int64_t sharedBytes = 0; ///< of `GPUBuilder::launchedMemory`
  int64_t moreBlocks = 0;  ///< along y
  int64_t together = 1;    ///< blocks that a processor should have room for
};

LaunchShape emitMatmulDot(GPUBuilder &b, const Matmul &matmul,
                          const Form &form);
LaunchShape emitMatmulMMA(GPUBuilder &b, const Matmul &matmul,
                          const Form &form);
LaunchShape emitMatmulStream(GPUBuilder &b, const Matmul &matmul,
                             const Form &form);
LaunchShape emitMatmulTiles(GPUBuilder &b, const Matmul &matmul,
                            const Form &form);

/// Rows of floats that are rounded.
struct Activation {
  Buffer x, multiplier;
  Buffer scale;   ///< given
  int64_t group;  ///< values that have a scale
  bool perTensor; ///< one for all rows
  mlir::Value rows;
};

/// To int8.
struct Quantize : Activation {
  Buffer codes, scales, sums;
  int64_t sumGroup;
};
LaunchShape emitQuantize(GPUBuilder &b, const Quantize &quantize,
                         const Form &form);

/// To 8-bit floats, bf16 or int8: what they stand for, in f32, or 8-bit floats
/// themselves.
struct Round : Activation {
  Buffer out;
  Buffer codes, scales; ///< instead of `out`
  mlir::Type type;

  bool hasScale() const { return !type.isBF16() && !type.isF16(); }
};
LaunchShape emitRound(GPUBuilder &b, const Round &round, const Form &form);

/// Values whose columns, or they themselves, reach a threshold, by themselves.
struct SplitOutliers {
  Buffer x, inliers, outliers;
  Buffer columns; ///< a byte each: whether one has outliers
  double threshold;
  bool perToken;
  mlir::Value rows;
};
LaunchShape emitSplitOutliers(GPUBuilder &b, const SplitOutliers &split,
                              const Form &form);

/// Rows of a packed table.
struct Gather {
  kernel::PanelLayout layout;
  mlir::Value weights;
  Buffer ids, out;
};
LaunchShape emitGather(GPUBuilder &b, const Gather &gather, const Form &form);

struct Norm {
  Buffer x, gain, bias, out;
  double eps;
  bool centered; ///< subtracts the mean: a layer norm
};
LaunchShape emitNorm(GPUBuilder &b, const Norm &norm, const Form &form);

struct Rope {
  Buffer x, out;
  mlir::Value position;
  int64_t headSize;
  lm::RopeStyle style;
  llvm::SmallVector<double> frequencies; ///< of each rotated pair
};
LaunchShape emitRope(GPUBuilder &b, const Rope &rope, const Form &form);

/// A layer of a cache, see kernel.cache_write.
struct Cache {
  using Value = mlir::Value;
  enum Plane { Keys, Values };
  /// Positions that lie together: of keys an element of all of them, of int8
  /// pairs that a CPU multiplies at once.
  static constexpr int64_t block = 16;

  Buffer buffer;
  int64_t heads, size;
  Value layer, positions; ///< of how many there is room for

  bool isInt8() const { return buffer.element.isInteger(8); }
  /// An element, as f32; of int8 before its scale.
  Value load(GPUBuilder &b, Plane plane, Value head, Value position,
             Value i) const;
  void store(GPUBuilder &b, Value value, Plane plane, Value head,
             Value position, Value i) const;
  /// Of the positions p, p + 1, p + gap and p + gap + 1 of a block four
  /// elements from `i` on, a multiple of four: f16 or f32. Of keys they are in
  /// a row.
  using Square = std::array<std::array<Value, 4>, 4>;
  Square loadSquare(GPUBuilder &b, Plane plane, Value head, Value position,
                    int64_t gap, Value i) const;
  /// What elements of int8 are to be multiplied by.
  Value loadScale(GPUBuilder &b, Plane plane, Value head, Value position) const;
  void storeScale(GPUBuilder &b, Value scale, Plane plane, Value head,
                  Value position) const;

private:
  Value blockAt(GPUBuilder &b, Plane plane, Value head, Value position) const;
  Value byteOf(GPUBuilder &b, Plane plane, Value head, Value position,
               Value i) const;
  Value scaleAt(GPUBuilder &b, Plane plane, Value head, Value position) const;
};

struct CacheWrite {
  Buffer key, value;
  Cache cache;
  mlir::Value position;
};
LaunchShape emitCacheWrite(GPUBuilder &b, const CacheWrite &write,
                           const Form &form);

/// What rows leave that were split over segments of positions:
/// [segment][head of keys][row of it][sums of values, …].
struct Partials {
  using Value = mlir::Value;

  Value pointer; ///< null: there are none
  int64_t segments, kvHeads, rows, rowSize;

  /// Of a segment, the bytes of a row that has a token's head.
  Value rowByte(GPUBuilder &b, Value segment, Value token, Value head,
                int64_t allHeads) const;
  /// Behind the sums, of which there are so many: the largest score and the sum
  /// of weights.
  int64_t size() const { return rowSize - kernel::AttentionSplit::numbers; }
};

struct Attention {
  Buffer query, mask, out;
  Partials partials;
  Cache cache;
  mlir::Value position, rows;
  mlir::Value maskStride; ///< elements from a row to the next
  int64_t heads;
  double scale;
  bool causal;
  std::optional<int64_t> window;
  std::optional<double> softcap;
};
LaunchShape emitAttention(GPUBuilder &b, const Attention &attention,
                          const Form &form);
/// What is in `partials`, into `out`.
LaunchShape emitMerge(GPUBuilder &b, const Partials &partials,
                      const Buffer &out, int64_t heads, const Form &form);
LaunchShape emitFlashAttention(GPUBuilder &b, const Attention &attention,
                               const FlashShape &shape, const Form &form);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_KERNEL_ATTENTIONSPLIT_H
#define QUANT_MLIR_CODEGEN_KERNEL_ATTENTIONSPLIT_H

#include <cstdint>

namespace quantmlir::kernel {

/// How kernel.attention splits few rows over many positions.
struct AttentionSplit {
  /// Positions that a tile takes at once, and that a segment has a multiple of:
  /// so many that rescaling sums costs little, so few that their scores stay in
  /// the first cache, and that 32 bits hold the sum of their products in an
  /// int8 cache, each at most 127 * 32767.
  static constexpr int64_t chunk = 256;
  static constexpr int64_t segments = 8;
  /// Tokens times heads that share keys: what counts as few.
  static constexpr int64_t rows = 8;
  /// Room behind a row's sums for its largest score and its sum of weights.
  static constexpr int64_t numbers = 16;
};

} // namespace quantmlir::kernel

#endif // QUANT_MLIR_CODEGEN_KERNEL_ATTENTIONSPLIT_H

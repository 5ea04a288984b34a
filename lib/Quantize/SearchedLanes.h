// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks whose numbers are a lane times a scale, with integers for the scales
// of groups. Which lanes there are is a format's business: integers, the
// entries of a table, or the points of a grid that several values are rounded
// to together. The search is for the least squared error, as that of
// SearchedBlocks.cpp: first for a group by itself, from what the loudest value
// may become, then for the block, from the integers beside the groups' scales.

#ifndef QUANT_MLIR_LIB_QUANTIZE_SEARCHEDLANES_H
#define QUANT_MLIR_LIB_QUANTIZE_SEARCHEDLANES_H

#include "quant-mlir/Quantize/BlockFormats.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Endian.h"
#include <limits>

namespace quantmlir::lanes {

constexpr int64_t maxGroupValues = 32, maxGroups = 16;

/// A group with everything chosen: values are about scale * lane.
struct Group {
  int8_t lanes[maxGroupValues] = {};
  uint16_t codes[maxGroupValues] = {}; ///< as the format's rounding left them
};

struct Choice {
  float factor = 0;
  int scales[maxGroups] = {};
  Group groups[maxGroups];
  float error = std::numeric_limits<float>::infinity();
};

struct LaneFormat {
  int64_t groups, groupValues;
  /// The integers that scales are stored as, `step` apart.
  int lowestScale, highestScale, step;
  /// f16 d is this many times the factor of scales.
  float unit;
  /// What the loudest value of a group may become.
  llvm::ArrayRef<float> ends;
  /// Rounds a group to lanes.
  llvm::function_ref<void(const float *x, const float *weights, float scale,
                          Group &group)>
      round;

  /// Of points with signs: their scales are odd and positive.
  bool isGrid() const { return step == 2; }
  /// The factor as it is stored.
  float stored(float factor) const {
    return f16ToF32(f32ToF16(factor * unit)) / unit;
  }
};

/// Chooses everything; false if the factor is too large for f16.
bool chooseBlock(const LaneFormat &format, const float *x, const float *weights,
                 Choice &best);

inline void putHalf(uint8_t *target, float value) {
  llvm::support::endian::write16le(target, f32ToF16(value));
}

/// encodeLanes, for formats with a grid.
bool encodeGrid(BlockFormat format, const float *x, const float *weights,
                uint8_t *block);

} // namespace quantmlir::lanes

#endif // QUANT_MLIR_LIB_QUANTIZE_SEARCHEDLANES_H

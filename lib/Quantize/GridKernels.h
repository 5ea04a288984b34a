// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The inner loops of Grid.cpp, compiled for several targets (see Kernels.h). No
// multiplication is fused with an addition here: a code must not depend on the
// machine that made it.

#ifndef QUANT_MLIR_LIB_QUANTIZE_GRIDKERNELS_H
#define QUANT_MLIR_LIB_QUANTIZE_GRIDKERNELS_H

#include "quant-mlir/Quantize/SmallFloat.h"
#include <cstdint>

namespace quantmlir::kernels {

/// The codes of integers lie in [low, high].
struct IntRange {
  float low, high;
};

/// The sum of importance * |scale * (code - zero) - value|^norm over nearest
/// codes; `importance` may be null.
double intError(const float *values, const float *importance, int64_t count,
                float scale, float zero, IntRange range, double norm);
void intQuantize(const float *values, int64_t count, float scale, float zero,
                 IntRange range, uint8_t *codes, float *decoded);
/// The same with parameters for each value.
void intQuantizeLanes(const double *values, const float *scales,
                      const float *zeros, int64_t count, IntRange range,
                      uint8_t *codes, float *decoded);

/// The same for the nearest numbers of `type`.
double smallFloatError(const float *values, const float *importance,
                       int64_t count, float scale, SmallFloat type,
                       double norm);

/// The sum of importance * |error|^norm.
double errorSum(const float *errors, const float *importance, int64_t count,
                double norm);
/// decoded = sorted entry of values / scale; `entries` of them, at most 16,
/// with entries - 1 bounds.
void smallTableDecode(const float *values, int64_t count, float scale,
                      const float *sorted, const float *bounds, int entries,
                      float *decoded);

} // namespace quantmlir::kernels

#endif // QUANT_MLIR_LIB_QUANTIZE_GRIDKERNELS_H

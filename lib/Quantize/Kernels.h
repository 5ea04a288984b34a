// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inner loops that the algorithms share. The build targets any x86-64, so the
// loops are compiled once more for AVX2 and AVX-512 and chosen when the program
// starts. NEON is part of every AArch64.

#ifndef QUANT_MLIR_LIB_QUANTIZE_KERNELS_H
#define QUANT_MLIR_LIB_QUANTIZE_KERNELS_H

#include <cstddef>
#include <cstdint>

// The choice is made by an ifunc, which sanitizers do not survive.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) &&          \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) &&         \
    ((defined(__clang__) && __clang_major__ >= 18) ||                          \
     (!defined(__clang__) && __GNUC__ >= 12))
#define QUANT_CLONES                                                           \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QUANT_CLONES
#endif

namespace quantmlir::kernels {

/// Rows that are treated side by side: a cache line of each type.
constexpr int64_t f64Lanes = 8;
constexpr int64_t f32Lanes = 16;

/// out[c][lane] -= sum over i in [begin, end) of x[i][lane] * y[c][i], for
/// c in [0, count). `x` has `lanes` values per i, `y` has `stride` values per
/// c.
void subtractProduct(const double *x, const double *y, ptrdiff_t stride,
                     int64_t begin, int64_t end, int64_t count, double *out);
void subtractProduct(const float *x, const float *y, ptrdiff_t stride,
                     int64_t begin, int64_t end, int64_t count, float *out);

} // namespace quantmlir::kernels

#endif // QUANT_MLIR_LIB_QUANTIZE_KERNELS_H

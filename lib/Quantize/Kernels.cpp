// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Four columns by one cache line of rows: eight accumulators of 32 bytes, which
// hide the latency of the multiply-add on machines with two such units, and fit
// the 16 registers of AVX2.

#include "Kernels.h"
#include <cstring>

using namespace quantmlir::kernels;

namespace {
template <typename T> struct Half {
  typedef T Vector __attribute__((vector_size(32)));
  static constexpr int64_t size = 32 / sizeof(T);
};
} // namespace

template <typename T, int columns>
__attribute__((always_inline)) static inline void
columnsKernel(const T *x, const T *y, ptrdiff_t stride, int64_t begin,
              int64_t end, T *out) {
  using Vector = typename Half<T>::Vector;
  constexpr int64_t half = Half<T>::size;
  Vector first[columns], second[columns];
  for (int c = 0; c < columns; ++c) {
    std::memcpy(&first[c], out + c * 2 * half, sizeof(Vector));
    std::memcpy(&second[c], out + c * 2 * half + half, sizeof(Vector));
  }
  for (int64_t i = begin; i < end; ++i) {
    Vector a, b;
    std::memcpy(&a, x + i * 2 * half, sizeof(Vector));
    std::memcpy(&b, x + i * 2 * half + half, sizeof(Vector));
    for (int c = 0; c < columns; ++c) {
      T factor = y[c * stride + i];
      first[c] -= a * factor;
      second[c] -= b * factor;
    }
  }
  for (int c = 0; c < columns; ++c) {
    std::memcpy(out + c * 2 * half, &first[c], sizeof(Vector));
    std::memcpy(out + c * 2 * half + half, &second[c], sizeof(Vector));
  }
}

template <typename T>
__attribute__((always_inline)) static inline void
allColumns(const T *x, const T *y, ptrdiff_t stride, int64_t begin, int64_t end,
           int64_t count, T *out) {
  constexpr int64_t lanes = 2 * Half<T>::size;
  int64_t c = 0;
  for (; c + 4 <= count; c += 4)
    columnsKernel<T, 4>(x, y + c * stride, stride, begin, end, out + c * lanes);
  for (; c < count; ++c)
    columnsKernel<T, 1>(x, y + c * stride, stride, begin, end, out + c * lanes);
}

QUANT_CLONES
void quantmlir::kernels::subtractProduct(const double *x, const double *y,
                                         ptrdiff_t stride, int64_t begin,
                                         int64_t end, int64_t count,
                                         double *out) {
  allColumns<double>(x, y, stride, begin, end, count, out);
}

QUANT_CLONES
void quantmlir::kernels::subtractProduct(const float *x, const float *y,
                                         ptrdiff_t stride, int64_t begin,
                                         int64_t end, int64_t count,
                                         float *out) {
  allColumns<float>(x, y, stride, begin, end, count, out);
}

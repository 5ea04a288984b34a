// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Hessian.h"
#include "Kernels.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

/// trace(d h dᵀ) of the rows of `x`, which holds `tiles` times [k][16 rows].
static double tilesLoss(ArrayRef<float> x, int64_t tiles, int64_t k,
                        ArrayRef<float> h) {
  constexpr int64_t lanes = kernels::f32Lanes, width = 8;
  double loss = 0;
  for (int64_t begin = 0; begin < k; begin += width) {
    int64_t count = std::min(width, k - begin);
    const float *columns = h.data() + begin * k;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const float *rows = x.data() + tile * k * lanes;
      // H is symmetric: what lies before the diagonal counts twice.
      float before[width * lanes] = {}, within[width * lanes] = {};
      kernels::subtractProduct(rows, columns, k, 0, begin, count, before);
      kernels::subtractProduct(rows, columns, k, begin, begin + count, count,
                               within);
      for (int64_t i = 0; i < count * lanes; ++i)
        loss -= double(rows[begin * lanes + i]) * (2 * before[i] + within[i]);
    }
  }
  return loss;
}

double quantmlir::hessianLoss(ArrayRef<float> d, int64_t n, int64_t k,
                              ArrayRef<float> h, int64_t maxRows) {
  assert(int64_t(d.size()) == n * k && int64_t(h.size()) == k * k &&
         "sizes do not match");
  if (n == 0 || k == 0)
    return 0;
  constexpr int64_t lanes = kernels::f32Lanes, taskTiles = 4;
  constexpr int64_t taskRows = lanes * taskTiles;
  int64_t rows = maxRows > 0 ? std::min(n, maxRows) : n;
  std::vector<double> losses(divideCeil(rows, taskRows));
  parallelFor(0, losses.size(), [&](size_t task) {
    std::vector<float> x(taskRows * k);
    for (int64_t i = 0; i < taskRows; ++i) {
      int64_t index = task * taskRows + i;
      if (index >= rows)
        break;
      const float *row = d.data() + index * n / rows * k;
      float *place = x.data() + i / lanes * k * lanes + i % lanes;
      for (int64_t column = 0; column < k; ++column)
        place[column * lanes] = row[column];
    }
    losses[task] = tilesLoss(x, taskTiles, k, h);
  });
  double loss = 0;
  for (double part : losses)
    loss += part;
  return loss * n / rows;
}

Error quantmlir::checkHessian(ArrayRef<float> h, int64_t k) {
  assert(int64_t(h.size()) == k * k && "sizes do not match");
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) {
      float value = h[i * k + j];
      if (std::isfinite(value) && (i != j || value >= 0))
        continue;
      const char *what = std::isnan(value)   ? "NaN"
                         : std::isinf(value) ? "infinite"
                                             : "negative";
      return createStringError(std::errc::invalid_argument,
                               "row %lld, column %lld of the Hessian is %s",
                               (long long)i, (long long)j, what);
    }
  return Error::success();
}

std::vector<float> quantmlir::getDiagonal(ArrayRef<float> h, int64_t k) {
  std::vector<float> diagonal(k);
  for (int64_t i = 0; i < k; ++i)
    diagonal[i] = h[i * k + i];
  return diagonal;
}

void quantmlir::centre(MutableArrayRef<float> h, ArrayRef<float> left,
                       ArrayRef<float> right) {
  assert(h.size() == left.size() * right.size() && "sizes do not match");
  for (size_t i = 0; i < left.size(); ++i)
    for (size_t j = 0; j < right.size(); ++j)
      h[i * right.size() + j] -= left[i] * right[j];
}

Error quantmlir::correctForDrift(MutableArrayRef<float> w, int64_t n, int64_t k,
                                 ArrayRef<float> h, ArrayRef<float> c,
                                 ArrayRef<float> r, double damping,
                                 double strength) {
  assert(int64_t(w.size()) == n * k && int64_t(c.size()) == k * k &&
         (r.empty() || int64_t(r.size()) == n * k) && "sizes do not match");
  if (Error error = checkHessian(h, k))
    return error;
  using Matrix =
      Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<const Matrix> hMap(h.data(), k, k), cMap(c.data(), k, k);
  Eigen::Map<Matrix> wMap(w.data(), n, k);
  Eigen::MatrixXd damped = hMap.cast<double>();
  double mean = damped.diagonal().mean();
  damped.diagonal().array() += damping * (mean > 0 ? mean : 1);
  Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(damped);
  if (factor.info() != Eigen::Success)
    return createStringError(
        std::errc::invalid_argument,
        "the Hessian is not positive definite with a damping of %g", damping);
  // Rows of W are independent of each other, and tasks of the threads. As
  // columns: (H + λ)⁻¹ (W C + R)ᵀ.
  constexpr int64_t taskRows = 64;
  parallelFor(0, divideCeil(n, taskRows), [&](size_t task) {
    int64_t first = task * taskRows, count = std::min(taskRows, n - first);
    Matrix target = wMap.middleRows(first, count) * cMap;
    if (!r.empty())
      target +=
          Eigen::Map<const Matrix>(r.data(), n, k).middleRows(first, count);
    Eigen::MatrixXd change = target.transpose().cast<double>();
    factor.solveInPlace(change);
    wMap.middleRows(first, count) +=
        (strength * change.transpose()).cast<float>();
  });
  return Error::success();
}

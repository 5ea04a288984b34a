// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows are independent; sixteen go through the products with H together, lying
// in memory as [column][16 rows], so that H is read once for them.

#include "quant-mlir/Quantize/Refine.h"
#include "Kernels.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

static constexpr int64_t lanes = kernels::f32Lanes;

namespace {
class Tile {
public:
  Tile(GridMatrix &matrix, MutableArrayRef<float> q, ArrayRef<float> w,
       int64_t k, ArrayRef<float> h, const Grid &grid, int64_t first,
       int64_t rows)
      : matrix(matrix), q(q), w(w), k(k), groups(grid.groupsPerRow(k)),
        length(grid.groupLength(k)), h(h), grid(grid), first(first),
        rows(rows) {}

  void refitScales();
  void moveCodes();

private:
  int64_t place(int64_t lane) const { return (first + lane) * k; }
  GroupParams paramsOf(int64_t lane, int64_t group) const {
    int64_t index = (first + lane) * groups + group;
    return {matrix.scales[index],
            matrix.zeros.empty() ? 0.0f : float(matrix.zeros[index])};
  }
  /// (x H) over the columns, from the rows of `x` at columns [begin, end).
  std::vector<float> product(const std::vector<float> &x, int64_t begin,
                             int64_t end) const;

  GridMatrix &matrix;
  MutableArrayRef<float> q;
  ArrayRef<float> w;
  int64_t k, groups, length;
  ArrayRef<float> h; ///< damped
  const Grid &grid;
  int64_t first, rows;
};
} // namespace

std::vector<float> Tile::product(const std::vector<float> &x, int64_t begin,
                                 int64_t end) const {
  std::vector<float> result(k * lanes);
  kernels::subtractProduct(x.data(), h.data(), k, begin, end, k, result.data());
  for (float &value : result)
    value = -value;
  return result;
}

void Tile::refitScales() {
  // C: codes as numbers, so that a group's values are scale * C.
  std::vector<float> c(k * lanes), target(k * lanes);
  for (int64_t lane = 0; lane < rows; ++lane)
    for (int64_t i = 0; i < k; ++i) {
      float scale = paramsOf(lane, i / length).scale;
      c[i * lanes + lane] = scale == 0 ? 0 : q[place(lane) + i] / scale;
      target[i * lanes + lane] = w[place(lane) + i];
    }
  // For each row the equations A s = b with A_fg = C_f H C_g, b_f = C_f H w.
  std::vector<Eigen::MatrixXd> a(rows, Eigen::MatrixXd::Zero(groups, groups));
  std::vector<Eigen::VectorXd> b(rows, Eigen::VectorXd::Zero(groups));
  for (int64_t f = 0; f < groups; ++f) {
    std::vector<float> ch =
        product(c, f * length, std::min(k, (f + 1) * length));
    for (int64_t i = 0; i < k; ++i)
      for (int64_t lane = 0; lane < rows; ++lane) {
        int64_t at = i * lanes + lane;
        a[lane](f, i / length) += double(ch[at]) * c[at];
        b[lane][f] += double(ch[at]) * target[at];
      }
  }
  for (int64_t lane = 0; lane < rows; ++lane) {
    Eigen::VectorXd before(groups), after(groups);
    for (int64_t g = 0; g < groups; ++g) {
      before[g] = paramsOf(lane, g).scale;
      // A group of zeros has no say.
      if (a[lane](g, g) <= 0)
        a[lane](g, g) = 1;
    }
    Eigen::LLT<Eigen::MatrixXd> llt(a[lane]);
    if (llt.info() != Eigen::Success)
      continue;
    after = llt.solve(b[lane]);
    bool usable = true;
    for (int64_t g = 0; g < groups; ++g) {
      // A scale keeps its sign, and zero groups stay.
      after[g] = before[g] == 0 ? 0 : grid.roundScale(float(after[g]));
      usable &= std::isfinite(after[g]) &&
                (before[g] == 0 || after[g] * before[g] > 0);
    }
    auto loss = [&](const Eigen::VectorXd &s) {
      return s.dot(a[lane] * s) - 2 * b[lane].dot(s);
    };
    if (!usable || !(loss(after) < loss(before)))
      continue;
    for (int64_t g = 0; g < groups; ++g)
      matrix.scales[(first + lane) * groups + g] = float(after[g]);
    for (int64_t i = 0; i < k; ++i)
      q[place(lane) + i] = grid.decode(matrix.codes[place(lane) + i],
                                       paramsOf(lane, i / length));
  }
}

void Tile::moveCodes() {
  std::vector<float> errors(k * lanes);
  for (int64_t lane = 0; lane < rows; ++lane)
    for (int64_t i = 0; i < k; ++i)
      errors[i * lanes + lane] = q[place(lane) + i] - w[place(lane) + i];
  std::vector<float> eh = product(errors, 0, k);
  std::vector<float> pull(k);
  for (int64_t lane = 0; lane < rows; ++lane) {
    for (int64_t i = 0; i < k; ++i)
      pull[i] = eh[i * lanes + lane];
    float *values = q.data() + place(lane);
    uint8_t *codes = matrix.codes.data() + place(lane);
    for (int64_t j = 0; j < k; ++j) {
      float diagonal = h[j * k + j];
      if (diagonal <= 0)
        continue;
      double best = values[j] - double(pull[j]) / diagonal;
      GroupParams params = paramsOf(lane, j / length);
      uint8_t code;
      float value;
      grid.quantizeLanes(&best, &params.scale, &params.zero, 1, &code, &value);
      if (value == values[j])
        continue;
      kernels::addScaled(value - values[j], h.data() + j * k, k, pull.data());
      values[j] = value;
      codes[j] = code;
    }
  }
}

double quantmlir::refine(GridMatrix &matrix, MutableArrayRef<float> q,
                         ArrayRef<float> w, int64_t n, int64_t k,
                         ArrayRef<float> h, const Grid &grid,
                         const RefineOptions &options) {
  assert(int64_t(q.size()) == n * k && int64_t(w.size()) == n * k &&
         int64_t(h.size()) == k * k && "sizes do not match");
  std::vector<float> damped(h.begin(), h.end());
  double mean = 0;
  for (float value : getDiagonal(h, k))
    mean += value / double(k);
  for (int64_t i = 0; i < k; ++i)
    damped[i * k + i] += float(options.damping * mean);
  parallelFor(0, divideCeil(n, lanes), [&](size_t index) {
    int64_t first = index * lanes;
    Tile tile(matrix, q, w, k, damped, grid, first, std::min(lanes, n - first));
    for (int round = 0; round < options.rounds; ++round) {
      if (options.scales)
        tile.refitScales();
      tile.moveCodes();
    }
  });
  std::vector<float> change(q.begin(), q.end());
  for (auto [value, wanted] : zip(change, w))
    value -= wanted;
  return hessianLoss(change, n, k, h);
}

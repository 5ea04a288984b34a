// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Positions count from the column rounded last, 0, to the one rounded first,
// k - 1. Threads take tiles of rows; a tile lies in memory as [position][8
// rows] so that a vector holds one column of several rows. Positions are worked
// off in blocks: first the errors of all earlier blocks are taken off the
// block's targets (nearly all of the work, a matrix product), then column by
// column those within it.

#include "quant-mlir/Quantize/Gptq.h"
#include "Kernels.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cassert>
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace quantmlir;
using Order = GptqOptions::Order;
using Groups = GptqOptions::Groups;
using Importance = GptqOptions::Importance;

namespace {
/// H in the order of positions, factored.
struct Factor {
  std::vector<int64_t> columns; ///< of the positions
  std::vector<bool> dead;       ///< by column
  double damping = -1;          ///< as a share; negative: no factor
  double added = 0;             ///< to the diagonal
  double deadDiagonal = 0;      ///< what a dead column has for its 0
  Eigen::MatrixXd l;            ///< L_ab / L_bb, below the diagonal
  std::vector<double> pivots;   ///< L_bb²
};

/// A run of positions [begin, end).
struct Block {
  int64_t begin, end;
};

class Solver {
public:
  Solver(MutableArrayRef<float> w, int64_t n, int64_t k, const Grid &grid,
         const GptqOptions &options, const Factor &factor,
         ArrayRef<float> importance, bool current)
      : w(w), n(n), k(k), groups(grid.groupsPerRow(k)),
        length(grid.groupLength(k)), grid(grid), options(options),
        factor(factor), importance(importance), current(current) {}

  /// Static parameters are in `params`, current ones are put there.
  void run(std::vector<GroupParams> &params, GptqResult &result);

private:
  static constexpr int64_t lanes = kernels::f64Lanes;
  static constexpr int64_t subtiles = 4;
  static constexpr int64_t tileRows = lanes * subtiles;
  /// Positions between two visits of the column by column loop.
  static constexpr int64_t step = 8;

  struct Tile;
  void makeBlocks();
  double runTile(int64_t firstRow, std::vector<GroupParams> &params,
                 GridMatrix &matrix);
  void subtract(const Tile &tile, Block errors, Block targets,
                double *out) const;
  void fitCurrent(const Tile &tile, Block block, const double *targets,
                  int64_t firstRow, std::vector<GroupParams> &params);

  MutableArrayRef<float> w;
  int64_t n, k, groups, length;
  const Grid &grid;
  const GptqOptions &options;
  const Factor &factor;
  ArrayRef<float> importance; ///< by position, or empty
  bool current;               ///< groups' parameters are chosen underway
  std::vector<Block> blocks;  ///< in the order of work
};
} // namespace

/// Eight rows: weights and errors by position.
struct Solver::Tile {
  std::vector<double> weights, errors;
  int64_t rows;
};

//===----------------------------------------------------------------------===//
// Order and factor
//===----------------------------------------------------------------------===//

/// The columns, the one rounded first in front.
static std::vector<int64_t> orderColumns(ArrayRef<float> h, int64_t k,
                                         Order order, int64_t group) {
  std::vector<int64_t> columns(k);
  std::iota(columns.begin(), columns.end(), int64_t(0));
  auto diagonal = [&](int64_t i) { return h[i * k + i]; };
  if (order == Order::Natural)
    return columns;
  if (order == Order::Activation) {
    stable_sort(columns, [&](int64_t a, int64_t b) {
      return diagonal(a) > diagonal(b);
    });
    return columns;
  }
  std::vector<double> means(divideCeil(k, group));
  for (int64_t i = 0; i < k; ++i)
    means[i / group] +=
        diagonal(i) / double(std::min(group, k - i / group * group));
  stable_sort(columns, [&](int64_t a, int64_t b) {
    int64_t groupA = a / group, groupB = b / group;
    if (groupA == groupB)
      return diagonal(a) > diagonal(b);
    if (means[groupA] != means[groupB])
      return means[groupA] > means[groupB];
    return groupA < groupB;
  });
  return columns;
}

/// Factors H with the first damping that works.
static Factor factorize(ArrayRef<float> h, int64_t k, const Grid &grid,
                        const GptqOptions &options,
                        std::vector<std::string> &warnings) {
  Factor factor;
  factor.columns = orderColumns(h, k, options.order, grid.groupLength(k));
  std::reverse(factor.columns.begin(), factor.columns.end());
  ArrayRef<int64_t> columns = factor.columns;

  double sum = 0;
  int64_t live = 0;
  factor.dead.resize(k);
  for (int64_t i = 0; i < k; ++i) {
    factor.dead[i] = h[i * k + i] == 0;
    sum += h[i * k + i];
    live += !factor.dead[i];
  }
  // A dead column is independent of all others whatever its diagonal is.
  double mean = live ? sum / live : 1;
  factor.deadDiagonal = mean;
  if (options.zeroDead) {
    factor.deadDiagonal = 1;
    mean = (sum + double(k - live)) / double(k);
  }

  double damping = options.damping;
  if (options.tokens > 0 && options.tokens < k) {
    damping = std::max(damping, 0.05);
    warnings.push_back(formatv("{0} tokens are too few for a Hessian of {1} "
                               "inputs; damping {2:f2}",
                               options.tokens, k, damping));
  }
  for (double share : {damping, damping + 0.01, damping + 0.03, damping + 0.1,
                       damping + 0.3, damping + 1}) {
    factor.l.resize(k, k);
    parallelFor(0, k, [&](size_t b) {
      for (int64_t a = b; a < k; ++a)
        factor.l(a, b) = h[columns[a] * k + columns[b]];
      double &diagonal = factor.l(b, b);
      diagonal = (factor.dead[columns[b]] ? factor.deadDiagonal : diagonal) +
                 share * mean;
    });
    Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> llt(factor.l);
    if (llt.info() != Eigen::Success)
      continue;
    if (share != damping)
      warnings.push_back(
          formatv("the Hessian is not positive definite; damping "
                  "raised from {0:f2} to {1:f2}",
                  damping, share));
    factor.damping = share;
    factor.added = share * mean;
    factor.pivots.resize(k);
    parallelFor(0, k, [&](size_t b) {
      double pivot = factor.l(b, b);
      factor.pivots[b] = pivot * pivot;
      for (int64_t a = b + 1; a < k; ++a)
        factor.l(a, b) /= pivot;
    });
    return factor;
  }
  warnings.push_back("the Hessian is not positive definite even with much "
                     "damping; rounded to nearest instead");
  return factor;
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

void Solver::makeBlocks() {
  int64_t size = 128;
  if (!current) {
    for (int64_t end = k; end > 0; end -= size)
      blocks.push_back({std::max<int64_t>(0, end - size), end});
    return;
  }
  // A block is a group: its parameters are chosen when it is entered.
  for (int64_t end = k; end > 0;) {
    int64_t begin = end - 1, group = factor.columns[begin] / length;
    while (begin > 0 && factor.columns[begin - 1] / length == group)
      --begin;
    blocks.push_back({begin, end});
    end = begin;
  }
}

/// Takes the answer to the errors at positions `errors` off the targets.
void Solver::subtract(const Tile &tile, Block errors, Block targets,
                      double *out) const {
  kernels::subtractProduct(tile.errors.data(),
                           factor.l.data() + targets.begin * k, k, errors.begin,
                           errors.end, targets.end - targets.begin, out);
}

/// Chooses the parameters of a block that is a group, for the weights that the
/// earlier errors make best if nothing in it were rounded: each column answers
/// to the changes before it.
void Solver::fitCurrent(const Tile &tile, Block block, const double *targets,
                        int64_t firstRow, std::vector<GroupParams> &params) {
  int64_t count = block.end - block.begin;
  std::vector<double> changed(targets, targets + count * lanes);
  // The changes of weights lie where errors do, from the block's begin on.
  std::vector<double> changes(count * lanes);
  for (int64_t end = block.end; end > block.begin; --end) {
    int64_t b = end - 1;
    double *now = changed.data() + (b - block.begin) * lanes;
    kernels::subtractProduct(changes.data(),
                             factor.l.data() + b * k + block.begin, k,
                             end - block.begin, count, 1, now);
    for (int64_t lane = 0; lane < lanes; ++lane)
      changes[(b - block.begin) * lanes + lane] =
          now[lane] - tile.weights[b * lanes + lane];
  }
  std::vector<float> values(count);
  ArrayRef<float> weighting =
      importance.empty() ? importance : importance.slice(block.begin, count);
  int64_t group = factor.columns[block.begin] / length;
  for (int64_t lane = 0; lane < tile.rows; ++lane) {
    for (int64_t i = 0; i < count; ++i)
      values[i] = float(changed[i * lanes + lane]);
    params[(firstRow + lane) * groups + group] =
        grid.fit(values, weighting, options.fit);
  }
}

/// Returns the loss of the tile, with the damped H.
double Solver::runTile(int64_t firstRow, std::vector<GroupParams> &params,
                       GridMatrix &matrix) {
  SmallVector<Tile, subtiles> tiles;
  for (int64_t row = firstRow; row < std::min(n, firstRow + tileRows);
       row += lanes) {
    Tile &tile = tiles.emplace_back();
    tile.rows = std::min(lanes, n - row);
    tile.weights.resize(k * lanes);
    tile.errors.resize(k * lanes);
    for (int64_t lane = 0; lane < tile.rows; ++lane)
      for (int64_t b = 0; b < k; ++b)
        tile.weights[b * lanes + lane] =
            w[(row + lane) * k + factor.columns[b]];
  }

  double loss = 0;
  int64_t largest = 0;
  for (Block block : blocks)
    largest = std::max(largest, block.end - block.begin);
  std::vector<std::vector<double>> targets(tiles.size());
  for (std::vector<double> &target : targets)
    target.resize(largest * lanes);
  uint8_t codes[lanes] = {};
  float decoded[lanes], scales[lanes] = {}, zeros[lanes] = {};

  for (Block block : blocks) {
    // In narrow panels, so that one panel of L serves all tiles from cache.
    for (int64_t begin = block.begin; begin < block.end; begin += step) {
      Block panel = {begin, std::min(begin + step, block.end)};
      for (auto [tile, target] : zip(tiles, targets)) {
        double *out = target.data() + (begin - block.begin) * lanes;
        std::copy_n(tile.weights.data() + begin * lanes,
                    (panel.end - panel.begin) * lanes, out);
        subtract(tile, {block.end, k}, panel, out);
      }
    }
    for (auto [index, tile] : enumerate(tiles)) {
      int64_t tileRow = firstRow + index * lanes;
      double *target = targets[index].data();
      if (current)
        fitCurrent(tile, block, target, tileRow, params);
      for (int64_t end = block.end; end > block.begin; end -= step) {
        Block panel = {std::max(block.begin, end - step), end};
        subtract(tile, {end, block.end}, panel,
                 target + (panel.begin - block.begin) * lanes);
        for (int64_t b = end - 1; b >= panel.begin; --b) {
          double *now = target + (b - block.begin) * lanes;
          subtract(tile, {b + 1, end}, {b, b + 1}, now);
          int64_t column = factor.columns[b], group = column / length;
          for (int64_t lane = 0; lane < tile.rows; ++lane) {
            GroupParams p = params[(tileRow + lane) * groups + group];
            scales[lane] = p.scale, zeros[lane] = p.zero;
          }
          grid.quantizeLanes(now, scales, zeros, tile.rows, codes, decoded);
          for (int64_t lane = 0; lane < tile.rows; ++lane) {
            int64_t place = (tileRow + lane) * k + column;
            double miss = decoded[lane] - now[lane];
            loss += factor.pivots[b] * miss * miss;
            tile.errors[b * lanes + lane] =
                decoded[lane] - tile.weights[b * lanes + lane];
            matrix.codes[place] = codes[lane];
            w[place] = decoded[lane];
          }
        }
      }
    }
  }

  // What the changes to H's diagonal added.
  for (const Tile &tile : tiles)
    for (int64_t b = 0; b < k; ++b) {
      double extra = factor.added +
                     (factor.dead[factor.columns[b]] ? factor.deadDiagonal : 0);
      for (int64_t lane = 0; lane < tile.rows; ++lane) {
        double error = tile.errors[b * lanes + lane];
        loss -= extra * error * error;
      }
    }
  return loss;
}

void Solver::run(std::vector<GroupParams> &params, GptqResult &result) {
  makeBlocks();
  result.matrix.codes.resize(n * k);
  std::vector<double> losses(divideCeil(n, tileRows));
  parallelFor(0, losses.size(), [&](size_t tile) {
    losses[tile] = runTile(tile * tileRows, params, result.matrix);
  });
  result.loss = std::accumulate(losses.begin(), losses.end(), 0.0);
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

static Error checkOptions(int64_t n, int64_t k, const Grid &grid,
                          const GptqOptions &options) {
  int64_t groups = grid.groupsPerRow(k);
  if (options.damping < 0 || !std::isfinite(options.damping))
    return createStringError(std::errc::invalid_argument,
                             "the damping must not be negative");
  if (!options.params.empty() && int64_t(options.params.size()) != n * groups)
    return createStringError(
        std::errc::invalid_argument, "%lld parameters for %lld groups",
        (long long)options.params.size(), (long long)(n * groups));
  if (options.params.empty() && options.groups == Groups::Current &&
      options.order == Order::Activation && groups > 1)
    return createStringError(
        std::errc::invalid_argument,
        "activation order needs static groups: it enters all of them at once");
  return Error::success();
}

static Error checkScales(ArrayRef<GroupParams> params, int64_t groups) {
  for (auto [i, p] : enumerate(params))
    if (!std::isfinite(p.scale))
      return createStringError(
          std::errc::invalid_argument,
          "the scale of row %lld, group %lld does not fit its type: the values "
          "are too large",
          (long long)(i / groups), (long long)(i % groups));
  return Error::success();
}

Expected<GptqResult> quantmlir::gptq(MutableArrayRef<float> w, int64_t n,
                                     int64_t k, ArrayRef<float> h,
                                     const Grid &grid,
                                     const GptqOptions &options) {
  assert(int64_t(w.size()) == n * k && int64_t(h.size()) == k * k &&
         "sizes do not match");
  if (Error error = checkOptions(n, k, grid, options))
    return std::move(error);
  if (Error error = checkFinite(w, n, k))
    return std::move(error);
  if (Error error = checkHessian(h, k))
    return std::move(error);
  GptqResult result;
  if (n == 0 || k == 0)
    return result;

  int64_t groups = grid.groupsPerRow(k);
  Factor factor = factorize(h, k, grid, options, result.warnings);
  result.damping = factor.damping;
  bool factored = factor.damping >= 0;

  // The importance of columns, in their own order.
  std::vector<float> importance;
  if (options.importance == Importance::Hessian ||
      (options.importance == Importance::Feedback && !factored)) {
    importance = getDiagonal(h, k);
  } else if (options.importance == Importance::Feedback) {
    importance.resize(k);
    for (int64_t b = 0; b < k; ++b)
      importance[factor.columns[b]] = float(factor.pivots[b]);
  }

  std::vector<GroupParams> params(options.params.begin(), options.params.end());
  bool current = options.params.empty() && groups > 1 && factored &&
                 options.groups == Groups::Current;
  if (params.empty() && !current) {
    Expected<std::vector<GroupParams>> fitted =
        fitGroups(w, n, k, grid, options.fit, importance);
    if (!fitted)
      return fitted.takeError();
    params = std::move(*fitted);
  }
  if (options.zeroDead)
    for (int64_t column = 0; column < k; ++column)
      if (factor.dead[column])
        for (int64_t row = 0; row < n; ++row)
          w[row * k + column] = 0;
  if (!factored) {
    std::vector<float> change(w.begin(), w.end());
    result.matrix = roundToGrid(w, n, k, grid, params, w);
    for (auto [before, after] : zip(change, w))
      before = after - before;
    result.loss = hessianLoss(change, n, k, h);
    return result;
  }

  params.resize(n * groups);
  std::vector<float> byPosition;
  if (!importance.empty())
    for (int64_t column : factor.columns)
      byPosition.push_back(importance[column]);
  Solver(w, n, k, grid, options, factor, byPosition, current)
      .run(params, result);
  if (Error error = checkScales(params, groups))
    return std::move(error);
  for (GroupParams p : params) {
    result.matrix.scales.push_back(p.scale);
    if (grid.hasZeros())
      result.matrix.zeros.push_back(uint8_t(p.zero));
  }
  return result;
}

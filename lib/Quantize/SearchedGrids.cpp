// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks whose values are rounded together to the points of a grid: eight at a
// time (IQ1, IQ2) or four (IQ3). IQ2 and IQ3 have magnitudes in the grid and
// signs beside it, IQ1 has small signed numbers, all of them moved by an
// eighth.

#include "SearchedLanes.h"
#include "quant-mlir/Quantize/GridTables.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::lanes;

namespace {

/// The points of a grid that may be nearest to N values.
template <int N> class PointGrid {
public:
  struct Nearest {
    uint16_t index;
    float error;
  };

  /// Entries as in GridTables.h. Levels are about evenly spaced.
  PointGrid(ArrayRef<uint16_t> entries, ArrayRef<int> levels)
      : levels(levels.begin(), levels.end()), points(entries.size()) {
    for (auto [point, entry] : llvm::zip_equal(points, entries))
      for (int k = 0; k < N; ++k)
        point[k] = float(levels[entry >> (bits * k) & ((1 << bits) - 1)]);
    size_t cells = 1;
    for (int k = 0; k < N; ++k)
      cells *= levels.size();
    candidates.resize(cells);
    std::vector<uint16_t> order(points.size());
    std::vector<float> distances(points.size());
    for (size_t cell = 0; cell < cells; ++cell) {
      Point center;
      size_t rest = cell;
      for (int k = 0; k < N; ++k, rest /= levels.size())
        center[k] = float(levels[rest % levels.size()]);
      for (size_t i = 0; i < points.size(); ++i) {
        distances[i] = 0;
        for (int k = 0; k < N; ++k)
          distances[i] +=
              (points[i][k] - center[k]) * (points[i][k] - center[k]);
      }
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + count, order.end(),
                        [&](uint16_t a, uint16_t b) {
                          return std::pair(distances[a], a) <
                                 std::pair(distances[b], b);
                        });
      std::copy_n(order.begin(), count, candidates[cell].begin());
    }
  }

  /// The nearest point, of those that are near the lattice point next to `x`.
  Nearest find(const float *x, const float *weights) const {
    float first = float(levels[0]), step = float(levels[1] - levels[0]);
    float last = float(levels.size() - 1);
    size_t cell = 0;
    for (int k = N - 1; k >= 0; --k) {
      float level = std::nearbyint((x[k] - first) / step);
      cell = cell * levels.size() + size_t(std::clamp(level, 0.0f, last));
    }
    Nearest best = {0, std::numeric_limits<float>::infinity()};
    for (uint16_t i : candidates[cell]) {
      // Four sums, so that vectors are made of them.
      float sums[4] = {};
      for (int k = 0; k < N; k += 4)
        for (int l = 0; l < 4; ++l) {
          float rest = x[k + l] - points[i][k + l];
          sums[l] += weights[k + l] * (rest * rest);
        }
      float error = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      if (error < best.error)
        best = {i, error};
    }
    return best;
  }

  /// Number k of a point.
  int at(uint16_t index, int k) const { return int(points[index][k]); }

private:
  static constexpr int bits = N == 4 ? 3 : 2;
  /// More than these gain nothing that can be measured.
  static constexpr size_t count = N == 4 ? 16 : 32;
  using Point = std::array<float, N>;

  std::vector<int> levels;
  std::vector<Point> points;
  /// By the cell of the lattice, whose first digit is the last value's level.
  std::vector<std::array<uint16_t, count>> candidates;
};

} // namespace

//===----------------------------------------------------------------------===//
// IQ2 and IQ3: magnitudes, and signs
//===----------------------------------------------------------------------===//

/// Codes are the indexes of N values each; signs are those of the lanes. With
/// `even` the number of negative lanes of eight is: the value whose sign costs
/// least gives way.
template <int N>
static void roundSigned(const PointGrid<N> &grid, int64_t count, bool even,
                        const float *x, const float *weights, float scale,
                        Group &group) {
  float inverse = scale == 0 ? 0 : 1 / scale;
  if (!std::isfinite(inverse))
    inverse = 0;
  for (int64_t first = 0; first < count; first += 8) {
    bool negative[8];
    int negatives = 0, cheapest = 0;
    auto cost = [&](int k) {
      return weights[first + k] * std::fabs(x[first + k]);
    };
    for (int k = 0; k < 8; ++k) {
      negative[k] = x[first + k] < 0;
      negatives += negative[k];
      if (cost(k) < cost(cheapest))
        cheapest = k;
    }
    if (even && negatives % 2)
      negative[cheapest] = !negative[cheapest];
    float magnitudes[8];
    for (int k = 0; k < 8; ++k)
      magnitudes[k] = x[first + k] * (negative[k] ? -inverse : inverse);
    for (int k = 0; k < 8; k += N) {
      uint16_t index = grid.find(magnitudes + k, weights + first + k).index;
      group.codes[(first + k) / N] = index;
      for (int l = 0; l < N; ++l) {
        int lane = grid.at(index, l);
        group.lanes[first + k + l] = int8_t(negative[k + l] ? -lane : lane);
      }
    }
  }
}

/// Bit k is set if lane k of eight is negative.
static unsigned signsOf(const int8_t *lanes) {
  unsigned bits = 0;
  for (int k = 0; k < 8; ++k)
    bits |= unsigned(lanes[k] < 0) << k;
  return bits;
}

/// Chooses the block's groups, whose scales are odd, and stores their factor.
template <int N>
static bool chooseSigned(const PointGrid<N> &grid, int64_t groups, bool even,
                         float unit, ArrayRef<float> ends, const float *x,
                         const float *weights, uint8_t *block, Choice &choice) {
  int64_t count = 256 / groups;
  auto round = [&](const float *x, const float *weights, float scale,
                   Group &group) {
    roundSigned(grid, count, even, x, weights, scale, group);
  };
  LaneFormat format = {groups, count, 1, 31, 2, unit, ends, round};
  if (!chooseBlock(format, x, weights, choice))
    return false;
  putHalf(block, choice.factor * unit);
  return true;
}

/// Four times seven signs and the scale, of 32 values.
static uint32_t signsAndScale(const Group &group, int scale) {
  uint32_t word = uint32_t(scale / 2) << 28;
  for (int64_t i = 0; i < 4; ++i)
    word |= (signsOf(group.lanes + i * 8) & 127) << (i * 7);
  return word;
}

static constexpr int iq2Levels[] = {8, 25, 43};
static constexpr float iq2Ends[] = {26, 30, 34, 38, 41, 44, 48, 53, 60};

static bool encodeIQ2_XXS(const float *x, const float *weights,
                          uint8_t *block) {
  static const PointGrid<8> grid(iq2XXSGrid, iq2Levels);
  Choice choice;
  if (!chooseSigned(grid, /*groups=*/8, /*even=*/true, /*unit=*/8, iq2Ends, x,
                    weights, block, choice))
    return false;
  for (int64_t g = 0; g < 8; ++g) {
    const Group &group = choice.groups[g];
    for (int64_t i = 0; i < 4; ++i)
      block[2 + g * 8 + i] = uint8_t(group.codes[i]);
    support::endian::write32le(block + 6 + g * 8,
                               signsAndScale(group, choice.scales[g]));
  }
  return true;
}

static bool encodeIQ2_XS(const float *x, const float *weights, uint8_t *block) {
  static const PointGrid<8> grid(iq2XSGrid, iq2Levels);
  Choice choice;
  if (!chooseSigned(grid, /*groups=*/16, /*even=*/true, /*unit=*/8, iq2Ends, x,
                    weights, block, choice))
    return false;
  for (int64_t g = 0; g < 16; ++g) {
    const Group &group = choice.groups[g];
    for (int64_t i = 0; i < 2; ++i)
      support::endian::write16le(
          block + 2 + (g * 2 + i) * 2,
          uint16_t(group.codes[i] | (signsOf(group.lanes + i * 8) & 127) << 9));
    block[66 + g / 2] |= choice.scales[g] / 2 << (g % 2 * 4);
  }
  return true;
}

static bool encodeIQ2_S(const float *x, const float *weights, uint8_t *block) {
  static const PointGrid<8> grid(iq2SGrid, iq2Levels);
  Choice choice;
  if (!chooseSigned(grid, /*groups=*/16, /*even=*/false, /*unit=*/8, iq2Ends, x,
                    weights, block, choice))
    return false;
  for (int64_t i = 0; i < 32; ++i) {
    const Group &group = choice.groups[i / 2];
    uint16_t index = group.codes[i % 2];
    block[2 + i] = uint8_t(index);
    block[34 + i] = uint8_t(signsOf(group.lanes + i % 2 * 8));
    block[66 + i / 4] |= index >> 8 << (i % 4 * 2);
  }
  for (int64_t g = 0; g < 16; ++g)
    block[74 + g / 2] |= choice.scales[g] / 2 << (g % 2 * 4);
  return true;
}

static bool encodeIQ3_XXS(const float *x, const float *weights,
                          uint8_t *block) {
  static const PointGrid<4> grid(iq3XXSGrid, {4, 12, 20, 28, 36, 44, 52, 62});
  static const float ends[] = {36, 40, 44, 48, 52, 56, 60, 64, 68};
  Choice choice;
  if (!chooseSigned(grid, /*groups=*/8, /*even=*/true, /*unit=*/4, ends, x,
                    weights, block, choice))
    return false;
  for (int64_t g = 0; g < 8; ++g) {
    const Group &group = choice.groups[g];
    for (int64_t i = 0; i < 8; ++i)
      block[2 + g * 8 + i] = uint8_t(group.codes[i]);
    support::endian::write32le(block + 66 + g * 4,
                               signsAndScale(group, choice.scales[g]));
  }
  return true;
}

static bool encodeIQ3_S(const float *x, const float *weights, uint8_t *block) {
  static const PointGrid<4> grid(iq3SGrid, {1, 3, 5, 7, 9, 11, 13, 15});
  static const float ends[] = {9, 10, 11, 12, 13, 14, 15, 16, 17};
  Choice choice;
  if (!chooseSigned(grid, /*groups=*/8, /*even=*/false, /*unit=*/1, ends, x,
                    weights, block, choice))
    return false;
  for (int64_t g = 0; g < 8; ++g) {
    const Group &group = choice.groups[g];
    for (int64_t i = 0; i < 8; ++i) {
      block[2 + g * 8 + i] = uint8_t(group.codes[i]);
      block[66 + g] |= group.codes[i] >> 8 << i;
    }
    for (int64_t i = 0; i < 4; ++i)
      block[74 + g * 4 + i] = uint8_t(signsOf(group.lanes + i * 8));
    block[106 + g / 2] |= choice.scales[g] / 2 << (g % 2 * 4);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// IQ1: -1, 0 or 1, and an eighth more or less; lanes are eight times that
//===----------------------------------------------------------------------===//

/// Codes are the indexes, and this bit where the eighth is subtracted.
static constexpr uint16_t lessBit = 1 << 15;

static const PointGrid<8> &getIQ1Grid() {
  static const PointGrid<8> grid(iq1Grid, {-8, 0, 8});
  return grid;
}

/// Rounds `count` values, all moved in the same direction; the error.
static float roundMoved(int move, int64_t count, const float *x,
                        const float *weights, float scale, int8_t *lanes,
                        uint16_t *codes) {
  const PointGrid<8> &grid = getIQ1Grid();
  float inverse = scale == 0 ? 0 : 1 / scale, error = 0;
  if (!std::isfinite(inverse))
    inverse = 0;
  for (int64_t first = 0; first < count; first += 8) {
    float numbers[8];
    for (int k = 0; k < 8; ++k)
      numbers[k] = x[first + k] * inverse - float(move);
    auto [index, distance] = grid.find(numbers, weights + first);
    error += distance;
    codes[first / 8] = uint16_t(index | (move < 0 ? lessBit : 0));
    for (int k = 0; k < 8; ++k)
      lanes[first + k] = int8_t(grid.at(index, k) + move);
  }
  return error;
}

/// Each `together` values of a group move in the direction that is better.
static void roundIQ1(int64_t count, int64_t together, const float *x,
                     const float *weights, float scale, Group &group) {
  for (int64_t first = 0; first < count; first += together) {
    int8_t lanes[maxGroupValues];
    uint16_t codes[maxGroupValues / 8];
    float more = roundMoved(1, together, x + first, weights + first, scale,
                            group.lanes + first, group.codes + first / 8);
    if (roundMoved(-1, together, x + first, weights + first, scale, lanes,
                   codes) >= more)
      continue;
    std::copy_n(lanes, together, group.lanes + first);
    std::copy_n(codes, together / 8, group.codes + first / 8);
  }
}

static constexpr float iq1Ends[] = {7, 8, 9, 10.5, 12, 14, 17};

static bool encodeIQ1_S(const float *x, const float *weights, uint8_t *block) {
  auto round = [](const float *x, const float *weights, float scale,
                  Group &group) {
    roundIQ1(32, /*together=*/32, x, weights, scale, group);
  };
  LaneFormat format = {8, 32, 1, 15, 2, 8, iq1Ends, round};
  Choice choice;
  if (!chooseBlock(format, x, weights, choice))
    return false;
  putHalf(block, choice.factor * format.unit);
  for (int64_t g = 0; g < 8; ++g) {
    const Group &group = choice.groups[g];
    unsigned word = choice.scales[g] / 2 << 12 | (group.codes[0] & lessBit);
    for (int64_t i = 0; i < 4; ++i) {
      block[2 + g * 4 + i] = uint8_t(group.codes[i]);
      word |= (group.codes[i] >> 8 & 7) << (i * 3);
    }
    support::endian::write16le(block + 34 + g * 2, uint16_t(word));
  }
  return true;
}

static bool encodeIQ1_M(const float *x, const float *weights, uint8_t *block) {
  auto round = [](const float *x, const float *weights, float scale,
                  Group &group) {
    roundIQ1(16, /*together=*/8, x, weights, scale, group);
  };
  LaneFormat format = {16, 16, 1, 15, 2, 8, iq1Ends, round};
  Choice choice;
  if (!chooseBlock(format, x, weights, choice))
    return false;
  unsigned half = f32ToF16(choice.factor * format.unit);
  for (int64_t i = 0; i < 32; ++i) {
    uint16_t code = choice.groups[i / 2].codes[i % 2];
    block[i] = uint8_t(code);
    unsigned bits = (code >> 8 & 7) | (code & lessBit ? 8 : 0);
    block[32 + i / 2] |= bits << (i % 2 * 4);
  }
  for (int64_t word = 0; word < 4; ++word) {
    unsigned bits = (half >> (word * 4) & 15) << 12;
    for (int64_t g = 0; g < 4; ++g)
      bits |= choice.scales[word * 4 + g] / 2 << (g * 3);
    support::endian::write16le(block + 48 + word * 2, uint16_t(bits));
  }
  return true;
}

bool quantmlir::lanes::encodeGrid(BlockFormat format, const float *x,
                                  const float *weights, uint8_t *block) {
  switch (format) {
  case BlockFormat::IQ1_S:
    return encodeIQ1_S(x, weights, block);
  case BlockFormat::IQ1_M:
    return encodeIQ1_M(x, weights, block);
  case BlockFormat::IQ2_XXS:
    return encodeIQ2_XXS(x, weights, block);
  case BlockFormat::IQ2_XS:
    return encodeIQ2_XS(x, weights, block);
  case BlockFormat::IQ2_S:
    return encodeIQ2_S(x, weights, block);
  case BlockFormat::IQ3_XXS:
    return encodeIQ3_XXS(x, weights, block);
  case BlockFormat::IQ3_S:
    return encodeIQ3_S(x, weights, block);
  default:
    llvm_unreachable("a format without a search");
  }
}

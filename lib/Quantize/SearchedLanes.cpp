// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks whose numbers are the entries of a table (IQ4) or the points of a grid
// (IQ3) times a scale. The search is for the least squared error, as that of
// SearchedBlocks.cpp: first for a group by itself, from what the loudest value
// may become, then for the block, from the integers beside the groups' scales.

#include "SearchedBlocks.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "quant-mlir/Quantize/GridTables.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Endian.h"
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

using namespace llvm;
using namespace quantmlir;

namespace {

constexpr int64_t groupValues = 32, maxGroups = 8;

/// A group with everything chosen: values are about scale * lane.
struct Group {
  int8_t lanes[groupValues] = {};
  uint16_t codes[groupValues] = {}; ///< as the format's rounding left them
};

struct Choice {
  float factor = 0;
  int scales[maxGroups] = {};
  Group groups[maxGroups];
  float error = std::numeric_limits<float>::infinity();
};

struct LaneFormat {
  int64_t groups;
  /// The integers that scales are stored as, `step` apart.
  int lowestScale, highestScale, step;
  /// f16 d is this many times the factor of scales.
  float unit;
  /// What the loudest value of a group may become.
  ArrayRef<float> ends;
  /// Rounds 32 values to lanes.
  function_ref<void(const float *x, float scale, Group &group)> round;

  /// Of points with signs: their scales are odd and positive.
  bool isGrid() const { return step == 2; }
  /// The factor as it is stored.
  float stored(float factor) const {
    return f16ToF32(f32ToF16(factor * unit)) / unit;
  }
};

} // namespace

static float errorOf(const float *x, float scale, const Group &group) {
  float sum = 0;
  for (int64_t j = 0; j < groupValues; ++j) {
    float rest = x[j] - scale * float(group.lanes[j]);
    sum += rest * rest;
  }
  return sum;
}

/// The best scale of a group by itself; infinite if it has none.
static float fitGroup(const LaneFormat &format, const float *x) {
  float loudest = 0;
  for (int64_t j = 0; j < groupValues; ++j)
    if (std::fabs(x[j]) > std::fabs(loudest))
      loudest = x[j];
  if (format.isGrid())
    loudest = std::fabs(loudest);
  float best = 0, least = std::numeric_limits<float>::infinity();
  for (float end : format.ends) {
    float scale = loudest / end;
    for (int turn = 0; turn < 2; ++turn) {
      if (format.groups == 1)
        scale = format.stored(scale);
      if (!std::isfinite(scale))
        return scale;
      Group group;
      format.round(x, scale, group);
      float error = errorOf(x, scale, group);
      if (error < least) {
        least = error;
        best = scale;
      }
      float squares = 0, products = 0;
      for (int64_t j = 0; j < groupValues; ++j) {
        squares += float(group.lanes[j]) * float(group.lanes[j]);
        products += float(group.lanes[j]) * x[j];
      }
      scale = products / squares;
    }
  }
  return best;
}

/// Chooses the integers for the factor of `choice`, from those next to the
/// groups' own scales.
static void chooseIntegers(const LaneFormat &format, const float *x,
                           const float *fits, Choice &choice) {
  int last = (format.highestScale - format.lowestScale) / format.step;
  choice.error = 0;
  for (int64_t g = 0; g < format.groups; ++g) {
    float ratio = choice.factor == 0 ? 0 : fits[g] / choice.factor;
    float place = (ratio - float(format.lowestScale)) / float(format.step);
    int near = int(std::clamp(std::nearbyint(place), 0.0f, float(last)));
    float least = std::numeric_limits<float>::infinity();
    for (int i = std::max(near - 1, 0); i <= std::min(near + 1, last); ++i) {
      Group group;
      int integer = format.lowestScale + i * format.step;
      float scale = choice.factor * float(integer);
      format.round(x + g * groupValues, scale, group);
      float error = errorOf(x + g * groupValues, scale, group);
      if (error < least) {
        least = error;
        choice.scales[g] = integer;
        choice.groups[g] = group;
      }
    }
    choice.error += least;
  }
}

/// False if the factor is too large for f16.
static bool chooseBlock(const LaneFormat &format, const float *x,
                        Choice &best) {
  // Far beyond what f16 allows, and sums of squares are still finite.
  constexpr float tooLarge = 1e12f;
  float fits[maxGroups], loudest = 0;
  for (int64_t j = 0; j < format.groups * groupValues; ++j)
    if (std::fabs(x[j]) > tooLarge)
      return false;
  for (int64_t g = 0; g < format.groups; ++g) {
    fits[g] = fitGroup(format, x + g * groupValues);
    if (std::fabs(fits[g]) > std::fabs(loudest))
      loudest = fits[g];
  }
  // The loudest scale gets the end with the longer reach.
  int end = format.lowestScale < 0 ? format.lowestScale : format.highestScale;
  Choice choice;
  choice.factor = format.stored(loudest / float(end));
  if (!std::isfinite(choice.factor))
    return false;
  for (int turn = 0; turn < 3; ++turn) {
    chooseIntegers(format, x, fits, choice);
    if (choice.error >= best.error)
      break;
    best = choice;
    double squares = 0, products = 0;
    for (int64_t j = 0; j < format.groups * groupValues; ++j) {
      int64_t g = j / groupValues;
      double a =
          double(choice.scales[g]) * choice.groups[g].lanes[j % groupValues];
      squares += a * a;
      products += a * x[j];
    }
    if (squares > 0)
      choice.factor = format.stored(float(products / squares));
    if (!std::isfinite(choice.factor))
      break;
  }
  return true;
}

static void putHalf(uint8_t *target, float value) {
  support::endian::write16le(target, f32ToF16(value));
}

//===----------------------------------------------------------------------===//
// IQ4: a table
//===----------------------------------------------------------------------===//

static constexpr int iq4Numbers[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void roundIQ4(const float *x, float scale, Group &group) {
  for (int64_t j = 0; j < groupValues; ++j) {
    float number = scale == 0 ? 0 : x[j] / scale;
    int code = 0;
    while (code < 15 &&
           number * 2 > float(iq4Numbers[code] + iq4Numbers[code + 1]))
      ++code;
    group.codes[j] = uint16_t(code);
    group.lanes[j] = int8_t(iq4Numbers[code]);
  }
}

/// Numbers at either end of the table, or about that.
static ArrayRef<float> iq4Ends() {
  static const std::array<float, 30> ends = [] {
    std::array<float, 30> result;
    for (int i = 0; i < 30; ++i)
      result[i] = float(iq4Numbers[i % 2 * 15] + i / 2 - 7);
    return result;
  }();
  return ends;
}

static void putNibbles(uint8_t *target, const Group &group) {
  for (int64_t j = 0; j < 16; ++j)
    target[j] = uint8_t(group.codes[j] | group.codes[j + 16] << 4);
}

bool quantmlir::encodeIQ4_NL(const float *x, uint8_t *block) {
  LaneFormat format = {1, 1, 1, 1, 1, iq4Ends(), roundIQ4};
  Choice choice;
  if (!chooseBlock(format, x, choice))
    return false;
  putHalf(block, choice.factor);
  putNibbles(block + 2, choice.groups[0]);
  return true;
}

bool quantmlir::encodeIQ4_XS(const float *x, uint8_t *block) {
  LaneFormat format = {8, -32, 31, 1, 1, iq4Ends(), roundIQ4};
  Choice choice;
  if (!chooseBlock(format, x, choice))
    return false;
  putHalf(block, choice.factor);
  for (int64_t g = 0; g < 8; ++g) {
    int scale = choice.scales[g] + 32;
    block[2 + g / 4] |= scale >> 4 << (g % 4 * 2);
    block[4 + g / 2] |= (scale & 15) << (g % 2 * 4);
    putNibbles(block + 8 + g * 16, choice.groups[g]);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// IQ3: a grid of four magnitudes, and signs
//===----------------------------------------------------------------------===//

namespace {

/// The points of a grid that may be nearest to four magnitudes.
class Grid3 {
public:
  Grid3(ArrayRef<uint16_t> entries, std::array<int8_t, 8> levels)
      : levels(levels), points(entries.size()), nearest(1 << 12) {
    for (auto [point, entry] : llvm::zip_equal(points, entries))
      point = pointOf(entry);
    std::vector<uint16_t> order(points.size());
    std::vector<int> distances(points.size());
    for (size_t cell = 0; cell < nearest.size(); ++cell) {
      Point center = pointOf(uint16_t(cell));
      for (size_t i = 0; i < points.size(); ++i) {
        distances[i] = 0;
        for (int k = 0; k < 4; ++k) {
          int rest = points[i][k] - center[k];
          distances[i] += rest * rest;
        }
      }
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + candidates, order.end(),
                        [&](uint16_t a, uint16_t b) {
                          return std::pair(distances[a], a) <
                                 std::pair(distances[b], b);
                        });
      std::copy_n(order.begin(), candidates, nearest[cell].begin());
    }
  }

  /// The index of the nearest point, of those that are near the lattice point
  /// next to `x`; its numbers become the lanes.
  uint16_t round(const float *x, int8_t *lanes) const {
    // Levels are about evenly spaced.
    float first = levels[0], step = float(levels[1] - levels[0]);
    unsigned cell = 0;
    for (int k = 0; k < 4; ++k) {
      float level = std::nearbyint((x[k] - first) / step);
      cell |= unsigned(std::clamp(level, 0.0f, 7.0f)) << (3 * k);
    }
    uint16_t best = 0;
    float least = std::numeric_limits<float>::infinity();
    for (uint16_t i : nearest[cell]) {
      float distance = 0;
      for (int k = 0; k < 4; ++k) {
        float rest = x[k] - float(points[i][k]);
        distance += rest * rest;
      }
      if (distance < least) {
        least = distance;
        best = i;
      }
    }
    std::copy_n(points[best].begin(), 4, lanes);
    return best;
  }

private:
  /// More than these gain nothing that can be measured.
  static constexpr size_t candidates = 16;
  using Point = std::array<int8_t, 4>;

  Point pointOf(uint16_t entry) const {
    Point point;
    for (int k = 0; k < 4; ++k)
      point[k] = levels[entry >> (3 * k) & 7];
    return point;
  }

  std::array<int8_t, 8> levels;
  std::vector<Point> points;
  std::vector<std::array<uint16_t, candidates>> nearest;
};

} // namespace

/// Codes are the eight indexes; signs are those of the lanes. With `even` the
/// number of negative lanes of eight is: the smallest value gives way.
static void roundIQ3(const Grid3 &grid, bool even, const float *x, float scale,
                     Group &group) {
  float inverse = scale == 0 ? 0 : 1 / scale;
  if (!std::isfinite(inverse))
    inverse = 0;
  for (int64_t first = 0; first < groupValues; first += 8) {
    bool negative[8];
    int count = 0, smallest = 0;
    for (int k = 0; k < 8; ++k) {
      negative[k] = x[first + k] < 0;
      count += negative[k];
      if (std::fabs(x[first + k]) < std::fabs(x[first + smallest]))
        smallest = k;
    }
    if (even && count % 2)
      negative[smallest] = !negative[smallest];
    float magnitudes[8];
    for (int k = 0; k < 8; ++k)
      magnitudes[k] = x[first + k] * (negative[k] ? -inverse : inverse);
    for (int k = 0; k < 8; k += 4)
      group.codes[(first + k) / 4] =
          grid.round(magnitudes + k, group.lanes + first + k);
    for (int k = 0; k < 8; ++k)
      if (negative[k])
        group.lanes[first + k] = int8_t(-group.lanes[first + k]);
  }
}

/// Bit k is set if lane k of eight is negative.
static unsigned signsOf(const int8_t *lanes) {
  unsigned bits = 0;
  for (int k = 0; k < 8; ++k)
    bits |= unsigned(lanes[k] < 0) << k;
  return bits;
}

bool quantmlir::encodeIQ3_XXS(const float *x, uint8_t *block) {
  static const Grid3 grid(iq3XXSGrid, {4, 12, 20, 28, 36, 44, 52, 62});
  static const float ends[] = {36, 40, 44, 48, 52, 56, 60, 64, 68};
  auto round = [](const float *x, float scale, Group &group) {
    roundIQ3(grid, /*even=*/true, x, scale, group);
  };
  LaneFormat format = {8, 1, 31, 2, 4, ends, round};
  Choice choice;
  if (!chooseBlock(format, x, choice))
    return false;
  putHalf(block, choice.factor * format.unit);
  for (int64_t g = 0; g < 8; ++g) {
    const Group &group = choice.groups[g];
    uint32_t word = uint32_t(choice.scales[g] / 2) << 28;
    for (int64_t i = 0; i < 8; ++i)
      block[2 + g * 8 + i] = uint8_t(group.codes[i]);
    for (int64_t i = 0; i < 4; ++i)
      word |= (signsOf(group.lanes + i * 8) & 127) << (i * 7);
    support::endian::write32le(block + 66 + g * 4, word);
  }
  return true;
}

bool quantmlir::encodeIQ3_S(const float *x, uint8_t *block) {
  static const Grid3 grid(iq3SGrid, {1, 3, 5, 7, 9, 11, 13, 15});
  static const float ends[] = {9, 10, 11, 12, 13, 14, 15, 16, 17};
  auto round = [](const float *x, float scale, Group &group) {
    roundIQ3(grid, /*even=*/false, x, scale, group);
  };
  LaneFormat format = {8, 1, 31, 2, 1, ends, round};
  Choice choice;
  if (!chooseBlock(format, x, choice))
    return false;
  putHalf(block, choice.factor);
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

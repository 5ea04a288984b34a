// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SearchedLanes.h"
#include "SearchedBlocks.h"
#include <array>
#include <cmath>

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::lanes;

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

static float errorOf(const LaneFormat &format, const float *x,
                     const float *weights, float scale, const Group &group) {
  float sum = 0;
  for (int64_t j = 0; j < format.groupValues; ++j) {
    float rest = x[j] - scale * float(group.lanes[j]);
    sum += weights[j] * (rest * rest);
  }
  return sum;
}

/// The best scale of a group by itself; infinite if it has none.
static float fitGroup(const LaneFormat &format, const float *x,
                      const float *weights) {
  float loudest = 0;
  for (int64_t j = 0; j < format.groupValues; ++j)
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
      format.round(x, weights, scale, group);
      float error = errorOf(format, x, weights, scale, group);
      if (error < least) {
        least = error;
        best = scale;
      }
      float squares = 0, products = 0;
      for (int64_t j = 0; j < format.groupValues; ++j) {
        float weighted = weights[j] * float(group.lanes[j]);
        squares += weighted * float(group.lanes[j]);
        products += weighted * x[j];
      }
      if (squares == 0)
        break;
      scale = products / squares;
    }
  }
  return best;
}

/// Chooses the integers for the factor of `choice`, from those next to the
/// groups' own scales.
static void chooseIntegers(const LaneFormat &format, const float *x,
                           const float *weights, const float *fits,
                           Choice &choice) {
  int last = (format.highestScale - format.lowestScale) / format.step;
  choice.error = 0;
  for (int64_t g = 0; g < format.groups; ++g) {
    float ratio = choice.factor == 0 ? 0 : fits[g] / choice.factor;
    float place = (ratio - float(format.lowestScale)) / float(format.step);
    int near = int(std::clamp(std::nearbyint(place), 0.0f, float(last)));
    float least = std::numeric_limits<float>::infinity();
    int64_t first = g * format.groupValues;
    for (int i = std::max(near - 1, 0); i <= std::min(near + 1, last); ++i) {
      Group group;
      int integer = format.lowestScale + i * format.step;
      float scale = choice.factor * float(integer);
      format.round(x + first, weights + first, scale, group);
      float error = errorOf(format, x + first, weights + first, scale, group);
      if (error < least) {
        least = error;
        choice.scales[g] = integer;
        choice.groups[g] = group;
      }
    }
    choice.error += least;
  }
}

bool quantmlir::lanes::chooseBlock(const LaneFormat &format, const float *x,
                                   const float *weights, Choice &best) {
  float fits[maxGroups], loudest = 0;
  for (int64_t g = 0; g < format.groups; ++g) {
    int64_t first = g * format.groupValues;
    fits[g] = fitGroup(format, x + first, weights + first);
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
    chooseIntegers(format, x, weights, fits, choice);
    if (choice.error >= best.error)
      break;
    best = choice;
    double squares = 0, products = 0;
    for (int64_t j = 0; j < format.groups * format.groupValues; ++j) {
      int64_t g = j / format.groupValues;
      double a = double(choice.scales[g]) *
                 choice.groups[g].lanes[j % format.groupValues];
      squares += weights[j] * a * a;
      products += weights[j] * a * x[j];
    }
    if (squares > 0)
      choice.factor = format.stored(float(products / squares));
    if (!std::isfinite(choice.factor))
      break;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

static void putNibbles(uint8_t *target, const Group &group) {
  for (int64_t j = 0; j < 16; ++j)
    target[j] =
        uint8_t((group.codes[j] & 15) | (group.codes[j + 16] & 15) << 4);
}

/// q4_0 and q5_0: codes below 2 * half.
static bool encodeIntegers(int half, const float *x, const float *weights,
                           uint8_t *block) {
  // The loudest value gets -half, the end with the longer reach, or about that.
  std::array<float, 13> ends;
  for (int i = 0; i < 13; ++i)
    ends[i] = -float(half) * (1 + float(i - 4) / 32);
  auto round = [half](const float *x, const float *, float scale,
                      Group &group) {
    for (int64_t j = 0; j < 32; ++j) {
      float number = scale == 0 ? 0 : std::nearbyint(x[j] / scale);
      int lane = int(std::clamp(number, -float(half), float(half - 1)));
      group.lanes[j] = int8_t(lane);
      group.codes[j] = uint16_t(lane + half);
    }
  };
  LaneFormat format = {1, 32, 1, 1, 1, 1, ends, round};
  Choice choice;
  if (!chooseBlock(format, x, weights, choice))
    return false;
  putHalf(block, choice.factor);
  const Group &group = choice.groups[0];
  uint32_t tops = 0;
  for (int64_t j = 0; j < 32; ++j)
    tops |= uint32_t(group.codes[j] >> 4) << j;
  if (half == 16)
    support::endian::write32le(block + 2, tops);
  putNibbles(block + (half == 16 ? 6 : 2), group);
  return true;
}

//===----------------------------------------------------------------------===//
// IQ4: a table
//===----------------------------------------------------------------------===//

static constexpr int iq4Numbers[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void roundIQ4(const float *x, const float *, float scale, Group &group) {
  for (int64_t j = 0; j < 32; ++j) {
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

static bool encodeIQ4_NL(const float *x, const float *weights, uint8_t *block) {
  LaneFormat format = {1, 32, 1, 1, 1, 1, iq4Ends(), roundIQ4};
  Choice choice;
  if (!chooseBlock(format, x, weights, choice))
    return false;
  putHalf(block, choice.factor);
  putNibbles(block + 2, choice.groups[0]);
  return true;
}

static bool encodeIQ4_XS(const float *x, const float *weights, uint8_t *block) {
  LaneFormat format = {8, 32, -32, 31, 1, 1, iq4Ends(), roundIQ4};
  Choice choice;
  if (!chooseBlock(format, x, weights, choice))
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

bool quantmlir::encodeLanes(BlockFormat format, const float *x,
                            const float *weights, uint8_t *block) {
  switch (format) {
  case BlockFormat::Q4_0:
    return encodeIntegers(8, x, weights, block);
  case BlockFormat::Q5_0:
    return encodeIntegers(16, x, weights, block);
  case BlockFormat::IQ4_NL:
    return encodeIQ4_NL(x, weights, block);
  case BlockFormat::IQ4_XS:
    return encodeIQ4_XS(x, weights, block);
  default:
    return encodeGrid(format, x, weights, block);
  }
}

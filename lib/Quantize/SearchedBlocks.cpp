// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks that leave the choice of scales open. The search is for the least
// squared error, in which values may count differently: for a group by itself
// from several ranges, each improved by rounding and least squares in turn;
// then for the super-block, whose groups have integer scales, from the integers
// beside those of the groups.

#include "SearchedBlocks.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;

namespace {

constexpr int64_t superValues = 256, maxGroups = 16;

/// value = scale * (code - offset) - minimum.
struct SuperGrid {
  int64_t group;   ///< values that share a scale
  int highestCode; ///< the lowest is 0
  int offset;      ///< of formats without minimums; with them 0
  /// The integers that scales, and minimums, are stored as.
  int lowestScale, highestScale;

  bool hasMinimum() const { return offset == 0; }
};

struct Fit {
  float scale = 0, minimum = 0;
};

/// A super-block with everything chosen.
struct Choice {
  float factor = 0, minimumFactor = 0; ///< as f16 holds them
  int scales[maxGroups] = {}, minimums[maxGroups] = {};
  uint8_t codes[superValues] = {};
  float error = std::numeric_limits<float>::infinity();

  Fit fit(int64_t group) const {
    return {factor * float(scales[group]),
            minimumFactor * float(minimums[group])};
  }
};

/// Values to be rounded, and how much the error of each counts.
struct Values {
  const float *x, *weights;

  Values from(int64_t first) const { return {x + first, weights + first}; }
};

/// What least squares need to know of codes and values.
struct Sums {
  double weights = 0, codes = 0, squares = 0, values = 0, products = 0;
};

} // namespace

/// Rounds a group to codes; the squared error. In loops that vectors are made
/// of: of constant length, and without the order of a single sum.
static float roundGroup(const SuperGrid &grid, Values values, Fit fit,
                        uint8_t *codes) {
  auto [x, weights] = values;
  constexpr int64_t width = 16;
  // Added and subtracted, it rounds to the nearest integer, ties to even.
  constexpr float big = 3 << 22;
  float inverse = 1 / fit.scale;
  if (!std::isfinite(inverse))
    inverse = 0;
  float offset = float(grid.offset), highest = float(grid.highestCode);
  float sums[width] = {};
  for (int64_t j = 0; j < grid.group; j += width) {
    float rounded[width];
    for (int64_t i = 0; i < width; ++i) {
      float code = (x[j + i] + fit.minimum) * inverse + offset;
      code = code < highest ? code : highest;
      code = code > 0 ? code : 0;
      rounded[i] = (code + big) - big;
    }
    for (int64_t i = 0; i < width; ++i) {
      float value = fit.scale * (rounded[i] - offset) - fit.minimum;
      sums[i] += weights[j + i] * ((x[j + i] - value) * (x[j + i] - value));
    }
    for (int64_t i = 0; i < width; ++i)
      codes[j + i] = uint8_t(int(rounded[i]));
  }
  float sum = 0;
  for (float part : sums)
    sum += part;
  return sum;
}

/// The scale and minimum that are best for codes.
static Fit refit(const SuperGrid &grid, Values values, const uint8_t *codes) {
  Sums sums;
  for (int64_t j = 0; j < grid.group; ++j) {
    double code = codes[j] - grid.offset, weight = values.weights[j];
    double x = values.x[j];
    sums.weights += weight;
    sums.codes += weight * code;
    sums.squares += weight * code * code;
    sums.values += weight * x;
    sums.products += weight * code * x;
  }
  if (sums.squares == 0)
    return {};
  if (grid.hasMinimum()) {
    double n = sums.weights;
    double determinant = n * sums.squares - sums.codes * sums.codes;
    double minimum =
        (sums.codes * sums.products - sums.squares * sums.values) / determinant;
    if (determinant > 0 && minimum > 0)
      return {
          float((n * sums.products - sums.codes * sums.values) / determinant),
          float(minimum)};
  }
  return {float(sums.products / sums.squares), 0};
}

/// The best scale and minimum of a group by itself.
static Fit fitGroup(const SuperGrid &grid, Values values) {
  float low = 0, high = 0;
  for (int64_t j = 0; j < grid.group; ++j) {
    low = std::min(low, values.x[j]);
    high = std::max(high, values.x[j]);
  }
  if (low == high)
    return {};
  float loudest = -low > high ? low : high;
  Fit best = grid.hasMinimum() ? Fit{0, -low} : Fit();
  float least = std::numeric_limits<float>::infinity();
  uint8_t codes[superValues];
  for (float step = -1; step < 1.1f; step += 0.25f) {
    // Without minimums the loudest value gets code 0, the end with the longer
    // reach.
    Fit fit = grid.hasMinimum()
                  ? Fit{(high - low) / (float(grid.highestCode) + step), -low}
                  : Fit{-loudest / (float(grid.offset) + step), 0};
    for (int turn = 0; turn < 3; ++turn) {
      float error = roundGroup(grid, values, fit, codes);
      if (error < least) {
        least = error;
        best = fit;
      }
      fit = refit(grid, values, codes);
    }
  }
  return best;
}

/// Chooses the integers of each group for the factors of `choice`, from those
/// next to the group's own scale and minimum.
static void chooseIntegers(const SuperGrid &grid, Values block,
                           const Fit (&fits)[maxGroups], Choice &choice) {
  auto near = [&](float number, float factor) {
    float ratio = factor == 0 ? 0 : number / factor;
    return int(std::clamp(std::nearbyint(ratio), float(grid.lowestScale),
                          float(grid.highestScale)));
  };
  choice.error = 0;
  for (int64_t g = 0; g < superValues / grid.group; ++g) {
    Values values = block.from(g * grid.group);
    int scale = near(fits[g].scale, choice.factor);
    int minimum = near(fits[g].minimum, choice.minimumFactor);
    int reach = grid.hasMinimum() ? 1 : 0;
    float least = std::numeric_limits<float>::infinity();
    for (int s = std::max(scale - 1, grid.lowestScale);
         s <= std::min(scale + 1, grid.highestScale); ++s)
      for (int m = std::max(minimum - reach, 0);
           m <= std::min(minimum + reach, grid.highestScale); ++m) {
        uint8_t codes[superValues];
        Fit fit = {choice.factor * float(s), choice.minimumFactor * float(m)};
        float error = roundGroup(grid, values, fit, codes);
        if (error < least) {
          least = error;
          choice.scales[g] = s;
          choice.minimums[g] = m;
          std::copy_n(codes, grid.group, choice.codes + g * grid.group);
        }
      }
    choice.error += least;
  }
}

/// The factors that are best for all else.
static void refitFactors(const SuperGrid &grid, Values values, Choice &choice) {
  // x is about factor * a - minimumFactor * b.
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
  for (int64_t j = 0; j < superValues; ++j) {
    int64_t g = j / grid.group;
    double a = double(choice.scales[g]) * (choice.codes[j] - grid.offset);
    double b = choice.minimums[g];
    double weight = values.weights[j], x = values.x[j];
    aa += weight * a * a;
    ab += weight * a * b;
    bb += weight * b * b;
    ax += weight * a * x;
    bx += weight * b * x;
  }
  double determinant = aa * bb - ab * ab;
  float factor = choice.factor, minimumFactor = choice.minimumFactor;
  if (determinant > 1e-6 * aa * bb) {
    factor = float((ax * bb - bx * ab) / determinant);
    minimumFactor = float((ax * ab - bx * aa) / determinant);
  } else if (aa > 0) {
    factor = float((ax + choice.minimumFactor * ab) / aa);
  }
  choice.factor = f16ToF32(f32ToF16(factor));
  choice.minimumFactor = f16ToF32(f32ToF16(minimumFactor));
}

/// False if a factor is too large for f16.
static bool chooseSuperBlock(const SuperGrid &grid, Values values,
                             Choice &best) {
  Fit fits[maxGroups];
  float loudest = 0, minimum = 0;
  for (int64_t g = 0; g < superValues / grid.group; ++g) {
    fits[g] = fitGroup(grid, values.from(g * grid.group));
    if (std::fabs(fits[g].scale) > std::fabs(loudest))
      loudest = fits[g].scale;
    minimum = std::max(minimum, fits[g].minimum);
  }
  // Signed scales: the loudest one gets the end with the longer reach.
  int end = grid.lowestScale < 0 ? grid.lowestScale : grid.highestScale;
  Choice choice;
  choice.factor = f16ToF32(f32ToF16(loudest / float(end)));
  choice.minimumFactor = f16ToF32(f32ToF16(minimum / float(grid.highestScale)));
  if (!std::isfinite(choice.factor) || !std::isfinite(choice.minimumFactor))
    return false;
  for (int turn = 0; turn < 3; ++turn) {
    chooseIntegers(grid, values, fits, choice);
    if (choice.error >= best.error)
      break;
    best = choice;
    refitFactors(grid, values, choice);
    if (!std::isfinite(choice.factor) || !std::isfinite(choice.minimumFactor))
      break;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

static void putHalf(uint8_t *target, float value) {
  support::endian::write16le(target, f32ToF16(value));
}

/// The 12 bytes of 6-bit scales and minimums of q4_K and q5_K.
static void putSixBits(uint8_t *target, const Choice &choice) {
  for (int64_t g = 0; g < 4; ++g) {
    int scale = choice.scales[g + 4], minimum = choice.minimums[g + 4];
    target[g] = uint8_t(choice.scales[g] | scale >> 4 << 6);
    target[g + 4] = uint8_t(choice.minimums[g] | minimum >> 4 << 6);
    target[g + 8] = uint8_t((scale & 15) | (minimum & 15) << 4);
  }
}

static void putQ2_K(const Choice &choice, uint8_t *block) {
  for (int64_t g = 0; g < 16; ++g)
    block[g] = uint8_t(choice.scales[g] | choice.minimums[g] << 4);
  for (int64_t j = 0; j < superValues; ++j)
    block[16 + j / 128 * 32 + j % 32] |= choice.codes[j] << (j / 32 % 4 * 2);
  putHalf(block + 80, choice.factor);
  putHalf(block + 82, choice.minimumFactor);
}

static void putQ3_K(const Choice &choice, uint8_t *block) {
  for (int64_t j = 0; j < superValues; ++j) {
    int code = choice.codes[j];
    block[j % 32] |= code >> 2 << (j / 32);
    block[32 + j / 128 * 32 + j % 32] |= (code & 3) << (j / 32 % 4 * 2);
  }
  for (int64_t g = 0; g < 16; ++g) {
    int scale = choice.scales[g] + 32;
    block[96 + g % 8] |= (scale & 15) << (g / 8 * 4);
    block[104 + g % 4] |= scale >> 4 << (g / 4 * 2);
  }
  putHalf(block + 108, choice.factor);
}

static void putQ4_K(const Choice &choice, uint8_t *block) {
  putHalf(block, choice.factor);
  putHalf(block + 2, choice.minimumFactor);
  putSixBits(block + 4, choice);
  for (int64_t j = 0; j < superValues; ++j)
    block[16 + j / 64 * 32 + j % 32] |= choice.codes[j] << (j / 32 % 2 * 4);
}

static void putQ5_K(const Choice &choice, uint8_t *block) {
  putHalf(block, choice.factor);
  putHalf(block + 2, choice.minimumFactor);
  putSixBits(block + 4, choice);
  for (int64_t j = 0; j < superValues; ++j) {
    int code = choice.codes[j];
    block[16 + j % 32] |= code >> 4 << (j / 32);
    block[48 + j / 64 * 32 + j % 32] |= (code & 15) << (j / 32 % 2 * 4);
  }
}

static void putQ6_K(const Choice &choice, uint8_t *block) {
  for (int64_t j = 0; j < superValues; ++j) {
    int code = choice.codes[j];
    block[j / 128 * 64 + j / 32 % 2 * 32 + j % 32] |= (code & 15)
                                                      << (j / 64 % 2 * 4);
    block[128 + j / 128 * 32 + j % 32] |= code >> 4 << (j / 32 % 4 * 2);
  }
  for (int64_t g = 0; g < 16; ++g)
    block[192 + g] = uint8_t(choice.scales[g]);
  putHalf(block + 208, choice.factor);
}

static bool encodeSuper(const SuperGrid &grid, Values values, uint8_t *block,
                        void (*put)(const Choice &, uint8_t *)) {
  Choice choice;
  if (!chooseSuperBlock(grid, values, choice))
    return false;
  put(choice, block);
  return true;
}

/// q4_1 and q5_1: one group, whose scale and minimum are f16 themselves.
static bool encodePair(int highestCode, Values values, uint8_t *block) {
  SuperGrid grid = {32, highestCode, 0, 0, 0};
  Fit fit = fitGroup(grid, values);
  fit = {f16ToF32(f32ToF16(fit.scale)), f16ToF32(f32ToF16(fit.minimum))};
  if (!std::isfinite(fit.scale) || !std::isfinite(fit.minimum))
    return false;
  uint8_t codes[32];
  roundGroup(grid, values, fit, codes);
  putHalf(block, fit.scale);
  putHalf(block + 2, -fit.minimum);
  uint32_t tops = 0;
  uint8_t *nibbles = block + (highestCode == 15 ? 4 : 8);
  for (int64_t j = 0; j < 32; ++j) {
    nibbles[j % 16] |= (codes[j] & 15) << (j / 16 * 4);
    tops |= uint32_t(codes[j] >> 4) << j;
  }
  if (highestCode == 31)
    support::endian::write32le(block + 4, tops);
  return true;
}

bool quantmlir::encodeSearched(BlockFormat format, const float *x,
                               const float *weights, uint8_t *block) {
  // Far beyond what f16 allows, and sums of squares are still finite.
  constexpr float tooLarge = 1e12f;
  for (int64_t j = 0; j < factsOf(format).values; ++j)
    if (std::fabs(x[j]) > tooLarge)
      return false;
  Values values = {x, weights};
  switch (format) {
  case BlockFormat::Q4_1:
    return encodePair(15, values, block);
  case BlockFormat::Q5_1:
    return encodePair(31, values, block);
  case BlockFormat::Q2_K:
    return encodeSuper({16, 3, 0, 0, 15}, values, block, putQ2_K);
  case BlockFormat::Q3_K:
    return encodeSuper({16, 7, 4, -32, 31}, values, block, putQ3_K);
  case BlockFormat::Q4_K:
    return encodeSuper({32, 15, 0, 0, 63}, values, block, putQ4_K);
  case BlockFormat::Q5_K:
    return encodeSuper({32, 31, 0, 0, 63}, values, block, putQ5_K);
  case BlockFormat::Q6_K:
    return encodeSuper({16, 63, 32, -128, 127}, values, block, putQ6_K);
  default:
    return encodeLanes(format, x, weights, block);
  }
}

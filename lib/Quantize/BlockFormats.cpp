// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The encoders divide by the scale before it is rounded to f16, although the
// decoder multiplies by the rounded one: ggml does, and files must be equal.

#include "quant-mlir/Quantize/BlockFormats.h"
#include "SearchedBlocks.h"
#include "quant-mlir/Quantize/Codebook.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "quant-mlir/Quantize/SmallFloat.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantmlir;

/// Values of a block whose scale is not searched.
static constexpr int64_t blockLength = 32;

/// Writes an f16, and tells whether it is finite.
static bool putHalf(uint8_t *target, float value) {
  uint16_t half = f32ToF16(value);
  support::endian::write16le(target, half);
  return (half & 0x7C00) != 0x7C00;
}

/// 1 / scale, and 0 where that is not a number: then the scale is 0 as an f16
/// too, and any code means 0.
static float inverse(float scale) {
  float result = 1.0f / scale;
  return std::isfinite(result) ? result : 0.0f;
}

/// The largest magnitude.
static float loudestOf(const float *x, int64_t count) {
  float magnitude = 0;
  for (int64_t j = 0; j < count; ++j)
    magnitude = std::max(magnitude, std::fabs(x[j]));
  return magnitude;
}

static void putNibbles(uint8_t *target, const uint8_t *codes) {
  for (int64_t j = 0; j < 16; ++j)
    target[j] = (codes[j] & 15) | codes[j + 16] << 4;
}

/// The fifth bits, that of value j being bit j.
static void putTopBits(uint8_t *target, const uint8_t *codes) {
  uint32_t bits = 0;
  for (int64_t j = 0; j < blockLength; ++j)
    bits |= uint32_t(codes[j] >> 4) << j;
  support::endian::write32le(target, bits);
}

//===----------------------------------------------------------------------===//
// Blocks of 32 values, which are finite. False if a scale is too large for f16.
//===----------------------------------------------------------------------===//

/// Codes below 2 * half; the scale.
static float roundSymmetric(const float *x, int half, uint8_t *codes) {
  float loudest = 0, magnitude = 0;
  for (int64_t j = 0; j < blockLength; ++j)
    if (std::fabs(x[j]) > magnitude) {
      magnitude = std::fabs(x[j]);
      loudest = x[j];
    }
  // The loudest value gets code 0, that is -half: the end with the longer
  // reach.
  float scale = loudest / float(-half), id = inverse(scale);
  for (int64_t j = 0; j < blockLength; ++j)
    codes[j] = std::min(2 * half - 1, int(x[j] * id + (float(half) + 0.5f)));
  return scale;
}

/// Codes up to `highest`; the scale, and the minimum, the second result.
static std::pair<float, float> roundWithMinimum(const float *x, int highest,
                                                uint8_t *codes) {
  float low = *std::min_element(x, x + blockLength);
  float high = *std::max_element(x, x + blockLength);
  float scale = (high - low) / float(highest), id = inverse(scale);
  for (int64_t j = 0; j < blockLength; ++j)
    codes[j] = std::min(highest, int((x[j] - low) * id + 0.5f));
  return {scale, low};
}

static bool encodeQ4_0(const float *x, uint8_t *block) {
  uint8_t codes[blockLength];
  float scale = roundSymmetric(x, 8, codes);
  putNibbles(block + 2, codes);
  return putHalf(block, scale);
}

static bool encodeQ5_0(const float *x, uint8_t *block) {
  uint8_t codes[blockLength];
  float scale = roundSymmetric(x, 16, codes);
  putTopBits(block + 2, codes);
  putNibbles(block + 6, codes);
  return putHalf(block, scale);
}

static bool encodeQ4_1(const float *x, uint8_t *block) {
  uint8_t codes[blockLength];
  auto [scale, minimum] = roundWithMinimum(x, 15, codes);
  putNibbles(block + 4, codes);
  return putHalf(block, scale) && putHalf(block + 2, minimum);
}

static bool encodeQ5_1(const float *x, uint8_t *block) {
  uint8_t codes[blockLength];
  auto [scale, minimum] = roundWithMinimum(x, 31, codes);
  putTopBits(block + 4, codes);
  putNibbles(block + 8, codes);
  return putHalf(block, scale) && putHalf(block + 2, minimum);
}

static bool encodeQ8_0(const float *x, uint8_t *block) {
  float scale = loudestOf(x, blockLength) / 127, id = inverse(scale);
  for (int64_t j = 0; j < blockLength; ++j)
    block[2 + j] = uint8_t(int(std::round(x[j] * id)));
  return putHalf(block, scale);
}

//===----------------------------------------------------------------------===//
// Signs and ternary numbers
//===----------------------------------------------------------------------===//

static bool encodeQ1_0(const float *x, uint8_t *block) {
  constexpr int64_t values = 128;
  float sum = 0;
  for (int64_t j = 0; j < values; ++j) {
    sum += std::fabs(x[j]);
    block[2 + j / 8] |= (x[j] >= 0) << (j % 8);
  }
  return putHalf(block, sum / float(values));
}

/// 256 codes 0 to 2; the scale.
static float roundTernary(const float *x, uint8_t *codes) {
  float scale = loudestOf(x, 256), id = inverse(scale);
  for (int64_t j = 0; j < 256; ++j)
    codes[j] = uint8_t(int(std::round(x[j] * id)) + 1);
  return scale;
}

static bool encodeTQ1_0(const float *x, uint8_t *block) {
  uint8_t codes[256];
  float scale = roundTernary(x, codes);
  // `count` digits of base 3, `width` values apart, of which the first is worth
  // a third of 256; rounded up, so that they can be read by multiplying.
  auto put = [&](int64_t first, int64_t width, int count, uint8_t *target) {
    for (int64_t m = 0; m < width; ++m) {
      int number = 0;
      for (int n = 0; n < 5; ++n)
        number = number * 3 + (n < count ? codes[first + n * width + m] : 0);
      target[m] = uint8_t((number * 256 + 242) / 243);
    }
  };
  put(0, 32, 5, block);
  put(160, 16, 5, block + 32);
  put(240, 4, 4, block + 48);
  return putHalf(block + 52, scale);
}

static bool encodeTQ2_0(const float *x, uint8_t *block) {
  uint8_t codes[256];
  float scale = roundTernary(x, codes);
  for (int64_t j = 0; j < 256; ++j)
    block[j / 128 * 32 + j % 32] |= codes[j] << (j / 32 % 4 * 2);
  return putHalf(block + 64, scale);
}

//===----------------------------------------------------------------------===//
// Floats of 4 bits
//===----------------------------------------------------------------------===//

/// The code whose number, twice an f4E2M1FN, times `scale` is nearest; the
/// lowest of several.
static uint8_t nearestE2M1(float x, float scale) {
  int best = 0;
  float least = std::numeric_limits<float>::infinity();
  for (int code = 0; code < 16; ++code) {
    float distance = std::fabs(float(e2m1Lanes[code] - 12) * scale - x);
    if (distance < least) {
      least = distance;
      best = code;
    }
  }
  return uint8_t(best);
}

static bool encodeMXFP4(const float *x, uint8_t *block) {
  float loudest = loudestOf(x, blockLength);
  if (loudest > 0)
    block[0] = uint8_t(std::max(std::floor(std::log2(loudest)) + 125.0f, 0.0f));
  float scale = std::ldexp(1.0f, block[0] - 128);
  uint8_t codes[blockLength];
  for (int64_t j = 0; j < blockLength; ++j)
    codes[j] = nearestE2M1(x[j], scale);
  putNibbles(block + 1, codes);
  return true;
}

/// A number that is not negative as ggml makes an f8E4M3FN of it: halves go up,
/// and what has the largest exponent, from 256 on, becomes 448.
static uint8_t unsignedE4M3(float x) {
  if (x < 0x1p-6f)
    return uint8_t(std::min(int(x * 512 + 0.5f), 7));
  // The other bias of the exponent, and three bits of mantissa.
  int64_t bits = (int64_t(llvm::bit_cast<uint32_t>(x)) + (1 << 19)) >> 20;
  bits -= 120 << 3;
  return bits < 15 << 3 ? uint8_t(bits) : 0x7E;
}

static bool encodeNVFP4(const float *x, uint8_t *block) {
  constexpr int64_t group = 16;
  for (int64_t g = 0; g < 4; ++g, x += group) {
    block[g] = unsignedE4M3(loudestOf(x, group) / 6);
    float scale = 0.5f * smallFloatToF32(SmallFloat::E4M3FN, block[g]);
    for (int64_t j = 0; j < group; ++j)
      block[4 + g * 8 + j % 8] |= nearestE2M1(x[j], scale) << (j / 8 * 4);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Many blocks
//===----------------------------------------------------------------------===//

/// Values per parallel task: enough work to pay for handing it out.
static constexpr int64_t taskValues = 32768;

/// ggml has a rule for their scales, and a search if columns count differently.
static bool isSearchedIfWeighed(BlockFormat format) {
  return format == BlockFormat::Q4_0 || format == BlockFormat::Q4_1 ||
         format == BlockFormat::Q5_0 || format == BlockFormat::Q5_1;
}

/// `weights` may be null.
static bool encodeBlock(BlockFormat format, const float *x,
                        const float *weights, uint8_t *block) {
  for (int64_t j = 0; j < factsOf(format).values; ++j)
    if (!std::isfinite(x[j]))
      return false;
  std::fill_n(block, factsOf(format).bytes, 0);
  if (weights && isSearchedIfWeighed(format))
    return encodeSearched(format, x, weights, block);
  // How much values count without an importance matrix. In q3_K large ones
  // count more: with all alike, or with ggml's squares, which err more, the mix
  // Q2_K has a higher perplexity.
  std::array<float, 256> ownWeights;
  if (!weights) {
    weights = ownWeights.data();
    for (int64_t j = 0; j < factsOf(format).values; ++j)
      ownWeights[j] = format == BlockFormat::Q3_K ? std::fabs(x[j]) : 1.0f;
  }
  switch (format) {
  case BlockFormat::Q4_0:
    return encodeQ4_0(x, block);
  case BlockFormat::Q4_1:
    return encodeQ4_1(x, block);
  case BlockFormat::Q5_0:
    return encodeQ5_0(x, block);
  case BlockFormat::Q5_1:
    return encodeQ5_1(x, block);
  case BlockFormat::Q8_0:
    return encodeQ8_0(x, block);
  case BlockFormat::Q1_0:
    return encodeQ1_0(x, block);
  case BlockFormat::TQ1_0:
    return encodeTQ1_0(x, block);
  case BlockFormat::TQ2_0:
    return encodeTQ2_0(x, block);
  case BlockFormat::MXFP4:
    return encodeMXFP4(x, block);
  case BlockFormat::NVFP4:
    return encodeNVFP4(x, block);
  default:
    return encodeSearched(format, x, weights, block);
  }
}

/// So few bits that all counting the same makes no useful model.
static bool needsImportance(BlockFormat format) {
  switch (format) {
  case BlockFormat::IQ1_S:
  case BlockFormat::IQ1_M:
  case BlockFormat::IQ2_XXS:
  case BlockFormat::IQ2_XS:
  case BlockFormat::IQ2_S:
    return true;
  default:
    return false;
  }
}

/// Why values cannot be encoded, but for their numbers.
static Error checkBlocks(BlockFormat format, int64_t size,
                         ArrayRef<float> importance) {
  auto [name, length, stride] = factsOf(format);
  if (format == BlockFormat::Q2_0)
    return createStringError(std::errc::not_supported,
                             "%s has no rule for its scale: it is read from "
                             "files, but not made here",
                             name);
  if (importance.empty() && needsImportance(format))
    return createStringError(std::errc::invalid_argument,
                             "%s needs an importance matrix", name);
  if (size % length != 0)
    return createStringError(std::errc::invalid_argument,
                             "%s needs whole blocks of %lld values, got %lld",
                             name, (long long)length, (long long)size);
  int64_t columns = importance.size();
  if (columns && (size % columns != 0 || columns % length != 0))
    return createStringError(std::errc::invalid_argument,
                             "an importance of %lld columns is not that of "
                             "rows of %s",
                             (long long)columns, name);
  for (float number : importance)
    if (!std::isfinite(number) || number < 0)
      return createStringError(std::errc::invalid_argument,
                               "the importance of a column is %g", number);
  return Error::success();
}

/// How much the error of each column counts, on average 1; empty if all count
/// the same. A column without importance counts a little: nothing says that no
/// other text will need it, and least squares need something to go by.
static std::vector<float> weightsOf(ArrayRef<float> importance) {
  double sum = 0;
  for (float number : importance)
    sum += number;
  if (sum <= 0)
    return {};
  double mean = sum / double(importance.size());
  std::vector<float> weights;
  for (float number : importance)
    weights.push_back(float(number / mean) + 1e-8f);
  return weights;
}

Error quantmlir::encodeBlocks(BlockFormat format, ArrayRef<float> values,
                              std::vector<uint8_t> &bytes,
                              ArrayRef<float> importance) {
  auto [name, length, stride] = factsOf(format);
  int64_t size = values.size(), taskBlocks = taskValues / length;
  if (Error error = checkBlocks(format, size, importance))
    return error;
  std::vector<float> weights = weightsOf(importance);
  int64_t blocks = size / length;
  bytes.resize(blocks * stride);
  std::atomic<int64_t> firstBad(blocks);
  parallelFor(0, divideCeil(blocks, taskBlocks), [&](size_t task) {
    int64_t end = std::min<int64_t>(blocks, (task + 1) * taskBlocks);
    for (int64_t i = task * taskBlocks; i < end; ++i) {
      const float *column = weights.empty()
                                ? nullptr
                                : weights.data() + i * length % weights.size();
      if (encodeBlock(format, values.data() + i * length, column,
                      bytes.data() + i * stride))
        continue;
      int64_t seen = firstBad.load();
      while (i < seen && !firstBad.compare_exchange_weak(seen, i))
        ;
      return;
    }
  });
  int64_t bad = firstBad;
  if (bad == blocks)
    return Error::success();
  for (int64_t i = bad * length; i < (bad + 1) * length; ++i)
    if (!std::isfinite(values[i]))
      return createStringError(
          std::errc::invalid_argument,
          "value %lld is %s, %s holds finite values only", (long long)i,
          std::isnan(values[i]) ? "NaN" : "infinite", name);
  return createStringError(std::errc::invalid_argument,
                           "the values of block %lld are too large for %s, "
                           "whose scales are f16",
                           (long long)bad, name);
}

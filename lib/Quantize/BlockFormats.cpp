// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The encoders divide by the scale before it is rounded to f16, although the
// decoder multiplies by the rounded one: ggml does, and files must be equal.

#include "quant-mlir/Quantize/BlockFormats.h"
#include "SearchedBlocks.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

/// Values of a block whose scale is not searched.
static constexpr int64_t blockLength = 32;

namespace {
struct Facts {
  const char *name;
  int64_t values, bytes;
};
} // namespace

static const Facts &factsOf(BlockFormat format) {
  // In the order of the enumeration.
  static const Facts facts[] = {
      {"q4_0", 32, 18},   {"q4_1", 32, 20},   {"q5_0", 32, 22},
      {"q5_1", 32, 24},   {"q8_0", 32, 34},   {"iq4_nl", 32, 18},
      {"q2_K", 256, 84},  {"q3_K", 256, 110}, {"q4_K", 256, 144},
      {"q5_K", 256, 176}, {"q6_K", 256, 210}};
  return facts[size_t(format)];
}

int64_t quantmlir::blockValues(BlockFormat format) {
  return factsOf(format).values;
}
int64_t quantmlir::blockBytes(BlockFormat format) {
  return factsOf(format).bytes;
}
StringRef quantmlir::blockFormatName(BlockFormat format) {
  return factsOf(format).name;
}

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
// One block. `x` is 32 finite values. False if a scale is too large for f16.
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
  float magnitude = 0;
  for (int64_t j = 0; j < blockLength; ++j)
    magnitude = std::max(magnitude, std::fabs(x[j]));
  float scale = magnitude / 127, id = inverse(scale);
  for (int64_t j = 0; j < blockLength; ++j)
    block[2 + j] = uint8_t(int(std::round(x[j] * id)));
  return putHalf(block, scale);
}

//===----------------------------------------------------------------------===//
// Many blocks
//===----------------------------------------------------------------------===//

/// Values per parallel task: enough work to pay for handing it out.
static constexpr int64_t taskValues = 32768;

static bool encodeBlock(BlockFormat format, const float *x, uint8_t *block) {
  for (int64_t j = 0; j < blockValues(format); ++j)
    if (!std::isfinite(x[j]))
      return false;
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
  default:
    return encodeSearched(format, x, block);
  }
}

Error quantmlir::encodeBlocks(BlockFormat format, ArrayRef<float> values,
                              std::vector<uint8_t> &bytes) {
  int64_t size = values.size(), stride = blockBytes(format);
  int64_t length = blockValues(format), taskBlocks = taskValues / length;
  const char *name = blockFormatName(format).data();
  if (size % length != 0)
    return createStringError(std::errc::invalid_argument,
                             "%s needs whole blocks of %lld values, got %lld",
                             name, (long long)length, (long long)size);
  int64_t blocks = size / length;
  bytes.resize(blocks * stride);
  std::atomic<int64_t> firstBad(blocks);
  parallelFor(0, divideCeil(blocks, taskBlocks), [&](size_t task) {
    int64_t end = std::min<int64_t>(blocks, (task + 1) * taskBlocks);
    for (int64_t i = task * taskBlocks; i < end; ++i) {
      if (encodeBlock(format, values.data() + i * length,
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

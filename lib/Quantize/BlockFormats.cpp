// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The encoders divide by the scale before it is rounded to f16, although the
// decoder multiplies by the rounded one: ggml does, and files must be equal.

#include "quant-mlir/Quantize/BlockFormats.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

int64_t quantmlir::blockBytes(BlockFormat format) {
  switch (format) {
  case BlockFormat::Q4_0:
    return 18;
  case BlockFormat::Q4_1:
    return 20;
  case BlockFormat::Q8_0:
    return 34;
  }
  llvm_unreachable("unknown block format");
}

StringRef quantmlir::blockFormatName(BlockFormat format) {
  switch (format) {
  case BlockFormat::Q4_0:
    return "q4_0";
  case BlockFormat::Q4_1:
    return "q4_1";
  case BlockFormat::Q8_0:
    return "q8_0";
  }
  llvm_unreachable("unknown block format");
}

/// Writes an f16, and tells whether it is finite.
static bool putHalf(uint8_t *target, float value) {
  uint16_t half = f32ToF16(value);
  support::endian::write16le(target, half);
  return (half & 0x7C00) != 0x7C00;
}

static float getHalf(const uint8_t *source) {
  return f16ToF32(support::endian::read16le(source));
}

/// 1 / scale, and 0 where that is not a number: then the scale is 0 as an f16
/// too, and any code means 0.
static float inverse(float scale) {
  float result = 1.0f / scale;
  return std::isfinite(result) ? result : 0.0f;
}

static void putNibbles(uint8_t *target, const uint8_t *codes) {
  for (int64_t j = 0; j < 16; ++j)
    target[j] = codes[j] | codes[j + 16] << 4;
}

//===----------------------------------------------------------------------===//
// One block. `x` is 32 finite values. False if a scale is too large for f16.
//===----------------------------------------------------------------------===//

static bool encodeQ4_0(const float *x, uint8_t *block) {
  float loudest = 0, magnitude = 0;
  for (int64_t j = 0; j < blockLength; ++j)
    if (std::fabs(x[j]) > magnitude) {
      magnitude = std::fabs(x[j]);
      loudest = x[j];
    }
  // The loudest value gets code 0, that is -8: the end with the longer reach.
  float scale = loudest / -8, id = inverse(scale);
  uint8_t codes[blockLength];
  for (int64_t j = 0; j < blockLength; ++j)
    codes[j] = std::min(15, int(x[j] * id + 8.5f));
  putNibbles(block + 2, codes);
  return putHalf(block, scale);
}

static bool encodeQ4_1(const float *x, uint8_t *block) {
  float low = x[0], high = x[0];
  for (int64_t j = 1; j < blockLength; ++j) {
    low = std::min(low, x[j]);
    high = std::max(high, x[j]);
  }
  float scale = (high - low) / 15, id = inverse(scale);
  if (!putHalf(block, scale) || !putHalf(block + 2, low))
    return false;
  uint8_t codes[blockLength];
  for (int64_t j = 0; j < blockLength; ++j)
    codes[j] = std::min(15, int((x[j] - low) * id + 0.5f));
  putNibbles(block + 4, codes);
  return true;
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

static void decodeBlock(BlockFormat format, const uint8_t *block, float *x) {
  float scale = getHalf(block);
  switch (format) {
  case BlockFormat::Q4_0:
    for (int64_t j = 0; j < 16; ++j) {
      x[j] = scale * float((block[2 + j] & 15) - 8);
      x[j + 16] = scale * float((block[2 + j] >> 4) - 8);
    }
    return;
  case BlockFormat::Q4_1: {
    float minimum = getHalf(block + 2);
    for (int64_t j = 0; j < 16; ++j) {
      x[j] = scale * float(block[4 + j] & 15) + minimum;
      x[j + 16] = scale * float(block[4 + j] >> 4) + minimum;
    }
    return;
  }
  case BlockFormat::Q8_0:
    for (int64_t j = 0; j < blockLength; ++j)
      x[j] = scale * float(int8_t(block[2 + j]));
    return;
  }
}

//===----------------------------------------------------------------------===//
// Many blocks
//===----------------------------------------------------------------------===//

/// Blocks per parallel task: enough work to pay for handing it out.
static constexpr int64_t taskBlocks = 1024;

static bool encodeBlock(BlockFormat format, const float *x, uint8_t *block) {
  for (int64_t j = 0; j < blockLength; ++j)
    if (!std::isfinite(x[j]))
      return false;
  switch (format) {
  case BlockFormat::Q4_0:
    return encodeQ4_0(x, block);
  case BlockFormat::Q4_1:
    return encodeQ4_1(x, block);
  case BlockFormat::Q8_0:
    return encodeQ8_0(x, block);
  }
  llvm_unreachable("unknown block format");
}

Error quantmlir::encodeBlocks(BlockFormat format, ArrayRef<float> values,
                              std::vector<uint8_t> &bytes) {
  int64_t size = values.size(), stride = blockBytes(format);
  const char *name = blockFormatName(format).data();
  if (size % blockLength != 0)
    return createStringError(std::errc::invalid_argument,
                             "%s needs whole blocks of 32 values, got %lld",
                             name, (long long)size);
  int64_t blocks = size / blockLength;
  bytes.resize(blocks * stride);
  std::atomic<int64_t> firstBad(blocks);
  parallelFor(0, divideCeil(blocks, taskBlocks), [&](size_t task) {
    int64_t end = std::min<int64_t>(blocks, (task + 1) * taskBlocks);
    for (int64_t i = task * taskBlocks; i < end; ++i) {
      if (encodeBlock(format, values.data() + i * blockLength,
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
  for (int64_t i = bad * blockLength; i < (bad + 1) * blockLength; ++i)
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

Error quantmlir::decodeBlocks(BlockFormat format, ArrayRef<uint8_t> bytes,
                              MutableArrayRef<float> values) {
  int64_t stride = blockBytes(format), blocks = values.size() / blockLength;
  if (values.size() % blockLength != 0 ||
      int64_t(bytes.size()) != blocks * stride)
    return createStringError(
        std::errc::invalid_argument, "%zu values of %s are not %zu bytes",
        values.size(), blockFormatName(format).data(), bytes.size());
  parallelFor(0, divideCeil(blocks, taskBlocks), [&](size_t task) {
    int64_t end = std::min<int64_t>(blocks, (task + 1) * taskBlocks);
    for (int64_t i = task * taskBlocks; i < end; ++i)
      decodeBlock(format, bytes.data() + i * stride,
                  values.data() + i * blockLength);
  });
  return Error::success();
}

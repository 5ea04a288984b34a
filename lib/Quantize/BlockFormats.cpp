// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codes are computed with the inverse of the scale before it is rounded to f16,
// and some roundings are "add a half and cut": both are ggml's, and its files
// are only reproduced byte for byte by doing the same.

#include "quant-mlir/Quantize/BlockFormats.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <cmath>

using namespace quantmlir;

static constexpr int64_t blockValues = 32;

static void storeHalf(uint8_t *target, float value) {
  uint16_t half = f32ToF16(value);
  std::memcpy(target, &half, 2);
}

static float inverse(float scale) { return scale != 0 ? 1.0f / scale : 0.0f; }

/// Element j < 16 goes to the low half of byte j, element j + 16 to the high.
template <typename Code> static void packNibbles(uint8_t *target, Code code) {
  for (int64_t j = 0; j < blockValues / 2; ++j)
    target[j] = uint8_t(code(j) | code(j + blockValues / 2) << 4);
}

static void encodeQ4_0(const float *x, uint8_t *block) {
  // The value of largest magnitude, with its sign, becomes code 0.
  float extreme = *std::max_element(x, x + blockValues, [](float a, float b) {
    return std::abs(a) < std::abs(b);
  });
  float scale = extreme / -8.0f, factor = inverse(scale);
  storeHalf(block, scale);
  packNibbles(block + 2, [&](int64_t j) {
    return std::min(15, int(x[j] * factor + 8.5f));
  });
}

static void encodeQ4_1(const float *x, uint8_t *block) {
  auto [low, high] = std::minmax_element(x, x + blockValues);
  float minimum = *low, scale = (*high - minimum) / 15.0f;
  float factor = inverse(scale);
  storeHalf(block, scale);
  storeHalf(block + 2, minimum);
  packNibbles(block + 4, [&](int64_t j) {
    return std::min(15, int((x[j] - minimum) * factor + 0.5f));
  });
}

static void encodeQ8_0(const float *x, uint8_t *block) {
  float largest = 0;
  for (int64_t j = 0; j < blockValues; ++j)
    largest = std::max(largest, std::abs(x[j]));
  float scale = largest / 127.0f, factor = inverse(scale);
  storeHalf(block, scale);
  for (int64_t j = 0; j < blockValues; ++j)
    block[2 + j] = uint8_t(int(std::round(x[j] * factor)));
}

llvm::Error quantmlir::encodeBlocks(BlockFormat format,
                                    llvm::ArrayRef<float> values,
                                    std::vector<uint8_t> &bytes) {
  assert(values.size() % blockValues == 0 && "rows are whole blocks");
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return llvm::createStringError(
          llvm::errc::invalid_argument,
          llvm::formatv("value {0} is not a finite number", i));
  auto encode = format == BlockFormat::Q4_0   ? encodeQ4_0
                : format == BlockFormat::Q4_1 ? encodeQ4_1
                                              : encodeQ8_0;
  int64_t blockBytes = format == BlockFormat::Q4_0   ? 18
                       : format == BlockFormat::Q4_1 ? 20
                                                     : 34;
  int64_t blocks = values.size() / blockValues;
  bytes.resize(blocks * blockBytes);
  for (int64_t i = 0; i < blocks; ++i)
    encode(values.data() + i * blockValues, bytes.data() + i * blockBytes);
  return llvm::Error::success();
}

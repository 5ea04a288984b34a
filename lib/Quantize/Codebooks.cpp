// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Codebooks.h"
#include "quant-mlir/Quantize/Grid.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

ArrayRef<float> quantmlir::getNF4Table() {
  static const float table[] = {
      -1.0f,
      -0.6961928009986877f,
      -0.5250730514526367f,
      -0.39491748809814453f,
      -0.28444138169288635f,
      -0.18477343022823334f,
      -0.09105003625154495f,
      0.0f,
      0.07958029955625534f,
      0.16093020141124725f,
      0.24611230194568634f,
      0.33791524171829224f,
      0.44070982933044434f,
      0.5626170039176941f,
      0.7229568362236023f,
      1.0f,
  };
  return table;
}

ArrayRef<float> quantmlir::getNF4Bounds() {
  static const float bounds[] = {
      -0.8480964004993439f,  -0.6106329262256622f,  -0.4599952697753906f,
      -0.33967943489551544f, -0.23460740596055984f, -0.13791173323988914f,
      -0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f,
      0.2035212516784668f,   0.2920137718319893f,   0.3893125355243683f,
      0.5016634166240692f,   0.6427869200706482f,   0.8614784181118011f,
  };
  return bounds;
}

ArrayRef<float> quantmlir::getFP4Table() {
  // 0, 1/16, 8, 12, 4, 6, 2, 3 twelfths.
  static const float table[] = {
      0.0f,  0.0052083333f,  0.6666667f,  1.0f,
      0.3333333f,  0.5f,  0.1666667f,  0.25f,
      0.0f,  -0.0052083333f, -0.6666667f, -1.0f,
      -0.3333333f, -0.5f, -0.1666667f, -0.25f,
  };
  return table;
}

/// bitsandbytes compares magnitudes with rounded constants: x > t takes the
/// larger one. For negative values that is x < -t.
static const float fp4Thresholds[] = {0.00260417f, 0.0859375f, 0.20833333f,
                                      0.29166667f, 0.4166667f, 0.583333f,
                                      0.8333333f};

ArrayRef<float> quantmlir::getFP4Bounds() {
  static const std::array<float, 14> bounds = [] {
    std::array<float, 14> result;
    for (int i = 0; i < 7; ++i) {
      result[7 + i] = fp4Thresholds[i];
      // x >= -t goes up, so the bound is the float below.
      result[6 - i] = std::nextafter(-fp4Thresholds[i], -INFINITY);
    }
    return result;
  }();
  return bounds;
}

ArrayRef<float> quantmlir::getTable(Codebook4 kind) {
  return kind == Codebook4::NF4 ? getNF4Table() : getFP4Table();
}

ArrayRef<float> quantmlir::getDynamicMap() {
  // Seven decades, from 1e-6 on; decade i has 2^i values, at the middles of
  // 2^i equal intervals from 0.1 to 1. All roundings, the fused multiply-add
  // among them, are those of the PyTorch that bitsandbytes calls.
  static const std::array<float, 256> map = [] {
    std::array<float, 256> values;
    int count = 0;
    values[count++] = 0;
    values[count++] = 1;
    for (int decade = 0; decade < 7; ++decade) {
      int intervals = 1 << decade;
      float step = (1.0f - 0.1f) / float(intervals);
      float scale = float(std::pow(10.0, decade - 6));
      auto end = [&](int i) {
        return i < (intervals + 1) / 2
                   ? std::fma(step, float(i), 0.1f)
                   : std::fma(-step, float(intervals - i), 1.0f);
      };
      for (int i = 0; i < intervals; ++i) {
        float middle = scale * ((end(i) + end(i + 1)) / 2);
        values[count++] = middle;
        values[count++] = -middle;
      }
    }
    assert(count == 256 && "one value per code");
    std::sort(values.begin(), values.end());
    return values;
  }();
  return map;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Expected<BlockCodes> quantmlir::quantizeBlocks(ArrayRef<float> values,
                                               int64_t block, Codebook4 kind) {
  if (block < 1)
    return createStringError(std::errc::invalid_argument,
                             "a block has at least 1 value, not %lld",
                             (long long)block);
  if (Error error = checkFinite(values, 1, values.size()))
    return std::move(error);
  // A block is a group of a grid whose scale is the absmax, unrounded.
  CodebookGrid grid = kind == Codebook4::NF4 ? CodebookGrid::nf4(block)
                                             : CodebookGrid::fp4(block);
  int64_t count = values.size(), blocks = divideCeil(count, block);
  BlockCodes result;
  result.codes.resize(count);
  result.absmax.resize(blocks);
  constexpr int64_t taskBlocks = 64;
  parallelFor(0, divideCeil(blocks, taskBlocks), [&](size_t task) {
    int64_t end = std::min<int64_t>(blocks, (task + 1) * taskBlocks);
    for (int64_t index = task * taskBlocks; index < end; ++index) {
      int64_t begin = index * block;
      ArrayRef<float> x =
          values.slice(begin, std::min<int64_t>(block, count - begin));
      GroupParams params = grid.fit(x, {}, {});
      grid.quantize(x, params, result.codes.data() + begin, nullptr);
      result.absmax[index] = params.scale;
    }
  });
  return result;
}

void quantmlir::dequantizeBlocks(const BlockCodes &codes, int64_t block,
                                 Codebook4 kind,
                                 MutableArrayRef<float> values) {
  assert(values.size() == codes.codes.size() && "sizes do not match");
  ArrayRef<float> table = getTable(kind);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = table[codes.codes[i]] * codes.absmax[i / block];
}

std::vector<uint8_t>
quantmlir::packNibblesHighFirst(ArrayRef<uint8_t> codes) {
  std::vector<uint8_t> bytes((codes.size() + 1) / 2);
  for (size_t i = 0; i < codes.size(); ++i)
    bytes[i / 2] |= i % 2 ? codes[i] : codes[i] << 4;
  return bytes;
}

std::vector<uint8_t>
quantmlir::unpackNibblesHighFirst(ArrayRef<uint8_t> bytes, int64_t count) {
  assert((count + 1) / 2 <= int64_t(bytes.size()) && "too few bytes");
  std::vector<uint8_t> codes(count);
  for (int64_t i = 0; i < count; ++i)
    codes[i] = i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
  return codes;
}

//===----------------------------------------------------------------------===//
// Double quantization
//===----------------------------------------------------------------------===//

NestedAbsmax quantmlir::nestAbsmax(ArrayRef<float> absmax, int64_t block) {
  assert(block > 0 && "a block has values");
  NestedAbsmax nested;
  nested.block = block;
  double sum = 0;
  for (float value : absmax)
    sum += value;
  nested.offset = absmax.empty() ? 0 : float(sum / absmax.size());
  ArrayRef<float> map = getDynamicMap();
  for (size_t begin = 0; begin < absmax.size(); begin += block) {
    ArrayRef<float> x =
        absmax.slice(begin, std::min<size_t>(block, absmax.size() - begin));
    float scale = 0;
    for (float value : x)
      scale = std::max(scale, std::fabs(value - nested.offset));
    nested.scales.push_back(scale);
    for (float value : x) {
      float place = scale == 0 ? 0 : (value - nested.offset) / scale;
      size_t above = std::upper_bound(map.begin(), map.end(), place) -
                     map.begin();
      size_t code = above == 0 ? 0 : above - 1;
      // The upper neighbour only if it is strictly nearer.
      if (code + 1 < map.size() &&
          place > (map[code] + map[code + 1]) / 2)
        ++code;
      nested.codes.push_back(uint8_t(code));
    }
  }
  return nested;
}

std::vector<float> quantmlir::unnestAbsmax(const NestedAbsmax &nested,
                                           ArrayRef<float> map) {
  std::vector<float> absmax(nested.codes.size());
  for (size_t i = 0; i < absmax.size(); ++i) {
    float part = map[nested.codes[i]] * nested.scales[i / nested.block];
    absmax[i] = part + nested.offset;
  }
  return absmax;
}

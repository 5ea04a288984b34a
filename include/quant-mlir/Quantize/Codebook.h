// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The 4-bit codebooks of bitsandbytes, bit for bit: 16 numbers in [-1, 1], a
// scale (the largest magnitude) for a group of values,
//
//   value = absmax * table[code]
//
// NF4's numbers are quantiles of a normal distribution (QLoRA, appendix E), FP4
// is a float with an exponent of two bits, divided by its largest.
//
// Double quantization stores the scales themselves in 8 bits: their mean (the
// offset) is taken away, the rest quantized in blocks of 256 onto a table of
// 256 numbers, dense near zero:
//
//   absmax[i] = nestedMap[code[i]] * nestedScale[i / 256] + offset

#ifndef QUANT_MLIR_QUANTIZE_CODEBOOK_H
#define QUANT_MLIR_QUANTIZE_CODEBOOK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// Twice the f4E2M1FN number of each code, plus 12.
inline constexpr uint8_t e2m1Lanes[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                          12, 11, 10, 9,  8,  6,  4,  0};

enum class Codebook { NF4, FP4 };

/// The 16 numbers of a codebook.
llvm::ArrayRef<float> codebookTable(Codebook codebook);

/// The same in integers, table[code] * laneFactor rounded, plus 127: what
/// integer kernels multiply, off by at most half a step.
llvm::ArrayRef<uint8_t> codebookLanes(Codebook codebook);
/// 124 for NF4: of the factors to 127 the one that loses least, weighed by how
/// often normally distributed weights take its numbers. 120 for FP4, whose
/// numbers are then exact but for the smallest.
int codebookLaneFactor(Codebook codebook);

/// The code of a number in [-1, 1]; a number on the middle between two takes
/// the lower one.
uint8_t nearestCode(Codebook codebook, float value);

/// Between each two numbers in rising order (FP4's zeros count once): what must
/// be exceeded for the upper one.
std::vector<float> codebookBounds(Codebook codebook);

/// [n, k] in groups of `group` values of a row, of which the last may be
/// shorter.
struct CodebookMatrix {
  std::vector<uint8_t> codes; ///< [n, k]
  std::vector<float> scales;  ///< [n, ceil(k / group)]: absmax
};

/// Rounds to the nearest number of the codebook. Fails if a value is not
/// finite.
llvm::Expected<CodebookMatrix> quantizeCodebook(Codebook codebook,
                                                llvm::ArrayRef<float> values,
                                                int64_t n, int64_t k,
                                                int64_t group);

/// The table of double quantization ("dynamic map"), ascending.
llvm::ArrayRef<float> dynamicMap();

/// Scales in 8 bits.
struct NestedScales {
  std::vector<uint8_t> codes; ///< one per scale
  std::vector<float> scales;  ///< one per block of scales
  float offset = 0;

  float value(int64_t index, llvm::ArrayRef<float> map, int64_t block) const {
    return map[codes[index]] * scales[index / block] + offset;
  }
};

/// Quantizes onto `dynamicMap` in blocks of `block` without taking an offset
/// away first.
NestedScales quantizeDynamic(llvm::ArrayRef<float> values, int64_t block);

/// Double quantization: `quantizeDynamic` of what is left without the mean.
NestedScales nestScales(llvm::ArrayRef<float> scales, int64_t block);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_CODEBOOK_H

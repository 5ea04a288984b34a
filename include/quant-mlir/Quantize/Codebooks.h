// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// bitsandbytes' 4-bit formats, bit for bit. A tensor is taken as one row of
// values (blocks run on across the rows of a matrix, the last may be short):
//
//   absmax[b] = largest |x| of the block            in f32
//   code      = the table's entry next to x * (1 / absmax[b])
//   value     = table[code] * absmax[b]             in f32, then rounded to the
//                                                   type that is wanted
//
// NF4's table has the quantiles of a normal distribution, FP4's is a float with
// two bits of exponent and one of mantissa (and its own order of codes).
//
// Double quantization stores the absmax themselves in 8 bits: less their mean,
// in blocks of 256, as entries of the `dynamic map`, whose 256 values are dense
// around zero and sparse towards -1 and 1.

#ifndef QUANT_MLIR_QUANTIZE_CODEBOOKS_H
#define QUANT_MLIR_QUANTIZE_CODEBOOKS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

enum class Codebook4 { NF4, FP4 };

/// The 16 values of the codes.
llvm::ArrayRef<float> getNF4Table();
llvm::ArrayRef<float> getFP4Table();
llvm::ArrayRef<float> getTable(Codebook4 kind);
/// Between the distinct values in rising order: from where on (exclusively) the
/// upper one is taken. FP4 has one value less, its codes 0 and 8 are both zero;
/// code 8 is never made.
llvm::ArrayRef<float> getNF4Bounds();
llvm::ArrayRef<float> getFP4Bounds();

/// A tensor in blocks: a code per value, an absmax per block.
struct BlockCodes {
  std::vector<uint8_t> codes;
  std::vector<float> absmax;
};

/// Fails if the block is not positive or a value is not finite (the message
/// says where in the tensor).
llvm::Expected<BlockCodes> quantizeBlocks(llvm::ArrayRef<float> values,
                                          int64_t block, Codebook4 kind);
/// `values` is as long as `codes`.
void dequantizeBlocks(const BlockCodes &codes, int64_t block, Codebook4 kind,
                      llvm::MutableArrayRef<float> values);

/// Two codes a byte, the even one in the high nibble; a missing last one is 0.
std::vector<uint8_t> packNibblesHighFirst(llvm::ArrayRef<uint8_t> codes);
std::vector<uint8_t> unpackNibblesHighFirst(llvm::ArrayRef<uint8_t> bytes,
                                            int64_t count);

/// bitsandbytes' signed dynamic map, in rising order.
llvm::ArrayRef<float> getDynamicMap();

/// absmax[i] = map[codes[i]] * scales[i / block] + offset.
struct NestedAbsmax {
  std::vector<uint8_t> codes;
  std::vector<float> scales;
  float offset = 0;
  int64_t block = 256;
};

NestedAbsmax nestAbsmax(llvm::ArrayRef<float> absmax, int64_t block = 256);
/// `map` is the one stored beside the codes, if there is one.
std::vector<float> unnestAbsmax(const NestedAbsmax &nested,
                                llvm::ArrayRef<float> map = getDynamicMap());

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_CODEBOOKS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The grids of ggml's IQ formats: the points that eight values (IQ1, IQ2) or
// four (IQ3) are rounded to together, of all that there might be. An entry has
// the levels of a point's values, 2 bits of each (IQ3: 3 bits), the first value
// in the lowest ones. A level is a place in
//
//   IQ1      -1 0 1
//   IQ2      8 25 43
//   IQ3_XXS  4 12 20 28 36 44 52 62
//   IQ3_S    1 3 5 7 9 11 13 15

#ifndef QUANT_MLIR_QUANTIZE_GRIDTABLES_H
#define QUANT_MLIR_QUANTIZE_GRIDTABLES_H

#include <cstdint>

namespace quantmlir {

extern const uint16_t iq1Grid[2048];
extern const uint16_t iq2XXSGrid[256], iq2XSGrid[512], iq2SGrid[1024];
extern const uint16_t iq3XXSGrid[256], iq3SGrid[512];

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_GRIDTABLES_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A value is looked up among the bounds between the entries in rising order, by
// a binary search without branches. Searches over scales want speed: they go
// through all bounds of a table of 16 in vector registers, and round to floats
// of 8 bits by arithmetic.

#include "GridKernels.h"
#include "quant-mlir/Quantize/Codebook.h"
#include "quant-mlir/Quantize/Grid.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cassert>
#include <cmath>

using namespace llvm;
using namespace quantmlir;

CodebookGrid::CodebookGrid(ArrayRef<float> table, int64_t group,
                           ScaleFormat scaleFormat, ArrayRef<float> givenBounds)
    : Grid(group, scaleFormat), table(table.begin(), table.end()) {
  assert(table.size() <= 256 && "a code is a byte");
  std::vector<unsigned> order;
  for (auto [code, value] : enumerate(table))
    if (std::isfinite(value))
      order.push_back(code);
  stable_sort(order,
              [&](unsigned a, unsigned b) { return table[a] < table[b]; });
  for (unsigned code : order)
    if (sorted.empty() || sorted.back() != table[code]) {
      sorted.push_back(table[code]);
      sortedCodes.push_back(uint8_t(code));
    }
  assert(!sorted.empty() && sorted.front() <= 0 && sorted.back() > 0 &&
         "a table has zero between its ends");

  reach = std::max(-sorted.front(), sorted.back());
  if (scaleFormat.type == ScaleFormat::Type::E8M0)
    reach = std::ldexp(1.0f, std::ilogb(reach));

  bounds.assign(givenBounds.begin(), givenBounds.end());
  if (bounds.empty())
    for (size_t i = 0; i + 1 < sorted.size(); ++i) {
      float middle = float((double(sorted[i]) + double(sorted[i + 1])) / 2);
      // The middle itself goes to the even code.
      if (sortedCodes[i + 1] % 2 == 0)
        middle = std::nextafter(middle, -INFINITY);
      bounds.push_back(middle);
    }
  assert(bounds.size() + 1 == sorted.size() && "a bound between two entries");
  searchSteps = Log2_64_Ceil(sorted.size());
  bounds.resize((size_t(1) << searchSteps) - 1, INFINITY);
}

CodebookGrid CodebookGrid::nf4(int64_t group, ScaleFormat scaleFormat) {
  CodebookGrid grid(codebookTable(Codebook::NF4), group, scaleFormat,
                    codebookBounds(Codebook::NF4));
  grid.reciprocal = true;
  return grid;
}

CodebookGrid CodebookGrid::fp4(int64_t group, ScaleFormat scaleFormat) {
  CodebookGrid grid(codebookTable(Codebook::FP4), group, scaleFormat,
                    codebookBounds(Codebook::FP4));
  grid.reciprocal = true;
  return grid;
}

/// All values of a sign, `exponentBits` and `mantissaBits`. `specials` of the
/// largest codes of either sign are not numbers.
static std::vector<float>
smallFloats(unsigned exponentBits, unsigned mantissaBits, unsigned specials) {
  unsigned positive = 1u << (exponentBits + mantissaBits);
  int bias = (1 << (exponentBits - 1)) - 1;
  std::vector<float> values(2 * positive, NAN);
  for (unsigned code = 0; code < positive - specials; ++code) {
    int exponent = int(code >> mantissaBits);
    int mantissa = int(code & ((1u << mantissaBits) - 1));
    if (exponent > 0)
      mantissa |= 1 << mantissaBits;
    float value = std::ldexp(float(mantissa),
                             std::max(exponent, 1) - bias - int(mantissaBits));
    values[code] = value;
    values[code + positive] = -value;
  }
  return values;
}

CodebookGrid CodebookGrid::e2m1(int64_t group, ScaleFormat scaleFormat) {
  return CodebookGrid(smallFloats(2, 1, 0), group, scaleFormat);
}
CodebookGrid CodebookGrid::e4m3(int64_t group, ScaleFormat scaleFormat) {
  CodebookGrid grid(smallFloats(4, 3, 1), group, scaleFormat);
  grid.smallFloat = SmallFloat::E4M3FN;
  return grid;
}
CodebookGrid CodebookGrid::e5m2(int64_t group, ScaleFormat scaleFormat) {
  CodebookGrid grid(smallFloats(5, 2, 4), group, scaleFormat);
  grid.smallFloat = SmallFloat::E5M2;
  return grid;
}

unsigned CodebookGrid::codeBits() const { return Log2_64_Ceil(table.size()); }

GroupParams CodebookGrid::fromRange(float low, float high) const {
  return {scaleFormat.round(std::max(high, -low) / reach), 0};
}

double CodebookGrid::widest(const FitOptions &options) const {
  // A scale above the range's leaves the outermost entries unused but may put
  // the inner ones better.
  return options.leastSquares ? 1.1 : 1;
}

unsigned CodebookGrid::nearest(float value) const {
  unsigned index = 0;
  for (unsigned step = (1u << searchSteps) / 2; step; step /= 2)
    index += value > bounds[index + step - 1] ? step : 0;
  return index;
}

double CodebookGrid::error(ArrayRef<float> values, ArrayRef<float> importance,
                           GroupParams params, double norm) const {
  if (smallFloat)
    return kernels::smallFloatError(
        values.data(), importance.empty() ? nullptr : importance.data(),
        values.size(), params.scale, *smallFloat, norm);
  SmallVector<float, 1024> errors(values.size());
  if (sorted.size() <= 16)
    kernels::smallTableDecode(values.data(), values.size(), params.scale,
                              sorted.data(), bounds.data(), sorted.size(),
                              errors.data());
  else
    quantize(values, params, nullptr, errors.data());
  for (size_t i = 0; i < values.size(); ++i)
    errors[i] -= values[i];
  return kernels::errorSum(errors.data(),
                           importance.empty() ? nullptr : importance.data(),
                           values.size(), norm);
}

void CodebookGrid::quantize(ArrayRef<float> values, GroupParams params,
                            uint8_t *codes, float *decoded) const {
  float inverse = 1 / params.scale;
  for (size_t i = 0; i < values.size(); ++i) {
    unsigned index = nearest(normalize(values[i], params.scale, inverse));
    if (codes)
      codes[i] = sortedCodes[index];
    if (decoded)
      decoded[i] = params.scale * sorted[index];
  }
}

void CodebookGrid::quantizeLanes(const double *values, const float *scales,
                                 const float *, int64_t count, uint8_t *codes,
                                 float *decoded) const {
  for (int64_t i = 0; i < count; ++i) {
    float scale = scales[i], inverse = 1 / scale;
    unsigned index = nearest(normalize(float(values[i]), scale, inverse));
    codes[i] = sortedCodes[index];
    decoded[i] = scale * sorted[index];
  }
}

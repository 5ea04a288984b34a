// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What both forms of a matmul share: activations, and the steps from a sum of
// products to an element of the result.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

Value Matmul::clampToken(GPUBuilder &b, Value token) const {
  Value last = arith::SubIOp::create(b, rows, b.index(1));
  return b.min(token, last);
}

Matmul::Values Matmul::activations(GPUBuilder &b, Value token, Value group,
                                   Value word) const {
  int64_t k = layout.k, words = layout.wordsPerGroup();
  Value column = b.add(b.mul(group, layout.group), b.mul(word, 4));
  // Words are read eight at a time, which may be more than there are.
  Value inGroup = words % 8 != 0 ? b.less(word, words) : Value();
  Value zero = b.f32(0);
  Values values;
  if (k % 4 == 0) {
    Value valid = inGroup;
    if (layout.paddedK != k) {
      Value inRow = b.less(column, k);
      valid =
          valid ? arith::AndIOp::create(b, valid, inRow).getResult() : inRow;
    }
    if (valid)
      column = b.min(column, b.index(k - 4));
    Value four = b.load(b.vec(4, b.getF32Type()), x.pointer,
                        b.byteOf(x, token, column), /*alignment=*/16);
    for (int64_t i = 0; i < 4; ++i) {
      Value value = b.extract(four, i);
      values.push_back(valid ? b.select(valid, value, zero) : value);
    }
    return values;
  }
  for (int64_t i = 0; i < 4; ++i) {
    Value at = b.add(column, i), valid = b.less(at, k);
    if (inGroup)
      valid = arith::AndIOp::create(b, valid, inGroup);
    Value value = b.load(x, token, b.min(at, b.index(k - 1)));
    values.push_back(b.select(valid, value, zero));
  }
  return values;
}

Value Matmul::codeSum(GPUBuilder &b, Value token, Value group) const {
  return b.load(sums, token, group);
}

Value Matmul::codeScale(GPUBuilder &b, Value token, Value group) const {
  if (rowScale())
    return {};
  return b.load(scales, token, b.div(group, xGroup / layout.group));
}

Value Matmul::addGroup(GPUBuilder &b, Value sum, Value product, Value scale,
                       Value minimum, Value codeSum, Value codeScale) const {
  if (layout.form.offset)
    product = b.addI(product, b.mulI(codeSum, b.i32(-layout.form.offset)));
  Value factor = codeScale ? b.mulF(scale, codeScale) : scale;
  sum = b.fma(b.toF32(product), factor, sum);
  if (!minimum)
    return sum;
  Value total = b.toF32(codeSum);
  return b.fma(minimum, codeScale ? b.mulF(total, codeScale) : total, sum);
}

void Matmul::finish(GPUBuilder &b, Value sum, Value token, Value n) const {
  Value exists = b.less(token, rows);
  if (layout.n % layout.panelRows != 0)
    exists = arith::AndIOp::create(b, exists, b.less(n, layout.n));
  b.onlyIf(exists, [&] {
    Value value = sum;
    if (isInteger() && rowScale())
      value = b.mulF(value, b.load(scales, token, b.index(0)));
    if (bias)
      value = b.addF(value, b.load(bias, b.index(0), n));
    if (residual)
      value = b.addF(value, b.load(residual, token, n));
    b.store(value, out, token, n);
  });
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all forms of a matmul share: activations, and the steps from a sum of
// products to an element of the result.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

void Matmul::orderBlocks(GPUBuilder &b, int64_t blockRows, int64_t tokens,
                         int64_t high) {
  int64_t wide = llvm::divideCeil(layout.n, blockRows);
  if (wide == 1)
    return;
  Value number = b.add(b.mul(b.block('y'), wide), b.block('x'));
  Value first = b.mul(b.div(number, wide * high), high);
  Value all = b.div(b.add(rows, tokens - 1), tokens);
  Value here = b.min(b.sub(all, first), b.index(high));
  Value inside = b.rem(number, wide * high);
  rowBlock = b.div(inside, here);
  firstToken = b.mul(b.add(first, b.rem(inside, here)), tokens);
}

Value Matmul::findExpert(GPUBuilder &b, const Buffer &experts, int64_t count,
                         int64_t tokens) {
  Value block = b.block('y'), none = b.index(0);
  auto rowOf = [&](Value expert) {
    return arith::IndexCastUIOp::create(b, b.getIndexType(),
                                        b.load(experts, none, expert));
  };
  // Blocks before this expert, the one that has been found, where its rows
  // begin and end.
  Values found = b.loop(
      none, b.index(count), 1, {none, b.index(count), none, none},
      [&](Value expert, ValueRange carried) -> Values {
        Value begin = rowOf(expert), end = rowOf(b.add(expert, 1));
        Value before = carried[0];
        Value blocks = b.div(b.add(b.sub(end, begin), tokens - 1), tokens);
        Value after = arith::AddIOp::create(b, before, blocks);
        Value isHere = arith::AndIOp::create(
            b, b.less(block, after),
            arith::CmpIOp::create(b, arith::CmpIPredicate::uge, block, before));
        Value first = b.add(begin, b.mul(b.sub(block, before), tokens));
        return {after, b.select(isHere, expert, carried[1]),
                b.select(isHere, first, carried[2]),
                b.select(isHere, end, carried[3])};
      });
  weights = b.at(weights, b.mul(found[1], layout.totalBytes));
  firstToken = found[2];
  rows = found[3];
  return b.less(found[1], count);
}

Value Matmul::clampToken(GPUBuilder &b, Value token) const {
  Value last = arith::SubIOp::create(b, rows, b.index(1));
  return b.min(token, last);
}

Matmul::Values Matmul::activations(GPUBuilder &b, Value token, Value group,
                                   Value word) const {
  int64_t k = layout.k, words = layout.wordsPerGroup();
  if (xFloat) {
    Values values = floatsOf(b, codeWord(b, token, group, word), xFloat);
    if (words % 8 != 0)
      for (Value &value : values)
        value = b.select(b.less(word, words), value, b.f32(0));
    return values;
  }
  if (xHalf) {
    Values values;
    for (Value pair : halves(b, token, group, word, xHalf)) {
      Value both = b.bitcast(b.vec(2, xHalf), pair);
      for (int64_t i = 0; i < 2; ++i)
        values.push_back(b.toF32(b.extract(both, i)));
    }
    return values;
  }
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

std::array<Value, 2> Matmul::halves(GPUBuilder &b, Value token, Value group,
                                    Value word, FloatType type) const {
  if (xFloat)
    return halvesOf(b, codeWord(b, token, group, word), xFloat);
  if (!xHalf) {
    Values values = activations(b, token, group, word);
    return {saturatePair(b, values[0], values[1], type),
            saturatePair(b, values[2], values[3], type)};
  }
  // Rows are as long as those of the weight, with zeros behind their end.
  int64_t words = layout.wordsPerGroup();
  Value inGroup = words % 8 != 0 ? b.less(word, words) : Value();
  if (inGroup)
    word = b.min(word, b.index(words - 1));
  Value column = b.mul(b.add(b.mul(group, words), word), 2);
  Value two = b.load(b.vec(2, b.getI32Type()), x.pointer,
                     b.byteOf(x, token, column), /*alignment=*/8);
  std::array<Value, 2> pairs;
  for (int64_t i = 0; i < 2; ++i) {
    pairs[i] = b.extract(two, i);
    if (inGroup)
      pairs[i] = b.select(inGroup, pairs[i], b.i32(0));
  }
  return pairs;
}

double Matmul::codeFactor() const {
  if (!xFloat)
    return 1;
  if (multipliesFloat8)
    return 1 / layout.scaleFactor;
  return isa<Float8E4M3FNType>(xFloat) ? 256 : 1;
}

Value Matmul::codeWord(GPUBuilder &b, Value token, Value group,
                       Value word) const {
  Value column = b.add(b.mul(group, layout.wordsPerGroup()), word);
  return b.load(x, token, b.min(column, b.index(x.columns - 1)));
}

Value Matmul::codeSum(GPUBuilder &b, Value token, Value group) const {
  return b.load(sums, token, group);
}

Value Matmul::codeScale(GPUBuilder &b, Value token, Value group) const {
  if (rowScale())
    return {};
  Value scale = b.load(scales, token, b.div(group, xGroup / layout.group));
  return codeFactor() == 1 ? scale : b.mulF(scale, b.f32(codeFactor()));
}

Value Matmul::withoutOffset(GPUBuilder &b, Value product, Value codeSum) const {
  if (layout.form.offset)
    product = b.addI(product, b.mulI(codeSum, b.i32(-layout.form.offset)));
  return b.toF32(product);
}

Value Matmul::addGroup(GPUBuilder &b, Value sum, Value product, Value scale,
                       Value minimum, Value codeSum, Value codeScale) const {
  Value factor = codeScale ? b.mulF(scale, codeScale) : scale;
  sum = b.fma(product, factor, sum);
  if (!minimum)
    return sum;
  Value total = b.toF32(codeSum);
  return b.fma(minimum, codeScale ? b.mulF(total, codeScale) : total, sum);
}

Value Matmul::addFloats(GPUBuilder &b, Value sum, Value product, Value scale,
                        Value codeScale) const {
  if (scale && codeScale)
    scale = b.mulF(scale, codeScale);
  else if (codeScale)
    scale = codeScale;
  return scale ? b.fma(product, scale, sum) : b.addF(sum, product);
}

void Matmul::finish(GPUBuilder &b, ValueRange sums, Value token, Value n,
                    int64_t blockRows) const {
  int64_t count = sums.size();
  bool together = layout.n % count == 0 && out.holdsWords() &&
                  (!residual || residual.holdsWords());
  if (!together && count > 1) {
    for (auto [i, sum] : llvm::enumerate(sums))
      finish(b, sum, token, b.add(n, i), blockRows);
    return;
  }
  Value exists = b.less(token, rows);
  if (layout.n % blockRows != 0)
    exists = arith::AndIOp::create(b, exists, b.less(n, layout.n));
  b.onlyIf(exists, [&] {
    Values values(sums);
    if (hasCodes() && rowScale()) {
      Value scale = b.load(scales, token, b.index(0));
      if (codeFactor() != 1)
        scale = b.mulF(scale, b.f32(codeFactor()));
      for (Value &value : values)
        value = b.mulF(value, scale);
    }
    Value zero = b.index(0);
    for (auto [buffer, row] : {std::pair{bias, zero}, {residual, token}}) {
      if (!buffer)
        continue;
      Values addends = b.loadSome(buffer, row, n, count);
      for (auto [value, addend] : llvm::zip(values, addends))
        value = b.addF(value, addend);
    }
    b.storeSome(values, out, token, n);
  });
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Many activations: tensor cores. A block multiplies the 16 rows of a panel, as
// the first operand, by `tokens` activations, as the second, so that any number
// of these fits and weights are decoded where they are multiplied, in
// registers. Its warps share K.
//
// Lane 4 * g + t of an operand of 16 rows has rows g and g + 8, and of K what a
// panel's word is: four bytes of m16n8k32, or two pairs of m16n8k16. Which
// words is up to us, if the activations follow: a lane takes words 2t and 2t +
// 1 of eight, which share a stored register where codes are narrow.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class MMAEmitter {
public:
  MMAEmitter(GPUBuilder &b, const Matmul &matmul, const Form &form)
      : b(b), matmul(matmul), layout(matmul.layout), lane(layout.form),
        reader(b, layout, matmul.weights), cores(b, matmul, reader),
        tiles(form.tokens / 8), isFloat(lane.kind == qt::LaneForm::Kind::Float),
        steps(llvm::divideCeil(layout.wordsPerGroup(), words)),
        single(layout.numGroups == 1),
        warps(std::min(form.warps, single ? steps : layout.numGroups)) {}

  void emit();
  int64_t getWarps() const { return warps; }

private:
  using Values = GPUBuilder::Values;
  using Numbers = PanelReader::Numbers;
  static constexpr int64_t words = 8; ///< of a step

  Value orZero(Value bits, Value valid);
  Values integerStep(Value group, Value start, Value step, ValueRange sums);
  Values floatStep(Value group, Value start, Value step, ValueRange sums);
  Values addGroup(Value group, ValueRange sums);

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const qt::LaneForm &lane;
  PanelReader reader;
  TensorCores cores;
  int64_t tiles; ///< of eight activations
  bool isFloat;
  int64_t steps; ///< of a group
  bool single;   ///< one group
  int64_t warps; ///< no more than have something to do

  Value thread, warp, panel;
  Value row, place; ///< g and t of this lane
  Values rows;      ///< the activations that this lane holds words of
  Values columns;   ///< those that it holds sums of, two for each tile
};

} // namespace

/// Words that a group does not have.
Value MMAEmitter::orZero(Value bits, Value valid) {
  return valid ? b.select(valid, bits, b.i32(0)) : bits;
}

MMAEmitter::Values MMAEmitter::integerStep(Value group, Value start, Value step,
                                           ValueRange sums) {
  int64_t perGroup = layout.wordsPerGroup();
  bool whole = perGroup % words == 0;
  Value pair = b.add(b.mul(step, words / 2), place);
  std::array<Value, 2> valid;
  if (!whole)
    for (int64_t j = 0; j < 2; ++j)
      valid[j] = b.less(b.add(b.mul(pair, 2), j), perGroup);
  Values weights(4);
  for (int64_t half = 0; half < 2; ++half) {
    auto codes = reader.pair(start, pair, b.add(row, 8 * half));
    for (int64_t j = 0; j < 2; ++j)
      weights[2 * j + half] = orZero(reader.decode(codes[j]), valid[j]);
  }
  Value column = b.add(b.mul(group, perGroup), b.mul(pair, 2));
  Values results;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Values x;
    if (whole) {
      Value two = b.load(b.vec(2, b.getI32Type()), matmul.x.pointer,
                         b.byteOf(matmul.x, rows[tile], column), 8);
      x = {b.extract(two, 0), b.extract(two, 1)};
    } else {
      // Multiplied by zero: any word will do.
      Value last = b.index(matmul.x.columns - 1);
      for (int64_t j = 0; j < 2; ++j)
        x.push_back(
            b.load(matmul.x, rows[tile], b.min(b.add(column, j), last)));
    }
    llvm::append_range(results,
                       cores.multiply(weights, x, sums.slice(4 * tile, 4)));
  }
  return results;
}

/// With minimums, sums of the activations follow, by a first operand of ones.
MMAEmitter::Values MMAEmitter::floatStep(Value group, Value start, Value step,
                                         ValueRange sums) {
  Values results(sums);
  int64_t perGroup = layout.wordsPerGroup();
  Value pair = b.add(b.mul(step, words / 2), place);
  std::array<std::array<Value, 2>, 2> codes;
  if (!isFloat)
    for (int64_t half = 0; half < 2; ++half)
      codes[half] = reader.pair(start, pair, b.add(row, 8 * half));
  auto multiplyInto = [&](int64_t first, ArrayRef<Value> weights,
                          ArrayRef<Value> x) {
    Values sum =
        cores.multiply(weights, x, ValueRange(results).slice(first, 4));
    llvm::copy(sum, results.begin() + first);
  };
  for (int64_t j = 0; j < 2; ++j) {
    Value word = b.add(b.mul(pair, 2), j);
    Value valid = perGroup % words != 0 ? b.less(word, perGroup) : Value();
    Values weights(4);
    for (int64_t half = 0; half < 2; ++half) {
      TensorCores::Halves numbers =
          isFloat
              ? halvesOf(b, reader.floatWord(start, word, b.add(row, 8 * half)),
                         lane.floatType)
              : cores.numbersOf(codes[half][j]);
      for (int64_t i = 0; i < 2; ++i)
        weights[2 * i + half] = orZero(numbers[i], valid);
    }
    Values ones(4, b.i32(0x3c003c00));
    for (int64_t tile = 0; tile < tiles; ++tile) {
      TensorCores::Halves x =
          matmul.xFloat
              ? halvesOf(b, matmul.codeWord(b, rows[tile], group, word),
                         matmul.xFloat)
              : cores.activationsOf(
                    matmul.activations(b, rows[tile], group, word));
      multiplyInto(4 * tile, weights, x);
      if (lane.hasMinimum)
        multiplyInto(4 * (tiles + tile), ones, x);
    }
  }
  return results;
}

MMAEmitter::Values MMAEmitter::addGroup(Value group, ValueRange sums) {
  bool isInteger = matmul.isInteger();
  int64_t count = 4 * tiles;
  bool sumsX = !isInteger && lane.hasMinimum;
  Values zeros(sumsX ? 2 * count : count, isInteger ? b.i32(0) : b.f32(0));
  Value start = reader.groupAt(panel, group);
  auto addStep = [&](Value step, ValueRange carried) {
    return isInteger ? integerStep(group, start, step, carried)
                     : floatStep(group, start, step, carried);
  };
  Values parts = steps == 1 ? addStep(b.index(0), zeros)
                            : b.loop(single ? warp : b.index(0), b.index(steps),
                                     single ? warps : 1, zeros, addStep);
  // One sum is exact; it is scaled once.
  if (single && isInteger)
    parts = b.addOverWarps(parts, thread, warps);

  std::array<Value, 2> scales, minimums;
  for (int64_t half = 0; half < 2; ++half) {
    Value at = b.add(row, 8 * half);
    if (lane.scaleType)
      scales[half] = reader.numbers(Numbers::Scales, panel, group, at, 1)[0];
    if (lane.hasMinimum)
      minimums[half] =
          reader.numbers(Numbers::Minimums, panel, group, at, 1)[0];
    if (isInteger && !lane.numbers.empty())
      scales[half] = b.mulF(scales[half], b.f32(1.0 / lane.laneFactor));
  }
  Values results(sums);
  for (int64_t column = 0; column < 2 * tiles; ++column) {
    Value codeSum, codeScale;
    if (isInteger) {
      if (lane.offset || lane.hasMinimum)
        codeSum = matmul.codeSum(b, columns[column], group);
    }
    if (matmul.hasCodes())
      codeScale = matmul.codeScale(b, columns[column], group);
    for (int64_t half = 0; half < 2; ++half) {
      int64_t at = column / 2 * 4 + half * 2 + column % 2;
      Value &sum = results[at];
      if (isInteger) {
        Value product = matmul.withoutOffset(b, parts[at], codeSum);
        sum = matmul.addGroup(b, sum, product, scales[half], minimums[half],
                              codeSum, codeScale);
        continue;
      }
      sum =
          matmul.addFloats(b, sum, parts[at],
                           lane.scaleType ? scales[half] : Value(), codeScale);
      if (sumsX)
        sum = b.fma(minimums[half], parts[count + at], sum);
    }
  }
  return results;
}

void MMAEmitter::emit() {
  panel = b.block('x');
  thread = b.thread();
  warp = b.div(thread, GPUBuilder::warpSize);
  Value inWarp = b.rem(thread, GPUBuilder::warpSize);
  row = b.div(inWarp, 4);
  place = b.rem(inWarp, 4);
  Value first = matmul.firstToken;
  Values tokens;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Value start = b.add(first, 8 * tile);
    rows.push_back(matmul.clampToken(b, b.add(start, row)));
    for (int64_t i = 0; i < 2; ++i) {
      tokens.push_back(b.add(start, b.add(b.mul(place, 2), i)));
      columns.push_back(matmul.clampToken(b, tokens.back()));
    }
  }
  Values zeros(4 * tiles, b.f32(0));
  Values sums = single ? addGroup(b.index(0), zeros)
                       : b.loop(warp, b.index(layout.numGroups), warps, zeros,
                                [&](Value group, ValueRange carried) {
                                  return addGroup(group, carried);
                                });
  if (!single || !matmul.isInteger())
    sums = b.addOverWarps(sums, thread, warps);
  b.onlyIf(b.less(thread, GPUBuilder::warpSize), [&] {
    for (auto [i, sum] : llvm::enumerate(sums)) {
      int64_t column = i / 4 * 2 + i % 2, half = i / 2 % 2;
      Value n = b.add(b.mul(panel, layout.panelRows), b.add(row, 8 * half));
      matmul.finish(b, sum, tokens[column], n, layout.panelRows);
    }
  });
}

LaunchShape quantmlir::cuda::emitMatmulMMA(GPUBuilder &b, const Matmul &matmul,
                                           const Form &form) {
  MMAEmitter emitter(b, matmul, form);
  emitter.emit();
  return {matmul.layout.numPanels, form.tokens,
          emitter.getWarps() * GPUBuilder::warpSize};
}

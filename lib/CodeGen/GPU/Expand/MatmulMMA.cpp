// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Many activations: tensor cores. A block multiplies the 16 rows of a panel, or
// of a few, as the first operand, by `tokens` activations, as the second, so
// that any number of these fits and weights are decoded where they are
// multiplied, in registers. Its warps share K.
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
        tiles(form.tokens / 8),
        panels(std::max<int64_t>(1, form.rows / layout.panelRows)),
        isFloat(lane.kind == qt::LaneForm::Kind::Float),
        steps(llvm::divideCeil(layout.wordsPerGroup(), words)),
        single(layout.numGroups == 1),
        warps(std::min(form.warps, single ? steps : layout.numGroups)) {}

  void emit();
  int64_t getWarps() const { return warps; }
  int64_t getBlocks() const {
    return llvm::divideCeil(layout.numPanels, panels);
  }

private:
  using Values = GPUBuilder::Values;
  using Numbers = PanelReader::Numbers;
  static constexpr int64_t words = 8; ///< of a step

  using Operand = std::array<Value, 4>;

  Value orZero(Value bits, Value valid);
  std::array<Operand, 2> floatWeights(Value start, Value pair);
  Values integerStep(Value group, ValueRange starts, Value step,
                     ValueRange sums);
  Values floatStep(Value group, ValueRange starts, Value step, ValueRange sums);
  Values addGroup(Value group, ValueRange sums);
  void scaleGroup(int64_t panel, Value group, ValueRange parts,
                  MutableArrayRef<Value> sums);
  int64_t sumsOfPanel() const { return 4 * tiles; }

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const qt::LaneForm &lane;
  PanelReader reader;
  TensorCores cores;
  int64_t tiles;  ///< of eight activations
  int64_t panels; ///< of a block; sums are [panel][tile][4]
  bool isFloat;
  int64_t steps; ///< of a group
  bool single;   ///< one group
  int64_t warps; ///< no more than have something to do

  Value thread, warp;
  Values panelOf;   ///< the block's, or the last if there are fewer
  Value row, place; ///< g and t of this lane
  Values rows;      ///< the activations that this lane holds words of
  Values columns;   ///< those that it holds sums of, two for each tile
};

} // namespace

/// Words that a group does not have.
Value MMAEmitter::orZero(Value bits, Value valid) {
  return valid ? b.select(valid, bits, b.i32(0)) : bits;
}

MMAEmitter::Values MMAEmitter::integerStep(Value group, ValueRange starts,
                                           Value step, ValueRange sums) {
  int64_t perGroup = layout.wordsPerGroup();
  bool whole = perGroup % words == 0;
  Value pair = b.add(b.mul(step, words / 2), place);
  std::array<Value, 2> valid;
  if (!whole)
    for (int64_t j = 0; j < 2; ++j)
      valid[j] = b.less(b.add(b.mul(pair, 2), j), perGroup);
  SmallVector<Operand> weights(panels);
  for (auto [start, operand] : llvm::zip(starts, weights))
    for (int64_t half = 0; half < 2; ++half) {
      auto codes = reader.pair(start, pair, b.add(row, 8 * half));
      for (int64_t j = 0; j < 2; ++j)
        operand[2 * j + half] = orZero(reader.decode(codes[j]), valid[j]);
    }
  Value column = b.add(b.mul(group, perGroup), b.mul(pair, 2));
  Values results(sums);
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
    for (int64_t p = 0; p < panels; ++p) {
      int64_t first = p * sumsOfPanel() + 4 * tile;
      Values sum = cores.multiply(weights[p], x, sums.slice(first, 4));
      llvm::copy(sum, results.begin() + first);
    }
  }
  return results;
}

/// The operands of both words of a pair.
std::array<MMAEmitter::Operand, 2> MMAEmitter::floatWeights(Value start,
                                                            Value pair) {
  std::array<Operand, 2> operands;
  int64_t perGroup = layout.wordsPerGroup();
  for (int64_t half = 0; half < 2; ++half) {
    Value at = b.add(row, 8 * half);
    std::array<Value, 2> codes;
    if (!isFloat)
      codes = reader.pair(start, pair, at);
    for (int64_t j = 0; j < 2; ++j) {
      Value word = b.add(b.mul(pair, 2), j);
      Value valid = perGroup % words != 0 ? b.less(word, perGroup) : Value();
      TensorCores::Halves numbers =
          isFloat
              ? halvesOf(b, reader.floatWord(start, word, at), lane.floatType)
              : cores.numbersOf(codes[j]);
      for (int64_t i = 0; i < 2; ++i)
        operands[j][2 * i + half] = orZero(numbers[i], valid);
    }
  }
  return operands;
}

/// With minimums, sums of the activations follow, by a first operand of ones.
MMAEmitter::Values MMAEmitter::floatStep(Value group, ValueRange starts,
                                         Value step, ValueRange sums) {
  Values results(sums);
  Value pair = b.add(b.mul(step, words / 2), place);
  SmallVector<std::array<Operand, 2>> weights;
  for (Value start : starts)
    weights.push_back(floatWeights(start, pair));
  auto multiplyInto = [&](int64_t first, ArrayRef<Value> operand,
                          ArrayRef<Value> x) {
    Values sum =
        cores.multiply(operand, x, ValueRange(results).slice(first, 4));
    llvm::copy(sum, results.begin() + first);
  };
  Values ones(4, b.i32(0x3c003c00));
  for (int64_t j = 0; j < 2; ++j) {
    Value word = b.add(b.mul(pair, 2), j);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      TensorCores::Halves x =
          matmul.halves(b, rows[tile], group, word, cores.halfType());
      for (int64_t p = 0; p < panels; ++p)
        multiplyInto(p * sumsOfPanel() + 4 * tile, weights[p][j], x);
      if (lane.hasMinimum)
        multiplyInto(panels * sumsOfPanel() + 4 * tile, ones, x);
    }
  }
  return results;
}

/// sums += a panel's parts of a group; sums of the activations follow all
/// panels'.
void MMAEmitter::scaleGroup(int64_t panel, Value group, ValueRange parts,
                            MutableArrayRef<Value> sums) {
  bool isInteger = matmul.isInteger();
  std::array<Value, 2> scales, minimums;
  for (int64_t half = 0; half < 2; ++half) {
    Value at = b.add(row, 8 * half);
    auto number = [&](Numbers which) {
      return reader.numbers(which, panelOf[panel], group, at, 1)[0];
    };
    if (lane.scaleType)
      scales[half] = number(Numbers::Scales);
    if (lane.hasMinimum)
      minimums[half] = number(Numbers::Minimums);
    if (isInteger && !lane.numbers.empty())
      scales[half] = b.mulF(scales[half], b.f32(1.0 / lane.laneFactor));
  }
  for (int64_t column = 0; column < 2 * tiles; ++column) {
    Value codeSum, codeScale;
    if (isInteger && (lane.offset || lane.hasMinimum))
      codeSum = matmul.codeSum(b, columns[column], group);
    if (matmul.hasCodes())
      codeScale = matmul.codeScale(b, columns[column], group);
    for (int64_t half = 0; half < 2; ++half) {
      int64_t of = column / 2 * 4 + half * 2 + column % 2;
      int64_t at = panel * sumsOfPanel() + of;
      Value &sum = sums[at];
      if (isInteger) {
        Value product = matmul.withoutOffset(b, parts[at], codeSum);
        sum = matmul.addGroup(b, sum, product, scales[half], minimums[half],
                              codeSum, codeScale);
        continue;
      }
      sum =
          matmul.addFloats(b, sum, parts[at],
                           lane.scaleType ? scales[half] : Value(), codeScale);
      if (lane.hasMinimum)
        sum = b.fma(minimums[half], parts[panels * sumsOfPanel() + of], sum);
    }
  }
}

MMAEmitter::Values MMAEmitter::addGroup(Value group, ValueRange sums) {
  bool isInteger = matmul.isInteger();
  int64_t count = panels * sumsOfPanel();
  if (!isInteger && lane.hasMinimum)
    count += sumsOfPanel();
  Values zeros(count, isInteger ? b.i32(0) : b.f32(0)), starts;
  for (Value panel : panelOf)
    starts.push_back(reader.groupAt(panel, group));
  auto addStep = [&](Value step, ValueRange carried) {
    return isInteger ? integerStep(group, starts, step, carried)
                     : floatStep(group, starts, step, carried);
  };
  Values parts = steps == 1 ? addStep(b.index(0), zeros)
                            : b.loop(single ? warp : b.index(0), b.index(steps),
                                     single ? warps : 1, zeros, addStep);
  // One sum is exact; it is scaled once.
  if (single && isInteger)
    parts = b.addOverWarps(parts, thread, warps);
  Values results(sums);
  for (int64_t p = 0; p < panels; ++p)
    scaleGroup(p, group, parts, results);
  return results;
}

void MMAEmitter::emit() {
  Value firstPanel = b.mul(b.block('x'), panels);
  for (int64_t p = 0; p < panels; ++p) {
    Value panel = b.add(firstPanel, p);
    panelOf.push_back(layout.numPanels % panels != 0
                          ? b.min(panel, b.index(layout.numPanels - 1))
                          : panel);
  }
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
  Values zeros(panels * sumsOfPanel(), b.f32(0));
  Values sums = single ? addGroup(b.index(0), zeros)
                       : b.loop(warp, b.index(layout.numGroups), warps, zeros,
                                [&](Value group, ValueRange carried) {
                                  return addGroup(group, carried);
                                });
  if (!single || !matmul.isInteger())
    sums = b.addOverWarps(sums, thread, warps);
  b.onlyIf(b.less(thread, GPUBuilder::warpSize), [&] {
    for (auto [i, sum] : llvm::enumerate(sums)) {
      int64_t panel = int64_t(i) / sumsOfPanel(), of = i % sumsOfPanel();
      int64_t column = of / 4 * 2 + of % 2, half = of / 2 % 2;
      Value n = b.add(b.mul(b.add(firstPanel, panel), layout.panelRows),
                      b.add(row, 8 * half));
      matmul.finish(b, sum, tokens[column], n, panels * layout.panelRows);
    }
  });
}

LaunchShape quantmlir::cuda::emitMatmulMMA(GPUBuilder &b, const Matmul &matmul,
                                           const Form &form) {
  MMAEmitter emitter(b, matmul, form);
  emitter.emit();
  return {emitter.getBlocks(), form.tokens,
          emitter.getWarps() * GPUBuilder::warpSize};
}

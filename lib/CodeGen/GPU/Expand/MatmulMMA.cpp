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
#include "quant-mlir/Quantize/FloatConversion.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class MMAEmitter {
public:
  MMAEmitter(GPUBuilder &b, const Matmul &matmul, const Form &form)
      : b(b), matmul(matmul), layout(matmul.layout), lane(layout.form),
        reader(b, layout, matmul.weights), tiles(form.tokens / 8),
        isFloat(lane.kind == qt::LaneForm::Kind::Float),
        isBF16(isFloat && lane.floatType.isBF16()),
        steps(llvm::divideCeil(layout.wordsPerGroup(), words)),
        single(layout.numGroups == 1),
        warps(std::min(form.warps, single ? steps : layout.numGroups)) {
    if (!lane.numbers.empty() && !matmul.isInteger()) {
      SmallVector<Attribute> entries;
      for (float number : lane.numbers)
        entries.push_back(
            b.getIntegerAttr(b.getI16Type(), APInt(16, f32ToF16(number))));
      table = b.table(entries);
    }
  }

  void emit();
  int64_t getWarps() const { return warps; }

private:
  using Values = GPUBuilder::Values;
  using Numbers = PanelReader::Numbers;
  /// A word as pairs of 16-bit floats.
  using Halves = std::array<Value, 2>;
  static constexpr int64_t words = 8; ///< of a step

  Value orZero(Value bits, Value valid);
  Halves numbersOf(Value codes);
  Halves activationsOf(ArrayRef<Value> values);
  Values multiply(ArrayRef<Value> weights, ArrayRef<Value> x, ValueRange sums);
  Values integerStep(Value group, Value start, Value step, ValueRange sums);
  Values floatStep(Value group, Value start, Value step, ValueRange sums);
  Values addGroup(Value group, ValueRange sums);

  GPUBuilder &b;
  const Matmul &matmul;
  const cpu::PanelLayout &layout;
  const qt::LaneForm &lane;
  PanelReader reader;
  int64_t tiles; ///< of eight activations
  bool isFloat, isBF16;
  int64_t steps; ///< of a group
  bool single;   ///< one group
  int64_t warps; ///< no more than have something to do
  Value table;

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

/// d = weights * x + d for one tile.
MMAEmitter::Values MMAEmitter::multiply(ArrayRef<Value> weights,
                                        ArrayRef<Value> x, ValueRange sums) {
  Values operands(weights);
  operands.append(x.begin(), x.end());
  StringRef name = "llvm.nvvm.mma.m16n8k32.row.col.u8.s8";
  if (!matmul.isInteger()) {
    name = isBF16 ? "llvm.nvvm.mma.m16n8k16.row.col.bf16"
                  : "llvm.nvvm.mma.m16n8k16.row.col.f32.f32";
    if (!isBF16)
      for (Value &operand : operands)
        operand = b.bitcast(b.vec(2, b.getF16Type()), operand);
  }
  llvm::append_range(operands, sums);
  SmallVector<Type> results(4, sums.front().getType());
  return b.intrinsics(name, results, operands);
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
    llvm::append_range(results, multiply(weights, x, sums.slice(4 * tile, 4)));
  }
  return results;
}

/// Codes as f16. 0x6400 is 1024, in units of the last bit: a byte in its place
/// adds itself.
MMAEmitter::Halves MMAEmitter::numbersOf(Value codes) {
  Halves halves;
  if (table) {
    Values entries = lookUp(b, table, codes, b.getI16Type());
    for (int64_t half = 0; half < 2; ++half) {
      auto wide = [&](int64_t i) -> Value {
        return arith::ExtUIOp::create(b, b.getI32Type(), entries[2 * half + i]);
      };
      halves[half] = b.orI(wide(0), b.shiftLeft(wide(1), b.i32(16)));
    }
    return halves;
  }
  auto pair = b.vec(2, b.getF16Type());
  Value zero = arith::ConstantOp::create(
      b, DenseElementsAttr::get(
             pair, Attribute(b.getF16FloatAttr(float(1024 + lane.offset)))));
  codes = reader.decode(codes);
  constexpr int64_t selectors[] = {0x4140, 0x4342};
  for (auto [half, selector] : llvm::enumerate(selectors)) {
    Value bits = b.permute(codes, b.i32(0x64646464), b.i32(selector));
    Value number = arith::SubFOp::create(b, b.bitcast(pair, bits), zero);
    halves[half] = b.bitcast(b.getI32Type(), number);
  }
  return halves;
}

/// Rounded; beyond the largest f16, that.
MMAEmitter::Halves MMAEmitter::activationsOf(ArrayRef<Value> values) {
  Halves halves;
  for (int64_t half = 0; half < 2; ++half) {
    std::array<Value, 2> pair = {values[2 * half], values[2 * half + 1]};
    if (!isBF16)
      for (Value &value : pair) {
        value = arith::MinimumFOp::create(b, value, b.f32(65504));
        value = arith::MaximumFOp::create(b, value, b.f32(-65504));
      }
    Type element = isBF16 ? Type(b.getBF16Type()) : Type(b.getF16Type());
    // The upper half comes first.
    Value rounded =
        b.intrinsic(isBF16 ? "llvm.nvvm.ff2bf16x2.rn" : "llvm.nvvm.ff2f16x2.rn",
                    b.vec(2, element), {pair[1], pair[0]});
    halves[half] = b.bitcast(b.getI32Type(), rounded);
  }
  return halves;
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
    Values sum = multiply(weights, x, ValueRange(results).slice(first, 4));
    llvm::copy(sum, results.begin() + first);
  };
  for (int64_t j = 0; j < 2; ++j) {
    Value word = b.add(b.mul(pair, 2), j);
    Value valid = perGroup % words != 0 ? b.less(word, perGroup) : Value();
    Values weights(4);
    for (int64_t half = 0; half < 2; ++half) {
      Halves numbers =
          isFloat
              ? halvesOf(b, reader.floatWord(start, word, b.add(row, 8 * half)),
                         lane.floatType)
              : numbersOf(codes[half][j]);
      for (int64_t i = 0; i < 2; ++i)
        weights[2 * i + half] = orZero(numbers[i], valid);
    }
    Values ones(4, b.i32(0x3c003c00));
    for (int64_t tile = 0; tile < tiles; ++tile) {
      Halves x = activationsOf(matmul.activations(b, rows[tile], group, word));
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
      codeScale = matmul.codeScale(b, columns[column], group);
    }
    for (int64_t half = 0; half < 2; ++half) {
      int64_t at = column / 2 * 4 + half * 2 + column % 2;
      Value &sum = results[at];
      if (isInteger) {
        sum = matmul.addGroup(b, sum, parts[at], scales[half], minimums[half],
                              codeSum, codeScale);
        continue;
      }
      sum = lane.scaleType ? b.fma(parts[at], scales[half], sum)
                           : b.addF(sum, parts[at]);
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
  Value first = b.mul(b.block('y'), 8 * tiles);
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
      matmul.finish(b, sum, tokens[column], n);
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

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Few activations: memory is all that counts, and that as many bytes as can be
// are on their way. A block has the 16 rows of a panel, and its warps share K.
// A lane takes words of four rows, 16 bytes of a stored register:
//
//   lane = slot * 4 + quarter     rows 4 * quarter ..., steps slot, slot + 8
//   ...
//
// so that a warp reads 512 bytes in a row. Slots share the steps of a group, or
// each takes groups of its own where these are short; a warp adds up in the
// end, and then the block, in the order of its warps. A product of integers
// with one scale a row is added up before it is scaled: that sum is exact.
// Parts of a group are scaled before they are added, so each lane subtracts the
// offset from its own: the sum of what cancels would lose the bits that count.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class DotEmitter {
public:
  DotEmitter(GPUBuilder &b, const Matmul &matmul, const Form &form)
      : b(b), matmul(matmul), layout(matmul.layout), lane(layout.form),
        reader(b, layout, matmul.weights), tokens(form.tokens),
        warps(form.warps), isFloat(lane.kind == qt::LaneForm::Kind::Float),
        single(layout.numGroups == 1),
        sumsCodes(matmul.isInteger() && !single &&
                  (lane.offset || lane.hasMinimum)) {
    stepWords = reader.wordsPerStep();
    steps = llvm::divideCeil(layout.wordsPerGroup(), stepWords);
    sharing = slots;
    while (!single && sharing > steps)
      sharing /= 2;
    // No more warps than have something to do.
    int64_t parts = single
                        ? llvm::divideCeil(steps, slots)
                        : llvm::divideCeil(layout.numGroups * sharing, slots);
    warps = std::min(warps, parts);
    if (!matmul.isInteger())
      table = reader.numberTable();
  }

  void emit();
  int64_t getWarps() const { return warps; }

private:
  using Values = GPUBuilder::Values;
  using Numbers = PanelReader::Numbers;
  static constexpr int64_t slots = 8, quarter = 4;

  Values multiplyIntegers(Value group, Value start, Value step,
                          ValueRange sums);
  Values multiplyFloats(Value group, Value start, Value step, ValueRange sums);
  Value hasOutliers(Value group, Value step);
  Values addFloats(Value group, Value start, Value step, ValueRange sums);
  SmallVector<Values> floatWords(Value start, Value step, int64_t word,
                                 ArrayRef<Values> codes);
  Values addGroup(Value group, ValueRange sums);
  Values addSlots(ValueRange parts);

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const qt::LaneForm &lane;
  PanelReader reader;
  int64_t tokens, warps;
  bool isFloat, single;
  bool sumsCodes;           ///< of the activation, in every lane
  int64_t stepWords, steps; ///< words of a step, steps of a group
  int64_t sharing;          ///< slots that share a group
  Value table;

  Value panel, thread, warp, row, slot; ///< of this lane
  Values rows;                          ///< the activations
};

} // namespace

/// sums[token * 4 + i] += the words of a step; sums of the activation's codes
/// may follow.
DotEmitter::Values DotEmitter::multiplyIntegers(Value group, Value start,
                                                Value step, ValueRange sums) {
  Values results(sums);
  SmallVector<Values> words = reader.steps(start, step, row);
  bool whole = layout.wordsPerGroup() % stepWords == 0;
  for (auto [j, codes] : llvm::enumerate(words)) {
    for (Value &code : codes)
      code = reader.decode(code);
    Value word = b.add(b.mul(step, stepWords), int64_t(j));
    Value column = b.add(b.mul(group, layout.wordsPerGroup()), word);
    for (int64_t t = 0; t < tokens; ++t) {
      Value x;
      if (whole) {
        x = b.load(matmul.x, rows[t], column);
      } else {
        Value last = b.index(matmul.x.columns - 1);
        x = b.load(matmul.x, rows[t], b.min(column, last));
        x = b.select(b.less(word, layout.wordsPerGroup()), x, b.i32(0));
      }
      for (int64_t i = 0; i < quarter; ++i) {
        Value &sum = results[t * quarter + i];
        sum = b.intrinsic("llvm.nvvm.idp4a.u.s", b.getI32Type(),
                          {codes[i], x, sum});
      }
      if (sumsCodes) {
        Value &sum = results[tokens * quarter + t];
        sum = b.intrinsic("llvm.nvvm.idp4a.u.s", b.getI32Type(),
                          {b.i32(0x01010101), x, sum});
      }
    }
  }
  return results;
}

/// Four numbers of each of four rows: word `word` of a step.
SmallVector<DotEmitter::Values> DotEmitter::floatWords(Value start, Value step,
                                                       int64_t word,
                                                       ArrayRef<Values> codes) {
  SmallVector<Values> numbers;
  for (int64_t i = 0; i < quarter; ++i) {
    if (isFloat) {
      Value stored = reader.floatWord(start, step, b.add(row, i));
      numbers.push_back(floatsOf(b, stored, lane.floatType));
      continue;
    }
    numbers.push_back(reader.toFloats(codes[word][i], table));
  }
  return numbers;
}

/// The same for floats; with minimums, sums of the activations follow. Where
/// these are all zero, nothing is read.
DotEmitter::Values DotEmitter::multiplyFloats(Value group, Value start,
                                              Value step, ValueRange sums) {
  if (matmul.columns)
    return b.onlyIf(hasOutliers(group, step), sums,
                    [&] { return addFloats(group, start, step, sums); });
  return addFloats(group, start, step, sums);
}

/// Whether any of a step's columns does.
Value DotEmitter::hasOutliers(Value group, Value step) {
  Value flags = b.i32(0), last = b.index(matmul.columns.columns - 1);
  Value first =
      b.add(b.mul(group, layout.wordsPerGroup()), b.mul(step, stepWords));
  for (int64_t j = 0; j < stepWords; ++j)
    flags = b.orI(flags, b.load(matmul.columns, b.index(0),
                                b.min(b.add(first, j), last)));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, flags, b.i32(0));
}

DotEmitter::Values DotEmitter::addFloats(Value group, Value start, Value step,
                                         ValueRange sums) {
  Values results(sums);
  SmallVector<Values> codes;
  if (!isFloat)
    codes = reader.steps(start, step, row);
  for (int64_t j = 0; j < stepWords; ++j) {
    SmallVector<Values> numbers = floatWords(start, step, j, codes);
    Value word = b.add(b.mul(step, stepWords), j);
    for (int64_t t = 0; t < tokens; ++t) {
      Values x = matmul.activations(b, rows[t], group, word);
      for (int64_t i = 0; i < quarter; ++i)
        for (int64_t e = 0; e < 4; ++e) {
          Value &sum = results[t * quarter + i];
          sum = b.fma(numbers[i][e], x[e], sum);
        }
      if (lane.hasMinimum)
        for (Value value : x) {
          Value &sum = results[tokens * quarter + t];
          sum = b.addF(sum, value);
        }
    }
  }
  return results;
}

/// Over the slots of all warps.
DotEmitter::Values DotEmitter::addSlots(ValueRange parts) {
  Values sums;
  for (Value part : parts)
    sums.push_back(b.reduce(part, GPUBuilder::Reduction::Sum, quarter));
  return b.addOverWarps(sums, thread, warps);
}

/// sums[token * 4 + i] += what this lane has of a group.
DotEmitter::Values DotEmitter::addGroup(Value group, ValueRange sums) {
  bool isInteger = matmul.isInteger();
  int64_t count = tokens * quarter;
  Values zeros(count, isInteger ? b.i32(0) : b.f32(0));
  if (sumsCodes)
    zeros.append(tokens, b.i32(0));
  if (!isInteger && lane.hasMinimum)
    zeros.append(tokens, b.f32(0));
  Value start = reader.groupAt(panel, group);
  Value share = sharing == 1 ? b.index(0) : b.rem(slot, sharing);
  if (single)
    share = b.add(share, b.mul(warp, slots));
  Values parts =
      b.loop(share, b.index(steps), single ? slots * warps : sharing, zeros,
             [&](Value step, ValueRange carried) {
               return isInteger ? multiplyIntegers(group, start, step, carried)
                                : multiplyFloats(group, start, step, carried);
             });
  Values scales, minimums;
  if (lane.scaleType)
    scales = reader.numbers(Numbers::Scales, panel, group, row, quarter);
  if (lane.hasMinimum)
    minimums = reader.numbers(Numbers::Minimums, panel, group, row, quarter);
  if (isInteger && !lane.numbers.empty())
    for (Value &scale : scales)
      scale = b.mulF(scale, b.f32(1.0 / lane.laneFactor));
  if (single && isInteger)
    parts = addSlots(parts);

  Values results(sums);
  for (int64_t t = 0; t < tokens; ++t) {
    Value codeSum, codeScale;
    if (isInteger) {
      if (sumsCodes)
        codeSum = parts[count + t];
      else if (lane.offset || lane.hasMinimum)
        codeSum = matmul.codeSum(b, rows[t], group);
    }
    if (matmul.hasCodes())
      codeScale = matmul.codeScale(b, rows[t], group);
    for (int64_t i = 0; i < quarter; ++i) {
      int64_t at = t * quarter + i;
      Value &sum = results[at];
      Value minimum = lane.hasMinimum ? minimums[i] : Value();
      if (isInteger) {
        Value product = matmul.withoutOffset(b, parts[at], codeSum);
        sum = matmul.addGroup(b, sum, product, scales[i], minimum, codeSum,
                              codeScale);
        continue;
      }
      sum = matmul.addFloats(b, sum, parts[at],
                             lane.scaleType ? scales[i] : Value(), codeScale);
      if (minimum)
        sum = b.fma(minimum, parts[count + t], sum);
    }
  }
  return results;
}

void DotEmitter::emit() {
  panel = b.block('x');
  thread = b.thread();
  Value inWarp = b.rem(thread, GPUBuilder::warpSize);
  warp = b.div(thread, GPUBuilder::warpSize);
  row = b.mul(b.rem(inWarp, quarter), quarter);
  slot = b.div(inWarp, quarter);
  Value first = matmul.firstToken;
  for (int64_t t = 0; t < tokens; ++t)
    rows.push_back(matmul.clampToken(b, b.add(first, t)));

  Values zeros(tokens * quarter, b.f32(0));
  Values sums;
  if (single) {
    sums = addGroup(b.index(0), zeros);
  } else {
    // Groups that are taken at once, by a warp.
    int64_t atOnce = slots / sharing;
    Value start = b.add(b.div(slot, sharing), b.mul(warp, atOnce));
    sums = b.loop(start, b.index(layout.numGroups), atOnce * warps, zeros,
                  [&](Value group, ValueRange carried) {
                    return addGroup(group, carried);
                  });
  }
  if (!single || !matmul.isInteger())
    sums = addSlots(sums);
  b.onlyIf(b.less(thread, GPUBuilder::warpSize), [&] {
    b.onlyIf(b.less(slot, 1), [&] {
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t i = 0; i < quarter; ++i) {
          Value n = b.add(b.mul(panel, layout.panelRows), b.add(row, i));
          matmul.finish(b, sums[t * quarter + i], b.add(first, t), n,
                        layout.panelRows);
        }
    });
  });
}

LaunchShape quantmlir::cuda::emitMatmulDot(GPUBuilder &b, const Matmul &matmul,
                                           const Form &form) {
  DotEmitter emitter(b, matmul, form);
  emitter.emit();
  return {matmul.layout.numPanels, form.tokens,
          emitter.getWarps() * GPUBuilder::warpSize};
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The integer matmul. For a tile of rows x vectors, per group g of K:
//
//   acc  = -offset * sum(a)          i32, one register per row and vector
//   acc += decode(codes) . a         the target's dot product
//   out += float(acc) * (weight scale * activation scale)
//   out += minimum * (activation scale * sum(a))
//
// With one activation scale per row the factor moves behind the loop over
// groups, with one weight scale per row its load moves in front of it. Scales
// that are integers with factors are used as they are inside a block, if there
// are registers for its sums, which the factors then multiply.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {

class MatmulIntEmitter {
public:
  MatmulIntEmitter(KernelBuilder &b, kernel::MatmulIntOp op)
      : b(b), op(op), layout(cast<qt::QuantTensorType>(op.getType())),
        reader(b, layout, op.getWeights()), lanes(layout.lanes),
        f32(b.f32Vec(lanes)), i32(b.vec(lanes, b.getI32Type())),
        bytes(b.vec(lanes * 4, b.getI8Type())) {
    rowScales = !(int64_t(op.getGroup()) < layout.paddedK);
    offset = layout.form.offset;
    flips = layout.form.getLaneBits() == 8 && b.target.wantsSignedBytes();
    if (flips)
      offset -= 128;
  }

  MatmulTiling::Tile tile(int64_t rows, Value row, Value panel);

private:
  using Tile = MatmulTiling::Tile;
  using Numbers = PanelReader::Numbers;
  /// Scales and minimums of a group, for each register of rows.
  using Scales = SmallVector<std::pair<Value, Value>>;

  Scales readScales(Value panel, Value group, bool plain = false);
  SmallVector<Value> addGroup(int64_t rows, Value row, Value panel, Value group,
                              const Scales &scales, ValueRange sums);
  SmallVector<Value> addBlock(int64_t rows, Value row, Value panel, Value block,
                              ValueRange sums);
  void dotWords(Tile &acc, Value row, Value group, Value word, int64_t words,
                Value codes);
  Tile integerSums(int64_t rows, Value row, Value group, Value groupBytes);

  KernelBuilder &b;
  kernel::MatmulIntOp op;
  PanelLayout layout;
  PanelReader reader;
  int64_t lanes;
  VectorType f32, i32, bytes;
  int32_t offset;
  bool rowScales; ///< one activation scale per row
  bool flips;     ///< lanes are made signed
};

} // namespace

/// acc += words `word` to `word + words` of a group; `word` is a multiple of
/// the words in a stored register of every plane. `codes` is where the group
/// starts.
void MatmulIntEmitter::dotWords(Tile &acc, Value row, Value group, Value word,
                                int64_t words, Value codes) {
  RegisterEvaluator evaluator(b, bytes);
  PanelReader::Words reading(reader, codes, word);
  auto operand = [&](int64_t j, int64_t v) {
    Value code = reading.codes(j, v);
    Value lane = layout.scheme.decodeLane(evaluator, {0, code}).value;
    if (flips)
      lane = arith::XOrIOp::create(b, lane, b.constant(bytes, -128));
    return lane;
  };

  Value base = b.add(b.mul(group, layout.wordsPerGroup()), word);
  for (int64_t j = 0; j < words; ++j) {
    SmallVector<Value> weights;
    for (int64_t v = 0; v < layout.vectors; ++v)
      weights.push_back(operand(j, v));
    for (auto [m, vectors] : llvm::enumerate(acc)) {
      Value x = b.loadScalar(op.getCodes(), {b.add(row, m), b.add(base, j)});
      Value activations = b.bitcast(bytes, b.splat(x, lanes));
      for (auto [v, sum] : llvm::enumerate(vectors))
        sum =
            emitDot(b, sum, weights[v], activations, layout.form.getLaneBits());
    }
  }
}

MatmulTiling::Tile MatmulIntEmitter::integerSums(int64_t rows, Value row,
                                                 Value group,
                                                 Value groupBytes) {
  Tile acc(rows);
  for (auto [m, vectors] : llvm::enumerate(acc)) {
    Value start = b.constant(i32, 0);
    if (offset) {
      Value sum = b.loadScalar(op.getSums(), {b.add(row, m), group});
      Value factor = b.constant(b.getI32Type(), -offset);
      start = b.splat(arith::MulIOp::create(b, sum, factor), lanes);
    }
    vectors.assign(layout.vectors, start);
  }
  // Short groups are unrolled, long ones walked in steps that hold whole
  // registers of every plane.
  constexpr int64_t step = 8, unrolled = 16;
  int64_t words = layout.wordsPerGroup();
  if (words <= unrolled || words % step != 0) {
    dotWords(acc, row, group, b.index(0), words, groupBytes);
    return acc;
  }
  SmallVector<Value> carried;
  for (auto &vectors : acc)
    llvm::append_range(carried, vectors);
  auto unflatten = [&](ValueRange values) {
    Tile tile(rows);
    for (auto [i, value] : llvm::enumerate(values))
      tile[i / layout.vectors].push_back(value);
    return tile;
  };
  carried = b.loop(b.index(0), b.index(words), step, carried,
                   [&](Value word, ValueRange values) {
                     Tile tile = unflatten(values);
                     dotWords(tile, row, group, word, step, groupBytes);
                     SmallVector<Value> flat;
                     for (auto &vectors : tile)
                       llvm::append_range(flat, vectors);
                     return flat;
                   });
  return unflatten(carried);
}

/// `plain`: without their factors.
MatmulIntEmitter::Scales MatmulIntEmitter::readScales(Value panel, Value group,
                                                      bool plain) {
  const qt::LaneForm &form = layout.form;
  auto read = [&](Numbers which, int64_t v) {
    return plain ? reader.integers(which, panel, group, v)
                 : reader.scales(which, panel, group, v);
  };
  Scales result;
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value scale = read(Numbers::Scales, v);
    // Lanes that are rounded fractions.
    if (!form.numbers.empty())
      scale = b.mulF(scale, b.constant(f32, 1.0 / form.laneFactor));
    result.push_back(
        {scale, form.hasMinimum ? read(Numbers::Minimums, v) : Value()});
  }
  return result;
}

/// sums[row * vectors + vector] and a group. Where there is a second set of
/// sums, minimums go there.
SmallVector<Value> MatmulIntEmitter::addGroup(int64_t rows, Value row,
                                              Value panel, Value group,
                                              const Scales &scales,
                                              ValueRange sums) {
  // Activation scales may be shared by several of the panel's groups, or the
  // other way round; the panel's groups are the smaller.
  int64_t perScale = rowScales ? 1 : int64_t(op.getGroup()) / layout.group;
  int64_t count = rows * layout.vectors;
  SmallVector<Value> results(sums);
  Tile acc = integerSums(rows, row, group, reader.groupAt(panel, group));
  for (auto [m, vectors] : llvm::enumerate(acc)) {
    Value at = b.add(row, m), xScale, xMinimum;
    if (!rowScales)
      xScale = b.loadScalar(op.getScales(), {at, b.div(group, perScale)});
    if (layout.form.hasMinimum) {
      xMinimum = b.toF32(b.loadScalar(op.getSums(), {at, group}));
      if (xScale)
        xMinimum = b.mulF(xMinimum, xScale);
      xMinimum = b.splat(xMinimum, lanes);
    }
    if (xScale)
      xScale = b.splat(xScale, lanes);
    for (auto [v, sum] : llvm::enumerate(vectors)) {
      auto [scale, minimum] = scales[v];
      Value factor = xScale ? b.mulF(scale, xScale) : scale;
      int64_t i = int64_t(m) * layout.vectors + int64_t(v);
      results[i] = b.fma(b.toF32(sum), factor, results[i]);
      int64_t low = int64_t(sums.size()) > count ? count + i : i;
      if (minimum)
        results[low] = b.fma(minimum, xMinimum, results[low]);
    }
  }
  return results;
}

/// sums and a block of groups whose scales share factors.
SmallVector<Value> MatmulIntEmitter::addBlock(int64_t rows, Value row,
                                              Value panel, Value block,
                                              ValueRange sums) {
  const qt::LaneForm &form = layout.form;
  int64_t count = rows * layout.vectors;
  int64_t groups = form.scaleBlock / layout.group;
  SmallVector<Value> zeros(form.hasMinimum ? 2 * count : count,
                           b.constant(f32, 0));
  Value first = b.mul(block, groups);
  SmallVector<Value> parts = b.loop(
      first, b.add(first, groups), 1, zeros,
      [&](Value group, ValueRange carried) {
        return addGroup(rows, row, panel, group,
                        readScales(panel, group, /*plain=*/true), carried);
      });
  SmallVector<Value> results(sums);
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value scale = reader.factors(Numbers::Scales, panel, first, v), minimum;
    if (form.hasMinimum)
      minimum = reader.factors(Numbers::Minimums, panel, first, v);
    for (int64_t i = v; i < count; i += layout.vectors) {
      results[i] = b.fma(parts[i], scale, results[i]);
      if (minimum)
        results[i] = b.fma(parts[count + i], minimum, results[i]);
    }
  }
  return results;
}

MatmulTiling::Tile MatmulIntEmitter::tile(int64_t rows, Value row,
                                          Value panel) {
  reader.setPrefetching(rows > 1);
  Scales panelScales;
  if (!layout.groupScales)
    panelScales = readScales(panel, /*group=*/Value());
  // Three registers for each sum: of a group, of a block and its minimums.
  bool byBlocks = layout.form.scaleBlock && rows * layout.vectors <= 4;
  auto add = [&](Value place, ValueRange sums) {
    if (byBlocks)
      return addBlock(rows, row, panel, place, sums);
    return addGroup(rows, row, panel, place,
                    layout.groupScales ? readScales(panel, place) : panelScales,
                    sums);
  };
  int64_t places =
      byBlocks ? layout.k / layout.form.scaleBlock : layout.numGroups;
  SmallVector<Value> zeros(rows * layout.vectors, b.constant(f32, 0));
  SmallVector<Value> sums =
      places == 1 ? add(b.index(0), zeros)
                  : b.loop(b.index(0), b.index(places), 1, zeros, add);

  Tile result(rows);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    int64_t m = i / layout.vectors;
    if (rowScales) {
      Value scale = b.loadScalar(op.getScales(), {b.add(row, m), b.index(0)});
      sum = b.mulF(sum, b.splat(scale, lanes));
    }
    result[m].push_back(sum);
  }
  return result;
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::MatmulIntOp op) {
  MatmulIntEmitter emitter(b, op);
  PanelLayout layout(cast<qt::QuantTensorType>(op.getType()));
  if (layout.form.codeBits == 0)
    return op.emitOpError("has a weight without integer lanes");
  if (layout.lanes != b.target.lanes)
    return op.emitOpError("has a weight packed for registers of ")
           << layout.lanes << " lanes, but cpu:" << b.target.name << " has "
           << b.target.lanes << " (--cpu-pack for the same target)";
  bool grouped = layout.numGroups > 1;
  int64_t rows = op.getRows().value_or(grouped ? b.target.rowsIntGroups
                                               : b.target.rowsInt);
  MatmulTiling(b, layout, op.getOffset(), op.getOut(), op.getBias(),
               op.getResidual())
      .emit(rows, [&](int64_t count, Value row, Value panel, Value) {
        return emitter.tile(count, row, panel);
      });
  return success();
}

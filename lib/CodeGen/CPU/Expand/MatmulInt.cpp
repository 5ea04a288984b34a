// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The integer matmul. For a tile of rows x vectors, per group g of K:
//
//   acc  = -offset * sum(a)          i32, one register per row and vector
//   acc += decode(codes) . a         the target's dot product
//   out += float(acc) * (weight scale * activation scale)
//   out += minimum * (activation scale * sum(a))
//
// Where the target multiplies blocks of two rows by two (smmla), rows of the
// tile go in pairs. A block takes eight bytes of each of its rows: of the
// activation as they lie, of the weight from two words, whose registers are
// zipped. So panels are those of every other target, and a single row has its
// dot products.
//
// With one activation scale per row the factor moves behind the loop over
// groups, with one weight scale per row its load moves in front of it.
//
// Scales that are integers with factors (GGUF's K types) multiply integers, as
// long as the activation's scale stays the same, too:
//
//   span += acc * integer scale      i32, over the groups of a span
//   low  += integer minimum * sum(a)
//   out  += (float(span) * factor + float(low) * minimums' factor) *
//           activation scale
//
// Where each group has another activation scale, they are used as they are
// inside a block, if there are registers for its sums, which the factors then
// multiply.

#include "Expand.h"
#include <numeric>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {

class MatmulIntEmitter {
public:
  MatmulIntEmitter(KernelBuilder &b, kernel::MatmulIntOp op,
                   const PanelLayout &layout)
      : b(b), op(op), layout(layout), reader(b, layout, op.getWeights()),
        lanes(layout.lanes), f32(b.f32Vec(lanes)),
        i32(b.vec(lanes, b.getI32Type())),
        bytes(b.vec(lanes * 4, b.getI8Type())) {
    rowScales = !(int64_t(op.getGroup()) < layout.paddedK);
    offset = layout.form.offset;
    if (TileProduct::fitsBytes(b.target, this->layout))
      tiles.emplace(b, this->layout, b.getI32Type());
    // Blocks have 256 values: a span is a power of two. Lanes that stand for
    // fractions need a factor of their own.
    int64_t block = layout.form.scaleBlock;
    if (block && layout.form.numbers.empty())
      span = (rowScales ? block : std::gcd(block, int64_t(op.getGroup()))) /
             layout.group;
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

  Value operand(PanelReader::Words &words, int64_t j, int64_t v);
  Scales readScales(Value panel, Value group, bool plain = false);
  SmallVector<Value> addGroup(int64_t rows, Value row, Value panel, Value group,
                              const Scales &scales, ValueRange sums);
  SmallVector<Value> addBlock(int64_t rows, Value row, Value panel, Value block,
                              ValueRange sums);
  SmallVector<Value> addSpan(int64_t rows, Value row, Value panel, Value place,
                             ValueRange sums);
  SmallVector<Value> addMinimums(int64_t rows, Value row, Value panel,
                                 Value group, ValueRange lows);
  void dotWords(Tile &acc, Value row, Value group, Value word, int64_t words,
                Value codes);
  void blockWords(Tile &acc, Value row, Value group, Value word, int64_t words,
                  Value codes);
  void swapBlocks(Tile &acc);
  /// Adds `count` words from `word` on.
  using AddWords = llvm::function_ref<void(Tile &, Value word, int64_t count)>;
  Tile addWords(Tile acc, AddWords add);
  Tile integerSums(int64_t rows, Value row, Value group, Value groupBytes);

  KernelBuilder &b;
  kernel::MatmulIntOp op;
  PanelLayout layout;
  PanelReader reader;
  int64_t lanes;
  VectorType f32, i32, bytes;
  int32_t offset;
  bool rowScales;   ///< one activation scale per row
  int64_t span = 1; ///< groups whose scales are integers with equal factors
  bool flips;       ///< lanes are made signed
  std::optional<TileProduct> tiles;
};

} // namespace

/// Word j of the rows in register v, decoded.
Value MatmulIntEmitter::operand(PanelReader::Words &words, int64_t j,
                                int64_t v) {
  RegisterEvaluator evaluator(b, bytes);
  Value code = words.codes(j, v);
  Value lane = layout.scheme.decodeLane(evaluator, {0, code}).value;
  if (flips)
    lane = arith::XOrIOp::create(b, lane, b.constant(bytes, -128));
  return lane;
}

/// acc += words `word` to `word + words` of a group; `word` is a multiple of
/// the words in a stored register of every plane. `codes` is where the group
/// starts.
void MatmulIntEmitter::dotWords(Tile &acc, Value row, Value group, Value word,
                                int64_t words, Value codes) {
  PanelReader::Words reading(reader, codes, word);
  Value base = b.add(b.mul(group, layout.wordsPerGroup()), word);
  SmallVector<DotSum> sums; // [row * vectors + vector]
  for (ArrayRef<Value> starts : acc)
    for (Value start : starts)
      sums.emplace_back(b, start, layout.form.getLaneBits());
  for (int64_t j = 0; j < words; ++j) {
    SmallVector<Value> weights;
    for (int64_t v = 0; v < layout.vectors; ++v)
      weights.push_back(operand(reading, j, v));
    for (int64_t m = 0; m < int64_t(acc.size()); ++m) {
      Value x = b.loadScalar(op.getCodes(), {b.add(row, m), b.add(base, j)});
      Value activations = b.bitcast(bytes, b.splat(x, lanes));
      for (auto [v, weight] : llvm::enumerate(weights))
        sums[m * layout.vectors + v].add(weight, activations);
    }
    DotSum::pin(b, sums);
  }
  for (auto [i, sum] : llvm::enumerate(sums))
    acc[i / layout.vectors][i % layout.vectors] = sum.finish();
}

/// Two registers, each with a row of the tile, become the blocks of both rows
/// by the first and by the last two rows of the weight; or the other way round.
void MatmulIntEmitter::swapBlocks(Tile &acc) {
  for (size_t m = 0; m < acc.size(); m += 2)
    for (int64_t v = 0; v < layout.vectors; ++v) {
      Value &first = acc[m][v], &second = acc[m + 1][v];
      Value left = vector::ShuffleOp::create(b, first, second, {0, 1, 4, 5});
      second = vector::ShuffleOp::create(b, first, second, {2, 3, 6, 7});
      first = left;
    }
}

/// The same as `dotWords`, on blocks.
void MatmulIntEmitter::blockWords(Tile &acc, Value row, Value group, Value word,
                                  int64_t words, Value codes) {
  PanelReader::Words reading(reader, codes, word);
  Value base = b.add(b.mul(group, layout.wordsPerGroup()), word);
  auto two = b.vec(2, b.getI32Type());
  for (int64_t j = 0; j < words; j += 2) {
    SmallVector<Value> pairs;
    for (int64_t m = 0; m < int64_t(acc.size()); m += 2) {
      auto load = [&](int64_t plus) {
        return b.load(two, op.getCodes(),
                      {b.add(row, m + plus), b.add(base, j)});
      };
      Value x = vector::ShuffleOp::create(b, load(0), load(1), {0, 1, 2, 3});
      pairs.push_back(b.bitcast(bytes, x));
    }
    for (int64_t v = 0; v < layout.vectors; ++v) {
      Value even = b.bitcast(i32, operand(reading, j, v));
      Value odd = b.bitcast(i32, operand(reading, j + 1, v));
      Value blocks[] = {vector::ShuffleOp::create(b, even, odd, {0, 4, 1, 5}),
                        vector::ShuffleOp::create(b, even, odd, {2, 6, 3, 7})};
      for (auto [half, block] : llvm::enumerate(blocks)) {
        Value weights = b.bitcast(bytes, block);
        for (auto [pair, x] : llvm::enumerate(pairs)) {
          Value &sum = acc[2 * pair + half][v];
          sum = emitBlockDot(b, sum, weights, x);
        }
      }
    }
  }
}

/// acc and the words of a group. Short groups are unrolled, long ones walked in
/// steps that hold whole registers of every plane.
MatmulTiling::Tile MatmulIntEmitter::addWords(Tile acc, AddWords add) {
  constexpr int64_t step = 8, unrolled = 16;
  int64_t words = layout.wordsPerGroup();
  if (words <= unrolled || words % step != 0) {
    add(acc, b.index(0), words);
    return acc;
  }
  auto flatten = [](const Tile &tile) {
    SmallVector<Value> values;
    for (auto &vectors : tile)
      llvm::append_range(values, vectors);
    return values;
  };
  auto unflatten = [&](ValueRange values) {
    Tile tile(values.size() / layout.vectors);
    for (auto [i, value] : llvm::enumerate(values))
      tile[i / layout.vectors].push_back(value);
    return tile;
  };
  return unflatten(b.loop(b.index(0), b.index(words), step, flatten(acc),
                          [&](Value word, ValueRange values) {
                            Tile tile = unflatten(values);
                            add(tile, word, step);
                            return flatten(tile);
                          }));
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
  if (tiles && rows == TileProduct::rows) {
    int64_t words = layout.wordsPerGroup(), rest = words % TileProduct::words;
    Tile sums = tiles->multiply(op.getCodes(), row, b.index(0), op.getWeights(),
                                groupBytes, b.index(words - rest), rest);
    for (auto [m, vectors] : llvm::enumerate(acc))
      for (auto [v, sum] : llvm::enumerate(vectors))
        sum = arith::AddIOp::create(b, sum, sums[m][v]);
    return acc;
  }
  if (b.target.dot != DotKind::NeonI8MM || rows % 2 != 0 ||
      layout.wordsPerGroup() % 2 != 0)
    return addWords(acc, [&](Tile &tile, Value word, int64_t count) {
      dotWords(tile, row, group, word, count, groupBytes);
    });
  swapBlocks(acc);
  acc = addWords(acc, [&](Tile &tile, Value word, int64_t count) {
    blockWords(tile, row, group, word, count, groupBytes);
  });
  swapBlocks(acc);
  return acc;
}

/// `plain`: without their factors.
MatmulIntEmitter::Scales MatmulIntEmitter::readScales(Value panel, Value group,
                                                      bool plain) {
  const qt::LaneForm &form = layout.form;
  auto read = [&](Numbers which, int64_t v) {
    return plain ? b.toF32(reader.integers(which, panel, group, v))
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

/// sums and a span of groups. The sum of a span is below 2^31, as all lanes,
/// codes and scales are bytes and a span has 256 values at most.
SmallVector<Value> MatmulIntEmitter::addSpan(int64_t rows, Value row,
                                             Value panel, Value place,
                                             ValueRange sums) {
  int64_t count = rows * layout.vectors;
  Value first = b.mul(place, span), end = b.add(first, span);
  SmallVector<Value> zeros(count, b.constant(i32, 0));
  SmallVector<Value> parts =
      b.loop(first, end, 1, zeros, [&](Value group, ValueRange carried) {
        Tile acc = integerSums(rows, row, group, reader.groupAt(panel, group));
        SmallVector<Value> results(count);
        for (int64_t v = 0; v < layout.vectors; ++v) {
          Value scale = reader.integers(Numbers::Scales, panel, group, v);
          for (int64_t m = 0; m < rows; ++m) {
            Value product = arith::MulIOp::create(b, acc[m][v], scale);
            int64_t i = m * layout.vectors + v;
            results[i] = arith::AddIOp::create(b, carried[i], product);
          }
        }
        return results;
      });
  bool hasMinimum = layout.form.hasMinimum;
  SmallVector<Value> lows;
  if (hasMinimum)
    lows = b.loop(first, end, 2, zeros, [&](Value group, ValueRange carried) {
      return addMinimums(rows, row, panel, group, carried);
    });

  SmallVector<Value> results(sums);
  Value xGroup = b.div(first, int64_t(op.getGroup()) / layout.group);
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value scale = reader.factors(Numbers::Scales, panel, first, v), minimum;
    if (hasMinimum)
      minimum = reader.factors(Numbers::Minimums, panel, first, v);
    for (int64_t m = 0; m < rows; ++m) {
      int64_t i = m * layout.vectors + v;
      Value sum = b.mulF(b.toF32(parts[i]), scale);
      if (hasMinimum)
        sum = b.fma(b.toF32(lows[i]), minimum, sum);
      if (rowScales) {
        results[i] = b.addF(sum, results[i]);
        continue;
      }
      Value x = b.loadScalar(op.getScales(), {b.add(row, m), xGroup});
      results[i] = b.fma(sum, b.splat(x, lanes), results[i]);
    }
  }
  return results;
}

/// lows += minimums of two groups, as integers, times their sums of
/// activations, which are below 2^15: pairs of words.
SmallVector<Value> MatmulIntEmitter::addMinimums(int64_t rows, Value row,
                                                 Value panel, Value group,
                                                 ValueRange lows) {
  auto words = b.vec(2 * lanes, b.getI16Type());
  auto pairType = b.vec(2, b.getI32Type());
  Value mask = b.constant(i32, 0xffff), half = b.constant(i32, 16);
  Value next = b.add(group, 1);
  SmallVector<Value> minimums, results;
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value low = reader.integers(Numbers::Minimums, panel, group, v);
    Value high = reader.integers(Numbers::Minimums, panel, next, v);
    low = arith::AndIOp::create(b, low, mask);
    high = arith::ShLIOp::create(b, high, half);
    minimums.push_back(b.bitcast(words, arith::OrIOp::create(b, low, high)));
  }
  for (int64_t m = 0; m < rows; ++m) {
    Value sums = b.load(pairType, op.getSums(), {b.add(row, m), group});
    Value pair = arith::TruncIOp::create(b, b.vec(2, b.getI16Type()), sums);
    pair = b.bitcast(b.vec(1, b.getI32Type()), pair);
    pair = vector::ExtractOp::create(b, pair, 0);
    Value x = b.bitcast(words, b.splat(pair, lanes));
    for (auto [v, minimum] : llvm::enumerate(minimums))
      results.push_back(
          emitWordDot(b, lows[m * layout.vectors + v], minimum, x));
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
  bool byBlocks =
      span == 1 && layout.form.scaleBlock && rows * layout.vectors <= 4;
  auto add = [&](Value place, ValueRange sums) {
    if (span > 1)
      return addSpan(rows, row, panel, place, sums);
    if (byBlocks)
      return addBlock(rows, row, panel, place, sums);
    return addGroup(rows, row, panel, place,
                    layout.groupScales ? readScales(panel, place) : panelScales,
                    sums);
  };
  int64_t places =
      byBlocks ? layout.k / layout.form.scaleBlock : layout.numGroups / span;
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
  FailureOr<PanelLayout> panels = readPanels(b.target, op, op.getType());
  if (failed(panels))
    return failure();
  const PanelLayout &layout = *panels;
  if (layout.form.codeBits == 0)
    return op.emitOpError("has a weight without integer lanes");
  MatmulIntEmitter emitter(b, op, layout);
  MatmulTiling(b, layout, op)
      .emit(*op.getRows(), [&](int64_t count, Value row, Value panel, Value) {
        return emitter.tile(count, row, panel);
      });
  return success();
}

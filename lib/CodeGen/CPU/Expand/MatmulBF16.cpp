// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dot products of bf16: each lane multiplies two pairs and adds both products
// to an f32, in one instruction or, where a version for another CPU shares its
// panels, in two. Weights of 8-bit floats become bf16 in registers, exactly.
// For a tile of rows x vectors, per group of scales:
//
//   acc  = 0
//   acc += w pairs . x pairs
//   out += acc * (weight scale * activation scale)
//
// Scales that a whole row has wait for the end.
//
// Decoding 8-bit floats takes as long as a few rows' dot products. So where
// there are more rows than a tile has, a chunk of the panel is decoded into
// memory for all of them, and the sums of chunks meet in the result.
//
// Where the target has tiles of bf16, they take sixteen rows at a time.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {

class MatmulBF16Emitter {
public:
  MatmulBF16Emitter(KernelBuilder &b, kernel::MatmulBF16Op op,
                    const PanelLayout &layout)
      : b(b), op(op), layout(layout), reader(b, layout, op.getWeights()),
        lanes(layout.lanes), f32(b.f32Vec(lanes)),
        pairs(b.vec(2 * lanes, b.getBF16Type())),
        inputGroups(op.getScales() && int64_t(op.getGroup()) < layout.paddedK),
        inGroups(layout.groupScales || inputGroups) {
    if (TileProduct::fitsPairs(b.target, layout))
      tiles.emplace(b, this->layout, b.getF32Type());
  }

  MatmulTiling::Tile tile(int64_t rows, Value row, Value panel);
  /// All rows by chunks of decoded weights.
  void emitDecoded(MatmulTiling &tiling);

private:
  using Vectors = SmallVector<Value>;

  Value loadPairs(Value at, int64_t pair, int64_t v);
  Vectors emitPairs(ValueRange sums, Value row, Value firstWord, Value at,
                    int64_t count);
  Vectors emitPairs(ValueRange sums, Value row, Value firstWord, Value at,
                    Value count);
  Vectors fold(Vectors sums);
  /// Whether tiles of AMX, which want bf16 in memory, do it.
  bool hasTiles(bool decoding);
  Vectors multiplyTiles(Value row, Value firstWord, Value weights, Value at,
                        Value whole, int64_t rest = 0);
  Vectors applyGroupScales(Vectors part, Value row, Value panel, Value group,
                           ValueRange sums);
  Value applyRowScales(Value sum, Value row, Value panel, int64_t v);
  void setTile(int64_t rows);
  Value inputScale(Value row, Value group) {
    Value at = b.div(group, int64_t(op.getGroup()) / layout.group);
    return b.splat(b.loadScalar(op.getScales(), {row, at}), lanes);
  }

  KernelBuilder &b;
  kernel::MatmulBF16Op op;
  PanelLayout layout;
  PanelReader reader;
  int64_t lanes;
  VectorType f32, pairs;
  /// Scales per group, of either side; else those of a row.
  bool inputGroups, inGroups;
  /// [pairs][panelRows] words of a decoded chunk, while there is one.
  Value decoded;
  std::optional<TileProduct> tiles;

  // Of the tile that is being emitted.
  int64_t accumulators = 0; ///< rows x vectors
  int64_t chains = 1;       ///< sums[chain * accumulators + row * vectors + v]
};

} // namespace

/// Pair `pair` behind `at`, a byte or a pair of the decoded chunk, of the rows
/// in register v.
Value MatmulBF16Emitter::loadPairs(Value at, int64_t pair, int64_t v) {
  if (decoded)
    return b.bitcast(pairs, b.load(b.vec(lanes, b.getI32Type()), decoded,
                                   {b.add(at, pair), b.index(v * lanes)}));
  FloatType type = layout.form.floatType;
  int64_t width = type.getIntOrFloatBitWidth() / 8;
  Value raw = reader.load(b.vec(2 * lanes * width, b.getI8Type()), at,
                          (pair * layout.panelRows + v * lanes) * 2 * width);
  return emitBF16(b, raw, type);
}

/// sums += `count` pairs, the weight's from `at` on.
MatmulBF16Emitter::Vectors
MatmulBF16Emitter::emitPairs(ValueRange sums, Value row, Value firstWord,
                             Value at, int64_t count) {
  Vectors acc(sums);
  for (int64_t pair = 0; pair < count; ++pair) {
    Vectors weights;
    for (int64_t v = 0; v < layout.vectors; ++v)
      weights.push_back(loadPairs(at, pair, v));
    for (int64_t m = 0; m < accumulators / layout.vectors; ++m) {
      Value x =
          b.loadScalar(op.getCodes(), {b.add(row, m), b.add(firstWord, pair)});
      Value activations = b.bitcast(pairs, b.splat(x, lanes));
      for (int64_t v = 0; v < layout.vectors; ++v) {
        Value &sum = acc[pair % chains * accumulators + m * layout.vectors + v];
        sum = emitDotBF16(b, sum, weights[v], activations);
      }
    }
  }
  return acc;
}

MatmulBF16Emitter::Vectors MatmulBF16Emitter::emitPairs(ValueRange sums,
                                                        Value row,
                                                        Value firstWord,
                                                        Value at, Value count) {
  constexpr int64_t step = 4;
  int64_t bytes = layout.form.floatType.getIntOrFloatBitWidth() / 8;
  int64_t perPair = decoded ? 1 : 2 * bytes * layout.panelRows;
  auto part = [&](ValueRange carried, Value pair, int64_t pairCount) {
    return emitPairs(carried, row, b.add(firstWord, pair),
                     b.add(at, b.mul(pair, perPair)), pairCount);
  };
  Value whole = b.mul(b.div(count, step), step);
  Vectors acc = b.loop(b.index(0), whole, step, sums,
                       [&](Value pair, ValueRange carried) {
                         return part(carried, pair, step);
                       });
  return b.loop(whole, count, 1, acc, [&](Value pair, ValueRange carried) {
    return part(carried, pair, 1);
  });
}

/// The sums of all chains.
MatmulBF16Emitter::Vectors MatmulBF16Emitter::fold(Vectors sums) {
  for (int64_t left = chains; left > 1; left /= 2)
    for (int64_t i = 0; i < left / 2 * accumulators; ++i)
      sums[i] = b.addF(sums[i], sums[left / 2 * accumulators + i]);
  sums.truncate(accumulators);
  return sums;
}

int64_t quantmlir::cpu::decodedPairs(const PanelLayout &layout) {
  // 64 KiB of the second cache: with smaller chunks the sums go in and out of
  // memory too often (Zen 4: 16 KiB 0.82 of the peak, 64 KiB 0.89, 128 KiB
  // 0.90). It is on the stack of whoever calls, so a longer group is cut, too,
  // in equal parts: a chunk has the scales of one group.
  constexpr int64_t most = 512;
  int64_t pairs = std::min(layout.group / 2, most);
  while (layout.group / 2 % pairs != 0 && layout.numGroups > 1)
    --pairs;
  return pairs;
}

bool MatmulBF16Emitter::hasTiles(bool decoding) {
  if (decoding)
    return TileProduct::fitsDecoded(b.target, layout);
  return tiles && layout.form.floatType.isBF16();
}

/// The sums of 16 rows and all registers of a panel.
MatmulBF16Emitter::Vectors
MatmulBF16Emitter::multiplyTiles(Value row, Value firstWord, Value weights,
                                 Value at, Value whole, int64_t rest) {
  Vectors sums;
  for (ArrayRef<Value> vectors :
       tiles->multiply(op.getCodes(), row, firstWord, weights, at, whole, rest))
    llvm::append_range(sums, vectors);
  return sums;
}

void MatmulBF16Emitter::setTile(int64_t rows) {
  reader.setPrefetching(rows > 1);
  // Enough dot products under way to hide that each takes several cycles.
  constexpr int64_t underWay = 8;
  accumulators = rows * layout.vectors;
  chains = 1;
  while (chains < 4 && accumulators * chains < underWay)
    chains *= 2;
}

/// sums + part * the scales of a group.
MatmulBF16Emitter::Vectors
MatmulBF16Emitter::applyGroupScales(Vectors part, Value row, Value panel,
                                    Value group, ValueRange sums) {
  for (auto [i, sum] : llvm::enumerate(part)) {
    Value factor;
    if (layout.groupScales)
      factor = reader.scales(PanelReader::Numbers::Scales, panel, group,
                             i % layout.vectors);
    if (inputGroups) {
      Value scale = inputScale(b.add(row, i / layout.vectors), group);
      factor = factor ? b.mulF(factor, scale) : scale;
    }
    sum = b.fma(sum, factor, sums[i]);
  }
  return part;
}

Value MatmulBF16Emitter::applyRowScales(Value sum, Value row, Value panel,
                                        int64_t v) {
  if (layout.form.scaleType && !layout.groupScales)
    sum = b.mulF(sum, reader.scales(PanelReader::Numbers::Scales, panel,
                                    /*group=*/Value(), v));
  if (op.getScales() && !inputGroups)
    sum = b.mulF(sum, inputScale(row, b.index(0)));
  return sum;
}

MatmulTiling::Tile MatmulBF16Emitter::tile(int64_t rows, Value row,
                                           Value panel) {
  setTile(rows);
  Vectors zeros(accumulators * chains, b.constant(f32, 0));
  Vectors sums(inGroups ? accumulators : accumulators * chains,
               b.constant(f32, 0));
  Value count = b.index(layout.group / 2);
  auto groupBody = [&](Value group, ValueRange carried) {
    Value bytes = b.add(panel, b.mul(group, layout.groupBytes));
    Value word = b.mul(group, count);
    if (rows == TileProduct::rows && hasTiles(/*decoding=*/false)) {
      int64_t rest = layout.group / 2 % TileProduct::words;
      Vectors part = multiplyTiles(row, word, op.getWeights(), bytes,
                                   b.index(layout.group / 2 - rest), rest);
      if (inGroups)
        return applyGroupScales(std::move(part), row, panel, group, carried);
      for (auto [sum, before] : llvm::zip_equal(part, carried))
        sum = b.addF(sum, before);
      return part;
    }
    if (!inGroups)
      return emitPairs(carried, row, word, bytes, count);
    Vectors part = fold(emitPairs(zeros, row, word, bytes, count));
    return applyGroupScales(std::move(part), row, panel, group, carried);
  };
  sums = layout.numGroups == 1 ? groupBody(b.index(0), sums)
                               : b.loop(b.index(0), b.index(layout.numGroups),
                                        1, sums, groupBody);
  if (!inGroups)
    sums = fold(sums);

  MatmulTiling::Tile result(rows);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    int64_t m = i / layout.vectors;
    result[m].push_back(
        applyRowScales(sum, b.add(row, m), panel, i % layout.vectors));
  }
  return result;
}

void MatmulBF16Emitter::emitDecoded(MatmulTiling &tiling) {
  int64_t groupPairs = layout.group / 2, chunkPairs = decodedPairs(layout);
  Value chunk = memref::AllocaOp::create(
      b, MemRefType::get({chunkPairs, layout.panelRows}, b.getI32Type()),
      b.getI64IntegerAttr(64));
  auto words = b.vec(lanes, b.getI32Type());
  int64_t bytes = layout.form.floatType.getIntOrFloatBitWidth() / 8;

  auto decode = [&](Value at, Value count) {
    decoded = {};
    reader.setPrefetching(true);
    b.loop(b.index(0), count, 1, [&](Value pair) {
      Value from = b.add(at, b.mul(pair, 2 * bytes * layout.panelRows));
      for (int64_t v = 0; v < layout.vectors; ++v)
        b.store(b.bitcast(words, loadPairs(from, 0, v)), chunk,
                {pair, b.index(v * lanes)});
    });
    decoded = chunk;
  };
  tiling.emitSums(
      *op.getRows(), groupPairs * layout.numGroups, chunkPairs,
      [&](Value panel, Value word, Value count) {
        Value group = b.div(word, groupPairs);
        Value inGroup = b.rem(word, groupPairs);
        Value at = b.add(b.mul(group, layout.groupBytes),
                         b.mul(inGroup, 2 * bytes * layout.panelRows));
        decode(b.add(panel, at), count);
      },
      [&](int64_t rows, Value row, Value panel, Value word, Value count,
          ValueRange sums) {
        setTile(rows);
        if (rows == TileProduct::rows && hasTiles(/*decoding=*/true)) {
          Vectors part = multiplyTiles(row, word, chunk, b.index(0), count);
          if (inGroups)
            return applyGroupScales(std::move(part), row, panel,
                                    b.div(word, groupPairs), sums);
          for (auto [sum, before] : llvm::zip_equal(part, sums))
            sum = b.addF(sum, before);
          return part;
        }
        Vectors start(accumulators * chains, b.constant(f32, 0));
        if (!inGroups)
          llvm::copy(sums, start.begin());
        Vectors part = fold(emitPairs(start, row, word, b.index(0), count));
        return inGroups ? applyGroupScales(std::move(part), row, panel,
                                           b.div(word, groupPairs), sums)
                        : part;
      },
      [&](Value sum, Value row, Value panel, int64_t v) {
        return applyRowScales(sum, row, panel, v);
      });
  decoded = {};
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::MatmulBF16Op op) {
  FailureOr<PanelLayout> panels = readPanels(b.target, op, op.getType());
  if (failed(panels))
    return failure();
  const PanelLayout &layout = *panels;
  if (layout.depth != 2)
    return op.emitOpError("has a weight packed by ")
           << layout.depth << " values, not by pairs (--cpu-pack)";
  MatmulBF16Emitter emitter(b, op, layout);
  MatmulTiling tiling(b, layout, op);
  auto emitDirect = [&](int64_t tileRows) {
    tiling.emit(tileRows, [&](int64_t rows, Value row, Value panel, Value) {
      return emitter.tile(rows, row, panel);
    });
  };
  if (layout.form.floatType.isBF16()) {
    emitDirect(*op.getRows());
    return success();
  }
  // Tiles of AMX, which are for what is decoded, may have more.
  int64_t direct = std::min<int64_t>(
      *op.getRows(), fitRows(b.target, b.target.rowsInt, layout));
  Value many = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt,
                                     b.size(op.getOut(), 0),
                                     b.index(tiling.getRowsOfAll(direct)));
  auto branch = scf::IfOp::create(b, many, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  emitter.emitDecoded(tiling);
  b.setInsertionPointToStart(branch.elseBlock());
  emitDirect(direct);
  return success();
}

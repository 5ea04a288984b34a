// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Few activations, on tensor cores: memory is what counts, and weights go from
// there straight into registers. A block has 32 or 64 rows and some tiles of
// eight tokens, which its warps all have: they share K. A warp takes units
// (StreamShape) by turns; while it multiplies one, the next is on its way, if
// there are registers for it.
// Lanes read 16 bytes at a time, as in the form `tiles`, and what a panel has
// side by side together.
//
// In the end each warp adds up, over all warps, the sums of some columns.

#include "../StreamShape.h"
#include "Expand.h"
#include "TileWeights.h"
#include "WarpTile.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class StreamEmitter {
public:
  StreamEmitter(GPUBuilder &b, const Matmul &matmul, const Form &form)
      : b(b), matmul(matmul), layout(matmul.layout), form(form),
        shape(layout, matmul.hasCodes(), form),
        reader(b, layout, matmul.weights), cores(b, matmul, reader),
        tiles(form.tokens / 8), tile(b, matmul, reader, cores, tiles),
        single(layout.numGroups == 1),
        warps(std::min(form.warps, shape.units)) {
    for (int64_t pair = 0; pair < shape.pairs; ++pair)
      weights.emplace_back(b, matmul, shape.stage, reader, cores,
                           /*inPanels=*/true);
  }

  void emit();
  int64_t getWarps() const { return warps; }
  int64_t sharedBytes() const { return numSums() * threads() * 4; }
  /// With more tokens, or bit planes to put together, registers are better
  /// spent on a second block.
  bool readsAhead() const {
    return form.tokens <= 8 && layout.planes.size() < 2;
  }
  bool isSimple() const { return shape.isSimple; }

private:
  using Values = GPUBuilder::Values;

  int64_t numSums() const { return shape.pairs * tile.numSums(); }
  int64_t threads() const { return warps * GPUBuilder::warpSize; }

  std::pair<Value, Value> placeOf(Value unit, int64_t group, int64_t step);
  Values loadGroup(Value unit, int64_t group, int64_t pair);
  Values readX(int64_t tile, Value group, Value step);
  WarpTile::ColumnNumbers numbersOf(Value group);
  Values multiply(int64_t pair, ValueRange words,
                  ArrayRef<SmallVector<Values>> x, ValueRange parts);
  Values totalsOf(ArrayRef<SmallVector<Values>> x);
  Values addUnit(Value unit, Value next, ValueRange carried);
  void finish(ValueRange sums);

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const Form &form;
  StreamShape shape;
  PanelReader reader;
  TensorCores cores;
  int64_t tiles; ///< of eight tokens
  WarpTile tile;
  bool single;                         ///< one group
  int64_t warps;                       ///< no more than have something to do
  SmallVector<TileWeights, 2> weights; ///< of each pair of panels

  Value memory, thread, warp;
  Value g, t;    ///< of this lane
  Values rows;   ///< tokens whose words this lane has
  Values panels; ///< the first of each pair
};

} // namespace

/// Where a group of a unit, and a step of its, are.
std::pair<Value, Value> StreamEmitter::placeOf(Value unit, int64_t group,
                                               int64_t step) {
  if (single)
    return {b.index(0), b.add(b.mul(unit, shape.steps), step)};
  return {b.add(b.mul(unit, shape.groups), group), b.index(step)};
}

/// What has been read, and will not be when it is needed instead: LLVM would
/// make one load of the loads in front of a loop and at its end.
static GPUBuilder::Values readNow(GPUBuilder &b, ValueRange piece) {
  SmallVector<Type> types(piece.getTypes());
  return b.assembly("", "=r,=r,=r,=r,0,1,2,3", types, piece);
}

/// Words of a group, of a pair of panels: [step][piece][4].
StreamEmitter::Values StreamEmitter::loadGroup(Value unit, int64_t group,
                                               int64_t pair) {
  TileWeights &each = weights[pair];
  Values words;
  for (int64_t step = 0; step < shape.steps; ++step) {
    auto [at, inGroup] = placeOf(unit, group, step);
    Value start = reader.groupAt(b.index(0), at);
    for (const Values &piece :
         each.load(matmul.weights, start, each.allWords(), inGroup))
      llvm::append_range(words, readsAhead() ? readNow(b, piece) : piece);
  }
  return words;
}

/// The lane's words of a step, of one of the tile's tokens.
StreamEmitter::Values StreamEmitter::readX(int64_t tile, Value group,
                                           Value step) {
  const TileStage &stage = shape.stage;
  Values x;
  Value first = b.add(b.mul(step, stage.words), b.mul(t, stage.laneWords));
  if (!matmul.hasCodes() && !matmul.xHalf) {
    for (int64_t i = 0; i < stage.laneWords; ++i)
      llvm::append_range(x, matmul.halves(b, rows[tile], group, b.add(first, i),
                                          cores.halfType()));
    return x;
  }
  int64_t perWord = stage.wordBytes() / 4, count = stage.laneWords * perWord;
  Value column =
      b.mul(b.add(b.mul(group, layout.wordsPerGroup()), first), perWord);
  Value all = b.load(b.vec(count, b.getI32Type()), matmul.x.pointer,
                     b.byteOf(matmul.x, rows[tile], column), 4 * count);
  for (int64_t i = 0; i < count; ++i) {
    Value word = b.extract(all, i);
    if (matmul.xFloat && !matmul.multipliesFloat8)
      llvm::append_range(x, halvesOf(b, word, matmul.xFloat));
    else
      x.push_back(word);
  }
  return x;
}

/// Of this lane's columns.
WarpTile::ColumnNumbers StreamEmitter::numbersOf(Value group) {
  const qt::LaneForm &lane = layout.form;
  WarpTile::ColumnNumbers numbers;
  bool needsSums = matmul.isInteger() && (lane.offset || lane.hasMinimum);
  for (int64_t i = 0; i < 2 * tiles; ++i) {
    Value token = matmul.clampToken(
        b, b.add(matmul.firstToken,
                 b.add(b.mul(t, 2), int64_t(i / 2 * 8 + i % 2))));
    if (needsSums)
      numbers.totals.push_back(matmul.codeSum(b, token, group));
    if (matmul.hasCodes() && !matmul.rowScale())
      numbers.scales.push_back(matmul.codeScale(b, token, group));
  }
  return numbers;
}

/// parts += a group of a pair of panels.
StreamEmitter::Values StreamEmitter::multiply(int64_t pair, ValueRange words,
                                              ArrayRef<SmallVector<Values>> x,
                                              ValueRange parts) {
  TileWeights &each = weights[pair];
  Values results(parts);
  for (int64_t step = 0; step < shape.steps; ++step) {
    SmallVector<Values> pieces;
    for (int64_t i = 0; i < each.numLoads(); ++i) {
      pieces.push_back(Values(words.take_front(4)));
      words = words.drop_front(4);
    }
    results =
        tile.multiply(each.decode(pieces, each.allWords()), x[step], results);
  }
  return results;
}

/// Of activations, by products with ones.
StreamEmitter::Values StreamEmitter::totalsOf(ArrayRef<SmallVector<Values>> x) {
  Values ones(4, b.i32(matmul.xHalf && matmul.xHalf.isBF16() ? 0x3f803f80
                                                             : 0x3c003c00));
  Values totals;
  for (int64_t i = 0; i < tiles; ++i) {
    Values sum(4, b.f32(0));
    for (const SmallVector<Values> &step : x)
      for (size_t word = 0; word < step[i].size(); word += 2)
        sum = cores.multiply(ones, ArrayRef(step[i]).slice(word, 2), sum);
    totals.append({sum[0], sum[1]});
  }
  return totals;
}

/// carried: sums[pair][tile][product][4], and the words of this unit, which
/// become those of `next`. With one group sums have no scale yet.
StreamEmitter::Values StreamEmitter::addUnit(Value unit, Value next,
                                             ValueRange carried) {
  Values results(carried.take_front(numSums())), loaded;
  ValueRange words = carried.drop_front(numSums());
  int64_t count = tile.numSums();
  bool sumsX = !matmul.isInteger() && layout.form.hasMinimum;
  for (int64_t group = 0; group < shape.groups; ++group) {
    SmallVector<SmallVector<Values>> x(shape.steps);
    Value at = placeOf(unit, group, 0).first;
    for (int64_t step = 0; step < shape.steps; ++step)
      for (int64_t i = 0; i < tiles; ++i)
        x[step].push_back(readX(i, at, placeOf(unit, group, step).second));
    WarpTile::ColumnNumbers numbers;
    if (!single)
      numbers = numbersOf(at);
    if (sumsX)
      numbers.totals = totalsOf(x);
    for (int64_t pair = 0; pair < shape.pairs; ++pair) {
      Values sums(ValueRange(results).slice(pair * count, count));
      // Registers are free for the next unit's words one pair after the other.
      size_t own = shape.steps * weights[pair].numLoads() * 4;
      Values parts = multiply(pair, words.take_front(own), x,
                              single ? sums : tile.noParts());
      words = words.drop_front(own);
      llvm::append_range(loaded, loadGroup(next, group, pair));
      if (!single)
        parts = tile.addGroup(parts, tile.scalesOf(panels[pair], at, g),
                              numbers, sums);
      llvm::copy(parts, results.begin() + pair * count);
    }
  }
  llvm::append_range(results, loaded);
  return results;
}

/// Columns, of a tile and pair of panels, by turns of warps.
void StreamEmitter::finish(ValueRange sums) {
  Type type = sums.front().getType();
  for (auto [i, sum] : llvm::enumerate(sums))
    b.store(sum, memory, b.mul(b.add(thread, i * threads()), 4), 4);
  b.waitForBlock();
  Value lane = b.rem(thread, GPUBuilder::warpSize);
  int64_t columns = 2 * tiles;
  b.loop(warp, b.index(columns * shape.pairs), warps, [&](Value number) {
    Value pair = b.div(number, columns), of = b.rem(number, columns);
    // sums[pair][tile][row][column], that is [pair][tile][row * 2 + column].
    Value first = b.add(b.mul(pair, tile.numSums()),
                        b.add(b.mul(b.div(of, 2), 8), b.rem(of, 2)));
    Values rowSums;
    for (int64_t row = 0; row < 4; ++row) {
      Value start = b.add(b.mul(b.add(first, 2 * row), threads()), lane);
      Value sum;
      for (int64_t each = 0; each < warps; ++each) {
        Value place = b.add(start, each * GPUBuilder::warpSize);
        Value part = b.load(type, memory, b.mul(place, 4), 4);
        sum = !sum               ? part
              : type.isInteger() ? b.addI(sum, part)
                                 : b.addF(sum, part);
      }
      rowSums.push_back(sum);
    }
    Value token =
        b.add(matmul.firstToken,
              b.add(b.mul(b.div(of, 2), 8), b.add(b.mul(t, 2), b.rem(of, 2))));
    Value panel = b.add(panels.front(), b.mul(pair, 2));
    if (single)
      rowSums = tile.scaleColumn(rowSums, panel, g, token);
    tile.finish(rowSums, token, b.mul(panel, layout.panelRows), g, form.rows);
  });
}

void StreamEmitter::emit() {
  memory = b.launchedMemory();
  thread = b.thread();
  warp = b.div(thread, GPUBuilder::warpSize);
  Value inWarp = b.rem(thread, GPUBuilder::warpSize);
  g = b.div(inWarp, 4);
  t = b.rem(inWarp, 4);
  for (int64_t i = 0; i < tiles; ++i)
    rows.push_back(
        matmul.clampToken(b, b.add(matmul.firstToken, b.add(g, 8 * i))));
  for (auto [i, each] : llvm::enumerate(weights)) {
    panels.push_back(b.add(b.mul(b.block('x'), 2 * shape.pairs), 2 * i));
    each.place(panels.back(), g, t);
  }
  Value last = b.index(shape.units - 1);
  Values carried;
  for (int64_t pair = 0; pair < shape.pairs; ++pair)
    llvm::append_range(carried, single ? tile.noParts()
                                       : Values(tile.numSums(), b.f32(0)));
  for (int64_t group = 0; group < shape.groups; ++group)
    for (int64_t pair = 0; pair < shape.pairs; ++pair)
      llvm::append_range(carried, loadGroup(warp, group, pair));
  carried = b.loop(warp, b.index(shape.units), warps, carried,
                   [&](Value unit, ValueRange carried) {
                     Value next = b.min(b.add(unit, warps), last);
                     return addUnit(unit, next, carried);
                   });
  finish(ValueRange(carried).take_front(numSums()));
}

LaunchShape quantmlir::cuda::emitMatmulStream(GPUBuilder &b,
                                              const Matmul &matmul,
                                              const Form &form) {
  StreamEmitter emitter(b, matmul, form);
  emitter.emit();
  int64_t blocks = llvm::divideCeil(matmul.layout.n, form.rows);
  LaunchShape shape = {blocks, form.tokens,
                       emitter.getWarps() * GPUBuilder::warpSize,
                       emitter.sharedBytes()};
  // Two blocks have more on their way, if there are registers for both.
  if (form.tokens <= 8 || (form.tokens <= 16 && emitter.isSimple()))
    shape.together = 2;
  return shape;
}

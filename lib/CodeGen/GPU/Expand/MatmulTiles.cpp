// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// So many activations that arithmetic is all that counts: tensor cores again,
// fed from shared memory. A block computes a tile of `rows` x `tokens`; K is
// taken in steps, and while one is multiplied copies of the next ones are on
// their way into the other stages of a ring (TileStage). Float activations go
// through registers, where they are rounded to what is multiplied, once a
// block.
//
// A warp has 32 rows and some of the tokens; where several share rows each
// decodes for itself (TileWeights). K is in what order we like, if the
// activations follow: a lane takes `laneWords` words side by side, which are 16
// bytes of a row of activations.
//
// In the form `wgmma` four warps multiply their rows by all of the block's
// tokens, at once. Activations come out of shared memory by themselves, where
// they are as such a product wants them (TileStage), and it goes on while the
// next step's weights are decoded: what it reads must stay for a step more.
//
// A product of integers is added up over a group before it is scaled, and so is
// one of floats; with one group there is nothing to do before the end.

#include "Expand.h"
#include "TileCopies.h"
#include "TileWeights.h"
#include "WarpTile.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class TilesEmitter {
public:
  TilesEmitter(GPUBuilder &b, const Matmul &matmul, const Form &form)
      : b(b), matmul(matmul), layout(matmul.layout), lane(layout.form),
        form(form), stage(layout, matmul.hasCodes(), form),
        reader(b, layout, matmul.weights), cores(b, matmul, reader),
        copies(b, matmul, form, stage, reader, cores),
        weights(b, matmul, stage, reader, cores), isInteger(matmul.isInteger()),
        single(layout.numGroups == 1), steps(stage.steps(layout)),
        ahead(form.stages - (form.readsMemory() ? 2 : 1)),
        parts(partsOf(stage, form)),
        warpTokens(form.tokens * form.rows / (warpRows * form.warps)),
        tiles(warpTokens / 8), tile(b, matmul, reader, cores, tiles) {}

  void emit();
  int64_t sharedBytes() const { return form.stages * stage.bytes; }

  /// What is rounded on its way, or put in order, needs registers, too.
  static int64_t partsOf(const TileStage &stage, const Form &form) {
    if (form.tokens <= 64 || (stage.isBytes && stage.laneWords != 8))
      return 1;
    return stage.isBytes ? 2 : stage.laneWords;
  }

private:
  using Values = GPUBuilder::Values;
  static constexpr int64_t warpRows = 32;

  Values multiply(Value buffer, ValueRange sums);
  /// [word][row], decoded.
  SmallVector<SmallVector<Values>> readWords(Value buffer,
                                             TileWeights::Words which) {
    return weights.decode(weights.load(memory, buffer, which), which);
  }
  Values multiplyInMemory(Value buffer, ValueRange sums, Values &held);
  void multiplyRows(ArrayRef<Values> rows, Value x,
                    MutableArrayRef<Value> sums);
  void findPowers();
  void chooseScales(ValueRange scales);
  void scaleWeights(MutableArrayRef<Values> rows);
  void emitScaled(ValueRange running);
  Values advance(Value step, ValueRange carried);
  Values advanceAll(Value first, int64_t count, Values carried);
  /// Operands of products in registers, of a part of a step.
  int64_t numHeld() const {
    return form.readsMemory() ? stage.laneWords * stage.wordBytes() / parts : 0;
  }

  /// Where a column of this lane's sums is in the block.
  Value tokenOf(int64_t tile, int64_t column) {
    return b.add(columns, b.add(b.mul(t, 2), 8 * tile + column));
  }
  Values tokenNumbers(Value buffer, int64_t which, Type type);
  Values addGroup(Value group, Value buffer, ValueRange parts,
                  ValueRange scales, ValueRange sums);
  void finish(ValueRange sums);

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const qt::LaneForm &lane;
  const Form &form;
  TileStage stage;
  PanelReader reader;
  TensorCores cores;
  TileCopies copies;
  TileWeights weights;
  bool isInteger;
  bool single;   ///< one group
  int64_t steps; ///< of a group
  int64_t ahead; ///< steps that are copied before they are multiplied
  /// Of a step, which have registers for their operands by turns: many tokens
  /// have sums in most of them.
  int64_t parts;
  int64_t warpTokens;
  int64_t tiles; ///< of eight tokens, of a warp
  WarpTile tile;

  Value memory;
  Value g, t;             ///< of this lane
  Value firstToken, pair; ///< of the block; panels of the warp in there
  Value firstPanel;       ///< of the warp
  Value columns;          ///< where the warp's tokens start in the block
  Values powers, inverses, factors; ///< if weights are scaled
};

} // namespace

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

/// sums[tile][product][4] += a step.
TilesEmitter::Values TilesEmitter::multiply(Value buffer, ValueRange sums) {
  SmallVector<SmallVector<Values>> words =
      readWords(buffer, weights.allWords());
  int64_t perLane = stage.laneWords * stage.wordBytes() / 4;
  Value at = b.add(buffer, b.add(b.mul(b.add(columns, g), stage.tokenBytes()),
                                 b.mul(t, 4 * perLane)));
  SmallVector<Values> x(tiles);
  for (int64_t i = 0; i < tiles; ++i) {
    Value from = b.add(at, 8 * i * stage.tokenBytes());
    Value all =
        b.load(b.vec(perLane, b.getI32Type()), memory, from, 4 * perLane);
    for (int64_t j = 0; j < perLane; ++j) {
      Value word = b.extract(all, j);
      if (matmul.xFloat && !matmul.multipliesFloat8)
        llvm::append_range(x[i], halvesOf(b, word, matmul.xFloat));
      else
        x[i].push_back(word);
    }
  }
  return tile.multiply(words, x, sums);
}

/// The same by four warps at once. Until the next part of a step, or the next
/// step, neither sums nor operands are to be touched: `held` are the operands
/// of the last one, and become those of this.
TilesEmitter::Values
TilesEmitter::multiplyInMemory(Value buffer, ValueRange sums, Values &held) {
  Values results(sums);
  int64_t count = stage.laneWords / parts, products = 0;
  for (int64_t first = 0; first < stage.laneWords; first += count) {
    SmallVector<SmallVector<Values>> operands =
        pairWords(readWords(buffer, {first, count}));
    results = cores.waitForProducts(results, held);
    held.clear();
    cores.beginProducts();
    for (SmallVector<Values> &rows : operands) {
      if (form.scaled)
        scaleWeights(rows);
      for (const Values &words : rows)
        llvm::append_range(held, words);
      Value x = cores.describe(memory, b.add(buffer, 32 * products++),
                               stage.tokenBytes());
      multiplyRows(rows, x, results);
    }
    cores.endProducts();
  }
  return results;
}

/// Scales as powers of two, by the largest of each of the lane's rows: f16 is
/// to hold what they leave. Lanes that share the rows share the groups.
void TilesEmitter::findPowers() {
  constexpr int64_t lanes = 4, together = 4;
  Values most(4, b.f32(0));
  Value last = b.index(layout.numGroups - 1);
  most = b.loop(t, b.index(layout.numGroups), lanes * together, most,
                [&](Value first, ValueRange carried) {
                  Values largest(carried);
                  for (int64_t i = 0; i < together; ++i) {
                    Value group = b.min(b.add(first, lanes * i), last);
                    Values scales = tile.scalesOf(firstPanel, group, g);
                    for (auto [value, scale] : llvm::zip(largest, scales))
                      value = arith::MaximumFOp::create(b, value,
                                                        b.magnitude(scale));
                  }
                  return largest;
                });
  for (Value &value : most) {
    for (int64_t mask : {1, 2})
      value = arith::MaximumFOp::create(b, value, b.exchange(value, mask));
    Value bits = b.andI(b.bitcast(b.getI32Type(), value), 0x7f800000);
    powers.push_back(b.bitcast(b.getF32Type(), bits));
    Value inverse = arith::SubIOp::create(b, b.i32(254 << 23), bits);
    inverses.push_back(b.bitcast(b.getF32Type(), inverse));
  }
}

/// What a group's weights are multiplied by, and what is added: pairs of f16.
void TilesEmitter::chooseScales(ValueRange scales) {
  factors.clear();
  for (auto [i, scale] : llvm::enumerate(scales)) {
    Value small = b.mulF(scale, inverses[i % 4]);
    Value pair = saturatePair(b, small, small, b.getF16Type());
    factors.push_back(b.bitcast(b.vec(2, b.getF16Type()), pair));
  }
}

void TilesEmitter::scaleWeights(MutableArrayRef<Values> rows) {
  auto pair = b.vec(2, b.getF16Type());
  for (auto [i, words] : llvm::enumerate(rows))
    for (Value &word : words) {
      Value number =
          arith::MulFOp::create(b, b.bitcast(pair, word), factors[i]);
      if (lane.hasMinimum)
        number = arith::AddFOp::create(b, number, factors[4 + i]);
      word = b.bitcast(b.getI32Type(), number);
    }
}

/// Both products of a warp's rows with what `x` describes.
void TilesEmitter::multiplyRows(ArrayRef<Values> rows, Value x,
                                MutableArrayRef<Value> sums) {
  for (int64_t product = 0; product < 2; ++product) {
    auto each = [&](llvm::function_ref<void(int64_t)> body) {
      for (int64_t i = 0; i < 4 * tiles; ++i)
        body(i / 4 * 8 + 4 * product + i % 4);
    };
    Values own;
    each([&](int64_t at) { own.push_back(sums[at]); });
    own = cores.multiplyInMemory(operandOf(rows, product), x, own);
    const Value *next = own.begin();
    each([&](int64_t at) { sums[at] = *next++; });
  }
}

/// carried: parts of the group, running sums of `storeFloats`, and operands
/// that are held.
TilesEmitter::Values TilesEmitter::advance(Value step, ValueRange carried) {
  int64_t count = 8 * tiles, total = layout.numGroups * steps;
  Value next = b.add(step, ahead);
  b.waitForCopies(ahead - 1);
  if (form.readsMemory() && copies.storesX())
    cores.showMemory();
  b.waitForBlock();
  b.onlyIf(b.less(next, total), [&] { copies.start(next); });
  b.endCopies();
  // What is behind the end goes where nobody reads.
  SmallVector<TensorCores::Halves> x =
      copies.loadFloats(b.min(next, b.index(total - 1)));
  Value buffer = copies.bufferOf(step);
  ValueRange sums = carried.take_front(count);
  Values held(carried.take_back(numHeld()));
  Values results = form.readsMemory() ? multiplyInMemory(buffer, sums, held)
                                      : multiply(buffer, sums);
  ValueRange running = carried.slice(count, copies.numRunning());
  llvm::append_range(results, copies.storeFloats(x, next, running));
  llvm::append_range(results, held);
  return results;
}

/// `count` steps from `first` on. Operands that are held have registers of
/// their own, which every other step (or part of one) can have again.
TilesEmitter::Values TilesEmitter::advanceAll(Value first, int64_t count,
                                              Values carried) {
  int64_t together = numHeld() && parts == 1 ? 2 : 1;
  int64_t whole = count / together * together;
  auto advanceSome = [&](Value step, ValueRange some) {
    Values results(some);
    for (int64_t i = 0; i < together; ++i)
      results = advance(b.add(step, i), results);
    return results;
  };
  if (whole < count) {
    // Registers are not moved while products read them.
    carried = advance(first, carried);
    first = b.add(first, 1);
    Values sums =
        cores.waitForProducts(ValueRange(carried).take_front(8 * tiles),
                              ValueRange(carried).take_back(numHeld()));
    llvm::copy(sums, carried.begin());
    std::fill(carried.end() - numHeld(), carried.end(), b.i32(0));
  }
  if (whole > together)
    carried =
        b.loop(first, b.add(first, whole), together, carried, advanceSome);
  else if (whole)
    carried = advanceSome(first, carried);
  return carried;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// Of the two columns of each tile.
TilesEmitter::Values TilesEmitter::tokenNumbers(Value buffer, int64_t which,
                                                Type type) {
  Values numbers;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Value token = tokenOf(tile, 0);
    Value at = b.add(buffer, b.add(b.mul(token, 4),
                                   stage.numbers + which * 4 * form.tokens));
    Value two = b.load(b.vec(2, type), memory, at, 8);
    for (int64_t i = 0; i < 2; ++i)
      numbers.push_back(b.extract(two, i));
  }
  return numbers;
}

/// sums[tile][product][4] += scaled parts. `buffer` is that of the last step.
TilesEmitter::Values TilesEmitter::addGroup(Value group, Value buffer,
                                            ValueRange products,
                                            ValueRange scales,
                                            ValueRange sums) {
  Values parts(products.take_front(8 * tiles));
  if (form.readsMemory())
    parts = cores.waitForProducts(parts, products.take_back(numHeld()));
  Values codeScales, totals;
  if (isInteger && single) {
    for (int64_t i = 0; copies.needsSums() && i < 2 * tiles; ++i) {
      Value token = b.add(firstToken, tokenOf(i / 2, i % 2));
      totals.push_back(matmul.codeSum(b, matmul.clampToken(b, token), group));
    }
  } else if (isInteger) {
    if (!matmul.rowScale())
      codeScales = tokenNumbers(buffer, 0, b.getF32Type());
    if (copies.needsSums())
      totals = tokenNumbers(buffer, 1, b.getI32Type());
  } else if (matmul.xFloat && !single && !matmul.rowScale()) {
    codeScales = tokenNumbers(buffer, 0, b.getF32Type());
    if (matmul.codeFactor() != 1)
      for (Value &scale : codeScales)
        scale = b.mulF(scale, b.f32(matmul.codeFactor()));
  } else if (copies.sumsX()) {
    totals = tokenNumbers(buffer, 0, b.getF32Type());
  }
  return tile.addGroup(parts, scales, {codeScales, totals}, sums);
}

void TilesEmitter::finish(ValueRange sums) {
  Value start = b.mul(firstPanel, layout.panelRows);
  for (int64_t i = 0; i < tiles; ++i)
    for (int64_t column = 0; column < 2; ++column)
      tile.finish(WarpTile::ofColumn(sums, i, column),
                  b.add(firstToken, tokenOf(i, column)), start, g, form.rows);
}

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

void TilesEmitter::emit() {
  memory = b.launchedMemory();
  Value thread = b.thread();
  Value warp = b.div(thread, GPUBuilder::warpSize);
  Value inWarp = b.rem(thread, GPUBuilder::warpSize);
  g = b.div(inWarp, 4);
  t = b.rem(inWarp, 4);
  firstToken = matmul.firstToken;
  int64_t pairs = form.rows / warpRows;
  pair = b.mul(b.rem(warp, pairs), 2);
  firstPanel = b.add(b.mul(matmul.rowBlock, stage.panels), pair);
  columns = b.mul(b.div(warp, pairs), warpTokens);
  copies.place(memory, thread, firstToken);
  weights.place(pair, g, t);

  int64_t total = layout.numGroups * steps, count = 8 * tiles;
  Values running(copies.numRunning(), b.f32(0));
  for (int64_t step = 0; step < ahead; ++step) {
    Value at = b.index(step);
    if (step < total) {
      copies.start(at);
      Values sums = copies.storeFloats(copies.loadFloats(at), at, running);
      running = sums;
    }
    b.endCopies();
  }

  if (form.scaled)
    return emitScaled(running);
  Values zeros = tile.noParts(), noSums(count, b.f32(0));
  if (single) {
    Values carried = zeros;
    llvm::append_range(carried, running);
    carried.append(numHeld(), b.i32(0));
    Value group = b.index(0);
    carried = advanceAll(group, total, carried);
    Value last = copies.bufferOf(b.index(total - 1));
    finish(addGroup(group, last, carried, tile.scalesOf(firstPanel, group, g),
                    noSums));
    return;
  }
  // Scales are read a group ahead.
  Values scales = tile.scalesOf(firstPanel, b.index(0), g), carried = noSums;
  llvm::append_range(carried, scales);
  llvm::append_range(carried, running);
  carried = b.loop(
      b.index(0), b.index(layout.numGroups), 1, carried,
      [&](Value group, ValueRange carried) {
        ValueRange sums = carried.take_front(count);
        ValueRange now = carried.slice(count, scales.size());
        Value following = b.min(b.add(group, 1), b.index(layout.numGroups - 1));
        Values next = tile.scalesOf(firstPanel, following, g);
        Values parts = zeros;
        llvm::append_range(parts, carried.drop_front(count + scales.size()));
        parts.append(numHeld(), b.i32(0));
        Value first = b.mul(group, steps);
        parts = advanceAll(first, steps, parts);
        Value last = copies.bufferOf(b.add(first, steps - 1));
        Values results = addGroup(group, last, parts, now, sums);
        llvm::append_range(results, next);
        llvm::append_range(results,
                           ValueRange(parts).slice(count, copies.numRunning()));
        return results;
      });
  finish(ValueRange(carried).take_front(count));
}

/// One sum for all of K, of weights that have been scaled.
void TilesEmitter::emitScaled(ValueRange running) {
  findPowers();
  int64_t count = 8 * tiles, groups = layout.numGroups;
  Values carried = tile.scalesOf(firstPanel, b.index(0), g);
  size_t numScales = carried.size();
  carried.append(count, b.f32(0));
  llvm::append_range(carried, running);
  carried.append(numHeld(), b.i32(0));
  carried =
      b.loop(b.index(0), b.index(groups), 1, carried,
             [&](Value group, ValueRange carried) {
               // Scales are read a group ahead.
               Value following = b.min(b.add(group, 1), b.index(groups - 1));
               Values results = tile.scalesOf(firstPanel, following, g);
               chooseScales(carried.take_front(numScales));
               llvm::append_range(
                   results, advanceAll(b.mul(group, steps), steps,
                                       Values(carried.drop_front(numScales))));
               return results;
             });
  Values sums =
      cores.waitForProducts(ValueRange(carried).slice(numScales, count),
                            ValueRange(carried).take_back(numHeld()));
  for (auto [at, sum] : llvm::enumerate(sums))
    sum = b.mulF(sum, powers[at % 8 / 2]);
  finish(sums);
}

LaunchShape quantmlir::cuda::emitMatmulTiles(GPUBuilder &b,
                                             const Matmul &matmul,
                                             const Form &form) {
  TilesEmitter emitter(b, matmul, form);
  emitter.emit();
  int64_t blocks = llvm::divideCeil(matmul.layout.n, form.rows);
  return {blocks, form.tokens, form.warps * GPUBuilder::warpSize,
          emitter.sharedBytes()};
}

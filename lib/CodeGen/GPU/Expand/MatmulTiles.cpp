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
#include "mlir/Dialect/Vector/IR/VectorOps.h"

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
        isWide(weights.isWide()), single(layout.numGroups == 1),
        steps(stage.steps(layout)),
        ahead(form.stages - (form.readsMemory() ? 2 : 1)),
        warpTokens(form.tokens * form.rows / (warpRows * form.warps)),
        tiles(warpTokens / 8) {}

  void emit();
  int64_t sharedBytes() const { return form.stages * stage.bytes; }

private:
  using Values = GPUBuilder::Values;
  using Numbers = PanelReader::Numbers;
  static constexpr int64_t warpRows = 32;
  /// 1.5 * 2^23: an integer below 2^22 that is added to its bits is added to
  /// it.
  static constexpr int64_t magic = 0x4b400000;

  /// Operands of products, of each of the lane's rows.
  SmallVector<SmallVector<Values>> readOperands(Value buffer);
  Values multiply(Value buffer, ValueRange sums);
  Values multiplyInMemory(Value buffer, ValueRange sums);
  Values advance(Value step, ValueRange carried);

  /// Where a column of this lane's sums is in the block.
  Value tokenOf(int64_t tile, int64_t column) {
    return b.add(columns, b.add(b.mul(t, 2), 8 * tile + column));
  }
  Values scalesOf(Value group);
  Values tokenNumbers(Value buffer, int64_t which, Type type);
  Values addGroup(Value group, Value buffer, ValueRange parts,
                  ValueRange scales, ValueRange sums);
  void finish(ValueRange sums);

  /// Whether sums of a group are integers that f32 holds, added to `magic`.
  bool isExact() const {
    return isInteger && !single && 255 * 128 * layout.group < 1 << 22;
  }

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
  bool isWide;   ///< words of the weight have 8 bytes
  bool single;   ///< one group
  int64_t steps; ///< of a group
  int64_t ahead; ///< steps that are copied before they are multiplied
  int64_t warpTokens;
  int64_t tiles; ///< of eight tokens, of a warp

  Value memory;
  Value g, t;             ///< of this lane
  Value firstToken, pair; ///< of the block; panels of the warp
  Value columns;          ///< where the warp's tokens start in the block
};

} // namespace

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

/// [product along K][row]: parts of a word, or of what has 8 bits two words.
SmallVector<SmallVector<TilesEmitter::Values>>
TilesEmitter::readOperands(Value buffer) {
  SmallVector<SmallVector<Values>> words = weights.read(memory, buffer);
  if (words.front().front().size() == 2 || stage.laneWords == 1)
    return words;
  SmallVector<SmallVector<Values>> operands;
  for (int64_t word = 0; word < stage.laneWords; word += 2) {
    operands.emplace_back();
    for (int64_t row = 0; row < 4; ++row)
      operands.back().push_back({words[word][row][0], words[word + 1][row][0]});
  }
  return operands;
}

/// Of the rows g and g + 8 of a product.
static GPUBuilder::Values operandOf(ArrayRef<GPUBuilder::Values> rows,
                                    int64_t product) {
  GPUBuilder::Values operand;
  for (auto [upper, lower] :
       llvm::zip(rows[2 * product], rows[2 * product + 1]))
    operand.append({upper, lower});
  return operand;
}

/// sums[tile][product][4] += a step.
TilesEmitter::Values TilesEmitter::multiply(Value buffer, ValueRange sums) {
  SmallVector<SmallVector<Values>> operands = readOperands(buffer);
  int64_t perLane = stage.laneWords * stage.wordBytes() / 4;
  Value at = b.add(buffer, b.add(b.mul(b.add(columns, g), stage.tokenBytes()),
                                 b.mul(t, 4 * perLane)));
  SmallVector<Values> x(tiles);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Value from = b.add(at, 8 * tile * stage.tokenBytes());
    Value all =
        b.load(b.vec(perLane, b.getI32Type()), memory, from, 4 * perLane);
    for (int64_t i = 0; i < perLane; ++i) {
      Value word = b.extract(all, i);
      if (matmul.xFloat && !matmul.multipliesFloat8)
        llvm::append_range(x[tile], halvesOf(b, word, matmul.xFloat));
      else
        x[tile].push_back(word);
    }
  }
  Values results(sums);
  for (auto [k, rows] : llvm::enumerate(operands))
    for (int64_t tile = 0; tile < tiles; ++tile)
      for (int64_t product = 0; product < 2; ++product) {
        int64_t count = rows.front().size(), first = 4 * (2 * tile + product);
        Values sum = cores.multiply(operandOf(rows, product),
                                    ArrayRef(x[tile]).slice(k * count, count),
                                    ValueRange(results).slice(first, 4));
        llvm::copy(sum, results.begin() + first);
      }
  return results;
}

/// The same by four warps at once. Until the next step the sums are not to be
/// touched.
TilesEmitter::Values TilesEmitter::multiplyInMemory(Value buffer,
                                                    ValueRange sums) {
  SmallVector<SmallVector<Values>> operands = readOperands(buffer);
  Values results = cores.waitForProducts(sums);
  cores.beginProducts();
  for (auto [k, rows] : llvm::enumerate(operands)) {
    Value x = cores.describe(memory, b.add(buffer, int64_t(k) * 32),
                             stage.tokenBytes());
    for (int64_t product = 0; product < 2; ++product) {
      auto each = [&](llvm::function_ref<void(int64_t)> body) {
        for (int64_t i = 0; i < 4 * tiles; ++i)
          body(i / 4 * 8 + 4 * product + i % 4);
      };
      Values own;
      each([&](int64_t at) { own.push_back(results[at]); });
      own = cores.multiplyInMemory(operandOf(rows, product), x, own);
      const Value *next = own.begin();
      each([&](int64_t at) { results[at] = *next++; });
    }
  }
  cores.endProducts();
  return results;
}

/// carried: parts of the group, and running sums of `storeFloats`.
TilesEmitter::Values TilesEmitter::advance(Value step, ValueRange carried) {
  int64_t count = 8 * tiles, total = layout.numGroups * steps;
  Value next = b.add(step, ahead);
  b.waitForCopies(ahead - 1);
  if (form.readsMemory())
    cores.showMemory();
  b.waitForBlock();
  b.onlyIf(b.less(next, total), [&] { copies.start(next); });
  b.endCopies();
  // What is behind the end goes where nobody reads.
  SmallVector<Values> x = copies.loadFloats(b.min(next, b.index(total - 1)));
  Value buffer = copies.bufferOf(step);
  ValueRange sums = carried.take_front(count);
  Values results = form.readsMemory() ? multiplyInMemory(buffer, sums)
                                      : multiply(buffer, sums);
  llvm::append_range(results,
                     copies.storeFloats(x, next, carried.drop_front(count)));
  return results;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// Of this lane's four rows, with their minimums; what there is.
TilesEmitter::Values TilesEmitter::scalesOf(Value group) {
  Value first = b.mul(b.block('x'), stage.panels);
  auto load = [&](Numbers which) -> Values {
    auto read = [&](Value panel, Value row, int64_t count) {
      panel = b.min(b.add(first, panel), b.index(layout.numPanels - 1));
      return reader.numbers(which, panel, group, row, count);
    };
    if (!isWide)
      return read(b.add(pair, b.div(g, 4)), b.mul(b.rem(g, 4), 4), 4);
    Values values;
    for (int64_t panel = 0; panel < 2; ++panel)
      llvm::append_range(values, read(b.add(pair, panel), b.mul(g, 2), 2));
    return values;
  };
  Values all;
  if (lane.scaleType)
    all = load(Numbers::Scales);
  if (isInteger && !lane.numbers.empty())
    for (Value &scale : all)
      scale = b.mulF(scale, b.f32(1.0 / lane.laneFactor));
  if (lane.hasMinimum)
    llvm::append_range(all, load(Numbers::Minimums));
  return all;
}

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
  Values parts(products);
  if (form.readsMemory())
    parts = cores.waitForProducts(parts);
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
  Values zeros; // what stands for no product
  for (int64_t i = 0; isExact() && i < 2 * tiles; ++i) {
    Value zero = b.f32(12582912);
    if (lane.offset)
      zero = b.addF(zero, b.toF32(b.mulI(totals[i], b.i32(lane.offset))));
    zeros.push_back(zero);
  }
  Values results(sums);
  for (int64_t at = 0; at < 8 * tiles; ++at) {
    int64_t column = at / 8 * 2 + at % 2, row = at % 8 / 2;
    Value total = totals.empty() ? Value() : totals[column];
    Value minimum = lane.hasMinimum ? scales[scales.size() - 4 + row] : Value();
    Value &sum = results[at];
    if (isInteger) {
      Value product =
          isExact()
              ? arith::SubFOp::create(b, b.bitcast(b.getF32Type(), parts[at]),
                                      zeros[column])
              : matmul.withoutOffset(b, parts[at], total);
      sum = matmul.addGroup(b, sum, product, scales[row], minimum, total,
                            codeScales.empty() ? Value() : codeScales[column]);
      continue;
    }
    sum = matmul.addFloats(b, sum, parts[at],
                           lane.scaleType ? scales[row] : Value(),
                           codeScales.empty() ? Value() : codeScales[column]);
    if (minimum)
      sum = b.fma(minimum, total, sum);
  }
  return results;
}

void TilesEmitter::finish(ValueRange sums) {
  Value firstRow = b.mul(b.block('x'), form.rows);
  Value start = b.add(firstRow, b.mul(pair, layout.panelRows));
  int64_t together = isWide ? 2 : 4;
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int64_t column = 0; column < 2; ++column) {
      Value token = tokenOf(tile, column);
      Values rows;
      for (int64_t row = 0; row < 4; ++row)
        rows.push_back(sums[8 * tile + 2 * row + column]);
      for (int64_t row = 0; row < 4; row += together)
        matmul.finish(b, ValueRange(rows).slice(row, together),
                      b.add(firstToken, token),
                      b.add(start, b.add(b.mul(g, together),
                                         row / together * layout.panelRows)),
                      form.rows);
    }
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

  Value zero = b.f32(0);
  if (isInteger)
    zero = b.i32(isExact() ? magic : 0);
  Values zeros(count, zero), noSums(count, b.f32(0));
  if (single) {
    Values carried = zeros;
    llvm::append_range(carried, running);
    carried = b.loop(
        b.index(0), b.index(total), 1, carried,
        [&](Value step, ValueRange carried) { return advance(step, carried); });
    Value group = b.index(0);
    Value last = copies.bufferOf(b.index(total - 1));
    finish(addGroup(group, last, ValueRange(carried).take_front(count),
                    scalesOf(group), noSums));
    return;
  }
  // Scales are read a group ahead.
  Values scales = scalesOf(b.index(0)), carried = noSums;
  llvm::append_range(carried, scales);
  llvm::append_range(carried, running);
  carried = b.loop(
      b.index(0), b.index(layout.numGroups), 1, carried,
      [&](Value group, ValueRange carried) {
        ValueRange sums = carried.take_front(count);
        ValueRange now = carried.slice(count, scales.size());
        Value following = b.min(b.add(group, 1), b.index(layout.numGroups - 1));
        Values next = scalesOf(following);
        Values parts = zeros;
        llvm::append_range(parts, carried.drop_front(count + scales.size()));
        Value first = b.mul(group, steps);
        if (steps == 1)
          parts = advance(first, parts);
        else
          parts = b.loop(b.index(0), b.index(steps), 1, parts,
                         [&](Value step, ValueRange carried) {
                           return advance(b.add(first, step), carried);
                         });
        Value last = copies.bufferOf(b.add(first, steps - 1));
        Values results = addGroup(
            group, last, ValueRange(parts).take_front(count), now, sums);
        llvm::append_range(results, next);
        llvm::append_range(results, ValueRange(parts).drop_front(count));
        return results;
      });
  finish(ValueRange(carried).take_front(count));
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

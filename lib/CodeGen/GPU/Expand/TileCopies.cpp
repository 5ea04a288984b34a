// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TileCopies.h"
#include "TileWeights.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

TileCopies::TileCopies(GPUBuilder &b, const Matmul &matmul, const Form &form,
                       const TileStage &stage, PanelReader &reader,
                       TensorCores &cores)
    : b(b), matmul(matmul), layout(matmul.layout), form(form), stage(stage),
      reader(reader), cores(cores), isBytes(matmul.hasCodes()),
      copiesX(isBytes || (matmul.xHalf && !sumsX())),
      single(layout.numGroups == 1), steps(stage.steps(layout)),
      threads(form.warps * GPUBuilder::warpSize),
      tokenPiece(stage.inOrder && !isBytes ? 4 : piece) {}

/// The pieces of a thread, by their number.
SmallVector<TileCopies::Share>
TileCopies::share(int64_t pieces, llvm::function_ref<Share(Value)> place) {
  SmallVector<Share> shares;
  for (int64_t first = 0; first < pieces; first += threads) {
    Value index = b.add(thread, first), valid;
    if (first + threads > pieces) {
      valid = b.less(index, pieces);
      index = b.min(index, b.index(pieces - 1));
    }
    shares.push_back(place(index));
    shares.back().valid = valid;
  }
  return shares;
}

/// In lines of 128 bytes, the number of a line changes that of its pieces.
Value TileCopies::pieceOf(Value token, Value inRow) {
  int64_t perRow = stage.tokenBytes() / piece;
  if (stage.inOrder) {
    Value line = b.div(token, 8 / perRow);
    inRow = arith::XOrIOp::create(b, inRow, b.rem(line, perRow));
  }
  return b.add(b.mul(token, perRow), inRow);
}

/// Where a piece of the block's activations comes from and goes to. A product
/// that reads memory has, of 16-bit floats, the first pairs of four words in
/// front of the second.
TileCopies::Share TileCopies::placeToken(Value item) {
  int64_t perToken = stage.tokenBytes() / tokenPiece;
  Value token = b.div(item, perToken), inRow = b.rem(item, perToken);
  Value column = b.mul(inRow, tokenPiece / 4), to;
  if (tokenPiece == piece) {
    to = b.mul(pieceOf(token, inRow), piece);
  } else {
    Value word = b.div(inRow, 2);
    Value at = b.add(b.mul(b.div(word, 4), 2), b.rem(inRow, 2));
    to = b.add(b.mul(pieceOf(token, at), piece), b.mul(b.rem(word, 4), 4));
  }
  Value row = matmul.clampToken(b, b.add(firstToken, token));
  return {b.byteOf(matmul.x, row, column), to};
}

void TileCopies::place(Value sharedMemory, Value threadInBlock,
                       Value blockToken) {
  memory = sharedMemory;
  thread = threadInBlock;
  firstToken = blockToken;
  Value firstPanel = b.mul(matmul.rowBlock, stage.panels);
  Value last = b.index(layout.numPanels - 1);
  for (const TileStage::Region &region : stage.regions) {
    int64_t perPanel = region.bytes / piece;
    weightShares.push_back(
        share(stage.panels * perPanel, [&](Value index) -> Share {
          Value panel = b.div(index, perPanel),
                inPanel = b.rem(index, perPanel);
          Value to =
              b.add(b.mul(panel, perPanel), TileWeights::swizzled(b, inPanel));
          // What is behind the weight's end is of no use.
          panel = b.min(b.add(firstPanel, panel), last);
          return {b.add(b.mul(panel, layout.panelBytes),
                        b.add(b.mul(inPanel, piece), region.source)),
                  b.add(b.mul(to, piece), region.start)};
        }));
  }
  auto tokenOf = [&](Value index) {
    return matmul.clampToken(b, b.add(firstToken, index));
  };
  if (!copiesX) {
    for (int64_t first = 0; first < form.tokens * stage.words;
         first += threads) {
      Value index = b.add(thread, first);
      floatItems.push_back(
          {b.div(index, stage.words), b.rem(index, stage.words)});
    }
    return;
  }
  tokenShares = share(form.tokens * stage.tokenBytes() / tokenPiece,
                      [&](Value item) { return placeToken(item); });
  if (single || !isBytes)
    return;
  auto numbers = [&](const Buffer &buffer, int64_t which) {
    return share(form.tokens, [&](Value index) -> Share {
      Value to =
          b.add(b.mul(index, 4), stage.numbers + which * 4 * form.tokens);
      return {b.byteOf(buffer, tokenOf(index), b.index(0)), to};
    });
  };
  if (!matmul.rowScale())
    numberShares[0] = numbers(matmul.scales, 0);
  if (needsSums())
    numberShares[1] = numbers(matmul.sums, 1);
}

Value TileCopies::bufferOf(Value step) {
  return b.mul(b.rem(step, form.stages), stage.bytes);
}

std::pair<Value, Value> TileCopies::placeOf(Value step) {
  if (single)
    return {b.index(0), step};
  if (steps == 1)
    return {step, b.index(0)};
  return {b.div(step, steps), b.rem(step, steps)};
}

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

void TileCopies::start(Value step) {
  auto [group, inGroup] = placeOf(step);
  Value buffer = bufferOf(step);
  auto copy = [&](ArrayRef<Share> shares, Value from, Value offset,
                  int64_t bytes) {
    for (const Share &each : shares) {
      auto start = [&] {
        b.copyAsync(memory, b.add(buffer, each.to), from,
                    b.add(each.from, offset), bytes);
      };
      if (each.valid)
        b.onlyIf(each.valid, start);
      else
        start();
    }
  };
  Value start = reader.groupAt(b.index(0), group);
  for (auto [region, shares] : llvm::zip(stage.regions, weightShares))
    copy(shares, matmul.weights, b.add(start, b.mul(inGroup, region.bytes)),
         piece);
  if (!copiesX)
    return;
  Value word =
      b.add(b.mul(group, layout.wordsPerGroup()), b.mul(inGroup, stage.words));
  copy(tokenShares, matmul.x.pointer, b.mul(word, stage.wordBytes()),
       tokenPiece);
  if (isBytes && !single && !matmul.rowScale())
    copy(numberShares[0], matmul.scales.pointer,
         b.mul(b.div(group, matmul.xGroup / layout.group), 4), 4);
  copy(numberShares[1], matmul.sums.pointer, b.mul(group, 4), 4);
}

SmallVector<TensorCores::Halves> TileCopies::loadFloats(Value step) {
  auto [group, inGroup] = placeOf(step);
  SmallVector<TensorCores::Halves> x;
  for (auto [token, word] : floatItems)
    x.push_back(matmul.halves(b, matmul.clampToken(b, b.add(firstToken, token)),
                              group, b.add(b.mul(inGroup, stage.words), word),
                              cores.halfType()));
  return x;
}

/// A product that reads memory has the first halves of four words in front of
/// the second.
void TileCopies::storeWord(TensorCores::Halves halves, Value token, Value word,
                           Value buffer) {
  if (!stage.inOrder) {
    Value at = b.add(b.mul(token, stage.tokenBytes()), b.mul(word, 8));
    Value both = vector::FromElementsOp::create(
        b, b.vec(2, b.getI32Type()), ValueRange{halves[0], halves[1]});
    return b.store(both, memory, b.add(buffer, at), 8);
  }
  Value product = b.mul(b.div(word, 4), 2), inPiece = b.mul(b.rem(word, 4), 4);
  for (auto [i, half] : llvm::enumerate(halves)) {
    Value at = b.mul(pieceOf(token, b.add(product, int64_t(i))), piece);
    b.store(half, memory, b.add(buffer, b.add(at, inPiece)), 4);
  }
}

TileCopies::Values TileCopies::storeFloats(ArrayRef<TensorCores::Halves> x,
                                           Value step, ValueRange running) {
  Value buffer = bufferOf(step);
  Values sums;
  for (auto [i, halves] : llvm::enumerate(x)) {
    auto [token, word] = floatItems[i];
    auto store = [&] { storeWord(halves, token, word, buffer); };
    bool isWhole = form.tokens * stage.words % threads == 0;
    if (isWhole)
      store();
    else
      b.onlyIf(b.less(token, form.tokens), store);
    if (!sumsX())
      continue;
    Value starts = b.less(placeOf(step).second, 1);
    Value sum = b.select(starts, b.f32(0), running[i]);
    for (Value half : halves) {
      Value numbers = b.bitcast(b.vec(2, cores.halfType()), half);
      for (int64_t j = 0; j < 2; ++j)
        sum = b.addF(sum, b.toF32(b.extract(numbers, j)));
    }
    sums.push_back(sum);
    // Neighbouring lanes have the token's other words.
    for (int64_t mask = 1; mask < stage.words; mask *= 2)
      sum = b.addF(sum, b.exchange(sum, mask));
    auto storeSum = [&] {
      b.store(sum, memory, b.add(buffer, b.add(b.mul(token, 4), stage.numbers)),
              4);
    };
    if (isWhole)
      storeSum();
    else
      b.onlyIf(b.less(token, form.tokens), storeSum);
  }
  return sums;
}

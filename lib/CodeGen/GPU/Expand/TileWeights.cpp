// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TileWeights.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

/// Eight pieces of 16 bytes are a line of all banks. Lanes that read together
/// read neighbours in lines that differ in two of the lowest three bits of
/// their number.
Value TileWeights::swizzled(GPUBuilder &b, Value index) {
  Value line = b.div(index, 8);
  Value mask = arith::XOrIOp::create(b, line, b.div(line, 4));
  return arith::XOrIOp::create(b, index, b.mul(b.rem(mask, 4), 2));
}

Value TileWeights::wordOf(Value t, int64_t i) {
  return stage.inOrder ? b.add(t, wordStride() * i)
                       : b.add(b.mul(t, stage.laneWords), i);
}

/// The byte of a stage where a piece of a panel is.
Value TileWeights::placeOf(const TileStage::Region &region, Value panel,
                           Value inPanel) {
  Value index = b.add(b.mul(panel, region.bytes / piece), swizzled(b, inPanel));
  return b.add(b.mul(index, piece), region.start);
}

/// Two loads for each word, one of each panel.
TileWeights::Share TileWeights::placeWide(const TileStage::Region &region,
                                          Value pair, Value g, Value t) {
  Share share;
  for (int64_t word = 0; word < stage.laneWords; ++word)
    for (int64_t panel = 0; panel < 2; ++panel)
      share.loads.push_back(placeOf(region, b.add(pair, panel),
                                    b.add(b.mul(wordOf(t, word), 8), g)));
  return share;
}

/// A register of a plane has the bits of several words, which may be those of
/// several lanes.
TileWeights::Share TileWeights::placeWords(const TileStage::Region &region,
                                           int64_t width, Value panel,
                                           Value quarter, Value t) {
  Share share;
  int64_t per = kernel::PanelLayout::wordsPerRegister(width);
  // Words of a lane that share one.
  int64_t together = std::max<int64_t>(per / (stage.inOrder ? 4 : 1), 1);
  for (int64_t word = 0; word < stage.laneWords; ++word) {
    if (word % together == 0) {
      Value stored = b.div(wordOf(t, word), per);
      share.loads.push_back(
          placeOf(region, panel, b.add(b.mul(stored, 4), quarter)));
    }
    share.loadOf.push_back(share.loads.size() - 1);
    share.shiftOf.push_back(word * wordStride() % per * width);
  }
  if (per > 1 && (stage.inOrder || stage.laneWords < per))
    share.shift = arith::IndexCastUIOp::create(
        b, b.getI32Type(), b.mul(b.rem(wordOf(t, 0), per), width));
  return share;
}

void TileWeights::place(Value pair, Value g, Value t) {
  for (auto [i, region] : llvm::enumerate(stage.regions)) {
    if (isWide()) {
      shares.push_back(placeWide(region, pair, g, t));
      continue;
    }
    shares.push_back(placeWords(region, isFloat ? 8 : layout.planes[i],
                                b.add(pair, b.div(g, 4)), b.rem(g, 4), t));
  }
}

SmallVector<SmallVector<TileWeights::Values>> TileWeights::read(Value memory,
                                                                Value buffer) {
  auto four = b.vec(4, b.getI32Type());
  SmallVector<SmallVector<Values>> loaded; // [region][load][i]
  for (const Share &share : shares) {
    loaded.emplace_back();
    for (Value place : share.loads) {
      Value all = b.load(four, memory, b.add(buffer, place), piece);
      loaded.back().emplace_back();
      for (int64_t i = 0; i < 4; ++i)
        loaded.back().back().push_back(b.extract(all, i));
    }
  }
  SmallVector<SmallVector<Values>> weights(stage.laneWords);
  for (int64_t word = 0; word < stage.laneWords; ++word)
    for (int64_t row = 0; row < 4; ++row) {
      if (isWide()) {
        const Values &words = loaded[0][2 * word + row / 2];
        weights[word].push_back({words[row % 2 * 2], words[row % 2 * 2 + 1]});
        continue;
      }
      if (isFloat8) {
        weights[word].push_back({loaded[0][word][row]});
        continue;
      }
      if (isFloat) {
        auto halves = halvesOf(b, loaded[0][word][row], lane.floatType);
        weights[word].push_back({halves[0], halves[1]});
        continue;
      }
      Value code;
      for (auto [plane, share] : llvm::enumerate(shares)) {
        Value shift = b.i32(share.shiftOf[word]);
        if (share.shift)
          shift = b.addI(share.shift, shift);
        code = reader.plane(code, plane, loaded[plane][share.loadOf[word]][row],
                            shift);
      }
      if (isInteger) {
        weights[word].push_back({reader.decode(code)});
        continue;
      }
      TensorCores::Halves halves = cores.numbersOf(code);
      weights[word].push_back({halves[0], halves[1]});
    }
  return weights;
}

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

/// The byte of a stage, or of the weight, where a piece of a panel is.
Value TileWeights::placeOf(const TileStage::Region &region, Value panel,
                           Value inPanel) {
  if (inPanels) {
    panel = b.min(panel, b.index(layout.numPanels - 1));
    return b.add(b.mul(panel, layout.panelBytes),
                 b.add(b.mul(inPanel, piece), region.source));
  }
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

int64_t TileWeights::numLoads() const {
  int64_t count = 0;
  for (const Share &share : shares)
    count += share.loads.size();
  return count;
}

std::pair<int64_t, int64_t> TileWeights::loadsOf(const Share &share,
                                                 Words which) const {
  if (isWide())
    return {2 * which.first, 2 * (which.first + which.count)};
  return {share.loadOf[which.first],
          share.loadOf[which.first + which.count - 1] + 1};
}

SmallVector<TileWeights::Values> TileWeights::load(Value memory, Value buffer,
                                                   Words which, Value step) {
  auto four = b.vec(4, b.getI32Type());
  SmallVector<Values> pieces;
  for (auto [region, share] : llvm::zip(stage.regions, shares)) {
    Value start = step ? b.add(buffer, b.mul(step, region.bytes)) : buffer;
    auto [begin, end] = loadsOf(share, which);
    for (int64_t load = begin; load < end; ++load) {
      Value all = b.load(four, memory, b.add(start, share.loads[load]), piece);
      pieces.emplace_back();
      for (int64_t i = 0; i < 4; ++i)
        pieces.back().push_back(b.extract(all, i));
    }
  }
  return pieces;
}

SmallVector<SmallVector<TileWeights::Values>>
TileWeights::decode(ArrayRef<Values> pieces, Words which) {
  SmallVector<ArrayRef<Values>> loaded; // of each region
  for (const Share &share : shares) {
    auto [begin, end] = loadsOf(share, which);
    loaded.push_back(pieces.take_front(end - begin));
    pieces = pieces.drop_front(end - begin);
  }
  SmallVector<SmallVector<Values>> weights(which.count);
  for (int64_t i = 0; i < which.count; ++i)
    for (int64_t row = 0; row < 4; ++row) {
      int64_t word = which.first + i;
      if (isWide()) {
        const Values &words = loaded[0][2 * i + row / 2];
        weights[i].push_back({words[row % 2 * 2], words[row % 2 * 2 + 1]});
        continue;
      }
      if (isFloat8) {
        weights[i].push_back({loaded[0][i][row]});
        continue;
      }
      if (isFloat) {
        auto halves = halvesOf(b, loaded[0][i][row], lane.floatType);
        weights[i].push_back({halves[0], halves[1]});
        continue;
      }
      Value code;
      for (auto [plane, share] : llvm::enumerate(shares)) {
        Value shift = b.i32(share.shiftOf[word]);
        if (share.shift)
          shift = b.addI(share.shift, shift);
        int64_t load = share.loadOf[word] - loadsOf(share, which).first;
        code = reader.plane(code, plane, loaded[plane][load][row], shift);
      }
      if (isInteger) {
        weights[i].push_back({reader.decode(code)});
        continue;
      }
      TensorCores::Halves halves = cores.numbersOf(code);
      weights[i].push_back({halves[0], halves[1]});
    }
  return weights;
}

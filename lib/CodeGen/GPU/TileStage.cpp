// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TileStage.h"

using namespace quantmlir;
using namespace quantmlir::cuda;
using kernel::PanelLayout;

/// A product on tensor cores takes a word of each of four lanes (16 values) or
/// two (32, of bytes all that `wgmma` has); no group may end within one. A
/// group of 12 words would end within a register of a narrow plane.
bool TileStage::fits(const PanelLayout &layout, bool isBytes,
                     const Form &form) {
  int64_t words = layout.wordsPerGroup();
  return words % 8 == 0 || (words == 4 && !(isBytes && form.readsMemory()));
}

TileStage::TileStage(const PanelLayout &layout, bool isBytes, const Form &form)
    : isBytes(isBytes), inOrder(form.readsMemory()),
      panels(form.rows / layout.panelRows) {
  int64_t perGroup = layout.wordsPerGroup();
  laneWords = (inOrder ? 32 : 16) / wordBytes();
  while (perGroup % (4 * laneWords) != 0)
    laneWords /= 2;
  words = 4 * laneWords;
  bytes = form.tokens * tokenBytes();
  auto add = [&](int64_t source, int64_t size) {
    regions.push_back({source, size, bytes});
    bytes += panels * size;
  };
  if (layout.form.kind == qt::LaneForm::Kind::Float)
    add(0, words * layout.panelRows * 4 *
               (layout.form.floatType.getIntOrFloatBitWidth() / 8));
  for (auto [index, width] : llvm::enumerate(layout.planes))
    add(layout.planeOffset(index),
        llvm::divideCeil(words, PanelLayout::wordsPerRegister(width)) *
            layout.registerBytes());
  numbers = bytes;
  bytes += form.tokens * 8;
  bytes = llvm::alignTo(bytes, inOrder ? swizzleAlignment : 128);
}

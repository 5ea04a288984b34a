// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StreamShape.h"

using namespace quantmlir;
using namespace quantmlir::cuda;
using kernel::PanelLayout;

/// Pieces of 16 bytes that a lane reads of a pair of panels in a step, see
/// TileWeights.
static int64_t loadsOfStep(const PanelLayout &layout, const TileStage &stage) {
  const qt::LaneForm &lane = layout.form;
  if (lane.kind == qt::LaneForm::Kind::Float)
    return stage.laneWords * (lane.floatType.getIntOrFloatBitWidth() / 8);
  int64_t loads = 0;
  for (unsigned width : layout.planes)
    loads +=
        llvm::divideCeil(stage.laneWords, PanelLayout::wordsPerRegister(width));
  return loads;
}

/// What keeps memory busy, and what registers are there for.
static constexpr int64_t enoughLoads = 8, mostLoads = 16;

StreamShape::StreamShape(const PanelLayout &layout, bool isBytes,
                         const Form &form)
    : stage(layout, isBytes, form), pairs(form.rows / 32), groups(1),
      steps(stage.steps(layout)) {
  int64_t loads = pairs * loadsOfStep(layout, stage);
  if (layout.numGroups == 1) {
    int64_t all = steps;
    steps = std::max<int64_t>(1, enoughLoads / loads);
    while (all % steps != 0)
      --steps;
    units = all / steps;
  } else {
    groups = std::max<int64_t>(1, enoughLoads / (loads * steps));
    while (layout.numGroups % groups != 0)
      --groups;
    units = layout.numGroups / groups;
  }
  unitLoads = loads * groups * steps;
  isSimple = groups == 1 && layout.form.numbers.empty();
}

bool StreamShape::fits(const PanelLayout &layout, bool isBytes,
                       const Form &form) {
  // Sums of the activations, which minimums need, are those of a group.
  if (layout.numGroups == 1 && layout.form.hasMinimum)
    return false;
  return TileStage::fits(layout, isBytes, form) &&
         StreamShape(layout, isBytes, form).unitLoads <= mostLoads;
}

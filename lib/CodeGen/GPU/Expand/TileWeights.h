// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TILEWEIGHTS_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TILEWEIGHTS_H

#include "../TileStage.h"
#include "Matmul.h"

namespace quantmlir::cuda {

/// What a lane reads of a stage's weights, or (`inPanels`) of the weight
/// itself, and decodes. A warp has two panels, 32 rows. Lane 4 * g + t reads 16
/// bytes of a panel at a time: words of four rows of the panel g / 4, from row
/// 4 * (g % 4) on, or of 16-bit floats two rows of each panel, from row 2 * g
/// on. These four rows are g and g + 8 of two products of 16 rows, one after
/// the other, which row stands where being up to us.
///
/// Of a stage eight lanes read 128 bytes at once if these lie in different
/// banks: pieces of a panel are kept in an order that sees to it.
class TileWeights {
public:
  using Value = mlir::Value;
  using Values = GPUBuilder::Values;
  static constexpr int64_t piece = 16;

  TileWeights(GPUBuilder &b, const Matmul &matmul, const TileStage &stage,
              PanelReader &reader, TensorCores &cores, bool inPanels = false)
      : b(b), layout(matmul.layout), lane(layout.form), stage(stage),
        reader(reader), cores(cores), isInteger(matmul.isInteger()),
        isFloat(lane.kind == qt::LaneForm::Kind::Float), inPanels(inPanels),
        isFloat8(matmul.multipliesFloat8) {}

  /// Where a piece of a panel is kept among the others.
  static Value swizzled(GPUBuilder &b, Value piece);

  /// Decides what this lane reads. `pair`: the first of the warp's panels, in
  /// the stage or of the weight.
  void place(Value pair, Value g, Value t);
  /// Some of the lane's words of a step.
  struct Words {
    int64_t first, count;
  };
  Words allWords() const { return {0, stage.laneWords}; }
  /// How many pieces it reads of a step.
  int64_t numLoads() const;
  /// [piece][word], in a stage at `buffer`, or in all panels `buffer` bytes
  /// behind their start, which is a group, and `step` in there.
  llvm::SmallVector<Values> load(Value memory, Value buffer, Words which,
                                 Value step = Value());
  /// [word][row] of what was loaded: one operand for what has 8 bits, else two.
  llvm::SmallVector<llvm::SmallVector<Values>>
  decode(llvm::ArrayRef<Values> pieces, Words which);

  /// Whether words of the weight have 8 bytes.
  bool isWide() const {
    return isFloat && lane.floatType.getIntOrFloatBitWidth() == 16;
  }

private:
  /// What the lane has of a region.
  struct Share {
    Values loads; ///< bytes in a stage
    /// Of each word: which of the loads, and where its bits start in there.
    llvm::SmallVector<int64_t> loadOf, shiftOf;
    Value shift; ///< in front of these; null: 0
  };
  /// Those of its loads that words need: from the first to behind the last.
  std::pair<int64_t, int64_t> loadsOf(const Share &share, Words which) const;

  /// From a lane's word to its next.
  int64_t wordStride() const { return stage.inOrder ? 4 : 1; }
  /// Word `i` of lane `t` of the four that share a row.
  Value wordOf(Value t, int64_t i);
  Value placeOf(const TileStage::Region &region, Value panel, Value inPanel);
  Share placeWide(const TileStage::Region &region, Value pair, Value g,
                  Value t);
  Share placeWords(const TileStage::Region &region, int64_t width, Value panel,
                   Value quarter, Value t);

  GPUBuilder &b;
  const kernel::PanelLayout &layout;
  const qt::LaneForm &lane;
  const TileStage &stage;
  PanelReader &reader;
  TensorCores &cores;
  bool isInteger, isFloat, inPanels;
  bool isFloat8;                   ///< multiplied as they are
  llvm::SmallVector<Share> shares; ///< of each region
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TILEWEIGHTS_H

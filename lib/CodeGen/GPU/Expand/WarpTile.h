// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_WARPTILE_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_WARPTILE_H

#include "Matmul.h"

namespace quantmlir::cuda {

/// Sums of two panels, 32 rows, by some tiles of eight tokens, as a warp's
/// lanes have them: [tile][product][4], a product on tensor cores having 16
/// rows. The rows of a lane are those that TileWeights reads for it.
class WarpTile {
public:
  using Value = mlir::Value;
  using Values = GPUBuilder::Values;

  WarpTile(GPUBuilder &b, const Matmul &matmul, PanelReader &reader,
           TensorCores &cores, int64_t tiles);

  int64_t numSums() const { return 8 * tiles; }
  /// What stands for no product, of a group or (`single`) of everything.
  Values noParts();

  /// parts + words of weights ([along K][row], as TileWeights) * x ([tile]).
  Values multiply(llvm::ArrayRef<llvm::SmallVector<Values>> weights,
                  llvm::ArrayRef<Values> x, mlir::ValueRange parts);

  /// Scales of the lane's four rows, with their minimums; what there is.
  Values scalesOf(Value firstPanel, Value group, Value g);

  /// What belongs to the two columns of each tile in a group, if anything.
  struct ColumnNumbers {
    Values scales;
    Values totals; ///< sums of codes (i32) or of activations (f32)
  };
  /// sums + scaled parts.
  Values addGroup(mlir::ValueRange parts, mlir::ValueRange scales,
                  const ColumnNumbers &columns, mlir::ValueRange sums);

  /// Sums of a column, by row, of which none has been scaled.
  Values scaleColumn(mlir::ValueRange column, Value firstPanel, Value g,
                     Value token);

  /// Rows that lie next to each other in the result.
  int64_t rowsTogether() const { return isWide() ? 2 : 4; }
  /// The four sums of a column, by row.
  static Values ofColumn(mlir::ValueRange sums, int64_t tile, int64_t column);
  /// Stores these: scaled, with bias and residual. `firstRow` is the first
  /// panel's; blocks have `blockRows`.
  void finish(mlir::ValueRange column, Value token, Value firstRow, Value g,
              int64_t blockRows);

private:
  /// Whether words of the weight have 8 bytes.
  bool isWide() const {
    return lane.kind == qt::LaneForm::Kind::Float &&
           lane.floatType.getIntOrFloatBitWidth() == 16;
  }
  /// Whether sums of a group are integers that f32 holds, added to `magic`.
  bool isExact() const {
    return isInteger && !single && 255 * 128 * layout.group < 1 << 22;
  }
  /// 1.5 * 2^23: an integer below 2^22 that is added to its bits is added to
  /// it.
  static constexpr int64_t magic = 0x4b400000;

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const qt::LaneForm &lane;
  PanelReader &reader;
  TensorCores &cores;
  int64_t tiles;
  bool isInteger, single;
};

/// Operands of the rows g and g + 8 of a product.
GPUBuilder::Values operandOf(llvm::ArrayRef<GPUBuilder::Values> rows,
                             int64_t product);
/// [along K][row] of 8-bit words by twos, as products of 32 bytes take them.
llvm::SmallVector<llvm::SmallVector<GPUBuilder::Values>>
pairWords(llvm::ArrayRef<llvm::SmallVector<GPUBuilder::Values>> words);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_WARPTILE_H

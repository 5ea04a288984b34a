// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TILECOPIES_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TILECOPIES_H

#include "../TileStage.h"
#include "Matmul.h"

namespace quantmlir::cuda {

/// What fills the stages of shared memory for a matmul in the form `tiles`:
/// copies that go on while others are multiplied, and float activations, which
/// are rounded in registers on their way.
///
/// A block copies pieces of 16 bytes, of which it keeps those of a panel in the
/// order of TileWeights, those of activations in that of TileStage.
class TileCopies {
public:
  using Value = mlir::Value;
  using Values = GPUBuilder::Values;
  static constexpr int64_t piece = 16;

  TileCopies(GPUBuilder &b, const Matmul &matmul, const Form &form,
             const TileStage &stage, PanelReader &reader, TensorCores &cores);

  /// Decides what this thread copies. `firstToken` is the block's.
  void place(Value memory, Value thread, Value firstToken);

  void start(Value step);
  /// Activations of a step that this thread rounds, or puts in order: halves of
  /// a word of a token each.
  llvm::SmallVector<TensorCores::Halves> loadFloats(Value step);
  /// `running` are sums of what has been stored of the group, of each word.
  Values storeFloats(llvm::ArrayRef<TensorCores::Halves> x, Value step,
                     mlir::ValueRange running);
  /// How many `running` there are.
  int64_t numRunning() const { return sumsX() ? floatItems.size() : 0; }

  /// Where a step's stage begins.
  Value bufferOf(Value step);

  /// Sums of the activations of a group, for minimums.
  bool sumsX() const {
    return !isBytes && !form.scaled && matmul.layout.form.hasMinimum;
  }
  /// Whether threads store activations that products read from memory.
  bool storesX() const { return !copiesX; }
  bool needsSums() const {
    const qt::LaneForm &lane = matmul.layout.form;
    return matmul.isInteger() && (lane.offset || lane.hasMinimum);
  }

private:
  /// A thread's part of pieces that the block copies.
  struct Share {
    Value from, to; ///< bytes
    Value valid;    ///< null: always
  };

  Share placeToken(Value item);
  llvm::SmallVector<Share> share(int64_t pieces,
                                 llvm::function_ref<Share(Value piece)> place);
  /// Where 16 bytes of a row of activations are kept, by their number.
  Value pieceOf(Value token, Value inRow);
  void storeWord(TensorCores::Halves halves, Value token, Value word,
                 Value buffer);
  /// Group and step within it.
  std::pair<Value, Value> placeOf(Value step);

  GPUBuilder &b;
  const Matmul &matmul;
  const kernel::PanelLayout &layout;
  const Form &form;
  const TileStage &stage;
  PanelReader &reader;
  TensorCores &cores;
  bool isBytes;  ///< activations of 8 bits
  bool copiesX;  ///< activations, which need no registers on their way
  bool single;   ///< one group
  int64_t steps; ///< of a group
  int64_t threads;

  Value memory, thread, firstToken;
  llvm::SmallVector<llvm::SmallVector<Share>> weightShares; ///< [region]
  llvm::SmallVector<Share> tokenShares;
  int64_t tokenPiece;                                   ///< bytes of these
  std::array<llvm::SmallVector<Share>, 2> numberShares; ///< scales, sums
  /// What this thread rounds: token and word.
  llvm::SmallVector<std::array<Value, 2>> floatItems;
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_TILECOPIES_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_H
#define QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_H

// What the emitters of kernels share: index arithmetic, loops, vectors, and the
// split of work over threads. An emitter stands at a kernel, inside the
// function that holds nothing else, and writes loops in front of it.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "quant-mlir/CodeGen/CPU/Target.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include <map>

namespace quantmlir::cpu {

using kernel::PanelLayout;

/// A builder that speaks of indices, vectors and threads.
class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using Body = llvm::function_ref<void(Value)>;
  using CarryBody =
      llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)>;

  KernelBuilder(mlir::Operation *kernel, const CPUTarget &target);

  const CPUTarget &target;
  Value thread, threads;

  //===--- Indices (never negative, never overflowing) --------------------===//
  Value index(int64_t value);
  Value add(Value a, Value b);
  Value add(Value a, int64_t b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b);
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value min(Value a, Value b);
  Value size(Value buffer, int64_t dim);

  //===--- Loops ----------------------------------------------------------===//
  void loop(Value lower, Value upper, int64_t step, Body body);
  void loop(int64_t lower, int64_t upper, int64_t step, Body body);
  /// A loop with values carried around; returns them.
  llvm::SmallVector<Value> loop(Value lower, Value upper, int64_t step,
                                mlir::ValueRange initial, CarryBody body);
  /// This thread's contiguous share of 0 .. count.
  void splitLoop(Value count, Body body);
  /// This thread's share of 0 .. count, every thread-count-th.
  void interleavedLoop(Value count, Body body);

  //===--- Vectors and scalars --------------------------------------------===//
  mlir::VectorType vec(int64_t lanes, mlir::Type element);
  mlir::VectorType f32Vec(int64_t lanes) { return vec(lanes, getF32Type()); }
  /// A constant, the same in every lane of a vector type.
  Value constant(mlir::Type type, double value);
  Value splat(Value scalar, int64_t lanes);
  Value load(mlir::VectorType type, Value buffer, mlir::ValueRange indices);
  void store(Value vector, Value buffer, mlir::ValueRange indices);
  Value loadScalar(Value buffer, mlir::ValueRange indices);
  Value bitcast(mlir::VectorType type, Value vector);
  Value toF32(Value value);
  Value addF(Value a, Value b);
  Value subF(Value a, Value b);
  Value mulF(Value a, Value b);
  Value divF(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value reduce(mlir::vector::CombiningKind kind, Value vector);
  /// A call of an LLVM intrinsic.
  Value intrinsic(llvm::StringRef name, mlir::Type result,
                  mlir::ValueRange operands);
  /// The same vectors, two or more, in registers at this point, of which there
  /// are enough (x86). Code does not move from one pin to the other side of
  /// another.
  llvm::SmallVector<Value> pin(mlir::ValueRange vectors);
};

/// The largest power of two, at most `most`, that divides `size`: vectors of
/// that many lanes cover a row without a rest.
int64_t vectorLanes(int64_t size, int64_t most = 16);

/// A sum to which words are added: acc[i32 lanes] += four unsigned weight bytes
/// times four signed activation bytes in each lane. `laneBits` bounds the
/// weights; targets that want signed bytes get 8-bit weights minus 128
/// (CPUTarget::wantsSignedBytes).
///
/// Targets whose products are pairs of 16 bits add up as many of them as surely
/// fit before they are widened.
class DotSum {
public:
  using Value = mlir::Value;

  DotSum(KernelBuilder &b, Value start, unsigned laneBits);
  void add(Value weights, Value activations);
  Value finish();
  /// Keeps additions behind this point of the code behind those before it,
  /// where an addition is several instructions: LLVM would add up the products
  /// of a row first, with all weights of a group in registers.
  static void pin(KernelBuilder &b, llvm::MutableArrayRef<DotSum> sums);

private:
  void addPairs(Value weights, Value activations);
  void widen();

  KernelBuilder &b;
  Value acc, pairs;
  unsigned laneBits;
  int64_t pending = 0; ///< words in `pairs`
  int64_t fit;         ///< the most of them
};

/// acc[i32 lanes] += two signed 16-bit numbers times two others in each lane,
/// vectors of 16 lanes.
mlir::Value emitWordDot(KernelBuilder &b, mlir::Value acc, mlir::Value x,
                        mlir::Value y);

/// acc += the products of two rows of eight signed bytes, activations, by two
/// rows of weights: {x0.w0, x0.w1, x1.w0, x1.w1}.
mlir::Value emitBlockDot(KernelBuilder &b, mlir::Value acc, mlir::Value weights,
                         mlir::Value activations);

/// Products of 16 rows of activations by the rows of a panel in AMX tiles.
class TileProduct {
public:
  /// Whether the target has tiles, and the panel's codes can be one as they
  /// lie: bytes for one sum per row, or pairs of bf16 once they are decoded.
  static bool fitsBytes(const CPUTarget &target, const PanelLayout &layout);
  static bool fitsPairs(const CPUTarget &target, const PanelLayout &layout);
  /// Whether they do once 8-bit floats are decoded, by chunks of
  /// `decodedPairs`: those are cut when it runs, so whole tiles only.
  static bool fitsDecoded(const CPUTarget &target, const PanelLayout &layout);
  /// Rows of activations, and words of K.
  static constexpr int64_t rows = 16, words = 16;

  /// In front of all loops. Sums are i32 of bytes, f32 of bf16.
  TileProduct(KernelBuilder &b, const PanelLayout &layout, mlir::Type sumType);

  /// codes[row ..][firstWord ..] times the words of a panel from byte `at` of
  /// `weights` on: a register of sums for each row and each register of a
  /// panel. `whole`, a multiple of `words`, and then `rest`, less than that,
  /// are multiplied.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>>
  multiply(mlir::Value codes, mlir::Value row, mlir::Value firstWord,
           mlir::Value weights, mlir::Value at, mlir::Value whole,
           int64_t rest = 0);

private:
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type type,
                        llvm::ArrayRef<int64_t> sizes,
                        mlir::ValueRange operands);
  mlir::Value load(int64_t tileRows, int64_t bytes, mlir::Value buffer,
                   mlir::Value byte, int64_t stride);
  mlir::Value pointer(mlir::Value buffer, mlir::Value byte);

  KernelBuilder &b;
  const PanelLayout &layout;
  mlir::Type sumType;
  mlir::Value sums; ///< memory between tiles and vectors
};

/// acc[f32 lanes] += a pair of bf16 times a pair of bf16 in each lane.
mlir::Value emitDotBF16(KernelBuilder &b, mlir::Value acc, mlir::Value weights,
                        mlir::Value activations);

/// table[code] in every lane, for codes below 16: bytes in bytes, or f32 by
/// i32.
mlir::Value emitLookup(KernelBuilder &b, llvm::ArrayRef<uint8_t> table,
                       mlir::Value codes);
mlir::Value emitLookup(KernelBuilder &b, llvm::ArrayRef<float> table,
                       mlir::Value codes);

/// Bytes of floats as f32, but for f8E4M3FN a factor of
/// 1 / PanelLayout::scaleFactor.
mlir::Value emitFloats(KernelBuilder &b, mlir::Value bytes,
                       mlir::FloatType type);

/// The same as bf16, for bf16 itself and 8-bit floats in registers of 32;
/// exact.
mlir::Value emitBF16(KernelBuilder &b, mlir::Value bytes, mlir::FloatType type);

/// Runs a scheme's decode on bytes in vector registers.
class RegisterEvaluator final : public qt::LaneEvaluator {
public:
  RegisterEvaluator(KernelBuilder &b, mlir::VectorType type)
      : b(b), type(type) {}

  qt::Lane constant(int64_t value) override;
  qt::Lane add(qt::Lane a, qt::Lane c) override;
  qt::Lane subtract(qt::Lane a, qt::Lane c) override;
  qt::Lane lookup(llvm::ArrayRef<uint8_t> table, qt::Lane code) override;

private:
  KernelBuilder &b;
  mlir::VectorType type;
};

/// The panels of a matmul's weight as registers of the target; an error at `op`
/// if those are larger than a panel.
llvm::FailureOr<PanelLayout> readPanels(const CPUTarget &target,
                                        mlir::Operation *op, mlir::Type weight);

/// How many of `rows`, the most of a tile by the table of targets, are left
/// where panels have more registers than the target's own.
int64_t fitRows(const CPUTarget &target, int64_t rows,
                const PanelLayout &layout);

/// Pairs of a row in a chunk that is decoded for all rows at once.
int64_t decodedPairs(const PanelLayout &layout);

/// What kernels read from panels.
class PanelReader {
public:
  using Value = mlir::Value;

  PanelReader(KernelBuilder &b, const PanelLayout &layout, Value weights)
      : b(b), layout(layout), weights(weights) {}

  /// Whether loads ask for what will be needed soon. A tile of several rows
  /// reads a panel more slowly than memory could give it, in a pattern that
  /// stops at the end of each page; one row waits for nothing but memory, and
  /// asking costs more than it gains.
  void setPrefetching(bool enabled) { prefetches = enabled; }

  /// `plus` bytes behind `at`.
  Value load(mlir::VectorType type, Value at, int64_t plus);
  /// Where a group starts.
  Value groupAt(Value panel, Value group);

  enum class Numbers { Scales, Minimums };
  /// Scales or minimums of a group, as f32; those of the rows in register v.
  /// Without scales of groups `group` is not looked at.
  Value scales(Numbers which, Value panel, Value group, int64_t v);
  /// With LaneForm::scaleBlock, what these are products of: the integers, as
  /// i32, and the factors of the group's block, as f32.
  Value integers(Numbers which, Value panel, Value group, int64_t v);
  Value factors(Numbers which, Value panel, Value group, int64_t v);

  /// The codes of consecutive words of a group, a stored register being loaded
  /// when a first word needs it.
  class Words {
  public:
    /// From word `first` on, a multiple of `wordsPerStep`; the group starts at
    /// byte `group`.
    Words(PanelReader &reader, Value group, Value first)
        : reader(reader), group(group), first(first) {}
    /// Bytes: word j behind the first, of the rows in register v.
    Value codes(int64_t j, int64_t v);

  private:
    PanelReader &reader;
    Value group, first;
    std::map<std::tuple<unsigned, int64_t, int64_t>, Value> loaded;
  };

  /// The words that the stored registers of every plane are made of.
  int64_t wordsPerStep() const;

private:
  Value floats(Value base, int64_t start, mlir::FloatType type, int64_t v);

  /// Measured on Zen 4 with 4 and 8 bits and 8 to 120 rows: 2 KiB are too few,
  /// 4 to 16 KiB make no difference.
  static constexpr int64_t prefetchDistance = 8192;

  KernelBuilder &b;
  const PanelLayout &layout;
  Value weights;
  bool prefetches = false;
};

llvm::LogicalResult expand(KernelBuilder &b, kernel::QuantizeOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::RoundOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::EncodeOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::SplitOutliersOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::MatmulIntOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::MatmulBF16Op op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::MatmulFloatOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::GatherOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::RMSNormOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::LayerNormOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::RopeOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::CacheWriteOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::AttentionOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::MergeAttentionOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::ObserveChannelsOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::HistogramOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::PackColumnsOp op);
llvm::LogicalResult expand(KernelBuilder &b, kernel::GramOp op);
/// Any linalg op on buffers: vectors where it is elementwise, else loops.
llvm::LogicalResult expand(KernelBuilder &b, mlir::linalg::LinalgOp op);

/// What the matmul kernels share: the walk over panels and row tiles, and the
/// last step on a tile of f32 accumulators `tile[row][vector]`.
class MatmulTiling {
public:
  using Value = mlir::Value;
  using Tile = llvm::SmallVector<llvm::SmallVector<Value>>;
  /// Emits a tile of `rows` rows at `row` of the panel that starts at byte
  /// `panel`; returns its accumulators.
  using TileBody =
      llvm::function_ref<Tile(int64_t rows, Value row, Value panel, Value n)>;

  template <typename Op>
  MatmulTiling(KernelBuilder &b, const PanelLayout &layout, Op op)
      : b(b), layout(layout), offset(op.getOffset()), out(op.getOut()),
        bias(op.getBias()), residual(op.getResidual()),
        experts(op.getExperts()) {}

  /// The rows of a call in which each weight meets `rows`, if all meet as many.
  int64_t getRowsOfAll(int64_t rows) const { return rows * numExperts(); }

  /// This thread's panels, each with all rows in tiles of at most `tileRows`.
  void emit(int64_t tileRows, TileBody body);

  /// The same by chunks of at most `chunk` of the `words` that a row of the
  /// panel has, of which `prepare` makes what all rows need. `addSums` returns
  /// the sums of a tile and a chunk, which `scaleSum` finishes.
  using Prepare =
      llvm::function_ref<void(Value panel, Value word, Value count)>;
  using AddSums = llvm::function_ref<llvm::SmallVector<Value>(
      int64_t rows, Value row, Value panel, Value word, Value count,
      mlir::ValueRange sums)>;
  using ScaleSum =
      llvm::function_ref<Value(Value sum, Value row, Value panel, int64_t v)>;
  void emitSums(int64_t tileRows, int64_t words, int64_t chunk, Prepare prepare,
                AddSums addSums, ScaleSum scaleSum);

private:
  int64_t numExperts() const;
  /// For each weight that meets rows at all, where it starts and the rows.
  void forWeights(
      llvm::function_ref<void(Value offset, Value begin, Value end)>);
  /// Calls `tile(count, row)` for all rows.
  void emitTiles(int64_t tileRows, Value begin, Value end,
                 llvm::function_ref<void(int64_t, Value)> tile);
  void sumPanel(int64_t tileRows, int64_t words, int64_t chunk, Value n,
                Value bytes, Value begin, Value end, Prepare prepare,
                AddSums addSums, ScaleSum scaleSum);
  /// The lanes of register v of panel column n that exist; null if all do.
  Value maskOf(Value n, int64_t v);
  void storeMasked(Value vector, mlir::ValueRange indices, Value mask);
  void finish(const Tile &tile, Value row, Value n);
  Value loadMasked(Value buffer, mlir::ValueRange indices, Value mask);

  KernelBuilder &b;
  const PanelLayout &layout;
  Value offset, out, bias, residual, experts;
};

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_LIB_CODEGEN_CPU_EXPAND_H

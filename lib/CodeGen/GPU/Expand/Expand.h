// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_H

// What the emitters of GPU functions share. A function gets a pointer for each
// buffer of its kernel and the number of rows; an emitter writes what one
// thread does.

#include "../Forms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include <optional>

namespace quantmlir::cuda {

/// What an element takes up.
inline int64_t bytesOf(mlir::Type element) {
  return element.isIndex()
             ? 8
             : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
}

/// A matrix or vector in the GPU's memory.
struct Buffer {
  mlir::Value pointer; ///< null if the kernel has no such buffer
  mlir::Type element;
  int64_t stride = 0;  ///< elements from a row to the next
  int64_t columns = 0; ///< of a row
  int64_t offset = 0;  ///< elements in front, where that is known

  explicit operator bool() const { return bool(pointer); }
  /// Whether rows start where four elements may be read at once.
  bool holdsWords() const { return stride % 4 == 0 && offset % 4 == 0; }
};

/// A builder that speaks of indices, threads and memory.
class GPUBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;
  using Body = llvm::function_ref<void(Value)>;
  using CarryBody = llvm::function_ref<Values(Value, mlir::ValueRange)>;

  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  static constexpr int64_t warpSize = 32;

  //===--- Indices (never negative, never overflowing) --------------------===//
  Value index(int64_t value);
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value mul(Value a, int64_t b);
  Value mul(Value a, Value b);
  Value div(Value a, int64_t b);
  Value div(Value a, Value b);
  Value rem(Value a, int64_t b);
  Value rem(Value a, Value b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  /// Not below zero.
  Value sub(Value a, Value b);
  Value less(Value a, Value b);
  Value less(Value a, int64_t b) { return less(a, index(b)); }

  //===--- Threads --------------------------------------------------------===//
  Value thread();
  Value block(char dim);
  /// The value of the lane whose number differs in the bits `mask`.
  Value exchange(Value value, int64_t mask);
  /// The value of one lane.
  Value fromLane(Value value, Value lane);
  enum class Reduction { Sum, Max };
  /// Over the lanes that differ in bits from `lowest` on; all of them get it.
  Value reduce(Value value, Reduction kind, int64_t lowest = 1);
  Value combine(Value a, Value b, Reduction kind);

  /// Until all threads of the block have come here, and see what others wrote.
  void waitForBlock();
  /// The sums over the block's warps, in their order, of what lanes of the same
  /// number have. All threads must come here.
  Values addOverWarps(mlir::ValueRange values, Value thread, int64_t warps);
  /// Over the block's warps, in their order; lanes of a warp have the same. All
  /// threads must come here, and get it.
  Value reduceOverWarps(Value value, Reduction kind, Value thread,
                        int64_t warps);

  //===--- Control flow ---------------------------------------------------===//
  void loop(Value lower, Value upper, int64_t step, Body body);
  Values loop(Value lower, Value upper, int64_t step, mlir::ValueRange initial,
              CarryBody body);
  void onlyIf(Value condition, llvm::function_ref<void()> body);
  /// What `body` makes of `values`, or these.
  Values onlyIf(Value condition, mlir::ValueRange values,
                llvm::function_ref<Values()> body);

  //===--- Numbers --------------------------------------------------------===//
  Value i32(int64_t value);
  Value f32(double value);
  Value select(Value condition, Value a, Value b);
  Value addF(Value a, Value b);
  Value mulF(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value addI(Value a, Value b);
  Value mulI(Value a, Value b);
  Value andI(Value a, int64_t mask);
  Value orI(Value a, Value b);
  Value shiftLeft(Value a, Value count);
  Value shiftRight(Value a, Value count);
  Value bitcast(mlir::Type type, Value value);
  /// Of i32, f16 and bf16.
  Value toF32(Value value);
  /// f32 to f32, f16 or bf16, to nearest.
  Value fromF32(mlir::Type type, Value value);
  /// Without ops of math, which would become calls of a library of the CUDA
  /// toolkit.
  Value magnitude(Value x);
  Value roundEven(Value x);
  /// Byte `i` of a word, as a number.
  Value byte(Value word, int64_t i);
  Value extract(Value vector, int64_t i);
  /// Bytes of `a` (0 to 3) and `b` (4 to 7) by the nibbles of `selector`.
  Value permute(Value a, Value b, Value selector);
  Value intrinsic(llvm::StringRef name, mlir::Type result,
                  mlir::ValueRange operands);
  /// An instruction that has no intrinsic, as PTX: `text` says the operands,
  /// `$0` and on, results first, by `constraints`.
  Values assembly(const llvm::Twine &text, const llvm::Twine &constraints,
                  llvm::ArrayRef<mlir::Type> results,
                  mlir::ValueRange operands);
  /// The results of one that returns several.
  Values intrinsics(llvm::StringRef name, llvm::ArrayRef<mlir::Type> results,
                    mlir::ValueRange operands);

  //===--- Memory ---------------------------------------------------------===//
  mlir::VectorType vec(int64_t lanes, mlir::Type element);
  mlir::LLVM::LLVMPointerType pointerType();
  Value at(Value pointer, Value byte);
  Value load(mlir::Type type, Value pointer, Value byte, int64_t alignment);
  void store(Value value, Value pointer, Value byte, int64_t alignment);
  Value load(const Buffer &buffer, Value row, Value column);
  void store(Value value, const Buffer &buffer, Value row, Value column);
  /// `count` elements at once, from a multiple of their number on.
  Values loadSome(const Buffer &buffer, Value row, Value column, int64_t count);
  void storeSome(mlir::ValueRange values, const Buffer &buffer, Value row,
                 Value column);
  /// Where an element is, in bytes.
  Value byteOf(const Buffer &buffer, Value row, Value column);
  /// Memory that the threads of a block share; where it starts.
  Value shared(mlir::Type element, int64_t count);
  /// The same, of a size that the launch says.
  Value launchedMemory();
  /// Starts a copy of 4 or 16 bytes into memory that a block shares.
  void copyAsync(Value to, Value toByte, Value from, Value fromByte,
                 int64_t bytes);
  /// What this thread has started since the last call is a group.
  void endCopies();
  /// Until all of this thread's groups but the last `pending` have arrived.
  void waitForCopies(int64_t pending);
  /// A table of numbers in the GPU's memory; where it starts.
  Value table(llvm::ArrayRef<mlir::Attribute> values);
};

/// Runs a scheme's decode on the four bytes of a word.
class WordEvaluator final : public qt::LaneEvaluator {
public:
  explicit WordEvaluator(GPUBuilder &b) : b(b) {}

  qt::Lane constant(int64_t value) override;
  qt::Lane add(qt::Lane a, qt::Lane c) override;
  qt::Lane subtract(qt::Lane a, qt::Lane c) override;
  qt::Lane lookup(llvm::ArrayRef<uint8_t> table, qt::Lane code) override;

private:
  GPUBuilder &b;
};

/// What a thread reads from panels. Bytes are counted from the weight's start.
class PanelReader {
public:
  using Value = mlir::Value;
  using Values = GPUBuilder::Values;
  enum class Numbers { Scales, Minimums };

  PanelReader(GPUBuilder &b, const kernel::PanelLayout &layout, Value weights)
      : b(b), layout(layout), weights(weights) {}

  Value groupAt(Value panel, Value group);
  /// Those of `count` rows of a panel from `row` on, as f32; several rows start
  /// at a multiple of their number.
  Values numbers(Numbers which, Value panel, Value group, Value row,
                 int64_t count);

  /// Words that the stored registers of every plane are made of.
  int64_t wordsPerStep() const;
  /// Codes of the words of a step, each of four rows from `row` on.
  llvm::SmallVector<Values> steps(Value group, Value step, Value row);
  /// Words 2 * pair and 2 * pair + 1 of a row.
  std::array<Value, 2> pair(Value group, Value pair, Value row);
  /// What the scheme makes of four codes: integer lanes.
  Value decode(Value codes);
  /// A table of the codebook's numbers, or null.
  Value numberTable();
  /// Four codes as floats, before their scale.
  Values toFloats(Value codes, Value table);
  /// Floats of a word of a row, as they are stored: i32, i64 or four f32.
  Value floatWord(Value group, Value word, Value row);

  /// Adds the bits of a plane to a code, which may be null: `raw` shifted by
  /// `shift`.
  Value plane(Value code, unsigned index, Value raw, Value shift);

private:
  Values floats(Value base, int64_t start, mlir::FloatType type, Value row,
                int64_t count);

  GPUBuilder &b;
  const kernel::PanelLayout &layout;
  Value weights;
};

/// The operands of a matmul, on the GPU.
struct Matmul {
  using Value = mlir::Value;
  using Values = GPUBuilder::Values;

  kernel::PanelLayout layout;
  Value weights;  ///< where this weight starts
  Buffer x;       ///< f32, or words of codes
  Buffer columns; ///< a byte each: zero if all of x is zero there
  Buffer scales, sums;
  int64_t xGroup = 0; ///< values per activation scale; 0 for floats
  Buffer bias, residual, out;
  Value rows;       ///< of the activation; those of the block end here
  Value firstToken; ///< of the block

  mlir::FloatType xFloat; ///< of codes that are no integers
  /// Whether both sides are multiplied as the 8-bit floats that they are.
  bool multipliesFloat8 = false;

  bool hasCodes() const { return xGroup != 0; }
  bool isInteger() const { return hasCodes() && !xFloat; }
  /// What a product of such codes is to be multiplied by, besides scales:
  /// decoded ones are too small (halvesOf), and only the weight's scales know.
  double codeFactor() const;
  /// One activation scale for all of a row.
  bool rowScale() const { return xGroup >= layout.paddedK; }
  /// Finds the expert that the block's rows meet, its weight, and which rows
  /// these are: blocks have rows of one expert, by their order. Returns whether
  /// there are some.
  Value findExpert(GPUBuilder &b, const Buffer &experts, int64_t count,
                   int64_t tokens);
  /// Rows of activations that do not exist are read as the last one.
  Value clampToken(GPUBuilder &b, Value token) const;
  /// Four activations of a float row: word `word` of group `group`. Zeros where
  /// the row has ended, or the group of `words` words.
  Values activations(GPUBuilder &b, Value token, Value group, Value word) const;
  /// Four codes, or any that there are where the row has ended.
  Value codeWord(GPUBuilder &b, Value token, Value group, Value word) const;
  /// The sum of a group's codes.
  Value codeSum(GPUBuilder &b, Value token, Value group) const;
  /// The scale of a group's codes; null if it waits for `finish`.
  Value codeScale(GPUBuilder &b, Value token, Value group) const;
  /// An integer product of a group, exactly, before its scale.
  Value withoutOffset(GPUBuilder &b, Value product, Value codeSum) const;
  /// sum += what such a product stands for.
  Value addGroup(GPUBuilder &b, Value sum, Value product, Value scale,
                 Value minimum, Value codeSum, Value codeScale) const;
  /// sum += what a product of floats stands for, by the scales that there are.
  Value addFloats(GPUBuilder &b, Value sum, Value product, Value scale,
                  Value codeScale) const;
  /// Scale of the row, bias, residual; stores what there is of a few elements
  /// side by side, from `n` on, a multiple of how many they are. Blocks have
  /// `blockRows` rows of the weight.
  void finish(GPUBuilder &b, mlir::ValueRange sums, Value token, Value n,
              int64_t blockRows) const;
};

/// What tensor cores multiply. Lane 4 * g + t of a product has of its first
/// operand the words t, and perhaps others, of rows g and g + 8, of its second
/// those of column g, and of sums columns 2t and 2t + 1 of rows g and g + 8.
class TensorCores {
public:
  using Value = mlir::Value;
  using Values = GPUBuilder::Values;
  /// A word as pairs of 16-bit floats.
  using Halves = std::array<Value, 2>;

  TensorCores(GPUBuilder &b, const Matmul &matmul, PanelReader &reader);

  /// Codes as f16, before their scale.
  Halves numbersOf(Value codes);
  /// Four f32 as what they are multiplied as.
  Halves activationsOf(llvm::ArrayRef<Value> values);
  /// f16 or bf16.
  mlir::Type halfType() const;
  /// sums + weights * x. Words of weights: rows g and g + 8 of the first word,
  /// and of a second; of x one for each of these.
  Values multiply(llvm::ArrayRef<Value> weights, llvm::ArrayRef<Value> x,
                  mlir::ValueRange sums);

  //===--- wgmma: products of four warps, 64 rows -------------------------===//
  // The second operand has words 0 to 3 of each lane's first word, in front of
  // those of the second, for every column.

  /// What this thread has stored can be read by products.
  void showMemory();
  /// Operands are in their registers.
  void beginProducts();
  /// All since the last call are a group.
  void endProducts();
  /// Until the products that made these are done.
  Values waitForProducts(mlir::ValueRange sums);
  /// Rows of `rowBytes` bytes, swizzled, as a second operand.
  Value describe(Value memory, Value byte, int64_t rowBytes);
  /// sums[columns / 8][4] + weights * x, when waited for.
  Values multiplyInMemory(llvm::ArrayRef<Value> weights, Value x,
                          mlir::ValueRange sums);

private:
  GPUBuilder &b;
  const qt::LaneForm &lane;
  PanelReader &reader;
  bool isInteger, isBF16;
  mlir::FloatType xFloat; ///< if both are 8-bit floats, that
};

/// Four f32 of what `PanelReader::floatWord` has read, or as f16 pairs: 8-bit
/// floats are then 1 / PanelLayout::scaleFactor of what they should be.
GPUBuilder::Values floatsOf(GPUBuilder &b, mlir::Value word,
                            mlir::FloatType type);
std::array<mlir::Value, 2> halvesOf(GPUBuilder &b, mlir::Value word,
                                    mlir::FloatType type);
/// Four numbers of a codebook of fractions, by the bytes of a word.
GPUBuilder::Values lookUp(GPUBuilder &b, mlir::Value table, mlir::Value codes,
                          mlir::Type element);

/// Threads of a block that has `items` things to do, a warp at least.
int64_t threadsFor(int64_t items, int64_t warps);

/// A kernel on the GPU: blocks along x, and `tokens` rows for each along y.
struct LaunchShape {
  int64_t blocks;
  int64_t tokens;
  int64_t threads;
  int64_t sharedBytes = 0; ///< of `GPUBuilder::launchedMemory`
  int64_t moreBlocks = 0;  ///< along y
};

LaunchShape emitMatmulDot(GPUBuilder &b, const Matmul &matmul,
                          const Form &form);
LaunchShape emitMatmulMMA(GPUBuilder &b, const Matmul &matmul,
                          const Form &form);
LaunchShape emitMatmulTiles(GPUBuilder &b, const Matmul &matmul,
                            const Form &form);

/// Rows of floats that are rounded.
struct Activation {
  Buffer x, multiplier;
  Buffer scale;   ///< given
  int64_t group;  ///< values that have a scale
  bool perTensor; ///< one for all rows
  mlir::Value rows;
};

/// To int8.
struct Quantize : Activation {
  Buffer codes, scales, sums;
  int64_t sumGroup;
};
LaunchShape emitQuantize(GPUBuilder &b, const Quantize &quantize,
                         const Form &form);

/// To 8-bit floats, bf16 or int8: what they stand for, in f32, or 8-bit floats
/// themselves.
struct Round : Activation {
  Buffer out;
  Buffer codes, scales; ///< instead of `out`
  mlir::Type type;
};
LaunchShape emitRound(GPUBuilder &b, const Round &round, const Form &form);

/// Values whose columns, or they themselves, reach a threshold, by themselves.
struct SplitOutliers {
  Buffer x, inliers, outliers;
  Buffer columns; ///< a byte each: whether one has outliers
  double threshold;
  bool perToken;
  mlir::Value rows;
};
LaunchShape emitSplitOutliers(GPUBuilder &b, const SplitOutliers &split,
                              const Form &form);

/// Rows of a packed table.
struct Gather {
  kernel::PanelLayout layout;
  mlir::Value weights;
  Buffer ids, out;
};
LaunchShape emitGather(GPUBuilder &b, const Gather &gather, const Form &form);

struct Norm {
  Buffer x, gain, bias, out;
  double eps;
  bool centered; ///< subtracts the mean: a layer norm
};
LaunchShape emitNorm(GPUBuilder &b, const Norm &norm, const Form &form);

struct Rope {
  Buffer x, out;
  mlir::Value position;
  int64_t headSize;
  lm::RopeStyle style;
  llvm::SmallVector<double> frequencies; ///< of each rotated pair
};
LaunchShape emitRope(GPUBuilder &b, const Rope &rope, const Form &form);

/// A layer of a cache, see kernel.cache_write.
struct Cache {
  using Value = mlir::Value;
  enum Plane { Keys, Values };

  Buffer buffer;
  int64_t heads, size;
  Value layer, positions; ///< of how many there is room for

  bool isInt8() const { return buffer.element.isInteger(8); }
  /// An element, as f32; of int8 before its scale.
  Value load(GPUBuilder &b, Plane plane, Value head, Value position,
             Value i) const;
  void store(GPUBuilder &b, Value value, Plane plane, Value head,
             Value position, Value i) const;
  /// What elements of int8 are to be multiplied by.
  Value loadScale(GPUBuilder &b, Plane plane, Value head, Value position) const;
  void storeScale(GPUBuilder &b, Value scale, Plane plane, Value head,
                  Value position) const;

private:
  Value blockAt(GPUBuilder &b, Plane plane, Value head, Value position) const;
  Value byteOf(GPUBuilder &b, Plane plane, Value head, Value position,
               Value i) const;
  Value scaleAt(GPUBuilder &b, Plane plane, Value head, Value position) const;
};

struct CacheWrite {
  Buffer key, value;
  Cache cache;
  mlir::Value position;
};
LaunchShape emitCacheWrite(GPUBuilder &b, const CacheWrite &write,
                           const Form &form);

struct Attention {
  Buffer query, mask, out;
  Cache cache;
  mlir::Value position, rows;
  mlir::Value maskStride; ///< elements from a row to the next
  int64_t heads;
  double scale;
  bool causal;
  std::optional<int64_t> window;
  std::optional<double> softcap;
};
LaunchShape emitAttention(GPUBuilder &b, const Attention &attention,
                          const Form &form);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_MATMUL_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_MATMUL_H

// What the forms of a matmul share: its operands, what a thread reads of packed
// weights, and tensor cores.

#include "GPUBuilder.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include <optional>

namespace quantmlir::cuda {

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
  Value rowBlock;   ///< which rows of the weight the block has

  mlir::FloatType xFloat; ///< of codes that are no integers
  mlir::FloatType xHalf;  ///< of floats that have been rounded, words of two
  /// Whether both sides are multiplied as the 8-bit floats that they are.
  bool multipliesFloat8 = false;

  bool hasCodes() const { return xGroup != 0; }
  bool isInteger() const { return hasCodes() && !xFloat; }
  /// What a product of such codes is to be multiplied by, besides scales:
  /// decoded ones are too small (halvesOf), and only the weight's scales know.
  double codeFactor() const;
  /// One activation scale for all of a row.
  bool rowScale() const { return xGroup >= layout.paddedK; }
  /// Takes blocks of `blockRows` rows of the weight and `tokens` in an order
  /// that lets those which run together share what they read: `high` along
  /// tokens before the next along the weight.
  void orderBlocks(GPUBuilder &b, int64_t blockRows, int64_t tokens,
                   int64_t high);
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
  /// The same, as two words of what tensor cores multiply, f16 or bf16.
  std::array<Value, 2> halves(GPUBuilder &b, Value token, Value group,
                              Value word, mlir::FloatType type) const;
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
  /// f16 or bf16.
  mlir::FloatType halfType() const;
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
  /// Until the products that made these are done, of such operands.
  Values waitForProducts(mlir::ValueRange sums, mlir::ValueRange operands);
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

/// Two f32 as a word of f16 or bf16, rounded.
mlir::Value roundPair(GPUBuilder &b, mlir::Value low, mlir::Value high,
                      mlir::FloatType type);
/// The same; beyond the largest f16, that.
mlir::Value saturatePair(GPUBuilder &b, mlir::Value low, mlir::Value high,
                         mlir::FloatType type);
/// sums + a * c, as TensorCores: words of f16 pairs, four of 16 rows, two of 8
/// columns.
GPUBuilder::Values multiplyHalves(GPUBuilder &b, llvm::ArrayRef<mlir::Value> a,
                                  llvm::ArrayRef<mlir::Value> c,
                                  mlir::ValueRange sums);

/// Four f32 of what `PanelReader::floatWord` has read, or as f16 pairs: 8-bit
/// floats are then 1 / PanelLayout::scaleFactor of what they should be.
GPUBuilder::Values floatsOf(GPUBuilder &b, mlir::Value word,
                            mlir::FloatType type);
std::array<mlir::Value, 2> halvesOf(GPUBuilder &b, mlir::Value word,
                                    mlir::FloatType type);
/// Four numbers of a codebook of fractions, by the bytes of a word.
GPUBuilder::Values lookUp(GPUBuilder &b, mlir::Value table, mlir::Value codes,
                          mlir::Type element);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_MATMUL_H

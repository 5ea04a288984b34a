// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_GPUBUILDER_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_GPUBUILDER_H

// What one thread does, in terms of indices, threads and memory.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

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
  /// 2^x, to 22 bits.
  Value exp2(Value x);
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

/// Threads of a block that has `items` things to do, a warp at least.
int64_t threadsFor(int64_t items, int64_t warps);

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_GPUBUILDER_H

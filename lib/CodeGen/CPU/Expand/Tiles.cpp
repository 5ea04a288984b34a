// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AMX: a tile has 16 rows of 64 bytes. One of activations is 16 of their rows;
// one of weights has a word (four bytes or two bf16 along K) of 16 rows of the
// weight in each of its rows, which is a register of a panel. So the panels of
// VNNI and of bf16 are loaded as they are, and both products see the same
// bytes: unsigned weights and signed activations, or pairs of bf16.
//
// LLVM allocates tiles and writes their configuration. Sums come back to vector
// registers through memory.

#include "Expand.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

/// Bytes of a row of a tile.
static constexpr int64_t rowBytes = 64;

bool TileProduct::fitsBytes(const CPUTarget &target,
                            const PanelLayout &layout) {
  return target.dot == DotKind::Amx && layout.numGroups == 1 &&
         layout.lanes == 16 && layout.form.codeBits == 8 &&
         layout.form.laneBits == 0;
}

bool TileProduct::fitsPairs(const CPUTarget &target,
                            const PanelLayout &layout) {
  return target.dot == DotKind::Amx && layout.lanes == 16 && layout.depth == 2;
}

bool TileProduct::fitsDecoded(const CPUTarget &target,
                              const PanelLayout &layout) {
  return fitsPairs(target, layout) && layout.group / 2 % words == 0 &&
         decodedPairs(layout) % words == 0;
}

TileProduct::TileProduct(KernelBuilder &b, const PanelLayout &layout,
                         Type sumType)
    : b(b), layout(layout), sumType(sumType),
      sums(memref::AllocaOp::create(
          b, MemRefType::get({rows, layout.panelRows}, sumType),
          b.getI64IntegerAttr(64))) {}

/// `sizes` are 16-bit constants in front of the operands.
Value TileProduct::intrinsic(StringRef name, Type type, ArrayRef<int64_t> sizes,
                             ValueRange operands) {
  SmallVector<Value> all;
  for (int64_t size : sizes)
    all.push_back(b.constant(b.getIntegerType(16), size));
  llvm::append_range(all, operands);
  if (type)
    return b.intrinsic(name, type, all);
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr(name), all);
  return {};
}

Value TileProduct::pointer(Value buffer, Value byte) {
  Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
  Value number =
      arith::IndexCastOp::create(b, b.getI64Type(), b.add(address, byte));
  return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()),
                                  number);
}

Value TileProduct::load(int64_t tileRows, int64_t bytes, Value buffer,
                        Value byte, int64_t stride) {
  return intrinsic("llvm.x86.tileloadd64.internal",
                   LLVM::LLVMX86AMXType::get(b.getContext()), {tileRows, bytes},
                   {pointer(buffer, byte), b.constant(b.getI64Type(), stride)});
}

SmallVector<SmallVector<Value>>
TileProduct::multiply(Value codes, Value row, Value firstWord, Value weights,
                      Value at, Value whole, int64_t rest) {
  Type tile = LLVM::LLVMX86AMXType::get(b.getContext());
  StringRef product = sumType.isInteger() ? "llvm.x86.tdpbsud.internal"
                                          : "llvm.x86.tdpbf16ps.internal";
  int64_t codesStride = cast<MemRefType>(codes.getType()).getDimSize(1) * 4;
  int64_t wordBytes = layout.vectors * rowBytes;
  // Words `word` to `word + count`, as many as tiles hold or fewer.
  auto step = [&](Value word, ValueRange carried, int64_t count) {
    Value place =
        b.add(b.mul(row, codesStride), b.mul(b.add(firstWord, word), 4));
    Value x = load(rows, count * 4, codes, place, codesStride);
    SmallVector<Value> results;
    for (auto [v, sum] : llvm::enumerate(carried)) {
      Value from =
          b.add(b.add(at, b.mul(word, wordBytes)), int64_t(v) * rowBytes);
      Value w = load(count, rowBytes, weights, from, wordBytes);
      results.push_back(
          intrinsic(product, tile, {rows, rowBytes, count * 4}, {sum, x, w}));
    }
    return results;
  };
  SmallVector<Value> acc;
  for (int64_t v = 0; v < layout.vectors; ++v)
    acc.push_back(
        intrinsic("llvm.x86.tilezero.internal", tile, {rows, rowBytes}, {}));
  if (!matchPattern(whole, m_Zero()))
    acc = b.loop(b.index(0), whole, words, acc,
                 [&](Value word, ValueRange carried) {
                   return step(word, carried, words);
                 });
  if (rest)
    acc = step(whole, acc, rest);

  int64_t sumsStride = layout.panelRows * 4;
  for (auto [v, sum] : llvm::enumerate(acc))
    intrinsic("llvm.x86.tilestored64.internal", Type(), {rows, rowBytes},
              {pointer(sums, b.index(int64_t(v) * rowBytes)),
               b.constant(b.getI64Type(), sumsStride), sum});
  SmallVector<SmallVector<Value>> result(rows);
  for (auto [m, vectors] : llvm::enumerate(result))
    for (int64_t v = 0; v < layout.vectors; ++v)
      vectors.push_back(b.load(b.vec(layout.lanes, sumType), sums,
                               {b.index(m), b.index(v * layout.lanes)}));
  return result;
}

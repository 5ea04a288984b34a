// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The integer dot products of the targets. They are named as intrinsics: LLVM
// does not find vpdpbusd in the generic forms that would allow a register tile.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir::cpu;

static Value intrinsic(KernelBuilder &b, StringRef name, Type result,
                       ValueRange operands) {
  return b.intrinsic(name, result, operands);
}

/// Products of the bytes of a word in pairs: i16 lanes.
static Value multiplyPairs(KernelBuilder &b, Value weights, Value activations) {
  bool wide = b.target.lanes == 16;
  return intrinsic(
      b, wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw",
      b.vec(b.target.lanes * 2, b.getI16Type()), {weights, activations});
}

/// Pairs of pairs, in i32 lanes.
static Value widenPairs(KernelBuilder &b, Value pairs) {
  bool wide = b.target.lanes == 16;
  return intrinsic(
      b, wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd",
      b.vec(b.target.lanes, b.getI32Type()),
      {pairs, b.constant(pairs.getType(), 1)});
}

DotSum::DotSum(KernelBuilder &b, Value start, unsigned laneBits)
    : b(b), acc(start), laneBits(laneBits) {
  // |activation| <= 128, but 127 where weights are 8 bits with a sign.
  int64_t most = laneBits < 8 ? (1 << laneBits) - 1 : 127;
  fit = INT16_MAX / (2 * 128 * most);
}

void DotSum::addPairs(Value weights, Value activations) {
  Value products = multiplyPairs(b, weights, activations);
  pairs =
      pairs ? arith::AddIOp::create(b, pairs, products).getResult() : products;
  if (++pending == fit)
    widen();
}

void DotSum::widen() {
  if (pending)
    acc = arith::AddIOp::create(b, acc, widenPairs(b, pairs));
  pairs = {};
  pending = 0;
}

Value DotSum::finish() {
  widen();
  return acc;
}

void DotSum::pin(KernelBuilder &b, MutableArrayRef<DotSum> sums) {
  size_t registers = b.target.dot == DotKind::Avx2     ? 16
                     : b.target.dot == DotKind::Avx512 ? 32
                                                       : 0;
  // One sum alone is in order.
  if (sums.size() < 2 || sums.size() + 2 > registers)
    return;
  SmallVector<Value> values;
  for (DotSum &sum : sums)
    values.push_back(sum.pairs ? sum.pairs : sum.acc);
  for (auto [sum, value] : llvm::zip_equal(sums, b.pin(values)))
    (sum.pairs ? sum.pairs : sum.acc) = value;
}

void DotSum::add(Value weights, Value activations) {
  Type type = acc.getType(), bytes = weights.getType();
  switch (b.target.dot) {
  case DotKind::Amx:
  case DotKind::Avx512Vnni:
    acc = intrinsic(b, "llvm.x86.avx512.vpdpbusd.512", type,
                    {acc, weights, activations});
    return;
  case DotKind::AvxVnni:
    acc = intrinsic(b, "llvm.x86.avx512.vpdpbusd.256", type,
                    {acc, weights, activations});
    return;
  case DotKind::NeonDot:
  case DotKind::NeonI8MM:
    acc = intrinsic(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", type,
                    {acc, weights, activations});
    return;
  case DotKind::Avx2: {
    if (laneBits < 8)
      return addPairs(weights, activations);
    // Signed weights: the sign moves to the activation.
    Value magnitude =
        intrinsic(b, "llvm.x86.avx2.psign.b", bytes, {weights, weights});
    Value signedActivations =
        intrinsic(b, "llvm.x86.avx2.psign.b", bytes, {activations, weights});
    return addPairs(magnitude, signedActivations);
  }
  case DotKind::Avx512: {
    if (laneBits < 8)
      return addPairs(weights, activations);
    // There is no vpsignb here. Take the top bit of each weight apart:
    // w = (w mod 128) + 128 * (w / 128).
    Value low = arith::AndIOp::create(b, weights, b.constant(bytes, 127));
    Value top = arith::ShRUIOp::create(b, weights, b.constant(bytes, 7));
    Value tops = widenPairs(b, multiplyPairs(b, top, activations));
    tops = arith::ShLIOp::create(b, tops, b.constant(type, 7));
    acc = arith::AddIOp::create(b, acc, tops);
    return addPairs(low, activations);
  }
  }
  llvm_unreachable("unknown dot product");
}

Value quantmlir::cpu::emitWordDot(KernelBuilder &b, Value acc, Value x,
                                  Value y) {
  auto type = cast<VectorType>(acc.getType());
  int64_t lanes = type.getNumElements();
  // With VNNI, LLVM makes one instruction of vpmaddwd and the addition.
  auto multiply = [&](Value x, Value y, int64_t lanes) -> Value {
    VectorType sums = b.vec(lanes, b.getI32Type());
    switch (b.target.dot) {
    case DotKind::Avx512:
    case DotKind::Avx512Vnni:
    case DotKind::Amx:
      return intrinsic(b, "llvm.x86.avx512.pmaddw.d.512", sums, {x, y});
    case DotKind::Avx2:
    case DotKind::AvxVnni:
      return intrinsic(b, "llvm.x86.avx2.pmadd.wd", sums, {x, y});
    case DotKind::NeonDot:
    case DotKind::NeonI8MM:
      break;
    }
    auto wide = [&](Value words) {
      return arith::ExtSIOp::create(b, sums, words).getResult();
    };
    auto xs = vector::DeinterleaveOp::create(b, x);
    auto ys = vector::DeinterleaveOp::create(b, y);
    return arith::AddIOp::create(
        b, arith::MulIOp::create(b, wide(xs.getRes1()), wide(ys.getRes1())),
        arith::MulIOp::create(b, wide(xs.getRes2()), wide(ys.getRes2())));
  };
  if (b.target.isNeon() || b.target.lanes >= lanes)
    return arith::AddIOp::create(b, acc, multiply(x, y, lanes));
  // Registers are half as wide.
  auto part = [&](Value words, int64_t first) -> Value {
    return vector::ExtractStridedSliceOp::create(
        b, words, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{lanes},
        ArrayRef<int64_t>{1});
  };
  Value sums = b.constant(type, 0);
  for (int64_t half : {0, 1}) {
    Value products =
        multiply(part(x, half * lanes), part(y, half * lanes), lanes / 2);
    sums = vector::InsertStridedSliceOp::create(
        b, products, sums, ArrayRef<int64_t>{half * lanes / 2},
        ArrayRef<int64_t>{1});
  }
  return arith::AddIOp::create(b, acc, sums);
}

Value quantmlir::cpu::emitBlockDot(KernelBuilder &b, Value acc, Value weights,
                                   Value activations) {
  return intrinsic(b, "llvm.aarch64.neon.smmla.v4i32.v16i8", acc.getType(),
                   {acc, activations, weights});
}

Value quantmlir::cpu::emitDotBF16(KernelBuilder &b, Value acc, Value weights,
                                  Value activations) {
  if (b.target.dotsBF16)
    return intrinsic(b, "llvm.x86.avx512bf16.dpbf16ps.512", acc.getType(),
                     {acc, weights, activations});
  // A bf16 is the upper half of an f32.
  VectorType i32 = b.vec(b.target.lanes, b.getI32Type());
  auto half = [&](Value pairs, bool upper) -> Value {
    Value bits = b.bitcast(i32, pairs);
    bits =
        upper ? arith::AndIOp::create(b, bits, b.constant(i32, -65536))
                    .getResult()
              : arith::ShLIOp::create(b, bits, b.constant(i32, 16)).getResult();
    return b.bitcast(b.f32Vec(b.target.lanes), bits);
  };
  for (bool upper : {true, false})
    acc = b.fma(half(weights, upper), half(activations, upper), acc);
  return acc;
}

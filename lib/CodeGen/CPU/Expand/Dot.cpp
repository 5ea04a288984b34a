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

/// sum over pairs in i16, then over pairs of pairs in i32. The first sum must
/// not saturate: |weight| <= 127 or (128 and |activation| <= 127) is enough.
static Value addPairs(KernelBuilder &b, Value acc, Value weights,
                      Value activations, bool wide) {
  int64_t lanes = b.target.lanes;
  auto i16 = b.vec(lanes * 2, b.getI16Type());
  Value pairs = intrinsic(
      b, wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw",
      i16, {weights, activations});
  Value sums = intrinsic(
      b, wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd",
      acc.getType(), {pairs, b.constant(i16, 1)});
  return arith::AddIOp::create(b, acc, sums);
}

Value quantmlir::cpu::emitDot(KernelBuilder &b, Value acc, Value weights,
                              Value activations, unsigned laneBits) {
  auto bytes = cast<VectorType>(weights.getType());
  switch (b.target.dot) {
  case DotKind::Amx:
  case DotKind::Avx512Vnni:
    return intrinsic(b, "llvm.x86.avx512.vpdpbusd.512", acc.getType(),
                     {acc, weights, activations});
  case DotKind::AvxVnni:
    return intrinsic(b, "llvm.x86.avx512.vpdpbusd.256", acc.getType(),
                     {acc, weights, activations});
  case DotKind::NeonDot:
  case DotKind::NeonI8MM:
    return intrinsic(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", acc.getType(),
                     {acc, weights, activations});
  case DotKind::Avx2: {
    if (laneBits < 8)
      return addPairs(b, acc, weights, activations, /*wide=*/false);
    // Signed weights: the sign moves to the activation.
    Value magnitude =
        intrinsic(b, "llvm.x86.avx2.psign.b", bytes, {weights, weights});
    Value signedActivations =
        intrinsic(b, "llvm.x86.avx2.psign.b", bytes, {activations, weights});
    return addPairs(b, acc, magnitude, signedActivations, /*wide=*/false);
  }
  case DotKind::Avx512: {
    if (laneBits < 8)
      return addPairs(b, acc, weights, activations, /*wide=*/true);
    // There is no vpsignb here. Take the top bit of each weight apart:
    // w = (w mod 128) + 128 * (w / 128).
    Value low = arith::AndIOp::create(b, weights, b.constant(bytes, 127));
    Value top = arith::ShRUIOp::create(b, weights, b.constant(bytes, 7));
    Value zero = b.constant(acc.getType(), 0);
    Value tops = addPairs(b, zero, top, activations, /*wide=*/true);
    tops = arith::ShLIOp::create(b, tops, b.constant(acc.getType(), 7));
    acc = arith::AddIOp::create(b, acc, tops);
    return addPairs(b, acc, low, activations, /*wide=*/true);
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

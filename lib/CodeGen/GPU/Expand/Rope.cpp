// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block has a head of a row, a thread pairs of its elements. Angles are f64,
// as on a CPU.

#include "Expand.h"
#include "quant-mlir/CodeGen/Kernel/RopeAngles.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

LaunchShape quantmlir::cuda::emitRope(GPUBuilder &b, const Rope &op,
                                      const Form &form) {
  int64_t pairs = op.frequencies.size(), rotary = 2 * pairs;
  int64_t threads = threadsFor(op.headSize / 2, form.warps);
  SmallVector<Attribute> entries;
  for (double frequency : op.frequencies)
    entries.push_back(b.getF64FloatAttr(frequency));
  Value table = b.table(entries);
  Value row = b.block('y'), start = b.mul(b.block('x'), op.headSize);
  Value position =
      arith::IndexCastUIOp::create(b, b.getI64Type(), b.add(op.position, row));
  Value turn = arith::SIToFPOp::create(b, b.getF64Type(), position);

  b.loop(b.thread(), b.index(pairs), threads, [&](Value pair) {
    Value frequency = b.load(b.getF64Type(), table, b.mul(pair, 8), 8);
    auto [cos64, sin64] = kernel::emitCosSin(b, b.mulF(turn, frequency));
    Value cos = arith::TruncFOp::create(b, b.getF32Type(), cos64);
    Value sin = arith::TruncFOp::create(b, b.getF32Type(), sin64);
    bool halves = op.style == lm::RopeStyle::Half;
    Value low = b.add(start, halves ? pair : b.mul(pair, 2));
    Value high = b.add(low, halves ? pairs : 1);
    Value first = b.load(op.x, row, low), second = b.load(op.x, row, high);
    Value a = arith::SubFOp::create(b, b.mulF(first, cos), b.mulF(second, sin));
    Value c = b.addF(b.mulF(first, sin), b.mulF(second, cos));
    b.store(a, op.out, row, low);
    b.store(c, op.out, row, high);
  });
  // What is not rotated is carried over.
  if (rotary < op.headSize)
    b.loop(b.add(b.thread(), rotary), b.index(op.headSize), threads,
           [&](Value i) {
             Value at = b.add(start, i);
             b.store(b.load(op.x, row, at), op.out, row, at);
           });
  return {/*blocks=*/op.x.columns / op.headSize, /*tokens=*/1, threads};
}

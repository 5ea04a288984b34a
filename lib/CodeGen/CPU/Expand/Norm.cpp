// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

/// The sum over a row of what `term` makes of each vector of it.
static Value emitRowSum(KernelBuilder &b, Value x, Value row, int64_t size,
                        int64_t lanes, llvm::function_ref<Value(Value)> term) {
  auto type = b.f32Vec(lanes);
  Value sums =
      b.loop(b.index(0), b.index(size), lanes, b.constant(type, 0),
             [&](Value k, ValueRange carried) -> SmallVector<Value> {
               return {b.addF(carried[0], term(b.load(type, x, {row, k})))};
             })
          .front();
  return b.reduce(vector::CombiningKind::ADD, sums);
}

/// 1 / sqrt(sum / size + eps)
static Value emitInverseRoot(KernelBuilder &b, Value sum, int64_t size,
                             double eps) {
  Type f32 = b.getF32Type();
  Value mean = b.mulF(sum, b.constant(f32, 1.0 / double(size)));
  Value root = math::SqrtOp::create(b, b.addF(mean, b.constant(f32, eps)));
  return b.divF(b.constant(f32, 1), root);
}

static int64_t rowSize(Value buffer) {
  return cast<MemRefType>(buffer.getType()).getShape().back();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::RMSNormOp op) {
  int64_t size = rowSize(op.getX()), lanes = vectorLanes(size);
  auto type = b.f32Vec(lanes);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    Value squares =
        emitRowSum(b, op.getX(), row, size, lanes,
                   [&](Value value) { return b.mulF(value, value); });
    Value factor = b.splat(
        emitInverseRoot(b, squares, size, op.getEps().convertToDouble()),
        lanes);
    b.loop(0, size, lanes, [&](Value k) {
      Value value = b.mulF(b.load(type, op.getX(), {row, k}), factor);
      b.store(b.mulF(value, b.load(type, op.getGain(), k)), op.getOut(),
              {row, k});
    });
  });
  return success();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::LayerNormOp op) {
  int64_t size = rowSize(op.getX()), lanes = vectorLanes(size);
  auto type = b.f32Vec(lanes);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    Value sum = emitRowSum(b, op.getX(), row, size, lanes,
                           [](Value value) { return value; });
    Value mean = b.splat(
        b.mulF(sum, b.constant(b.getF32Type(), 1.0 / double(size))), lanes);
    // A second walk: the difference of mean square and squared mean would lose
    // the digits that a large mean takes up.
    Value squares =
        emitRowSum(b, op.getX(), row, size, lanes, [&](Value value) {
          Value difference = b.subF(value, mean);
          return b.mulF(difference, difference);
        });
    Value factor = b.splat(
        emitInverseRoot(b, squares, size, op.getEps().convertToDouble()),
        lanes);
    b.loop(0, size, lanes, [&](Value k) {
      Value value =
          b.mulF(b.subF(b.load(type, op.getX(), {row, k}), mean), factor);
      value = b.mulF(value, b.load(type, op.getGain(), k));
      if (op.getBias())
        value = b.addF(value, b.load(type, op.getBias(), k));
      b.store(value, op.getOut(), {row, k});
    });
  });
  return success();
}

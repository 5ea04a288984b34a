// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A row's sines and cosines serve all its heads.

#include "Expand.h"
#include "quant-mlir/CodeGen/Kernel/RopeAngles.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::RopeOp op) {
  int64_t size = cast<MemRefType>(op.getX().getType()).getShape().back();
  int64_t headSize = op.getHeadSize(), rotary = op.getRotarySize();
  int64_t heads = size / headSize, pairs = rotary / 2;
  int64_t lanes = vectorLanes(pairs, 8);
  auto f64 = b.vec(lanes, b.getF64Type());
  auto f32 = b.f32Vec(lanes);
  SmallVector<double> all = kernel::ropeFrequencies(op);

  auto frequencies = [&](int64_t first) -> Value {
    ArrayRef<double> values = ArrayRef(all).slice(first, lanes);
    return arith::ConstantOp::create(b, DenseElementsAttr::get(f64, values));
  };

  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    Value position = arith::IndexCastOp::create(b, b.getI64Type(),
                                                b.add(op.getPosition(), row));
    Value turn =
        b.splat(arith::SIToFPOp::create(b, b.getF64Type(), position), lanes);
    for (int64_t pair = 0; pair < pairs; pair += lanes) {
      auto [cos64, sin64] =
          kernel::emitCosSin(b, b.mulF(turn, frequencies(pair)));
      Value cos = b.toF32(cos64), sin = b.toF32(sin64);
      b.loop(0, heads, 1, [&](Value head) {
        Value start = b.mul(head, headSize);
        auto rotate = [&](Value first, Value second) {
          Value a = b.subF(b.mulF(first, cos), b.mulF(second, sin));
          Value c = b.addF(b.mulF(first, sin), b.mulF(second, cos));
          return std::pair(a, c);
        };
        if (op.getStyle() == lm::RopeStyle::Half) {
          SmallVector<Value> low = {row, b.add(start, pair)};
          SmallVector<Value> high = {row, b.add(start, pair + pairs)};
          auto [first, second] =
              rotate(b.load(f32, op.getX(), low), b.load(f32, op.getX(), high));
          b.store(first, op.getOut(), low);
          b.store(second, op.getOut(), high);
          return;
        }
        SmallVector<Value> at = {row, b.add(start, 2 * pair)};
        Value both = b.load(b.f32Vec(2 * lanes), op.getX(), at);
        auto apart = vector::DeinterleaveOp::create(b, both);
        auto [first, second] = rotate(apart.getRes1(), apart.getRes2());
        b.store(vector::InterleaveOp::create(b, first, second), op.getOut(),
                at);
      });
    }
    // What is not rotated is carried over.
    if (rotary < headSize) {
      int64_t rest = vectorLanes(headSize - rotary);
      b.loop(0, heads, 1, [&](Value head) {
        b.loop(rotary, headSize, rest, [&](Value element) {
          SmallVector<Value> at = {row, b.add(b.mul(head, headSize), element)};
          b.store(b.load(b.f32Vec(rest), op.getX(), at), op.getOut(), at);
        });
      });
    }
  });
  return success();
}

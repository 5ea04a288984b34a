// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where things lie in a cache, and what is written there. A block has a head of
// a token; of int8 its threads find the scale together.

#include "Expand.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

static constexpr int64_t scaleBytes = lm::KVCacheType::scaleBytes;

static int64_t elementBytes(const Cache &cache) {
  return bytesOf(cache.buffer.element);
}

/// Byte of the block that `position` is in.
Value Cache::blockAt(GPUBuilder &b, Plane plane, Value head,
                     Value position) const {
  int64_t rowBytes = size * elementBytes(*this) + (isInt8() ? scaleBytes : 0);
  Value outer = b.add(b.mul(b.add(b.mul(layer, 2), plane), heads), head);
  Value first = b.mul(b.div(position, block), block);
  return b.mul(b.add(b.mul(outer, positions), first), rowBytes);
}

Value Cache::byteOf(GPUBuilder &b, Plane plane, Value head, Value position,
                    Value i) const {
  Value within = b.rem(position, block), at;
  if (isInt8() && plane == Keys)
    at = b.add(b.mul(b.div(i, 2), 2 * block),
               b.add(b.mul(within, 2), b.rem(i, 2)));
  else if (isInt8())
    at = b.add(b.mul(b.div(within, 2), 2 * size),
               b.add(b.mul(i, 2), b.rem(within, 2)));
  else if (plane == Keys)
    at = b.add(b.mul(i, block), within);
  else
    at = b.add(b.mul(within, size), i);
  return b.add(blockAt(b, plane, head, position),
               b.mul(at, elementBytes(*this)));
}

Value Cache::scaleAt(GPUBuilder &b, Plane plane, Value head,
                     Value position) const {
  return b.add(blockAt(b, plane, head, position),
               b.add(b.mul(b.rem(position, block), scaleBytes), block * size));
}

Value Cache::load(GPUBuilder &b, Plane plane, Value head, Value position,
                  Value i) const {
  Value number =
      b.load(buffer.element, buffer.pointer,
             byteOf(b, plane, head, position, i), elementBytes(*this));
  if (!isInt8())
    return b.toF32(number);
  return b.toF32(arith::ExtSIOp::create(b, b.getI32Type(), number));
}

Cache::Square Cache::loadSquare(GPUBuilder &b, Plane plane, Value head,
                                Value position, int64_t gap, Value i) const {
  // There may be no more blocks in which the last positions of a chunk are.
  Value within = b.rem(position, block);
  position = b.add(
      b.min(b.sub(position, within), b.sub(positions, b.index(block))), within);
  auto positionAt = [&](int64_t j) {
    return b.add(position, j / 2 * gap + j % 2);
  };
  auto loadSome = [&](int64_t j, int64_t k, int64_t count) {
    return b.load(b.vec(count, buffer.element), buffer.pointer,
                  byteOf(b, plane, head, positionAt(j), b.add(i, k)),
                  count * elementBytes(*this));
  };
  Square square;
  if (!isInt8()) {
    for (int64_t outer = 0; outer < 4; ++outer) {
      Value some =
          plane == Keys ? loadSome(0, outer, 4) : loadSome(outer, 0, 4);
      for (int64_t inner = 0; inner < 4; ++inner)
        (plane == Keys ? square[inner][outer] : square[outer][inner]) =
            b.extract(some, inner);
    }
    return square;
  }
  // Pairs of elements, of values pairs of positions.
  for (int64_t outer = 0; outer < 4; outer += 2) {
    Value some = plane == Keys ? loadSome(0, outer, 8) : loadSome(outer, 0, 8);
    for (int64_t each = 0; each < 8; ++each) {
      int64_t inner = each / 2, pair = outer + each % 2;
      (plane == Keys ? square[inner][pair] : square[pair][inner]) =
          b.extract(some, each);
    }
  }
  for (int64_t j = 0; j < 4; ++j) {
    Value scale = loadScale(b, plane, head, positionAt(j));
    for (Value &number : square[j]) {
      number = arith::ExtSIOp::create(b, b.getI32Type(), number);
      number = b.mulF(b.toF32(number), scale);
    }
  }
  return square;
}

void Cache::store(GPUBuilder &b, Value value, Plane plane, Value head,
                  Value position, Value i) const {
  Value number = isInt8() ? arith::FPToSIOp::create(b, buffer.element, value)
                          : b.fromF32(buffer.element, value);
  b.store(number, buffer.pointer, byteOf(b, plane, head, position, i),
          elementBytes(*this));
}

Value Cache::loadScale(GPUBuilder &b, Plane plane, Value head,
                       Value position) const {
  return b.load(b.getF32Type(), buffer.pointer,
                scaleAt(b, plane, head, position), scaleBytes);
}

void Cache::storeScale(GPUBuilder &b, Value scale, Plane plane, Value head,
                       Value position) const {
  b.store(scale, buffer.pointer, scaleAt(b, plane, head, position), scaleBytes);
}

/// Stores the scale of a row of a head; returns what its values are multiplied
/// by.
static Value chooseFactor(GPUBuilder &b, const CacheWrite &op,
                          const Buffer &source, Cache::Plane plane, Value head,
                          Value position, int64_t threads) {
  using Values = GPUBuilder::Values;
  Value thread = b.thread(), row = b.block('y'), limit = b.f32(127);
  Value most = b.loop(thread, b.index(op.cache.size), threads, b.f32(0),
                      [&](Value i, ValueRange carried) -> Values {
                        Value column = b.add(b.mul(head, op.cache.size), i);
                        Value x = b.magnitude(b.load(source, row, column));
                        return {arith::MaximumFOp::create(b, carried[0], x)};
                      })
                   .front();
  most = b.reduce(most, GPUBuilder::Reduction::Max);
  most = b.reduceOverWarps(most, GPUBuilder::Reduction::Max, thread,
                           threads / GPUBuilder::warpSize);
  b.onlyIf(b.less(thread, 1), [&] {
    op.cache.storeScale(b, arith::DivFOp::create(b, most, limit), plane, head,
                        position);
  });
  Value isZero =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, most, b.f32(0));
  return b.select(isZero, b.f32(0), arith::DivFOp::create(b, limit, most));
}

LaunchShape quantmlir::cuda::emitCacheWrite(GPUBuilder &b, const CacheWrite &op,
                                            const Form &form) {
  int64_t threads = threadsFor(op.cache.size, form.warps);
  Value head = b.block('x'), row = b.block('y');
  Value position = b.add(op.position, row);
  for (auto [source, plane] :
       {std::pair{op.key, Cache::Keys}, std::pair{op.value, Cache::Values}}) {
    Value factor;
    if (op.cache.isInt8())
      factor = chooseFactor(b, op, source, plane, head, position, threads);
    b.loop(b.thread(), b.index(op.cache.size), threads, [&](Value i) {
      Value column = b.add(b.mul(head, op.cache.size), i);
      Value x = b.load(source, row, column);
      if (factor)
        x = b.roundEven(b.mulF(x, factor));
      op.cache.store(b, x, plane, head, position, i);
    });
  }
  return {op.cache.heads, /*tokens=*/1, threads};
}

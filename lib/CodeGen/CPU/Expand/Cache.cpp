// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Cache.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

CacheLayout::CacheLayout(KernelBuilder &b, Value cache, Value layer)
    : b(b), layer(layer) {
  auto type = cast<MemRefType>(cache.getType());
  element = type.getElementType();
  heads = type.getDimSize(2);
  size = type.getDimSize(4) - scaleSize();
  // Positions and their elements in one dimension.
  this->cache = memref::CollapseShapeOp::create(
      b, cache, ArrayRef<ReassociationIndices>{{0}, {1}, {2}, {3, 4}});
}

int64_t CacheLayout::scaleSize() const {
  return isInt8() ? lm::KVCacheType::scaleBytes : 0;
}

Value CacheLayout::blockAt(Value position) {
  return b.mul(b.div(position, block), blockSize());
}

Value CacheLayout::keyAt(Value position, Value i) {
  Value start = blockAt(position), within = b.rem(position, block);
  if (!isInt8())
    return b.add(start, b.add(b.mul(i, block), within));
  Value pair = b.add(start, b.mul(b.div(i, 2), 2 * block));
  return b.add(pair, b.add(b.mul(within, 2), b.rem(i, 2)));
}

Value CacheLayout::valueAt(Value position, Value i) {
  Value start = blockAt(position), within = b.rem(position, block);
  if (!isInt8())
    return b.add(start, b.add(b.mul(within, size), i));
  Value pair = b.add(start, b.mul(b.div(within, 2), 2 * size));
  return b.add(pair, b.add(b.mul(i, 2), b.rem(within, 2)));
}

Value CacheLayout::scaleAt(Value position) {
  return b.add(b.add(blockAt(position), block * size),
               b.mul(b.rem(position, block), lm::KVCacheType::scaleBytes));
}

Value CacheLayout::load(VectorType type, int64_t plane, Value head, Value at) {
  return b.load(type, cache, {layer, b.index(plane), head, at});
}

void CacheLayout::store(Value value, int64_t plane, Value head, Value at) {
  SmallVector<Value> indices = {layer, b.index(plane), head, at};
  if (isa<VectorType>(value.getType()))
    b.store(value, cache, indices);
  else
    memref::StoreOp::create(b, value, cache, indices);
}

void CacheLayout::prefetch(int64_t plane, Value head, Value at) {
  memref::PrefetchOp::create(b, cache,
                             ValueRange{layer, b.index(plane), head, at},
                             /*isWrite=*/false, /*localityHint=*/2,
                             /*isDataCache=*/true);
}

Value CacheLayout::loadScales(int64_t plane, Value head, Value blockStart) {
  int64_t bytes = block * lm::KVCacheType::scaleBytes;
  return b.bitcast(b.f32Vec(block), load(b.vec(bytes, element), plane, head,
                                         b.add(blockStart, block * size)));
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

namespace {
class CacheWriter {
public:
  CacheWriter(KernelBuilder &b, kernel::CacheWriteOp op)
      : b(b), op(op), cache(b, op.getCache(), op.getLayer()) {}

  void emit();

private:
  static constexpr int64_t block = CacheLayout::block;

  void writeFloats(Value head, Value token, Value position);
  void writeBytes(Value head, Value token, Value position);
  /// Rounds a key or a value to bytes, stores its scale, and hands out 16 bytes
  /// at a time.
  void roundRow(Value source, int64_t plane, Value head, Value token,
                Value position,
                llvm::function_ref<void(Value bytes, int64_t first)> store);
  void clear(Value head, Value position);

  KernelBuilder &b;
  kernel::CacheWriteOp op;
  CacheLayout cache;
};
} // namespace

void CacheWriter::writeFloats(Value head, Value token, Value position) {
  auto narrow = [&](Value value) -> Value {
    return cache.element.isF32()
               ? value
               : arith::TruncFOp::create(b, cache.element, value).getResult();
  };
  Value column = b.mul(head, cache.size);
  b.loop(0, cache.size, 1, [&](Value i) {
    SmallVector<Value> at = {token, b.add(column, i)};
    cache.store(narrow(b.loadScalar(op.getKey(), at)), CacheLayout::keys, head,
                cache.keyAt(position, i));
    cache.store(narrow(b.loadScalar(op.getValue(), at)), CacheLayout::values,
                head, cache.valueAt(position, i));
  });
}

void CacheWriter::roundRow(Value source, int64_t plane, Value head, Value token,
                           Value position,
                           llvm::function_ref<void(Value, int64_t)> store) {
  VectorType f32 = b.f32Vec(block), i32 = b.vec(block, b.getI32Type());
  Value column = b.mul(head, cache.size), most = b.constant(f32, 0);
  SmallVector<Value> numbers;
  for (int64_t i = 0; i < cache.size; i += block) {
    numbers.push_back(b.load(f32, source, {token, b.add(column, i)}));
    Value size = math::AbsFOp::create(b, numbers.back());
    most = arith::MaximumFOp::create(b, most, size);
  }
  Value largest = b.reduce(vector::CombiningKind::MAXIMUMF, most);
  Value limit = b.constant(b.getF32Type(), 127);
  Value none = b.constant(b.getF32Type(), 0);
  Value isZero =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, none);
  Value factor =
      arith::SelectOp::create(b, isZero, none, b.divF(limit, largest));
  Value scale = b.splat(b.divF(largest, limit), 1);
  cache.store(
      b.bitcast(b.vec(lm::KVCacheType::scaleBytes, cache.element), scale),
      plane, head, cache.scaleAt(position));
  for (auto [v, number] : llvm::enumerate(numbers)) {
    Value rounded =
        math::RoundEvenOp::create(b, b.mulF(number, b.splat(factor, block)));
    Value code = arith::FPToSIOp::create(b, i32, rounded);
    store(arith::TruncIOp::create(b, b.vec(block, cache.element), code),
          int64_t(v) * block);
  }
}

void CacheWriter::writeBytes(Value head, Value token, Value position) {
  roundRow(op.getKey(), CacheLayout::keys, head, token, position,
           [&](Value bytes, int64_t first) {
             for (int64_t i = 0; i < block; i += 2) {
               Value pair = vector::ExtractStridedSliceOp::create(
                   b, bytes, ArrayRef<int64_t>{i}, ArrayRef<int64_t>{2},
                   ArrayRef<int64_t>{1});
               cache.store(pair, CacheLayout::keys, head,
                           cache.keyAt(position, b.index(first + i)));
             }
           });
  roundRow(op.getValue(), CacheLayout::values, head, token, position,
           [&](Value bytes, int64_t first) {
             for (int64_t i = 0; i < block; ++i)
               cache.store(vector::ExtractOp::create(b, bytes, i),
                           CacheLayout::values, head,
                           cache.valueAt(position, b.index(first + i)));
           });
}

void CacheWriter::clear(Value head, Value position) {
  Value zero = b.constant(cache.element, 0);
  b.loop(0, cache.size, 1, [&](Value i) {
    cache.store(zero, CacheLayout::keys, head, cache.keyAt(position, i));
    cache.store(zero, CacheLayout::values, head, cache.valueAt(position, i));
  });
  if (!cache.isInt8())
    return;
  auto scale = b.vec(lm::KVCacheType::scaleBytes, cache.element);
  for (int64_t plane : {CacheLayout::keys, CacheLayout::values})
    cache.store(b.constant(scale, 0), plane, head, cache.scaleAt(position));
}

void CacheWriter::emit() {
  Value tokens = b.size(op.getKey(), 0);
  auto blockEnd = [&](Value position) {
    return b.mul(b.div(b.add(position, block - 1), block), block);
  };
  // A weight of zero must not meet whatever bits were here before. The rest of
  // a block was cleared by the call that began it.
  Value end = b.add(op.getPosition(), tokens);
  Value begins = arith::CmpIOp::create(
      b, arith::CmpIPredicate::ult, blockEnd(op.getPosition()), blockEnd(end));
  Value clearEnd = arith::SelectOp::create(b, begins, blockEnd(end), end);
  b.splitLoop(b.index(cache.heads), [&](Value head) {
    b.loop(b.index(0), tokens, 1, [&](Value token) {
      Value position = b.add(op.getPosition(), token);
      if (cache.isInt8())
        writeBytes(head, token, position);
      else
        writeFloats(head, token, position);
    });
    b.loop(end, clearEnd, 1, [&](Value position) { clear(head, position); });
  });
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::CacheWriteOp op) {
  CacheWriter(b, op).emit();
  return success();
}

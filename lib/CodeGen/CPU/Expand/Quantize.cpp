// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {
/// What both kernels do: read values, times the multiplier if there is one, and
/// find scales.
template <typename Op> class ActivationEmitter {
public:
  ActivationEmitter(KernelBuilder &b, Op op, int64_t lanes, float steps)
      : b(b), op(op), lanes(lanes), steps(steps), f32(b.f32Vec(lanes)),
        k(cast<MemRefType>(op.getX().getType()).getDimSize(1)) {
    // One scale for all: given, or found by every thread for itself, which is
    // cheaper than to wait for the others.
    if (op.getScale())
      scale = b.loadScalar(op.getScale(), b.index(0));
    else if (op.getPerTensor())
      absMax = b.loop(b.index(0), b.size(op.getX(), 0), 1,
                      b.constant(b.getF32Type(), 0),
                      [&](Value row, ValueRange carried) -> SmallVector<Value> {
                        Value most = emitAbsMax(row, b.index(0), b.index(k));
                        return {arith::MaximumFOp::create(b, carried[0], most)};
                      })
                   .front();
  }

  Value values(Value row, Value at) {
    Value x = b.load(f32, op.getX(), {row, at});
    if (!op.getMultiplier())
      return x;
    return b.mulF(x, b.load(f32, op.getMultiplier(), at));
  }

  /// max |x| of values `first` to `end`, as a scalar, NaN if there is one: as
  /// integers, which magnitudes are in the order of, NaNs last. The maximum of
  /// floats that keeps NaNs takes three instructions.
  Value emitAbsMax(Value row, Value first, Value end) {
    VectorType i32 = b.vec(lanes, b.getI32Type());
    Value largest =
        b.loop(first, end, lanes, b.constant(i32, 0),
               [&](Value at, ValueRange carried) -> SmallVector<Value> {
                 Value size = math::AbsFOp::create(b, values(row, at));
                 return {arith::MaxSIOp::create(b, carried[0],
                                                b.bitcast(i32, size))};
               })
            .front();
    return arith::BitcastOp::create(
        b, b.getF32Type(), b.reduce(vector::CombiningKind::MAXSI, largest));
  }

  KernelBuilder &b;
  Op op;
  int64_t lanes;
  float steps;
  VectorType f32;
  int64_t k;
  Value scale;  ///< given
  Value absMax; ///< of all rows
};
} // namespace

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::QuantizeOp op) {
  Value codes = op.getCodes();
  int64_t k = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  int64_t group = op.getGroup(), sumGroup = op.getSumGroup();
  int64_t words = cast<MemRefType>(codes.getType()).getDimSize(1);
  // A step lies inside one group, one period of sums, and the row.
  int64_t lanes =
      vectorLanes(k, std::min(vectorLanes(group), vectorLanes(sumGroup)));
  if (lanes < 4)
    return op.emitOpError("has rows of ")
           << k << " values in groups of " << group
           << "; CPU kernels need multiples of 4";
  auto f32 = b.f32Vec(lanes);
  auto i32 = b.vec(lanes, b.getI32Type());
  Value limit = b.constant(b.getF32Type(), 127);
  Value zero = b.constant(b.getF32Type(), 0);
  ActivationEmitter<kernel::QuantizeOp> activation(b, op, lanes, 127);
  // Where 1 is the last bit of a float, adding rounds to integers, halves to
  // even, which then are the lowest bits.
  Value magic = b.constant(f32, 0x1.8p23);
  Value magicBits = b.constant(i32, 0x4b400000);

  // The larger of the two periods is the outer loop.
  int64_t outer = std::max(group, sumGroup), inner = std::min(group, sumGroup);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    b.loop(0, k, outer, [&](Value first) {
      // What values are multiplied by, or divided where the scale is given.
      auto chooseScale = [&](Value begin) {
        Value place = b.div(begin, group);
        if (activation.scale) {
          memref::StoreOp::create(b, activation.scale, op.getScales(),
                                  ValueRange{row, place});
          return b.splat(activation.scale, lanes);
        }
        Value largest = activation.absMax;
        if (!largest) {
          Value end = b.min(b.add(begin, group), b.index(k));
          largest = activation.emitAbsMax(row, begin, end);
        }
        memref::StoreOp::create(b, b.divF(largest, limit), op.getScales(),
                                ValueRange{row, place});
        // A group of zeros has codes 0, not 0 * infinity.
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, zero);
        return b.splat(
            arith::SelectOp::create(b, isZero, zero, b.divF(limit, largest)),
            lanes);
      };
      auto scaled = [&](Value x, Value factor) -> Value {
        if (!activation.scale)
          return b.mulF(x, factor);
        // As the reference: a scale of 0 makes codes 0, and what lies beyond
        // the scale's reach the last code.
        Value ratio = b.divF(x, factor);
        ratio = arith::MinimumFOp::create(b, ratio, b.constant(f32, 127));
        ratio = arith::MaximumFOp::create(b, ratio, b.constant(f32, -127));
        Value none = b.constant(f32, 0);
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, factor, none);
        return arith::SelectOp::create(b, isZero, none, ratio);
      };
      auto roundPart = [&](Value begin, Value end, Value factor) -> Value {
        Value sums =
            b.loop(begin, end, lanes, b.constant(i32, 0),
                   [&](Value at, ValueRange carried) -> SmallVector<Value> {
                     Value ratio = scaled(activation.values(row, at), factor);
                     Value code = arith::SubIOp::create(
                         b, b.bitcast(i32, b.addF(ratio, magic)), magicBits);
                     Value bytes = arith::TruncIOp::create(
                         b, b.vec(lanes, b.getI8Type()), code);
                     b.store(b.bitcast(b.vec(lanes / 4, b.getI32Type()), bytes),
                             codes, {row, b.div(at, 4)});
                     return {arith::AddIOp::create(b, carried[0], code)};
                   })
                .front();
        return b.reduce(vector::CombiningKind::ADD, sums);
      };
      Value outerFactor = group == outer ? chooseScale(first) : Value();
      Value outerEnd = b.min(b.add(first, outer), b.index(k));
      Value total =
          b.loop(first, outerEnd, inner, b.constant(b.getI32Type(), 0),
                 [&](Value begin, ValueRange carried) -> SmallVector<Value> {
                   Value end = b.min(b.add(begin, inner), outerEnd);
                   Value factor =
                       outerFactor ? outerFactor : chooseScale(begin);
                   Value sum = roundPart(begin, end, factor);
                   if (sumGroup == inner)
                     memref::StoreOp::create(
                         b, sum, op.getSums(),
                         ValueRange{row, b.div(begin, sumGroup)});
                   return {arith::AddIOp::create(b, carried[0], sum)};
                 })
              .front();
      if (sumGroup != inner)
        memref::StoreOp::create(b, total, op.getSums(),
                                ValueRange{row, b.div(first, sumGroup)});
    });
    Value nothing = b.constant(b.getI32Type(), 0);
    b.loop(k / 4, words, 1, [&](Value word) {
      memref::StoreOp::create(b, nothing, codes, ValueRange{row, word});
    });
  });
  return success();
}

/// The nearest bf16, halves to even, as f32. In integers, as in toF32; no NaN.
static Value emitBF16Rounding(KernelBuilder &b, Value x) {
  auto i32 = cast<VectorType>(x.getType()).clone(b.getI32Type());
  Value bits = arith::BitcastOp::create(b, i32, x);
  Value last = arith::ShRUIOp::create(b, bits, b.constant(i32, 16));
  last = arith::AndIOp::create(b, last, b.constant(i32, 1));
  bits = arith::AddIOp::create(b, bits, b.constant(i32, 0x7fff));
  bits = arith::AddIOp::create(b, bits, last);
  bits = arith::AndIOp::create(b, bits, b.constant(i32, int32_t(0xffff0000)));
  return arith::BitcastOp::create(b, x.getType(), bits);
}

namespace {
/// What kernel.round and kernel.encode share: the scale of each group, and the
/// rounding of what has been divided by it.
template <typename Op> class RoundEmitter {
public:
  using Store = llvm::function_ref<void(Value row, Value at, Value rounded,
                                        Value scales)>;
  using StoreScale =
      llvm::function_ref<void(Value row, Value group, Value scale)>;

  RoundEmitter(KernelBuilder &b, Op op)
      : b(b), op(op), small(getSmallFloat(op.getType())),
        k(cast<MemRefType>(op.getX().getType()).getDimSize(1)),
        group(op.getGroup()),
        // A step lies inside one group and the row.
        lanes(vectorLanes(k, group < k ? vectorLanes(group) : 16)) {}

  bool knows() {
    return small || op.getType().isBF16() || op.getType().isInteger(8);
  }
  void emit(Store store, StoreScale storeScale);

  KernelBuilder &b;
  Op op;
  std::optional<SmallFloat> small;
  int64_t k, group, lanes;

private:
  Value round(Value ratio) {
    if (small)
      return emitSmallFloatRounding(b, b.getLoc(), *small, ratio);
    if (op.getType().isBF16())
      return emitBF16Rounding(b, ratio);
    Value most = b.constant(b.f32Vec(lanes), 127);
    Value least = b.constant(b.f32Vec(lanes), -127);
    Value code = math::RoundEvenOp::create(b, ratio);
    code = arith::MinimumFOp::create(b, code, most);
    return arith::MaximumFOp::create(b, code, least);
  }
};
} // namespace

template <typename Op>
void RoundEmitter<Op>::emit(Store store, StoreScale storeScale) {
  bool hasScales = !op.getType().isBF16();
  ActivationEmitter<Op> activation(b, op, lanes,
                                   small ? smallFloatMax(*small) : 127);
  Type number = b.getF32Type();
  Value zero = b.constant(number, 0);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    b.loop(0, k, group, [&](Value begin) {
      Value end = b.min(b.add(begin, group), b.index(k));
      Value scale = activation.scale, scales;
      if (hasScales && !scale) {
        Value largest = activation.absMax;
        if (!largest)
          largest = activation.emitAbsMax(row, begin, end);
        // As the scheme: nothing is divided by zero.
        Value isZero =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, zero);
        scale = b.divF(largest, b.constant(number, activation.steps));
        scale = arith::SelectOp::create(b, isZero, b.constant(number, 0x1p-23),
                                        scale);
      }
      if (hasScales) {
        scales = b.splat(scale, lanes);
        storeScale(row, b.div(begin, group), scale);
      }
      b.loop(begin, end, lanes, [&](Value at) {
        Value x = activation.values(row, at);
        store(row, at, round(scales ? b.divF(x, scales) : x), scales);
      });
    });
  });
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::RoundOp op) {
  RoundEmitter<kernel::RoundOp> emitter(b, op);
  if (!emitter.knows())
    return op.emitOpError("rounds to ")
           << op.getType()
           << "; CPU kernels know f8E4M3FN, f8E5M2, bf16 and i8";
  emitter.emit(
      [&](Value row, Value at, Value rounded, Value scales) {
        b.store(scales ? b.mulF(rounded, scales) : rounded, op.getOut(),
                {row, at});
      },
      [](Value, Value, Value) {});
  return success();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::EncodeOp op) {
  RoundEmitter<kernel::EncodeOp> emitter(b, op);
  int64_t lanes = emitter.lanes;
  if (!emitter.knows() || op.getType().isInteger(8) || lanes < 2)
    return op.emitOpError("makes ")
           << op.getType() << " of rows of " << emitter.k
           << "; CPU kernels make f8E4M3FN, f8E5M2 and bf16 of even rows";
  auto i32 = b.vec(lanes, b.getI32Type());
  auto words = b.vec(lanes / 2, b.getI32Type());
  emitter.emit(
      [&](Value row, Value at, Value rounded, Value) {
        // bf16 is the upper half, and that is exact.
        Value bits = arith::ShRUIOp::create(b, b.bitcast(i32, rounded),
                                            b.constant(i32, 16));
        Value halves =
            arith::TruncIOp::create(b, b.vec(lanes, b.getI16Type()), bits);
        b.store(b.bitcast(words, halves), op.getCodes(), {row, b.div(at, 2)});
      },
      [&](Value row, Value group, Value scale) {
        memref::StoreOp::create(b, scale, op.getScales(),
                                ValueRange{row, group});
      });
  Value nothing = b.constant(b.getI32Type(), 0);
  int64_t end = cast<MemRefType>(op.getCodes().getType()).getDimSize(1);
  b.splitLoop(b.size(op.getX(), 0), [&](Value row) {
    b.loop(emitter.k / 2, end, 1, [&](Value word) {
      memref::StoreOp::create(b, nothing, op.getCodes(), ValueRange{row, word});
    });
  });
  return success();
}

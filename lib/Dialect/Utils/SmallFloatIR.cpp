// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"

using namespace mlir;
using namespace quantmlir;

std::optional<SmallFloat> quantmlir::getSmallFloat(Type type) {
  if (isa<Float8E4M3FNType>(type))
    return SmallFloat::E4M3FN;
  if (isa<Float8E5M2Type>(type))
    return SmallFloat::E5M2;
  if (isa<Float4E2M1FNType>(type))
    return SmallFloat::E2M1FN;
  return std::nullopt;
}

namespace {
/// Arithmetic on f32 and i32, or vectors of them.
class BitBuilder {
public:
  BitBuilder(OpBuilder &builder, Location loc, Type like)
      : builder(builder), loc(loc), f32(typeLike(like, builder.getF32Type())),
        i32(typeLike(like, builder.getI32Type())) {}

  Value constant(uint32_t bits) {
    return splat(i32, builder.getI32IntegerAttr(int32_t(bits)));
  }
  Value bits(Value x) { return arith::BitcastOp::create(builder, loc, i32, x); }
  Value number(Value x) {
    return arith::BitcastOp::create(builder, loc, f32, x);
  }
  template <typename Op> Value make(Value a, Value b) {
    return Op::create(builder, loc, a, b);
  }
  template <typename Op> Value make(Value a, uint32_t b) {
    return make<Op>(a, constant(b));
  }
  Value compare(arith::CmpIPredicate predicate, Value a, uint32_t b) {
    return arith::CmpIOp::create(builder, loc, predicate, a, constant(b));
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }

private:
  static Type typeLike(Type like, Type element) {
    auto vector = dyn_cast<VectorType>(like);
    return vector ? Type(vector.clone(element)) : element;
  }
  Value splat(Type type, TypedAttr attr) {
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(builder, loc, attr);
  }

  OpBuilder &builder;
  Location loc;
  Type f32, i32;
};
} // namespace

Value quantmlir::emitSmallFloatRounding(OpBuilder &builder, Location loc,
                                        SmallFloat type, Value x) {
  // f32ToSmallFloat without the last step: the bits stay where they are.
  SmallFloatFields fields = smallFloatFields(type);
  BitBuilder b(builder, loc, x.getType());
  Value all = b.bits(x);
  Value sign = b.make<arith::AndIOp>(all, 0x80000000);
  Value magnitude = b.make<arith::AndIOp>(all, 0x7FFFFFFF);
  Value limited = b.make<arith::MinUIOp>(
      magnitude, llvm::bit_cast<uint32_t>(smallFloatMax(type)));
  Value magic = b.number(b.constant(fields.subnormalMagic()));
  Value subnormal = b.bits(b.make<arith::SubFOp>(
      b.make<arith::AddFOp>(b.number(limited), magic), magic));
  uint32_t unit = 1u << fields.shift();
  Value odd =
      b.make<arith::AndIOp>(b.make<arith::ShRUIOp>(limited, fields.shift()), 1);
  Value normal =
      b.make<arith::AddIOp>(b.make<arith::AddIOp>(limited, unit / 2 - 1), odd);
  normal = b.make<arith::AndIOp>(normal, ~(unit - 1));
  Value isNormal = b.compare(arith::CmpIPredicate::uge, limited,
                             uint32_t(127 + fields.smallestExponent()) << 23);
  Value result = b.select(isNormal, normal, subnormal);
  Value isNaN = b.compare(arith::CmpIPredicate::ugt, magnitude, 0x7F800000);
  result = b.select(isNaN, magnitude, result);
  return b.number(b.make<arith::OrIOp>(result, sign));
}

Value quantmlir::emitSmallFloatCode(OpBuilder &builder, Location loc,
                                    SmallFloat type, Value x) {
  SmallFloatFields fields = smallFloatFields(type);
  BitBuilder b(builder, loc, x.getType());
  // Of a number on the grid the code is its upper bits.
  Value all = b.bits(emitSmallFloatRounding(builder, loc, type, x));
  Value sign = b.make<arith::ShRUIOp>(
      b.make<arith::AndIOp>(all, 0x80000000),
      uint32_t(31 - fields.exponentBits - fields.mantissaBits));
  Value magnitude = b.make<arith::AndIOp>(all, 0x7FFFFFFF);
  Value normal = b.make<arith::ShRUIOp>(
      b.make<arith::SubIOp>(magnitude, uint32_t(127 - fields.bias()) << 23),
      fields.shift());
  Value subnormal = b.make<arith::SubIOp>(
      b.bits(b.make<arith::AddFOp>(
          b.number(magnitude), b.number(b.constant(fields.subnormalMagic())))),
      fields.subnormalMagic());
  Value isNormal = b.compare(arith::CmpIPredicate::uge, magnitude,
                             uint32_t(127 + fields.smallestExponent()) << 23);
  Value code = b.select(isNormal, normal, subnormal);
  Value isNaN = b.compare(arith::CmpIPredicate::ugt, magnitude, 0x7F800000);
  code = b.select(isNaN, b.constant(fields.notANumber), code);
  code = b.make<arith::OrIOp>(code, sign);
  return arith::TruncIOp::create(builder, loc, builder.getI8Type(), code);
}

Value quantmlir::emitSmallFloatValue(OpBuilder &builder, Location loc,
                                     Value number) {
  std::vector<float> table(256);
  std::optional<SmallFloat> type = getSmallFloat(number.getType());
  for (unsigned code = 0; code < 256; ++code)
    table[code] =
        type ? smallFloatToF32(*type, uint8_t(code)) : e8m0ToF32(uint8_t(code));
  Value code =
      builder.createOrFold<arith::BitcastOp>(loc, builder.getI8Type(), number);
  code = builder.createOrFold<arith::ExtUIOp>(loc, builder.getI32Type(), code);
  return emitLookup(
      builder, loc,
      DenseElementsAttr::get(RankedTensorType::get({256}, builder.getF32Type()),
                             ArrayRef<float>(table)),
      code);
}

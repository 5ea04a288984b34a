// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/QT/Schemes/Blocks.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir::qt;
using Int = IRBlock::Int;
using Float = IRBlock::Float;

template <typename OpTy> static Int emit(Int a, Int b) {
  return {a.block->builder.createOrFold<OpTy>(a.block->loc, a.value, b.value),
          a.block};
}

Int Int::operator+(Int b) const { return emit<arith::AddIOp>(*this, b); }
Int Int::operator+(int64_t b) const {
  return emit<arith::AddIOp>(*this, block->constant(b));
}
Int Int::operator/(int64_t b) const {
  return emit<arith::DivUIOp>(*this, block->constant(b));
}
Int Int::operator%(int64_t b) const {
  return emit<arith::RemUIOp>(*this, block->constant(b));
}
Int Int::operator*(Int b) const { return emit<arith::MulIOp>(*this, b); }
Int Int::operator*(int64_t b) const {
  return emit<arith::MulIOp>(*this, block->constant(b));
}
Int Int::operator&(int64_t b) const {
  return emit<arith::AndIOp>(*this, block->constant(b));
}
Int Int::operator^(Int b) const { return emit<arith::XOrIOp>(*this, b); }
Int Int::operator^(int64_t b) const {
  return emit<arith::XOrIOp>(*this, block->constant(b));
}
Int Int::operator>>(Int b) const { return emit<arith::ShRUIOp>(*this, b); }
Int Int::operator>>(int64_t b) const { return *this >> block->constant(b); }

Float Float::operator*(Float b) const {
  return {
      block->builder.createOrFold<arith::MulFOp>(block->loc, value, b.value),
      block};
}
Float Float::operator*(float b) const {
  Value factor = arith::ConstantOp::create(block->builder, block->loc,
                                           block->builder.getF32FloatAttr(b));
  return *this * Float{factor, block};
}
Float Float::operator-() const {
  return {block->builder.createOrFold<arith::NegFOp>(block->loc, value), block};
}

IRBlock::IRBlock(OpBuilder &builder, Location loc, Value part,
                 ValueRange logicalIndices, int64_t values)
    : builder(builder), loc(loc), part(part),
      indices(logicalIndices.drop_back()) {
  Value size = arith::ConstantIndexOp::create(builder, loc, values);
  Value column = logicalIndices.back();
  indices.push_back(builder.createOrFold<arith::DivUIOp>(loc, column, size));
  Value rest = builder.createOrFold<arith::RemUIOp>(loc, column, size);
  element = {
      builder.createOrFold<arith::IndexCastOp>(loc, builder.getI32Type(), rest),
      this};
}

Int IRBlock::constant(int64_t value) {
  return {
      arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value)),
      this};
}

Int IRBlock::byte(Int index) {
  SmallVector<Value> place(indices);
  place.push_back(builder.createOrFold<arith::IndexCastOp>(
      loc, builder.getIndexType(), index.value));
  Value byte = builder.createOrFold<tensor::ExtractOp>(loc, part, place);
  return {builder.createOrFold<arith::ExtUIOp>(loc, builder.getI32Type(), byte),
          this};
}

Float IRBlock::floatOfBits(Int bits, FloatType type) {
  Value half = builder.createOrFold<arith::TruncIOp>(loc, builder.getI16Type(),
                                                     bits.value);
  half = builder.createOrFold<arith::BitcastOp>(loc, type, half);
  return {builder.createOrFold<arith::ExtFOp>(loc, builder.getF32Type(), half),
          this};
}

Int IRBlock::entry(ArrayRef<uint16_t> table, Int index) {
  auto type =
      RankedTensorType::get(int64_t(table.size()), builder.getI16Type());
  Value entries = arith::ConstantOp::create(
      builder, loc, DenseElementsAttr::get(type, table));
  Value place = builder.createOrFold<arith::IndexCastOp>(
      loc, builder.getIndexType(), index.value);
  Value found = builder.createOrFold<tensor::ExtractOp>(loc, entries, place);
  return {
      builder.createOrFold<arith::ExtUIOp>(loc, builder.getI32Type(), found),
      this};
}

Float IRBlock::number(Int value) {
  return {builder.createOrFold<arith::SIToFPOp>(loc, builder.getF32Type(),
                                                value.value),
          this};
}

Int IRBlock::select(Int condition, Int ifSet, Int ifZero) {
  Value isSet = builder.createOrFold<arith::CmpIOp>(
      loc, arith::CmpIPredicate::ne, condition.value, constant(0).value);
  return {builder.createOrFold<arith::SelectOp>(loc, isSet, ifSet.value,
                                                ifZero.value),
          this};
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace quantmlir;

FloatType quantmlir::getComputeType(Type type) {
  auto floatType = cast<FloatType>(type);
  return floatType.getWidth() < 32 ? Float32Type::get(type.getContext())
                                   : floatType;
}

Value quantmlir::convertFloat(OpBuilder &builder, Location loc, Value value,
                              Type type) {
  unsigned from = cast<FloatType>(value.getType()).getWidth();
  unsigned to = cast<FloatType>(type).getWidth();
  if (value.getType() == type)
    return value;
  // f16 and bf16 have the same width: neither holds the other.
  if (from == to) {
    Value wide =
        arith::ExtFOp::create(builder, loc, builder.getF32Type(), value);
    return arith::TruncFOp::create(builder, loc, type, wide);
  }
  if (from < to)
    return builder.createOrFold<arith::ExtFOp>(loc, type, value);
  return builder.createOrFold<arith::TruncFOp>(loc, type, value);
}

Value quantmlir::emitLookup(OpBuilder &builder, Location loc,
                            DenseElementsAttr table, Value index) {
  Value entries = arith::ConstantOp::create(builder, loc, table);
  Value place = builder.createOrFold<arith::IndexCastOp>(
      loc, builder.getIndexType(), index);
  return builder.createOrFold<tensor::ExtractOp>(loc, entries, place);
}

SmallVector<OpFoldResult> LinalgEmitter::sizes(Value tensor) {
  return tensor::getMixedSizes(builder, loc, tensor);
}

Value LinalgEmitter::sizeAs(OpFoldResult size, Type type) {
  if (auto attr = dyn_cast<Attribute>(size)) {
    int64_t number = cast<IntegerAttr>(attr).getInt();
    TypedAttr constant =
        isa<FloatType>(type)
            ? TypedAttr(builder.getFloatAttr(type, double(number)))
            : TypedAttr(builder.getIntegerAttr(type, number));
    return arith::ConstantOp::create(builder, loc, constant);
  }
  Value value = cast<Value>(size);
  if (isa<IndexType>(type))
    return value;
  Type integer = isa<FloatType>(type) ? builder.getI64Type() : type;
  value = arith::IndexCastOp::create(builder, loc, integer, value);
  if (isa<FloatType>(type))
    value = arith::SIToFPOp::create(builder, loc, type, value);
  return value;
}

AffineMap LinalgEmitter::dims(unsigned loops, ArrayRef<unsigned> which) {
  return AffineMap::getMultiDimMapWithTargets(loops, which,
                                              builder.getContext());
}

Value LinalgEmitter::map(Type elementType, Sizes sizes,
                         ArrayRef<Operand> operands, MapBody body) {
  Value init = tensor::EmptyOp::create(builder, loc, sizes, elementType);
  return generic(init, sizes, sizes.size(), operands,
                 [&](OpBuilder &b, Location loc, Value, ValueRange elements) {
                   return body(b, loc, elements);
                 });
}

Value LinalgEmitter::reduce(Sizes loopSizes, unsigned parallel, double init,
                            ArrayRef<Operand> operands, ReduceBody body) {
  Value constant = arith::ConstantOp::create(
      builder, loc, builder.getFloatAttr(compute, init));
  Value empty = tensor::EmptyOp::create(
      builder, loc, loopSizes.take_front(parallel), compute);
  Value filled =
      linalg::FillOp::create(builder, loc, constant, empty).getResult(0);
  return generic(filled, loopSizes, parallel, operands, body);
}

Value LinalgEmitter::generic(Value init, Sizes loopSizes, unsigned parallel,
                             ArrayRef<Operand> operands, ReduceBody body) {
  unsigned loops = loopSizes.size();
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  llvm::SmallBitVector known(loops);
  known.set(0, parallel);
  for (const Operand &operand : operands) {
    inputs.push_back(operand.tensor);
    maps.push_back(operand.map);
    for (AffineExpr expr : operand.map.getResults())
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        known.set(dim.getPosition());
  }
  // linalg takes the loops' bounds from the operands' shapes. A loop that
  // indexes none of them gets an operand that only has a shape.
  for (unsigned loop : llvm::seq(loops)) {
    if (known.test(loop))
      continue;
    inputs.push_back(tensor::EmptyOp::create(builder, loc, loopSizes[loop],
                                             builder.getI1Type()));
    maps.push_back(dims(loops, {loop}));
  }
  maps.push_back(dims(loops, llvm::to_vector(llvm::seq(parallel))));

  SmallVector<utils::IteratorType> iterators(parallel,
                                             utils::IteratorType::parallel);
  iterators.resize(loops, utils::IteratorType::reduction);
  Type elementType = getElementTypeOrSelf(init.getType());
  auto op = linalg::GenericOp::create(
      builder, loc, init.getType(), inputs, init, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        SmallVector<Value> elements;
        for (Value arg : args.take_front(operands.size()))
          elements.push_back(isa<FloatType>(arg.getType())
                                 ? convertFloat(b, loc, arg, compute)
                                 : arg);
        Value result = body(b, loc, args.back(), elements);
        if (isa<FloatType>(elementType))
          result = convertFloat(b, loc, result, elementType);
        linalg::YieldOp::create(b, loc, result);
      });
  return op.getResult(0);
}

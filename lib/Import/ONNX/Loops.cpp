// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators that compute: one `linalg.generic` each, or scalars where all
// operands are known.

#include "Importer.h"
#include "Operators.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// The one element of an operand that has just one; null if it has more or is
/// computed.
static Value scalarOf(Importer &g, GraphValue &value) {
  if (value.splat)
    return value.splat;
  std::optional<SmallVector<int64_t>> shape = staticShape(value.shape);
  if (value.tensor || !shape || llvm::product_of(*shape) != 1)
    return Value();
  std::optional<SmallVector<Value>> known = g.elements(value);
  return known ? known->front() : Value();
}

std::optional<Sizes> Importer::broadcast(const Sizes &x, const Sizes &y) {
  Sizes result = x.size() < y.size() ? y : x;
  const Sizes &other = x.size() < y.size() ? x : y;
  size_t offset = result.size() - other.size();
  for (auto [dim, size] : llvm::enumerate(other)) {
    OpFoldResult &here = result[offset + dim];
    int64_t a = staticSize(here), b = staticSize(size);
    if (a == 1 || (a < 0 && b >= 0 && b != 1))
      here = size;
    else if (a >= 0 && b >= 0 && a != b && b != 1) {
      fail("sizes " + llvm::Twine(a) + " and " + llvm::Twine(b) +
           " do not broadcast");
      return std::nullopt;
    }
  }
  return result;
}

GraphValue Importer::map(DataType type, ArrayRef<GraphValue *> operands,
                         Body body) {
  Sizes shape = operands.front()->shape;
  for (GraphValue *operand : operands.drop_front()) {
    std::optional<Sizes> both = broadcast(shape, operand->shape);
    if (!both)
      return {};
    shape = *both;
  }
  return mapTo(type, shape, operands, body);
}

/// Where element number `position` of `shape` is in an operand that is
/// broadcast to it.
static int64_t positionIn(ArrayRef<int64_t> operand, ArrayRef<int64_t> shape,
                          int64_t position) {
  int64_t result = 0, stride = 1;
  for (int64_t dim = shape.size() - 1; dim >= 0; --dim) {
    int64_t index = position % shape[dim];
    position /= shape[dim];
    int64_t at = dim - int64_t(shape.size() - operand.size());
    if (at < 0)
      break;
    result += operand[at] == 1 ? 0 : index * stride;
    stride *= operand[at];
  }
  return result;
}

GraphValue Importer::mapTo(DataType type, const Sizes &shape,
                           ArrayRef<GraphValue *> operands, Body body) {
  SmallVector<Value> captured;
  for (GraphValue *operand : operands)
    captured.push_back(scalarOf(*this, *operand));
  std::optional<SmallVector<int64_t>> known = staticShape(shape);
  if (llvm::all_of(captured, [](Value value) { return bool(value); }))
    return fromSplat(type, scalar(type, captured, body), shape);

  // Arithmetic on shapes: few elements, all of them scalars.
  SmallVector<SmallVector<Value>> lists;
  for (GraphValue *operand : operands)
    if (known && !operand->tensor && !operand->splat)
      if (auto list = elements(*operand))
        lists.push_back(std::move(*list));
      else
        break;
    else if (operand->splat && known)
      lists.push_back({operand->splat});
    else
      break;
  if (lists.size() == operands.size() && llvm::product_of(*known) <= 256) {
    SmallVector<Value> results;
    for (int64_t i = 0, end = llvm::product_of(*known); i < end; ++i) {
      SmallVector<Value> at;
      for (auto [operand, list] : llvm::zip(operands, lists))
        at.push_back(
            operand->splat
                ? list[0]
                : list[positionIn(*staticShape(operand->shape), *known, i)]);
      results.push_back(scalar(type, at, body));
    }
    return fromElements(type, *known, results);
  }

  unsigned rank = shape.size();
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (auto [operand, value] : llvm::zip(operands, captured)) {
    if (value)
      continue;
    SmallVector<AffineExpr> indices;
    unsigned offset = rank - operand->rank();
    for (auto [dim, size] : llvm::enumerate(operand->shape))
      indices.push_back(staticSize(size) == 1 &&
                                staticSize(shape[offset + dim]) != 1
                            ? b.getAffineConstantExpr(0)
                            : b.getAffineDimExpr(offset + dim));
    inputs.push_back(tensor(*operand));
    maps.push_back(AffineMap::get(rank, 0, indices, b.getContext()));
  }
  maps.push_back(b.getMultiDimIdentityMap(rank));
  RankedTensorType resultType = tensorType(type, shape);
  Value empty = tensor::EmptyOp::create(b, shape, resultType.getElementType());
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, resultType, inputs, empty, maps, loops,
      [&](OpBuilder &at, Location loc, ValueRange arguments) {
        SmallVector<Value> values;
        for (auto [operand, value] : llvm::zip(operands, captured)) {
          if (value) {
            values.push_back(value);
            continue;
          }
          Value element = arguments.front();
          arguments = arguments.drop_front();
          if (isBool(operand->type)) {
            Value zero = arith::ConstantOp::create(
                at, loc, at.getZeroAttr(element.getType()));
            element = arith::CmpIOp::create(at, loc, arith::CmpIPredicate::ne,
                                            element, zero);
          }
          values.push_back(element);
        }
        linalg::YieldOp::create(
            at, loc,
            emitElement(at, loc, resultType.getElementType(), values, body));
      });
  return fromTensor(type, generic.getResult(0), shape);
}

GraphValue Importer::generate(DataType type, const Sizes &shape, Body body) {
  RankedTensorType resultType = tensorType(type, shape);
  Value empty = tensor::EmptyOp::create(b, shape, resultType.getElementType());
  SmallVector<utils::IteratorType> loops(shape.size(),
                                         utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, resultType, ValueRange(), empty,
      ArrayRef(b.getMultiDimIdentityMap(shape.size())), loops,
      [&](OpBuilder &at, Location loc, ValueRange) {
        SmallVector<Value> indices;
        for (unsigned dim = 0; dim < shape.size(); ++dim)
          indices.push_back(linalg::IndexOp::create(at, loc, dim));
        linalg::YieldOp::create(
            at, loc,
            emitElement(at, loc, resultType.getElementType(), indices, body));
      });
  return fromTensor(type, generic.getResult(0), shape);
}

/// The type that numbers of `type` are added up in.
static DataType accumulatorOf(DataType type) {
  return type == DataType::Float16 || type == DataType::BFloat16
             ? DataType::Float
             : type;
}

GraphValue Importer::reduce(GraphValue &x, ArrayRef<int64_t> axes, bool keep,
                            Value init, Body body) {
  DataType accumulator = accumulatorOf(x.type);
  Sizes shape, kept;
  SmallVector<utils::IteratorType> loops;
  SmallVector<AffineExpr> outside;
  for (auto [dim, size] : llvm::enumerate(x.shape)) {
    bool folds = llvm::is_contained(axes, int64_t(dim));
    loops.push_back(folds ? utils::IteratorType::reduction
                          : utils::IteratorType::parallel);
    if (folds) {
      kept.push_back(this->size(1));
      continue;
    }
    kept.push_back(size);
    shape.push_back(size);
    outside.push_back(b.getAffineDimExpr(dim));
  }
  auto list = elements(x);
  GraphValue result;
  if (list && !x.tensor && shape.empty()) {
    Value sum = init;
    for (Value each : *list)
      sum = scalar(accumulator, {each, sum}, body);
    result = fromElements(accumulator, {}, {sum});
  } else {
    RankedTensorType type = tensorType(accumulator, shape);
    Value empty = tensor::EmptyOp::create(b, shape, type.getElementType());
    Value filled = linalg::FillOp::create(b, init, empty).getResult(0);
    SmallVector<AffineMap> maps = {
        b.getMultiDimIdentityMap(x.rank()),
        AffineMap::get(x.rank(), 0, outside, b.getContext())};
    auto generic = linalg::GenericOp::create(
        b, type, tensor(x), filled, maps, loops,
        [&](OpBuilder &at, Location loc, ValueRange arguments) {
          linalg::YieldOp::create(
              at, loc,
              emitElement(at, loc, type.getElementType(), arguments, body));
        });
    result = fromTensor(accumulator, generic.getResult(0), shape);
  }
  result = cast(result, x.type);
  return keep ? reshape(result, kept) : result;
}

GraphValue Importer::contract(GraphValue &x, AffineMap xMap, GraphValue &y,
                              AffineMap yMap, const Sizes &shape) {
  DataType accumulator = accumulatorOf(x.type);
  RankedTensorType type = tensorType(accumulator, shape);
  Value zero = constant(accumulator, 0);
  Value empty = tensor::EmptyOp::create(b, shape, type.getElementType());
  Value filled = linalg::FillOp::create(b, zero, empty).getResult(0);
  unsigned loops = xMap.getNumDims();
  SmallVector<AffineMap> maps = {
      xMap, yMap,
      AffineMap::getMultiDimIdentityMap(loops, b.getContext())
          .getMajorSubMap(shape.size())};
  SmallVector<utils::IteratorType> iterators(shape.size(),
                                             utils::IteratorType::parallel);
  iterators.resize(loops, utils::IteratorType::reduction);
  auto generic = linalg::GenericOp::create(
      b, type, ValueRange{tensor(x), tensor(y)}, filled, maps, iterators,
      [&](OpBuilder &at, Location loc, ValueRange arguments) {
        linalg::YieldOp::create(
            at, loc,
            emitElement(
                at, loc, type.getElementType(), arguments,
                [](OpBuilder &at, Location loc, ValueRange e) -> Value {
                  if (isa<FloatType>(e[0].getType())) {
                    Value product = arith::MulFOp::create(at, loc, e[0], e[1]);
                    return arith::AddFOp::create(at, loc, e[2], product);
                  }
                  Value product = arith::MulIOp::create(at, loc, e[0], e[1]);
                  return arith::AddIOp::create(at, loc, e[2], product);
                }));
      });
  GraphValue result = fromTensor(accumulator, generic.getResult(0), shape);
  return cast(result, x.type);
}

GraphValue Importer::cast(GraphValue &value, DataType type) {
  if (value.type == type)
    return value;
  Type to = elementType(type);
  DataType from = value.type;
  return mapTo(
      type, value.shape, {&value},
      [&](OpBuilder &at, Location loc, ValueRange e) -> Value {
        Value x = e[0];
        // Whatever is not zero is true.
        if (isBool(type)) {
          if (isFloat(from)) {
            Value zero = arith::ConstantOp::create(
                at, loc, at.getFloatAttr(x.getType(), 0));
            return arith::CmpFOp::create(at, loc, arith::CmpFPredicate::UNE, x,
                                         zero);
          }
          Value zero = arith::ConstantOp::create(
              at, loc, at.getIntegerAttr(x.getType(), 0));
          return arith::CmpIOp::create(at, loc, arith::CmpIPredicate::ne, x,
                                       zero);
        }
        if (isFloat(from) && isFloat(type))
          return convertFloat(at, loc, x, to);
        if (isFloat(from)) {
          // Beyond the type's range a conversion is undefined: it goes through
          // the widest type, whose low bits are taken.
          Value wide = arith::FPToSIOp::create(at, loc, at.getI64Type(), x);
          return to.isInteger(64)
                     ? wide
                     : arith::TruncIOp::create(at, loc, to, wide).getResult();
        }
        bool extends = isUnsigned(from) || isBool(from);
        if (isFloat(type)) {
          Type compute = getComputeType(to);
          return extends
                     ? arith::UIToFPOp::create(at, loc, compute, x).getResult()
                     : arith::SIToFPOp::create(at, loc, compute, x).getResult();
        }
        unsigned narrow = x.getType().getIntOrFloatBitWidth(),
                 wide = to.getIntOrFloatBitWidth();
        if (narrow == wide)
          return x;
        if (narrow > wide)
          return arith::TruncIOp::create(at, loc, to, x);
        return extends ? arith::ExtUIOp::create(at, loc, to, x).getResult()
                       : arith::ExtSIOp::create(at, loc, to, x).getResult();
      });
}

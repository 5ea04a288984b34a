// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Types, scalars that fold as they are made, sizes, and what becomes a tensor.

#include "Importer.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// Lists of scalars are kept up to this length: enough for shapes and the
/// arithmetic on them.
static constexpr int64_t mostScalars = 256;
/// Floats of the file up to this many are constants, beyond it weights.
static constexpr int64_t mostConstants = 64;

bool onnx::isFloat(DataType type) {
  switch (type) {
  case DataType::Float:
  case DataType::Float16:
  case DataType::BFloat16:
  case DataType::Double:
    return true;
  default:
    return false;
  }
}

bool onnx::isUnsigned(DataType type) {
  switch (type) {
  case DataType::UInt8:
  case DataType::UInt16:
  case DataType::UInt32:
  case DataType::UInt64:
  case DataType::UInt4:
    return true;
  default:
    return false;
  }
}

int64_t onnx::staticSize(OpFoldResult size) {
  auto attr = dyn_cast<Attribute>(size);
  return attr ? llvm::cast<IntegerAttr>(attr).getInt() : -1;
}

std::optional<SmallVector<int64_t>> onnx::staticShape(const Sizes &shape) {
  SmallVector<int64_t> result;
  for (OpFoldResult size : shape) {
    if (!isa<Attribute>(size))
      return std::nullopt;
    result.push_back(staticSize(size));
  }
  return result;
}

/// The number of elements of a static shape, -1 of another.
static int64_t countElements(const Sizes &shape) {
  std::optional<SmallVector<int64_t>> known = staticShape(shape);
  return known ? llvm::product_of(*known) : -1;
}

//===----------------------------------------------------------------------===//
// Types and scalars
//===----------------------------------------------------------------------===//

Type Importer::elementType(DataType type) {
  switch (type) {
  case DataType::Float:
    return b.getF32Type();
  case DataType::Double:
    return b.getF64Type();
  case DataType::Float16:
    return b.getF16Type();
  case DataType::BFloat16:
    return b.getBF16Type();
  // Upstream's lowering of loads and stores takes whole bytes only, so a truth
  // value is 0 or 1 in a byte; numbers of 4 bits take a byte, too.
  case DataType::Bool:
  case DataType::Int4:
  case DataType::UInt4:
  case DataType::Int8:
  case DataType::UInt8:
    return b.getI8Type();
  case DataType::Int16:
  case DataType::UInt16:
    return b.getI16Type();
  case DataType::Int32:
  case DataType::UInt32:
    return b.getI32Type();
  case DataType::Int64:
  case DataType::UInt64:
    return b.getI64Type();
  default:
    return Type();
  }
}

Type Importer::scalarType(DataType type) {
  return isBool(type) ? b.getI1Type() : elementType(type);
}

RankedTensorType Importer::tensorType(DataType type, const Sizes &shape) {
  SmallVector<int64_t> dims;
  for (OpFoldResult size : shape)
    dims.push_back(isa<Attribute>(size) ? staticSize(size)
                                        : ShapedType::kDynamic);
  return RankedTensorType::get(dims, elementType(type));
}

unsigned Importer::SameOperation::getHashValue(const Operation *op) {
  return OperationEquivalence::computeHash(
      const_cast<Operation *>(op), OperationEquivalence::directHashValue,
      OperationEquivalence::ignoreHashValue,
      OperationEquivalence::IgnoreLocations);
}

bool Importer::SameOperation::isEqual(const Operation *a, const Operation *b) {
  if (a == b)
    return true;
  for (const Operation *op : {a, b})
    if (op == getEmptyKey() || op == getTombstoneKey())
      return false;
  return OperationEquivalence::isEquivalentTo(
      const_cast<Operation *>(a), const_cast<Operation *>(b),
      OperationEquivalence::IgnoreLocations);
}

Value Importer::folded(function_ref<Value()> emit) {
  Block *block = b.getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  Value value = emit();
  Operation *op = last             ? last->getNextNode()
                  : block->empty() ? nullptr
                                   : &block->front();
  // Only the first of several that are alike stays.
  auto unify = [&](Operation *made) {
    auto [place, isNew] = scalars.insert(made);
    if (isNew || *place == made)
      return made;
    if (value.getDefiningOp() == made)
      value = (*place)->getResult(0);
    made->replaceAllUsesWith(*place);
    made->erase();
    return *place;
  };
  while (op) {
    Operation *next = op->getNextNode();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op);
    SmallVector<Value> results;
    if (succeeded(b.tryFold(op, results)) && !results.empty()) {
      Value result = results.front();
      if (Operation *made = result.getDefiningOp();
          made && matchPattern(made, m_Constant()))
        result = unify(made)->getResult(0);
      if (value == op->getResult(0))
        value = result;
      op->getResult(0).replaceAllUsesWith(result);
      op->erase();
    } else {
      unify(op);
    }
    op = next;
  }
  return value;
}

Value Importer::constant(DataType type, double number) {
  return folded([&]() -> Value {
    return arith::ConstantOp::create(b,
                                     b.getFloatAttr(elementType(type), number));
  });
}

Value Importer::constant(DataType type, int64_t number) {
  if (isFloat(type))
    return constant(type, double(number));
  return folded([&]() -> Value {
    return arith::ConstantOp::create(
        b, b.getIntegerAttr(scalarType(type), number));
  });
}

Value Importer::emitElement(OpBuilder &b, Location loc, Type type,
                            ValueRange operands, Body body) {
  SmallVector<Value> wide;
  for (Value operand : operands)
    wide.push_back(
        isa<FloatType>(operand.getType())
            ? convertFloat(b, loc, operand, getComputeType(operand.getType()))
            : operand);
  Value value = body(b, loc, wide);
  if (isa<FloatType>(type) && isa<FloatType>(value.getType()))
    value = convertFloat(b, loc, value, type);
  if (value.getType().isInteger(1) && type.isInteger(8))
    value = arith::ExtUIOp::create(b, loc, type, value);
  return value;
}

Value Importer::scalar(DataType type, ValueRange operands, Body body) {
  return folded([&] {
    return emitElement(b, b.getLoc(), scalarType(type), operands, body);
  });
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

Value Importer::index(OpFoldResult size) {
  if (auto value = dyn_cast<Value>(size))
    return value;
  return folded([&]() -> Value {
    return arith::ConstantIndexOp::create(b, staticSize(size));
  });
}

Sizes Importer::sizes(ArrayRef<int64_t> shape) {
  Sizes result;
  for (int64_t each : shape)
    result.push_back(size(each));
  return result;
}

OpFoldResult Importer::asSize(Value index) {
  APInt number;
  if (matchPattern(index, m_ConstantInt(&number)))
    return size(number.getSExtValue());
  return index;
}

OpFoldResult Importer::toSize(Value scalar, DataType type) {
  if (auto cast = scalar.getDefiningOp<arith::IndexCastOp>();
      cast && cast.getIn().getType().isIndex())
    return cast.getIn();
  return asSize(folded([&]() -> Value {
    return arith::IndexCastOp::create(b, b.getIndexType(), scalar);
  }));
}

Value Importer::fromSize(OpFoldResult size, DataType type) {
  if (isa<Attribute>(size))
    return constant(type, staticSize(size));
  return folded([&]() -> Value {
    return arith::IndexCastOp::create(b, elementType(type),
                                      llvm::cast<Value>(size));
  });
}

template <typename Op>
OpFoldResult Importer::combine(OpFoldResult x, OpFoldResult y) {
  return asSize(
      folded([&]() -> Value { return Op::create(b, index(x), index(y)); }));
}

OpFoldResult Importer::add(OpFoldResult x, OpFoldResult y) {
  return combine<arith::AddIOp>(x, y);
}
OpFoldResult Importer::sub(OpFoldResult x, OpFoldResult y) {
  return combine<arith::SubIOp>(x, y);
}
OpFoldResult Importer::mul(OpFoldResult x, OpFoldResult y) {
  return combine<arith::MulIOp>(x, y);
}
OpFoldResult Importer::div(OpFoldResult x, OpFoldResult y) {
  // Sizes do not overflow, which arith does not know: (n * c) / c is n.
  auto value = dyn_cast<Value>(x);
  auto product = value ? value.getDefiningOp<arith::MulIOp>() : nullptr;
  if (product && getConstantIntValue(y) &&
      getConstantIntValue(y) == getConstantIntValue(product.getRhs()))
    return product.getLhs();
  return combine<arith::DivSIOp>(x, y);
}

OpFoldResult Importer::product(ArrayRef<OpFoldResult> sizes) {
  OpFoldResult result = size(1);
  for (OpFoldResult each : sizes)
    result = mul(result, each);
  return result;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

GraphValue Importer::fromTensor(DataType type, Value tensor, Sizes shape) {
  GraphValue value;
  value.type = type;
  value.shape = std::move(shape);
  value.tensor = tensor;
  return value;
}

GraphValue Importer::fromElements(DataType type, ArrayRef<int64_t> shape,
                                  SmallVector<Value> elements) {
  GraphValue value;
  value.type = type;
  value.shape = sizes(shape);
  value.elements = std::move(elements);
  return value;
}

GraphValue Importer::fromSplat(DataType type, Value scalar, Sizes shape) {
  GraphValue value;
  value.type = type;
  value.shape = std::move(shape);
  value.splat = scalar;
  return value;
}

/// The numbers of a constant, as an attribute.
static DenseElementsAttr readConstant(const Tensor &tensor,
                                      RankedTensorType type) {
  unsigned bits = dataTypeBits(tensor.type);
  if (bits == 4) {
    std::vector<char> bytes;
    bool isSigned = tensor.type == DataType::Int4;
    for (int64_t i = 0; i < type.getNumElements(); ++i) {
      uint8_t code = tensor.bytes[i / 2] >> (i % 2 * 4) & 15;
      bytes.push_back(char(isSigned ? llvm::SignExtend32<4>(code) : code));
    }
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  }
  if (tensor.type == DataType::Bool) {
    std::vector<char> bytes;
    for (uint8_t byte : tensor.bytes)
      bytes.push_back(byte != 0);
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  }
  return DenseElementsAttr::getFromRawBuffer(
      type, ArrayRef(reinterpret_cast<const char *>(tensor.bytes.data()),
                     tensor.bytes.size()));
}

Value Importer::denseConstant(const GraphValue &value) {
  const Tensor &constant = *value.constant;
  RankedTensorType type = tensorType(constant.type, sizes(constant.shape));
  Value dense;
  if (type.getNumElements() == 0)
    return tensor::EmptyOp::create(
        b, tensorType(value.type, value.shape).getShape(),
        type.getElementType());
  if (constant.type == DataType::Float &&
      type.getNumElements() > mostConstants) {
    if (type.getRank() == 2)
      return weight(value, /*transposed=*/false);
    dense = load(constant.name, type, WeightForm::AsUsed);
  } else {
    dense = arith::ConstantOp::create(b, readConstant(constant, type));
  }
  if (!value.transposed)
    return dense;
  GraphValue plain = fromTensor(value.type, dense, sizes(constant.shape));
  return transpose(plain, {1, 0}).tensor;
}

Value Importer::tensor(GraphValue &value) {
  if (value.tensor)
    return value.tensor;
  RankedTensorType type = tensorType(value.type, value.shape);
  if (value.constant)
    return value.tensor = denseConstant(value);
  // A truth value outside of tensors is a bit.
  auto stored = [&](Value scalar) {
    if (!isBool(value.type))
      return scalar;
    return folded([&]() -> Value {
      return arith::ExtUIOp::create(b, type.getElementType(), scalar);
    });
  };
  if (value.splat) {
    Attribute number;
    Value scalar = stored(value.splat);
    if (type.hasStaticShape() && matchPattern(scalar, m_Constant(&number)))
      return value.tensor = arith::ConstantOp::create(
                 b, DenseElementsAttr::get(type, number));
    Value empty =
        tensor::EmptyOp::create(b, value.shape, type.getElementType());
    return value.tensor = linalg::FillOp::create(b, scalar, empty).getResult(0);
  }
  SmallVector<Value> scalars;
  SmallVector<Attribute> numbers;
  for (Value element : *value.elements) {
    scalars.push_back(stored(element));
    Attribute number;
    if (matchPattern(scalars.back(), m_Constant(&number)))
      numbers.push_back(number);
  }
  if (value.elements->empty())
    return value.tensor = tensor::EmptyOp::create(b, type.getShape(),
                                                  type.getElementType());
  if (numbers.size() == value.elements->size())
    return value.tensor = arith::ConstantOp::create(
               b, DenseElementsAttr::get(type, numbers));
  return value.tensor = tensor::FromElementsOp::create(b, type, scalars);
}

std::optional<SmallVector<Value>> Importer::elements(GraphValue &value) {
  if (value.elements)
    return value.elements;
  int64_t count = countElements(value.shape);
  if (count < 0 || count > mostScalars)
    return std::nullopt;
  if (value.splat)
    return SmallVector<Value>(count, value.splat);
  if (!value.constant || value.transposed)
    return std::nullopt;
  SmallVector<Value> scalars;
  if (count > 0)
    for (Attribute number :
         readConstant(*value.constant, tensorType(value.type, value.shape))
             .getValues<Attribute>())
      scalars.push_back(
          isBool(value.type)
              ? constant(value.type, llvm::cast<IntegerAttr>(number).getInt())
              : folded([&]() -> Value {
                  return arith::ConstantOp::create(
                      b, llvm::cast<TypedAttr>(number));
                }));
  value.elements = scalars;
  return scalars;
}

SmallVector<Value> Importer::readElements(GraphValue &value) {
  if (auto known = elements(value))
    return *known;
  int64_t count = countElements(value.shape);
  if (count < 0 || count > mostScalars || value.rank() > 1) {
    fail("an input is no short list of numbers");
    return {};
  }
  SmallVector<Value> scalars;
  Value list = tensor(value);
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<Value> at;
    if (value.rank() == 1)
      at.push_back(index(size(i)));
    scalars.push_back(folded(
        [&]() -> Value { return tensor::ExtractOp::create(b, list, at); }));
  }
  return scalars;
}

Sizes Importer::readSizes(GraphValue &value) {
  Sizes result;
  if (isFloat(value.type) || isBool(value.type)) {
    fail("an input is no list of integers");
    return result;
  }
  for (Value scalar : readElements(value))
    result.push_back(toSize(scalar, value.type));
  return result;
}

std::optional<SmallVector<int64_t>> Importer::constants(GraphValue &value) {
  std::optional<SmallVector<Value>> known = elements(value);
  if (!known)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (Value scalar : *known) {
    APInt number;
    if (!matchPattern(scalar, m_ConstantInt(&number)))
      return std::nullopt;
    result.push_back(isUnsigned(value.type) ? number.getZExtValue()
                                            : number.getSExtValue());
  }
  return result;
}

std::optional<double> Importer::constantNumber(GraphValue &value) {
  std::optional<SmallVector<Value>> known = elements(value);
  if (!known || known->size() != 1)
    return std::nullopt;
  APInt integer;
  if (matchPattern(known->front(), m_ConstantInt(&integer)))
    return double(integer.getSExtValue());
  APFloat number(0.0);
  if (!matchPattern(known->front(), m_ConstantFloat(&number)))
    return std::nullopt;
  bool lost;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return number.convertToDouble();
}

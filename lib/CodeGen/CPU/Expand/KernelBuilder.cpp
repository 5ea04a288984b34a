// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expand.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace quantmlir::cpu;

static constexpr auto noWrap =
    arith::IntegerOverflowFlags::nsw | arith::IntegerOverflowFlags::nuw;

KernelBuilder::KernelBuilder(Operation *kernel, const CPUTarget &target)
    : ImplicitLocOpBuilder(kernel->getLoc(), kernel), target(target) {
  auto function = kernel->getParentOfType<func::FuncOp>();
  unsigned count = function.getNumArguments();
  thread = function.getArgument(count - 2);
  threads = function.getArgument(count - 1);
}

Value KernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}
Value KernelBuilder::add(Value a, Value b) {
  return arith::AddIOp::create(*this, a, b, noWrap);
}
Value KernelBuilder::add(Value a, int64_t b) {
  return b == 0 ? a : add(a, index(b));
}
Value KernelBuilder::sub(Value a, Value b) {
  return arith::SubIOp::create(*this, a, b, noWrap);
}
Value KernelBuilder::mul(Value a, Value b) {
  return arith::MulIOp::create(*this, a, b, noWrap);
}
Value KernelBuilder::mul(Value a, int64_t b) {
  return b == 1 ? a : mul(a, index(b));
}
Value KernelBuilder::div(Value a, int64_t b) {
  return b == 1 ? a : arith::DivUIOp::create(*this, a, index(b)).getResult();
}
Value KernelBuilder::rem(Value a, int64_t b) {
  return arith::RemUIOp::create(*this, a, index(b));
}
Value KernelBuilder::min(Value a, Value b) {
  return arith::MinUIOp::create(*this, a, b);
}
Value KernelBuilder::size(Value buffer, int64_t dim) {
  return createOrFold<memref::DimOp>(buffer, dim);
}

void KernelBuilder::loop(Value lower, Value upper, int64_t step, Body body) {
  auto loop = scf::ForOp::create(*this, lower, upper, index(step));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void KernelBuilder::loop(int64_t lower, int64_t upper, int64_t step,
                         Body body) {
  if (upper - lower <= step) {
    if (lower < upper)
      body(index(lower));
    return;
  }
  loop(index(lower), index(upper), step, body);
}

SmallVector<Value> KernelBuilder::loop(Value lower, Value upper, int64_t step,
                                       ValueRange initial, CarryBody body) {
  auto loop = scf::ForOp::create(*this, lower, upper, index(step), initial);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(*this,
                       body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return llvm::to_vector_of<Value>(loop.getResults());
}

void KernelBuilder::splitLoop(Value count, Body body) {
  // Shares differ by at most one.
  Value begin = arith::DivUIOp::create(*this, mul(count, thread), threads);
  Value end =
      arith::DivUIOp::create(*this, mul(count, add(thread, 1)), threads);
  loop(begin, end, 1, body);
}

void KernelBuilder::interleavedLoop(Value count, Body body) {
  auto loop = scf::ForOp::create(*this, thread, count, threads);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

VectorType KernelBuilder::vec(int64_t lanes, Type element) {
  return VectorType::get({lanes}, element);
}

Value KernelBuilder::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element)
                       ? TypedAttr(getFloatAttr(element, value))
                       : TypedAttr(getIntegerAttr(element, int64_t(value)));
  if (auto shaped = dyn_cast<ShapedType>(type))
    attr = DenseElementsAttr::get(shaped, Attribute(attr));
  return arith::ConstantOp::create(*this, attr);
}

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(*this, vec(lanes, scalar.getType()),
                                     scalar);
}
Value KernelBuilder::load(VectorType type, Value buffer, ValueRange indices) {
  return vector::LoadOp::create(*this, type, buffer, indices);
}
void KernelBuilder::store(Value vector, Value buffer, ValueRange indices) {
  vector::StoreOp::create(*this, vector, buffer, indices);
}
Value KernelBuilder::loadScalar(Value buffer, ValueRange indices) {
  return memref::LoadOp::create(*this, buffer, indices);
}
Value KernelBuilder::bitcast(VectorType type, Value vector) {
  return vector::BitCastOp::create(*this, type, vector);
}

Value KernelBuilder::toF32(Value value) {
  Type type = value.getType(), element = getElementTypeOrSelf(type);
  Type wanted = getF32Type();
  if (auto vector = dyn_cast<VectorType>(type))
    wanted = vector.clone(wanted);
  if (type == wanted)
    return value;
  if (isa<IntegerType>(element))
    return arith::SIToFPOp::create(*this, wanted, value);
  if (element.isF64())
    return arith::TruncFOp::create(*this, wanted, value);
  if (element.isBF16()) {
    // As integers: where a target has no bf16, LLVM carries a lone one as f32
    // and calls __truncsfbf2 to get at its bits, which no C library has.
    auto like = [&](unsigned width) -> Type {
      Type integer = getIntegerType(width);
      auto vector = dyn_cast<VectorType>(type);
      return vector ? Type(vector.clone(integer)) : integer;
    };
    Value bits = arith::BitcastOp::create(*this, like(16), value);
    bits = arith::ExtUIOp::create(*this, like(32), bits);
    bits = arith::ShLIOp::create(*this, bits, constant(like(32), 16));
    return arith::BitcastOp::create(*this, wanted, bits);
  }
  return arith::ExtFOp::create(*this, wanted, value);
}

Value KernelBuilder::addF(Value a, Value b) {
  return arith::AddFOp::create(*this, a, b);
}
Value KernelBuilder::subF(Value a, Value b) {
  return arith::SubFOp::create(*this, a, b);
}
Value KernelBuilder::mulF(Value a, Value b) {
  return arith::MulFOp::create(*this, a, b);
}
Value KernelBuilder::divF(Value a, Value b) {
  return arith::DivFOp::create(*this, a, b);
}
Value KernelBuilder::fma(Value a, Value b, Value c) {
  return vector::FMAOp::create(*this, a, b, c);
}
Value KernelBuilder::reduce(vector::CombiningKind kind, Value vector) {
  // The lanes are independent sums already: let LLVM add them as it likes.
  auto flags = kind == vector::CombiningKind::ADD
                   ? arith::FastMathFlags::reassoc
                   : arith::FastMathFlags::none;
  return vector::ReductionOp::create(*this, kind, vector, flags);
}

Value KernelBuilder::intrinsic(StringRef name, Type result,
                               ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(*this, result, getStringAttr(name),
                                       operands)
      .getResults();
}

SmallVector<Value> KernelBuilder::pin(ValueRange vectors) {
  SmallVector<Type> types(vectors.getTypes());
  SmallVector<std::string> constraints(types.size(), "=v");
  for (size_t i = 0; i < types.size(); ++i)
    constraints.push_back(std::to_string(i)); // the same register
  auto pinned = LLVM::InlineAsmOp::create(
      *this, LLVM::LLVMStructType::getLiteral(getContext(), types), vectors,
      getStringAttr(""), getStringAttr(llvm::join(constraints, ",")),
      /*has_side_effects=*/getUnitAttr(), /*is_align_stack=*/UnitAttr(),
      LLVM::TailCallKindAttr(), LLVM::AsmDialectAttr(),
      /*operand_attrs=*/ArrayAttr());
  SmallVector<Value> values;
  for (size_t i = 0; i < types.size(); ++i)
    values.push_back(
        LLVM::ExtractValueOp::create(*this, pinned.getRes(), int64_t(i)));
  return values;
}

int64_t quantmlir::cpu::vectorLanes(int64_t size, int64_t most) {
  int64_t lanes = 1;
  while (lanes < most && size % (lanes * 2) == 0)
    lanes *= 2;
  return lanes;
}

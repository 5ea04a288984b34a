// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPUBuilder.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace quantmlir::cuda;

static constexpr auto noWrap =
    arith::IntegerOverflowFlags::nsw | arith::IntegerOverflowFlags::nuw;
/// Of memory that all blocks see.
static constexpr unsigned globalSpace = 1;
/// Of a block's own.
static constexpr unsigned sharedSpace = 3;

//===----------------------------------------------------------------------===//
// Indices and threads
//===----------------------------------------------------------------------===//

Value GPUBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}
Value GPUBuilder::add(Value a, Value b) {
  return createOrFold<arith::AddIOp>(a, b, noWrap);
}
Value GPUBuilder::mul(Value a, int64_t b) {
  return createOrFold<arith::MulIOp>(a, index(b), noWrap);
}
Value GPUBuilder::mul(Value a, Value b) {
  return createOrFold<arith::MulIOp>(a, b, noWrap);
}
Value GPUBuilder::div(Value a, int64_t b) { return div(a, index(b)); }
Value GPUBuilder::div(Value a, Value b) {
  return createOrFold<arith::DivUIOp>(a, b);
}
Value GPUBuilder::rem(Value a, int64_t b) { return rem(a, index(b)); }
Value GPUBuilder::rem(Value a, Value b) {
  return createOrFold<arith::RemUIOp>(a, b);
}
Value GPUBuilder::min(Value a, Value b) {
  return createOrFold<arith::MinUIOp>(a, b);
}
Value GPUBuilder::max(Value a, Value b) {
  return createOrFold<arith::MaxUIOp>(a, b);
}
Value GPUBuilder::sub(Value a, Value b) {
  return createOrFold<arith::SubIOp>(max(a, b), b);
}
Value GPUBuilder::less(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ult, a, b);
}

/// A special register as an index.
static Value readRegister(GPUBuilder &b, const Twine &name) {
  Value number = b.intrinsic(("llvm.nvvm.read.ptx.sreg." + name).str(),
                             b.getI32Type(), {});
  return arith::IndexCastUIOp::create(b, b.getIndexType(), number);
}

Value GPUBuilder::thread() { return readRegister(*this, "tid.x"); }
Value GPUBuilder::block(char dim) {
  return readRegister(*this, Twine("ctaid.") + Twine(dim));
}

Value GPUBuilder::exchange(Value value, int64_t mask) {
  Type type = value.getType();
  Value bits = bitcast(getI32Type(), value);
  bits = intrinsic("llvm.nvvm.shfl.sync.bfly.i32", getI32Type(),
                   {i32(-1), bits, i32(mask), i32(warpSize - 1)});
  return bitcast(type, bits);
}

Value GPUBuilder::fromLane(Value value, Value lane) {
  Type type = value.getType();
  Value number = arith::IndexCastUIOp::create(*this, getI32Type(), lane);
  Value bits = intrinsic(
      "llvm.nvvm.shfl.sync.idx.i32", getI32Type(),
      {i32(-1), bitcast(getI32Type(), value), number, i32(warpSize - 1)});
  return bitcast(type, bits);
}

Value GPUBuilder::reduce(Value value, Reduction kind, int64_t lowest) {
  for (int64_t mask = warpSize / 2; mask >= lowest; mask /= 2)
    value = combine(value, exchange(value, mask), kind);
  return value;
}

Value GPUBuilder::combine(Value a, Value b, Reduction kind) {
  if (a.getType().isInteger())
    return addI(a, b);
  if (kind == Reduction::Sum)
    return addF(a, b);
  return arith::MaximumFOp::create(*this, a, b);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

void GPUBuilder::loop(Value lower, Value upper, int64_t step, Body body) {
  auto loop = scf::ForOp::create(*this, lower, upper, index(step));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

GPUBuilder::Values GPUBuilder::loop(Value lower, Value upper, int64_t step,
                                    ValueRange initial, CarryBody body) {
  auto loop = scf::ForOp::create(*this, lower, upper, index(step), initial);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(*this,
                       body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return llvm::to_vector_of<Value>(loop.getResults());
}

void GPUBuilder::onlyIf(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

GPUBuilder::Values GPUBuilder::onlyIf(Value condition, ValueRange values,
                                      llvm::function_ref<Values()> body) {
  auto branch = scf::IfOp::create(*this, values.getTypes(), condition,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(*this, body());
  setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(*this, values);
  return branch.getResults();
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

Value GPUBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(int32_t(value)));
}
Value GPUBuilder::f32(double value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(value));
}
Value GPUBuilder::select(Value condition, Value a, Value b) {
  return createOrFold<arith::SelectOp>(condition, a, b);
}
Value GPUBuilder::addF(Value a, Value b) {
  return arith::AddFOp::create(*this, a, b);
}
Value GPUBuilder::mulF(Value a, Value b) {
  return arith::MulFOp::create(*this, a, b);
}
/// An op of math would become a call of a library of the CUDA toolkit.
Value GPUBuilder::fma(Value a, Value b, Value c) {
  return intrinsic("llvm.fma.f32", getF32Type(), {a, b, c});
}
Value GPUBuilder::addI(Value a, Value b) {
  return createOrFold<arith::AddIOp>(a, b);
}
Value GPUBuilder::mulI(Value a, Value b) {
  return createOrFold<arith::MulIOp>(a, b);
}
Value GPUBuilder::andI(Value a, int64_t mask) {
  return createOrFold<arith::AndIOp>(a, i32(mask));
}
Value GPUBuilder::orI(Value a, Value b) {
  return createOrFold<arith::OrIOp>(a, b);
}
Value GPUBuilder::shiftLeft(Value a, Value count) {
  return createOrFold<arith::ShLIOp>(a, count);
}
Value GPUBuilder::shiftRight(Value a, Value count) {
  return createOrFold<arith::ShRUIOp>(a, count);
}
Value GPUBuilder::magnitude(Value x) {
  return bitcast(x.getType(), andI(bitcast(getI32Type(), x), 0x7fffffff));
}
Value GPUBuilder::roundEven(Value x) {
  return intrinsic("llvm.roundeven.f32", x.getType(), {x});
}
Value GPUBuilder::exp2(Value x) {
  return intrinsic("llvm.nvvm.ex2.approx.ftz.f32", x.getType(), {x});
}
Value GPUBuilder::bitcast(Type type, Value value) {
  if (value.getType() == type)
    return value;
  return LLVM::BitcastOp::create(*this, type, value);
}

Value GPUBuilder::toF32(Value value) {
  Type type = value.getType();
  if (type.isF32())
    return value;
  if (type.isInteger(32))
    return arith::SIToFPOp::create(*this, getF32Type(), value);
  if (!type.isBF16())
    return arith::ExtFOp::create(*this, getF32Type(), value);
  Value bits = bitcast(getI16Type(), value);
  bits = arith::ExtUIOp::create(*this, getI32Type(), bits);
  return bitcast(getF32Type(), shiftLeft(bits, i32(16)));
}

Value GPUBuilder::fromF32(Type type, Value value) {
  if (type.isF32())
    return value;
  if (!type.isBF16())
    return arith::TruncFOp::create(*this, type, value);
  // The host of an emulator may have no such conversion.
  Value pair =
      intrinsic("llvm.nvvm.ff2bf16x2.rn", vec(2, type), {f32(0), value});
  return extract(pair, 0);
}

Value GPUBuilder::byte(Value word, int64_t i) {
  return andI(shiftRight(word, i32(8 * i)), 255);
}
Value GPUBuilder::extract(Value vector, int64_t i) {
  return vector::ExtractOp::create(*this, vector, i);
}
Value GPUBuilder::permute(Value a, Value b, Value selector) {
  return intrinsic("llvm.nvvm.prmt", getI32Type(), {a, b, selector});
}

Value GPUBuilder::intrinsic(StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(*this, result, getStringAttr(name),
                                       operands)
      .getResults();
}

GPUBuilder::Values GPUBuilder::assembly(const llvm::Twine &text,
                                        const llvm::Twine &constraints,
                                        ArrayRef<Type> results,
                                        ValueRange operands) {
  Type all;
  if (!results.empty())
    all = LLVM::LLVMStructType::getLiteral(getContext(), results);
  auto op = LLVM::InlineAsmOp::create(
      *this, all ? TypeRange(all) : TypeRange(), operands, getStringAttr(text),
      getStringAttr(constraints),
      /*has_side_effects=*/getUnitAttr(), /*is_align_stack=*/UnitAttr(),
      LLVM::TailCallKindAttr(), LLVM::AsmDialectAttr(),
      /*operand_attrs=*/ArrayAttr());
  Values values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(
        LLVM::ExtractValueOp::create(*this, op.getRes(), int64_t(i)));
  return values;
}

GPUBuilder::Values GPUBuilder::intrinsics(StringRef name,
                                          ArrayRef<Type> results,
                                          ValueRange operands) {
  Value all = intrinsic(
      name, LLVM::LLVMStructType::getLiteral(getContext(), results), operands);
  Values values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(*this, all, int64_t(i)));
  return values;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

VectorType GPUBuilder::vec(int64_t lanes, Type element) {
  return VectorType::get({lanes}, element);
}
LLVM::LLVMPointerType GPUBuilder::pointerType() {
  return LLVM::LLVMPointerType::get(getContext(), globalSpace);
}

Value GPUBuilder::at(Value pointer, Value byte) {
  Value offset = arith::IndexCastUIOp::create(*this, getI64Type(), byte);
  return LLVM::GEPOp::create(*this, pointer.getType(), getI8Type(), pointer,
                             ValueRange{offset});
}
Value GPUBuilder::load(Type type, Value pointer, Value byte,
                       int64_t alignment) {
  return LLVM::LoadOp::create(*this, type, at(pointer, byte), alignment);
}
void GPUBuilder::store(Value value, Value pointer, Value byte,
                       int64_t alignment) {
  LLVM::StoreOp::create(*this, value, at(pointer, byte), alignment);
}

Value GPUBuilder::byteOf(const Buffer &buffer, Value row, Value column) {
  int64_t width = buffer.element.getIntOrFloatBitWidth() / 8;
  return mul(add(mul(row, buffer.stride), column), width);
}
Value GPUBuilder::load(const Buffer &buffer, Value row, Value column) {
  return load(buffer.element, buffer.pointer, byteOf(buffer, row, column),
              buffer.element.getIntOrFloatBitWidth() / 8);
}
void GPUBuilder::store(Value value, const Buffer &buffer, Value row,
                       Value column) {
  store(value, buffer.pointer, byteOf(buffer, row, column),
        buffer.element.getIntOrFloatBitWidth() / 8);
}

GPUBuilder::Values GPUBuilder::loadSome(const Buffer &buffer, Value row,
                                        Value column, int64_t count) {
  if (count == 1)
    return {load(buffer, row, column)};
  Value all =
      load(vec(count, buffer.element), buffer.pointer,
           byteOf(buffer, row, column), count * bytesOf(buffer.element));
  Values values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(extract(all, i));
  return values;
}
void GPUBuilder::storeSome(ValueRange values, const Buffer &buffer, Value row,
                           Value column) {
  if (values.size() == 1)
    return store(values.front(), buffer, row, column);
  int64_t count = values.size();
  Value all =
      vector::FromElementsOp::create(*this, vec(count, buffer.element), values);
  store(all, buffer.pointer, byteOf(buffer, row, column),
        count * bytesOf(buffer.element));
}

Value GPUBuilder::shared(Type element, int64_t count) {
  auto module = getInsertionBlock()
                    ->getParentOp()
                    ->getParentOfType<mlir::gpu::GPUModuleOp>();
  auto type = LLVM::LLVMArrayType::get(element, count);
  LLVM::GlobalOp global;
  {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    auto number = llvm::range_size(module.getOps<LLVM::GlobalOp>());
    global = LLVM::GlobalOp::create(*this, type, /*isConstant=*/false,
                                    LLVM::Linkage::Internal,
                                    "shared_" + std::to_string(number),
                                    Attribute(), /*alignment=*/16, sharedSpace);
    // It starts without values.
    createBlock(&global.getInitializerRegion());
    Value none = LLVM::UndefOp::create(*this, type);
    LLVM::ReturnOp::create(*this, none);
  }
  return LLVM::AddressOfOp::create(*this, global);
}

Value GPUBuilder::launchedMemory() {
  constexpr StringLiteral name = "qm_shared";
  auto module = getInsertionBlock()
                    ->getParentOp()
                    ->getParentOfType<mlir::gpu::GPUModuleOp>();
  auto global = module.lookupSymbol<LLVM::GlobalOp>(name);
  if (!global) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    global = LLVM::GlobalOp::create(
        *this, LLVM::LLVMArrayType::get(getI8Type(), 0), /*isConstant=*/false,
        LLVM::Linkage::External, name, Attribute(), /*alignment=*/1024,
        sharedSpace);
  }
  return LLVM::AddressOfOp::create(*this, global);
}

/// Large copies go past the first cache, small ones have to go through it.
void GPUBuilder::copyAsync(Value to, Value toByte, Value from, Value fromByte,
                           int64_t bytes) {
  StringRef name = bytes == 16 ? "llvm.nvvm.cp.async.cg.shared.global.16"
                               : "llvm.nvvm.cp.async.ca.shared.global.4";
  LLVM::CallIntrinsicOp::create(*this, getStringAttr(name),
                                ValueRange{at(to, toByte), at(from, fromByte)});
}
void GPUBuilder::endCopies() {
  LLVM::CallIntrinsicOp::create(
      *this, getStringAttr("llvm.nvvm.cp.async.commit.group"), ValueRange());
}
void GPUBuilder::waitForCopies(int64_t pending) {
  LLVM::CallIntrinsicOp::create(*this,
                                getStringAttr("llvm.nvvm.cp.async.wait.group"),
                                ValueRange(i32(pending)));
}

void GPUBuilder::waitForBlock() {
  LLVM::CallIntrinsicOp::create(
      *this, getStringAttr("llvm.nvvm.barrier.cta.sync.aligned.all"),
      ValueRange(i32(0)));
}

GPUBuilder::Values GPUBuilder::addOverWarps(ValueRange values, Value thread,
                                            int64_t warps) {
  if (warps == 1)
    return Values(values);
  Type type = values.front().getType();
  // [value][warp][lane]
  int64_t threads = warps * warpSize;
  Value memory = shared(type, values.size() * threads);
  for (auto [i, value] : llvm::enumerate(values))
    store(value, memory, mul(add(thread, i * threads), 4), /*alignment=*/4);
  waitForBlock();
  Values sums;
  Value lane = rem(thread, warpSize);
  for (size_t i = 0; i < values.size(); ++i) {
    Value sum;
    for (int64_t warp = 0; warp < warps; ++warp) {
      Value place = mul(add(lane, i * threads + warp * warpSize), 4);
      Value part = load(type, memory, place, /*alignment=*/4);
      sum = !sum ? part : type.isInteger() ? addI(sum, part) : addF(sum, part);
    }
    sums.push_back(sum);
  }
  return sums;
}

Value GPUBuilder::reduceOverWarps(Value value, Reduction kind, Value thread,
                                  int64_t warps) {
  if (warps == 1)
    return value;
  Type type = value.getType();
  Value memory = shared(type, warps);
  store(value, memory, mul(div(thread, warpSize), 4), /*alignment=*/4);
  waitForBlock();
  Value result = load(type, memory, index(0), /*alignment=*/4);
  for (int64_t warp = 1; warp < warps; ++warp)
    result = combine(result, load(type, memory, index(4 * warp), 4), kind);
  return result;
}

Value GPUBuilder::table(ArrayRef<Attribute> values) {
  Type element = cast<TypedAttr>(values.front()).getType();
  auto content = DenseElementsAttr::get(
      RankedTensorType::get({int64_t(values.size())}, element), values);
  auto module = getInsertionBlock()
                    ->getParentOp()
                    ->getParentOfType<mlir::gpu::GPUModuleOp>();
  LLVM::GlobalOp found;
  for (auto global : module.getOps<LLVM::GlobalOp>())
    if (global.getValueOrNull() == content)
      found = global;
  if (!found) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    auto count = llvm::range_size(module.getOps<LLVM::GlobalOp>());
    found = LLVM::GlobalOp::create(
        *this, LLVM::LLVMArrayType::get(element, values.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal,
        "table_" + std::to_string(count), content, /*alignment=*/16,
        globalSpace);
  }
  return LLVM::AddressOfOp::create(*this, found);
}

int64_t quantmlir::cuda::threadsFor(int64_t items, int64_t warps) {
  constexpr int64_t warp = GPUBuilder::warpSize;
  return std::min(int64_t(llvm::divideCeil(items, warp)), warps) * warp;
}

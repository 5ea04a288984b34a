// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operands of tensor cores: four codes, or four activations, as bytes or as
// two pairs of 16-bit floats.

#include "Matmul.h"
#include "quant-mlir/Quantize/FloatConversion.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

using Halves = TensorCores::Halves;
using Values = GPUBuilder::Values;

TensorCores::TensorCores(GPUBuilder &b, const Matmul &matmul,
                         PanelReader &reader)
    : b(b), lane(matmul.layout.form), reader(reader),
      isInteger(matmul.isInteger()),
      isBF16(lane.kind == qt::LaneForm::Kind::Float &&
             lane.floatType.isBF16()) {
  if (matmul.multipliesFloat8)
    xFloat = matmul.xFloat;
}

/// As PTX calls them.
static StringRef nameOf(FloatType float8) {
  return isa<Float8E4M3FNType>(float8) ? "e4m3" : "e5m2";
}

/// Of a codebook both bytes are looked up and then put together. 0x6400 is
/// 1024, in units of the last bit: a byte in its place adds itself.
Halves TensorCores::numbersOf(Value codes) {
  Halves halves;
  if (!lane.numbers.empty()) {
    WordEvaluator evaluator(b);
    Value bytes[2];
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<uint8_t> table;
      for (float number : lane.numbers)
        table.push_back(f32ToF16(number) >> (8 * half));
      bytes[half] = evaluator.lookup(table, {0, codes}).value;
    }
    return {b.permute(bytes[0], bytes[1], b.i32(0x5140)),
            b.permute(bytes[0], bytes[1], b.i32(0x7362))};
  }
  auto pair = b.vec(2, b.getF16Type());
  Value zero = arith::ConstantOp::create(
      b, DenseElementsAttr::get(
             pair, Attribute(b.getF16FloatAttr(float(1024 + lane.offset)))));
  codes = reader.decode(codes);
  constexpr int64_t selectors[] = {0x4140, 0x4342};
  for (auto [half, selector] : llvm::enumerate(selectors)) {
    Value bits = b.permute(codes, b.i32(0x64646464), b.i32(selector));
    Value number = arith::SubFOp::create(b, b.bitcast(pair, bits), zero);
    halves[half] = b.bitcast(b.getI32Type(), number);
  }
  return halves;
}

Value quantmlir::cuda::roundPair(GPUBuilder &b, Value low, Value high,
                                 FloatType type) {
  Value pair = b.intrinsic(type.isBF16() ? "llvm.nvvm.ff2bf16x2.rn"
                                         : "llvm.nvvm.ff2f16x2.rn",
                           b.vec(2, type), {high, low});
  return b.bitcast(b.getI32Type(), pair);
}

Value quantmlir::cuda::saturatePair(GPUBuilder &b, Value low, Value high,
                                    FloatType type) {
  if (!type.isBF16())
    for (Value *value : {&low, &high}) {
      *value = arith::MinimumFOp::create(b, *value, b.f32(65504));
      *value = arith::MaximumFOp::create(b, *value, b.f32(-65504));
    }
  return roundPair(b, low, high, type);
}

FloatType TensorCores::halfType() const {
  return isBF16 ? FloatType(b.getBF16Type()) : FloatType(b.getF16Type());
}

GPUBuilder::Values quantmlir::cuda::multiplyHalves(GPUBuilder &b,
                                                   ArrayRef<Value> a,
                                                   ArrayRef<Value> c,
                                                   ValueRange sums) {
  Values operands(a);
  operands.append(c.begin(), c.end());
  for (Value &operand : operands)
    operand = b.bitcast(b.vec(2, b.getF16Type()), operand);
  llvm::append_range(operands, sums);
  SmallVector<Type> results(4, b.getF32Type());
  return b.intrinsics("llvm.nvvm.mma.m16n8k16.row.col.f32.f32", results,
                      operands);
}

GPUBuilder::Values TensorCores::multiply(ArrayRef<Value> weights,
                                         ArrayRef<Value> x, ValueRange sums) {
  if (!isInteger && !isBF16 && !xFloat)
    return multiplyHalves(b, weights, x, sums);
  Values operands(weights);
  operands.append(x.begin(), x.end());
  StringRef name = weights.size() == 2 ? "llvm.nvvm.mma.m16n8k16.row.col.u8.s8"
                                       : "llvm.nvvm.mma.m16n8k32.row.col.u8.s8";
  std::string float8;
  if (xFloat) {
    float8 = ("llvm.nvvm.mma.m16n8k32.row.col.f32." + nameOf(lane.floatType) +
              "." + nameOf(xFloat) + ".f32")
                 .str();
    name = float8;
  } else if (isBF16) {
    name = "llvm.nvvm.mma.m16n8k16.row.col.bf16";
  }
  llvm::append_range(operands, sums);
  SmallVector<Type> results(4, sums.front().getType());
  return b.intrinsics(name, results, operands);
}

//===----------------------------------------------------------------------===//
// Products of four warps
//===----------------------------------------------------------------------===//

static void callFor(GPUBuilder &b, StringRef name, ValueRange operands = {}) {
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr(name), operands);
}

/// Products look at memory past what threads see of it. Copies that run ahead
/// have arrived there, too, when they are waited for (as CUTLASS takes for
/// granted), which is as well: this waits for those that still run.
void TensorCores::showMemory() {
  b.assembly("fence.proxy.async.shared::cta;", "", {}, {});
}
void TensorCores::beginProducts() {
  callFor(b, "llvm.nvvm.wgmma.fence.sync.aligned");
}
void TensorCores::endProducts() {
  callFor(b, "llvm.nvvm.wgmma.commit_group.sync.aligned");
}

/// Constraints of `count` results that are operands, behind `others`, too.
static std::string tied(StringRef kind, int64_t count, StringRef others) {
  std::string results, operands;
  for (int64_t i = 0; i < count; ++i) {
    results += ("=" + kind + ",").str();
    operands += "," + std::to_string(i);
  }
  if (others.empty())
    return results + StringRef(operands).drop_front().str();
  return results + others.str() + operands;
}

static StringRef registerKind(Type type) { return type.isF32() ? "f" : "r"; }

/// Nothing that reads sums may move in front of the wait, and no register of
/// operands be used again: ptxas does not see that they are read until then.
TensorCores::Values TensorCores::waitForProducts(ValueRange sums,
                                                 ValueRange operands) {
  Value none = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(0));
  callFor(b, "llvm.nvvm.wgmma.wait_group.sync.aligned", none);
  SmallVector<Type> types(sums.getTypes());
  std::string held;
  for (size_t i = 0; i < operands.size(); ++i)
    held += i ? ",r" : "r";
  Values values(operands);
  llvm::append_range(values, sums);
  return b.assembly("", tied(registerKind(types.front()), sums.size(), held),
                    types, values);
}

/// The swizzle by its number, the bytes from eight rows to the next eight, and
/// where they are, all but the last in units of 16 bytes.
Value TensorCores::describe(Value memory, Value byte, int64_t rowBytes) {
  int64_t swizzle = rowBytes == 128 ? 1 : rowBytes == 64 ? 2 : 3;
  int64_t constant = swizzle << 62 | (8 * rowBytes / 16) << 32 | 1 << 16;
  Type i64 = b.getI64Type();
  Value address = LLVM::PtrToIntOp::create(b, i64, b.at(memory, byte));
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
  };
  Value unit = arith::ShRUIOp::create(b, address, number(4));
  unit = arith::AndIOp::create(b, unit, number(0x3fff));
  return arith::OrIOp::create(b, unit, number(constant));
}

TensorCores::Values TensorCores::multiplyInMemory(ArrayRef<Value> weights,
                                                  Value x, ValueRange sums) {
  int64_t count = sums.size();
  auto list = [](int64_t first, int64_t count) {
    std::string text = "{";
    for (int64_t i = 0; i < count; ++i)
      text += (i ? ", $" : "$") + std::to_string(first + i);
    return text + "}";
  };
  std::string types = isInteger ? "k32.s32.u8.s8"
                      : isBF16  ? "k16.f32.bf16.bf16"
                                : "k16.f32.f16.f16";
  if (xFloat)
    types = ("k32.f32." + nameOf(lane.floatType) + "." + nameOf(xFloat)).str();
  // Sums are kept; floats are not negated, and 16-bit ones of x not transposed.
  StringRef flags = isInteger ? "1" : xFloat ? "1, 1, 1" : "1, 1, 1, 0";
  Values operands(weights);
  operands.push_back(x);
  llvm::append_range(operands, sums);
  if (!isInteger)
    for (Value &operand : MutableArrayRef(operands).take_front(4))
      operand = b.bitcast(b.getI32Type(), operand);
  SmallVector<Type> results(sums.getTypes());
  return b.assembly("wgmma.mma_async.sync.aligned.m64n" +
                        llvm::Twine(2 * count) + types + " " + list(0, count) +
                        ", " + list(count, 4) + ", $" + llvm::Twine(count + 4) +
                        ", " + flags + ";",
                    tied(registerKind(results.front()), count, "r,r,r,r,l"),
                    results, operands);
}

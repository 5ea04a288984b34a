// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel becomes, for each of its forms, a function of pointers and the
// number of rows, and in its place a launch of the form that fits.

#include "Expand.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Target.h"

namespace quantmlir::cuda {
#define GEN_PASS_DEF_GPUEXPANDPASS
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"
} // namespace quantmlir::cuda

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

/// A buffer of a kernel, and what a caller of its functions knows it as.
struct Operand {
  StringLiteral name;
  Value buffer;
};

class KernelExpander {
public:
  KernelExpander(mlir::gpu::GPUModuleOp functions, Operation *op)
      : functions(functions), op(op), host(op->getLoc(), op) {}

  LogicalResult expand();
  int64_t numFunctions() const { return count; }

private:
  /// Where an operand is on the GPU; nowhere if the kernel does not have it.
  using Find = llvm::function_ref<Buffer(StringRef name)>;
  using Emit = llvm::function_ref<LaunchShape(GPUBuilder &b, Find find,
                                              Value rows, const Form &form)>;

  LogicalResult checkBuffers(ArrayRef<Operand> operands);
  LogicalResult expandMatmul(kernel::MatmulOpInterface matmul);
  LogicalResult expandQuantize(kernel::QuantizeOp quantize);
  /// `operands` without a buffer are left out.
  LogicalResult emitForms(SmallVector<Operand> operands, Value rows, Emit emit);
  Value pointerTo(Value buffer);
  ArrayAttr describeOperands(ArrayRef<Operand> operands);
  void launch(mlir::gpu::GPUFuncOp function, const LaunchShape &shape,
              ValueRange pointers, Value rows, ArrayAttr described);

  mlir::gpu::GPUModuleOp functions;
  Operation *op;
  GPUBuilder host;
  int64_t count = 0;
};

} // namespace

/// The strides of a buffer of rows, or of a vector.
static Buffer describe(Value buffer, Value pointer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  Buffer result = {pointer, type.getElementType()};
  result.stride = type.getRank() == 2 ? strides[0] : 0;
  result.columns = type.getShape().back();
  return result;
}

LogicalResult KernelExpander::checkBuffers(ArrayRef<Operand> operands) {
  for (auto [name, buffer] : operands) {
    auto type = cast<MemRefType>(buffer.getType());
    SmallVector<int64_t> strides;
    int64_t offset;
    bool isWhole = succeeded(type.getStridesAndOffset(strides, offset)) &&
                   strides.back() == 1 && type.getRank() <= 2 &&
                   (type.getRank() == 1 || !ShapedType::isDynamic(strides[0]));
    if (!isWhole)
      return op->emitOpError("has a buffer ")
             << type << "; GPU kernels read rows at a known distance";
  }
  return success();
}

/// Where the GPU finds what the host calls `buffer`.
Value KernelExpander::pointerTo(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  Value start = memref::ExtractAlignedPointerAsIndexOp::create(host, buffer);
  auto [strides, offset] = type.getStridesAndOffset();
  if (offset != 0) {
    auto parts = memref::ExtractStridedMetadataOp::create(host, buffer);
    start = host.add(
        start, host.mul(parts.getOffset(), type.getElementTypeBitWidth() / 8));
  }
  start = arith::IndexCastUIOp::create(host, host.getI64Type(), start);
  return LLVM::IntToPtrOp::create(host, host.pointerType(), start);
}

/// Names in the order of the arguments, and bytes from a row to the next of
/// those that have rows.
ArrayAttr KernelExpander::describeOperands(ArrayRef<Operand> operands) {
  SmallVector<Attribute> list;
  for (auto [name, buffer] : operands) {
    SmallVector<NamedAttribute> facts = {
        host.getNamedAttr("name", host.getStringAttr(name))};
    auto type = cast<MemRefType>(buffer.getType());
    if (type.getRank() == 2) {
      int64_t stride = describe(buffer, Value()).stride;
      facts.push_back(host.getNamedAttr(
          "row_bytes",
          host.getI64IntegerAttr(stride * type.getElementTypeBitWidth() / 8)));
    }
    list.push_back(host.getDictionaryAttr(facts));
  }
  return host.getArrayAttr(list);
}

void KernelExpander::launch(mlir::gpu::GPUFuncOp function,
                            const LaunchShape &shape, ValueRange pointers,
                            Value rows, ArrayAttr described) {
  Value one = host.index(1);
  Value y = rows;
  if (shape.tokens > 1)
    y = host.div(host.add(rows, shape.tokens - 1), shape.tokens);
  SmallVector<Value> arguments(pointers);
  arguments.push_back(rows);
  auto launched = mlir::gpu::LaunchFuncOp::create(
      host, function, mlir::gpu::KernelDim3{host.index(shape.blocks), y, one},
      mlir::gpu::KernelDim3{host.index(shape.threads), one, one},
      /*dynamicSharedMemorySize=*/Value(), arguments);
  launched->setAttr("kernel.rows_per_block",
                    host.getI64IntegerAttr(shape.tokens));
  launched->setAttr("kernel.operands", described);
}

LogicalResult KernelExpander::emitForms(SmallVector<Operand> operands,
                                        Value rows, Emit emit) {
  llvm::erase_if(operands, [](const Operand &one) { return !one.buffer; });
  FailureOr<SmallVector<Form>> forms = getForms(op);
  if (failed(forms) || failed(checkBuffers(operands)))
    return failure();
  ArrayAttr described = describeOperands(operands);
  auto function = op->getParentOfType<func::FuncOp>();
  // Of all threads of the host, one launches.
  unsigned arguments = function.getNumArguments();
  if (arguments < 2 || !function.getArgument(arguments - 2).getType().isIndex())
    return op->emitOpError("is not alone in a function (--kernel-distribute)");
  Value thread = function.getArgument(arguments - 2);
  auto first = scf::IfOp::create(host, host.less(thread, 1));
  host.setInsertionPointToStart(first.thenBlock());
  SmallVector<Value> pointers;
  for (const Operand &operand : operands)
    pointers.push_back(pointerTo(operand.buffer));

  SmallVector<Type> types(pointers.size(), host.pointerType());
  types.push_back(host.getIndexType());
  for (auto [index, form] : llvm::enumerate(*forms)) {
    std::string name = (function.getSymName() + "_" + form.name).str();
    if (form.tokens > 1)
      name += std::to_string(form.tokens);
    GPUBuilder b(op->getLoc(), op->getContext());
    b.setInsertionPointToEnd(functions.getBody());
    auto emitted = mlir::gpu::GPUFuncOp::create(
        b, name, FunctionType::get(op->getContext(), types, {}));
    emitted->setAttr(mlir::gpu::GPUDialect::getKernelFuncAttrName(),
                     b.getUnitAttr());
    b.setInsertionPointToStart(&emitted.getBody().front());
    ValueRange arguments = emitted.getArguments();
    auto find = [&](StringRef name) {
      for (auto [operand, argument] :
           llvm::zip_equal(operands, arguments.drop_back()))
        if (operand.name == name)
          return describe(operand.buffer, argument);
      return Buffer();
    };
    LaunchShape shape = emit(b, find, arguments.back(), form);
    mlir::gpu::ReturnOp::create(b);
    emitted.setKnownBlockSizeAttr(
        b.getDenseI32ArrayAttr({int32_t(shape.threads), 1, 1}));
    // Registers for one block more than fit are no reason to spill.
    emitted->setAttr("nvvm.minctasm", b.getI32IntegerAttr(1));
    ++count;
    if (index + 1 == forms->size()) {
      launch(emitted, shape, pointers, rows, described);
      break;
    }
    auto choice =
        scf::IfOp::create(host, host.less(rows, host.index(form.tokens + 1)),
                          /*withElseRegion=*/true);
    host.setInsertionPointToStart(choice.thenBlock());
    launch(emitted, shape, pointers, rows, described);
    host.setInsertionPointToStart(choice.elseBlock());
  }
  return success();
}

LogicalResult
KernelExpander::expandMatmul(kernel::MatmulOpInterface interface) {
  Matmul matmul = {cpu::PanelLayout(interface.getType())};
  Value weights, offset, bias, residual;
  SmallVector<Operand> operands;
  auto common = [&](auto op) {
    weights = op.getWeights();
    offset = op.getOffset();
    bias = op.getBias();
    residual = op.getResidual();
  };
  if (auto integer = dyn_cast<kernel::MatmulIntOp>(op)) {
    common(integer);
    operands = {{"codes", integer.getCodes()},
                {"scales", integer.getScales()},
                {"sums", integer.getSums()}};
    matmul.xGroup = integer.getGroup();
  } else {
    auto floats = cast<kernel::MatmulFloatOp>(op);
    common(floats);
    if (floats.getColumns())
      return op->emitOpError("skips columns, which no GPU kernel does yet");
    operands = {{"x", floats.getX()}};
  }
  if (cast<kernel::MatmulOpInterface>(op).getExperts())
    return op->emitOpError("has experts, which no GPU kernel has yet");
  if (matmul.layout.panelRows != 16)
    return op->emitOpError("has a weight packed for panels of ")
           << matmul.layout.panelRows << " rows, not 16 (--gpu-pack)";
  bool isFloat = matmul.layout.form.kind == qt::LaneForm::Kind::Float;
  if (isFloat && matmul.layout.depth != 4)
    return op->emitOpError("has floats that do not lie in words (--gpu-pack)");
  // This weight, and not all, is what the GPU is given.
  Value start = memref::SubViewOp::create(
      host, weights, ArrayRef<OpFoldResult>{offset},
      ArrayRef<OpFoldResult>{host.getIndexAttr(matmul.layout.totalBytes)},
      ArrayRef<OpFoldResult>{host.getIndexAttr(1)});
  Value out = interface.getOut();
  operands.append({{"bias", bias},
                   {"residual", residual},
                   {"out", out},
                   {"weights", start}});
  Value rows = memref::DimOp::create(host, out, 0);
  return emitForms(
      std::move(operands), rows,
      [&](GPUBuilder &b, Find find, Value count, const Form &form) {
        matmul.x = find(matmul.isInteger() ? "codes" : "x");
        matmul.scales = find("scales");
        matmul.sums = find("sums");
        matmul.bias = find("bias");
        matmul.residual = find("residual");
        matmul.out = find("out");
        matmul.weights = find("weights").pointer;
        matmul.rows = count;
        return form.name == "mma" ? emitMatmulMMA(b, matmul, form)
                                  : emitMatmulDot(b, matmul, form);
      });
}

LogicalResult KernelExpander::expandQuantize(kernel::QuantizeOp quantize) {
  if (quantize.getPerTensor())
    return op->emitOpError("finds one scale for all rows, which no GPU kernel "
                           "does yet");
  Quantize parts = {};
  parts.group = quantize.getGroup();
  parts.sumGroup = quantize.getSumGroup();
  int64_t k = cast<MemRefType>(quantize.getX().getType()).getDimSize(1);
  int64_t larger = std::max(parts.group, parts.sumGroup);
  int64_t smaller = std::min(parts.group, parts.sumGroup);
  if (k % 4 != 0 || smaller % 4 != 0 || larger % smaller != 0)
    return op->emitOpError("has rows of ")
           << k << " values in groups of " << parts.group << " and sums of "
           << parts.sumGroup << "; GPU kernels need multiples of 4";
  SmallVector<Operand> operands = {{"x", quantize.getX()},
                                   {"multiplier", quantize.getMultiplier()},
                                   {"scale", quantize.getScale()},
                                   {"codes", quantize.getCodes()},
                                   {"scales", quantize.getScales()},
                                   {"sums", quantize.getSums()}};
  Value rows = memref::DimOp::create(host, quantize.getX(), 0);
  return emitForms(
      std::move(operands), rows,
      [&](GPUBuilder &b, Find find, Value /*rows*/, const Form &form) {
        parts.x = find("x");
        parts.multiplier = find("multiplier");
        parts.scale = find("scale");
        parts.codes = find("codes");
        parts.scales = find("scales");
        parts.sums = find("sums");
        return emitQuantize(b, parts, form);
      });
}

LogicalResult KernelExpander::expand() {
  if (isa<kernel::MatmulIntOp, kernel::MatmulFloatOp>(op))
    return expandMatmul(cast<kernel::MatmulOpInterface>(op));
  if (auto quantize = dyn_cast<kernel::QuantizeOp>(op))
    return expandQuantize(quantize);
  return op->emitOpError("has no GPU kernel yet");
}

namespace {

struct ExpandKernels : cuda::impl::GPUExpandPassBase<ExpandKernels> {
  using GPUExpandPassBase::GPUExpandPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::Expected<GPUTarget> gpu = parseGPUTarget(target);
    if (!gpu) {
      module.emitError(llvm::toString(gpu.takeError()));
      return signalPassFailure();
    }
    SmallVector<Operation *> kernels;
    module.walk([&](Operation *op) {
      if (isa<kernel::KernelOpInterface, linalg::LinalgOp>(op))
        kernels.push_back(op);
    });
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto functions =
        mlir::gpu::GPUModuleOp::create(builder, module.getLoc(), "kernels");
    module->setAttr(mlir::gpu::GPUDialect::getContainerModuleAttrName(),
                    builder.getUnitAttr());
    for (Operation *op : kernels) {
      KernelExpander expander(functions, op);
      if (failed(expander.expand()))
        return signalPassFailure();
      numFunctions += expander.numFunctions();
      op->erase();
    }
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelExpander.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

static bool isBuffer(Value value) { return isa<MemRefType>(value.getType()); }

/// The strides of a buffer of rows, or of a vector.
static Buffer describe(Value buffer, Value pointer) {
  auto type = cast<MemRefType>(buffer.getType());
  Buffer result = {pointer, type.getElementType()};
  auto [strides, offset] = type.getStridesAndOffset();
  if (type.getRank() == 2)
    result.stride = strides[0];
  // One that is not known is that of a row.
  if (!ShapedType::isDynamic(offset))
    result.offset = offset;
  result.columns = type.getRank() ? type.getShape().back() : 1;
  return result;
}

Buffer Arguments::find(StringRef name) const {
  for (auto [operand, value] : llvm::zip(operands, values))
    if (operand.name == name && isBuffer(operand.value))
      return describe(operand.value, value);
  return {};
}

Value Arguments::number(StringRef name) const {
  for (auto [operand, value] : llvm::zip(operands, values))
    if (operand.name == name && !isBuffer(operand.value))
      return value;
  return {};
}

LogicalResult KernelExpander::checkRows(ArrayRef<Operand> operands) {
  for (const Operand &operand : operands) {
    if (!operand.value || !isBuffer(operand.value))
      continue;
    auto type = cast<MemRefType>(operand.value.getType());
    SmallVector<int64_t> strides;
    int64_t offset;
    bool isWhole = succeeded(type.getStridesAndOffset(strides, offset)) &&
                   type.getRank() >= 1 && type.getRank() <= 2 &&
                   strides.back() == 1 &&
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
        start, host.mul(parts.getOffset(), bytesOf(type.getElementType())));
  }
  start = arith::IndexCastUIOp::create(host, host.getI64Type(), start);
  return LLVM::IntToPtrOp::create(host, host.pointerType(), start);
}

/// Names in the order of the arguments, and of pointers to rows the bytes from
/// a row to the next.
ArrayAttr KernelExpander::describeOperands(ArrayRef<Operand> operands) {
  SmallVector<Attribute> list;
  for (const Operand &operand : operands) {
    SmallVector<NamedAttribute> facts = {
        host.getNamedAttr("name", host.getStringAttr(operand.name))};
    if (!isBuffer(operand.value)) {
      facts.push_back(
          host.getNamedAttr("number", TypeAttr::get(operand.value.getType())));
      list.push_back(host.getDictionaryAttr(facts));
      continue;
    }
    Buffer buffer = describe(operand.value, Value());
    if (buffer.stride > 0)
      facts.push_back(host.getNamedAttr(
          "row_bytes",
          host.getI64IntegerAttr(buffer.stride * bytesOf(buffer.element))));
    list.push_back(host.getDictionaryAttr(facts));
  }
  return host.getArrayAttr(list);
}

//===----------------------------------------------------------------------===//
// Functions and launches
//===----------------------------------------------------------------------===//

void KernelExpander::launch(mlir::gpu::GPUFuncOp function,
                            const LaunchShape &shape, const Form &form,
                            ValueRange arguments, ArrayAttr described) {
  Value one = host.index(1);
  Value y = arguments.back();
  if (shape.tokens > 1)
    y = host.div(host.add(y, shape.tokens - 1), shape.tokens);
  if (shape.moreBlocks)
    y = host.add(y, shape.moreBlocks);
  Value memory;
  if (shape.sharedBytes)
    memory = host.i32(shape.sharedBytes);
  auto launched = mlir::gpu::LaunchFuncOp::create(
      host, function, mlir::gpu::KernelDim3{host.index(shape.blocks), y, one},
      mlir::gpu::KernelDim3{host.index(shape.threads), one, one}, memory,
      arguments);
  launched->setAttr("kernel.rows_per_block",
                    host.getI64IntegerAttr(shape.tokens));
  launched->setAttr("kernel.most_rows",
                    host.getI64IntegerAttr(form.mostRows()));
  if (form.positions)
    launched->setAttr("kernel.least_positions",
                      host.getI64IntegerAttr(form.positions));
  launched->setAttr("kernel.operands", described);
}

LogicalResult KernelExpander::emitForms(SmallVector<Operand> operands,
                                        Value rows, ArrayRef<Form> forms,
                                        Emit emit, Value positions) {
  for (const Form &form : forms)
    if (form.positions && !positions)
      return op->emitOpError("has a form for ")
             << form.positions << " positions and more, and sees none";
  llvm::erase_if(operands, [](const Operand &one) { return !one.value; });
  ArrayAttr described = describeOperands(operands);
  auto function = op->getParentOfType<func::FuncOp>();
  // Of all threads of the host, one launches.
  unsigned last = function.getNumArguments();
  if (last < 2 || !function.getArgument(last - 2).getType().isIndex())
    return op->emitOpError("is not alone in a function (--kernel-distribute)");
  Value thread = function.getArgument(last - 2);
  auto first = scf::IfOp::create(host, host.less(thread, 1));
  host.setInsertionPointToStart(first.thenBlock());
  SmallVector<Value> arguments;
  for (const Operand &operand : operands)
    arguments.push_back(isBuffer(operand.value) ? pointerTo(operand.value)
                                                : operand.value);
  arguments.push_back(rows);

  for (auto [index, form] : llvm::enumerate(forms)) {
    std::string name = (function.getSymName() + "_" + form.name).str();
    if (form.rows)
      name += std::to_string(form.rows) + "x";
    if (form.rows || form.tokens > 1)
      name += std::to_string(form.tokens);
    GPUBuilder b(op->getLoc(), op->getContext());
    b.setInsertionPointToEnd(functions.getBody());
    auto emitted = mlir::gpu::GPUFuncOp::create(
        b, name, b.getFunctionType(ValueRange(arguments).getTypes(), {}));
    emitted->setAttr(mlir::gpu::GPUDialect::getKernelFuncAttrName(),
                     b.getUnitAttr());
    b.setInsertionPointToStart(&emitted.getBody().front());
    LaunchShape shape =
        emit(b, Arguments(operands, emitted.getArguments()), form);
    mlir::gpu::ReturnOp::create(b);
    emitted.setKnownBlockSizeAttr(
        b.getDenseI32ArrayAttr({int32_t(shape.threads), 1, 1}));
    // Registers for one block more than fit are no reason to spill.
    emitted->setAttr("nvvm.minctasm", b.getI32IntegerAttr(shape.together));
    ++count;
    bool isLast = index + 1 == forms.size();
    scf::IfOp choice;
    if (!isLast || form.positions) {
      Value fits = host.less(rows, host.index(form.mostRows() + 1));
      if (form.positions) {
        Value isLong = host.less(host.index(form.positions - 1), positions);
        fits = arith::AndIOp::create(host, fits, isLong);
      }
      choice = scf::IfOp::create(host, fits, /*withElseRegion=*/!isLast);
      host.setInsertionPointToStart(choice.thenBlock());
    }
    launch(emitted, shape, form, arguments, described);
    if (!isLast)
      host.setInsertionPointToStart(choice.elseBlock());
  }
  return success();
}

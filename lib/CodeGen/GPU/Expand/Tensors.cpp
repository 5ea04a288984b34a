// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Tensors.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantmlir::cuda;

void Extents::add(OpFoldResult value, const std::string &name,
                  SmallVectorImpl<Operand> &operands) {
  if (auto known = getConstantIntValue(value)) {
    extents.push_back({*known, ""});
    return;
  }
  std::string own = name + std::to_string(extents.size());
  operands.push_back({own, cast<Value>(value)});
  extents.push_back({0, own});
}

Value Extents::get(GPUBuilder &b, const Arguments &given, size_t i) const {
  const auto &[known, name] = extents[i];
  return name.empty() ? b.index(known) : given.number(name);
}

void Tensors::add(Value buffer) {
  if (llvm::none_of(tensors, [&](const Tensor &tensor) {
        return tensor.buffer == buffer;
      }))
    tensors.push_back({buffer, "tensor" + std::to_string(tensors.size()), {}});
}

void Tensors::addOperands(GPUBuilder &host,
                          SmallVectorImpl<Operand> &operands) {
  for (const Tensor &tensor : tensors)
    operands.push_back({tensor.name, tensor.buffer});
  for (Tensor &tensor : tensors) {
    auto type = cast<MemRefType>(tensor.buffer.getType());
    auto [strides, offset] = type.getStridesAndOffset();
    memref::ExtractStridedMetadataOp parts;
    for (auto [dim, stride] : llvm::enumerate(strides)) {
      OpFoldResult value = host.getIndexAttr(stride);
      if (ShapedType::isDynamic(stride)) {
        if (!parts)
          parts = memref::ExtractStridedMetadataOp::create(host, tensor.buffer);
        value = parts.getStrides()[dim];
      }
      tensor.strides.add(value, tensor.name + "_stride", operands);
    }
  }
}

const Tensors::Tensor &Tensors::find(Value buffer) const {
  return *llvm::find_if(
      tensors, [&](const Tensor &tensor) { return tensor.buffer == buffer; });
}

Value Tensors::byteOf(GPUBuilder &b, const Arguments &given,
                      const Tensor &tensor, ValueRange indices) {
  Value at = b.index(0);
  for (auto [dim, index] : llvm::enumerate(indices))
    at = b.add(at, b.mul(index, tensor.strides.get(b, given, dim)));
  auto type = cast<MemRefType>(tensor.buffer.getType());
  return b.mul(at, bytesOf(type.getElementType()));
}

/// A truth value takes up a byte, an index eight.
static Type storedType(GPUBuilder &b, Type type) {
  if (type.isIndex())
    return b.getI64Type();
  return type.isInteger(1) ? Type(b.getI8Type()) : type;
}

Value Tensors::load(GPUBuilder &b, const Arguments &given, Value buffer,
                    ValueRange indices) const {
  const Tensor &tensor = find(buffer);
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  Value stored = b.load(storedType(b, type), given.find(tensor.name).pointer,
                        byteOf(b, given, tensor, indices), bytesOf(type));
  if (type.isIndex())
    return arith::IndexCastOp::create(b, type, stored);
  if (type.isInteger(1))
    return arith::TruncIOp::create(b, type, stored);
  return stored;
}

void Tensors::store(GPUBuilder &b, const Arguments &given, Value value,
                    Value buffer, ValueRange indices) const {
  const Tensor &tensor = find(buffer);
  Type type = value.getType();
  if (type.isIndex())
    value = arith::IndexCastOp::create(b, b.getI64Type(), value);
  else if (type.isInteger(1))
    value = arith::ExtUIOp::create(b, b.getI8Type(), value);
  b.store(value, given.find(tensor.name).pointer,
          byteOf(b, given, tensor, indices), bytesOf(type));
}

bool quantmlir::cuda::isConstant(Value value) {
  return matchPattern(value, m_Constant());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/ONNX.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::onnx;

namespace {
struct DataTypeRow {
  StringLiteral name;
  unsigned bits;
};
} // namespace

// In the order of the numbers.
static constexpr DataTypeRow dataTypes[] = {
    {"undefined", 0},      {"float", 32},     {"uint8", 8},
    {"int8", 8},           {"uint16", 16},    {"int16", 16},
    {"int32", 32},         {"int64", 64},     {"string", 0},
    {"bool", 8},           {"float16", 16},   {"double", 64},
    {"uint32", 32},        {"uint64", 64},    {"complex64", 0},
    {"complex128", 0},     {"bfloat16", 16},  {"float8e4m3fn", 8},
    {"float8e4m3fnuz", 8}, {"float8e5m2", 8}, {"float8e5m2fnuz", 8},
    {"uint4", 4},          {"int4", 4},       {"float4e2m1", 4},
    {"float8e8m0", 8},
};

StringRef onnx::dataTypeName(DataType type) {
  return dataTypes[int(type)].name;
}

unsigned onnx::dataTypeBits(DataType type) { return dataTypes[int(type)].bits; }

int64_t Tensor::numElements() const {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

const NodeAttribute *Node::find(StringRef attribute) const {
  auto found = llvm::find_if(attributes, [&](const NodeAttribute &each) {
    return each.name == attribute;
  });
  return found == attributes.end() ? nullptr : &*found;
}

Expected<std::shared_ptr<ONNXFile>> ONNXFile::open(StringRef path) {
  std::shared_ptr<ONNXFile> file(new ONNXFile(path));
  if (Error failure = file->map())
    return std::move(failure);
  if (Error failure = file->parse(/*inMemory=*/false))
    return std::move(failure);
  return file;
}

Expected<std::shared_ptr<ONNXFile>> ONNXFile::parse(MemoryBufferRef buffer) {
  std::shared_ptr<ONNXFile> file(new ONNXFile(buffer.getBufferIdentifier()));
  file->bytes = arrayRefFromStringRef(buffer.getBuffer());
  if (Error failure = file->parse(/*inMemory=*/true))
    return std::move(failure);
  return file;
}

int64_t ONNXFile::opset(StringRef domain) const {
  return opsets.lookup(domain);
}

const Tensor *ONNXFile::constant(StringRef name) const {
  auto found = constantByName.find(name);
  return found == constantByName.end() ? nullptr
                                       : &contents.constants[found->second];
}

const Node *ONNXFile::maker(StringRef value) const {
  auto found = makerByValue.find(value);
  return found == makerByValue.end() ? nullptr : &contents.nodes[found->second];
}

ArrayRef<uint8_t> ONNXFile::data(const TensorInfo &tensor) const {
  return constant(tensor.name)->bytes;
}

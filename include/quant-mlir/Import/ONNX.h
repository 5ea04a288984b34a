// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An ONNX file: its graph as it is written there, and its initializers as named
// tensors. Reading needs no protobuf library: of onnx.proto a model uses a
// dozen messages, in one nesting that is known beforehand, so the reader has no
// recursion that a file could deepen. Subgraphs (the bodies of If and Loop) are
// skipped.
//
// Strings and most numbers are views of the mapped file. What an initializer
// keeps as varints is decoded, and external data lies in other mapped files.

#ifndef QUANT_MLIR_IMPORT_ONNX_H
#define QUANT_MLIR_IMPORT_ONNX_H

#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <deque>

namespace quantmlir::onnx {

/// TensorProto.DataType.
enum class DataType {
  Undefined,
  Float,
  UInt8,
  Int8,
  UInt16,
  Int16,
  Int32,
  Int64,
  String,
  Bool,
  Float16,
  Double,
  UInt32,
  UInt64,
  Complex64,
  Complex128,
  BFloat16,
  Float8E4M3FN,
  Float8E4M3FNUZ,
  Float8E5M2,
  Float8E5M2FNUZ,
  UInt4,
  Int4,
  Float4E2M1,
  Float8E8M0,
};

/// "float", "uint8", …: as onnx.proto calls it, in small letters.
llvm::StringRef dataTypeName(DataType type);
/// How many bits a number takes; 0 for what is not a number.
unsigned dataTypeBits(DataType type);

/// A constant. Numbers are little-endian and row-major; those of 4 bits lie
/// two in a byte, the first in the lower half.
struct Tensor {
  llvm::StringRef name;
  DataType type = DataType::Undefined;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<uint8_t> bytes;

  int64_t numElements() const;
};

struct NodeAttribute {
  /// AttributeProto.AttributeType, as far as they are read.
  enum class Kind {
    Undefined,
    Float,
    Int,
    String,
    Tensor,
    Graph,
    Floats,
    Ints,
    Strings,
    Other,
  };
  llvm::StringRef name;
  Kind kind = Kind::Undefined;
  float number = 0;
  int64_t integer = 0;
  llvm::StringRef string;
  Tensor tensor;
  std::vector<float> numbers;
  std::vector<int64_t> integers;
};

struct Node {
  llvm::StringRef name, op, domain;
  llvm::SmallVector<llvm::StringRef, 4> inputs, outputs;
  std::vector<NodeAttribute> attributes;

  const NodeAttribute *find(llvm::StringRef attribute) const;
};

/// A dimension whose size is not known has a name, or none if it is alone.
struct Dimension {
  int64_t size = -1;
  llvm::StringRef symbol;
};

/// An input or output of the graph.
struct ValueInfo {
  llvm::StringRef name;
  DataType type = DataType::Undefined; ///< Undefined if it is no tensor
  bool hasShape = false;
  llvm::SmallVector<Dimension, 4> shape;
};

struct Graph {
  std::vector<Node> nodes;
  /// Initializers and the tensors of Constant nodes, which are no nodes here.
  std::vector<Tensor> constants;
  std::vector<ValueInfo> inputs, outputs;
};

} // namespace quantmlir::onnx

namespace quantmlir {

class ONNXFile : public WeightFile {
public:
  /// Maps and reads a file, and the files in its folder that it refers to.
  static llvm::Expected<std::shared_ptr<ONNXFile>> open(llvm::StringRef path);
  /// Reads a file that is in memory already; the buffer must outlive the
  /// result. Its identifier is the path in messages. External data is an error.
  static llvm::Expected<std::shared_ptr<ONNXFile>>
  parse(llvm::MemoryBufferRef buffer);

  const onnx::Graph &graph() const { return contents; }
  /// The version of a domain's operators ("" for ONNX's own); 0 if the model
  /// does not name the domain.
  int64_t opset(llvm::StringRef domain) const;
  /// The constant of that name, or null.
  const onnx::Tensor *constant(llvm::StringRef name) const;
  /// The (first) node that makes the value of that name, or null.
  const onnx::Node *maker(llvm::StringRef value) const;

  llvm::ArrayRef<uint8_t> data(const TensorInfo &tensor) const override;

  static bool classof(const WeightFile *file) {
    return file->getKind() == Kind::ONNX;
  }

private:
  friend class ONNXParser;
  explicit ONNXFile(llvm::StringRef path) : WeightFile(Kind::ONNX, path) {}
  llvm::Error parse(bool inMemory);

  onnx::Graph contents;
  llvm::StringMap<int64_t> opsets;
  llvm::StringMap<uint32_t> constantByName, makerByValue;
  /// Numbers that the file keeps in another form than ours. Never moved.
  std::deque<std::vector<uint8_t>> decoded;
  llvm::StringMap<llvm::sys::fs::mapped_file_region> external;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_ONNX_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_PARSER_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_PARSER_H

// Reads the messages of onnx.proto into an ONNXFile.

#include "Wire.h"
#include "quant-mlir/Import/ONNX.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace quantmlir::onnx {
/// What the number of a DataType says; Undefined if nothing is known of it.
DataType toDataType(int64_t type);
inline constexpr size_t highestRank = 16;
} // namespace quantmlir::onnx

namespace quantmlir {

class ONNXParser {
public:
  ONNXParser(ONNXFile &file, bool inMemory) : file(file), inMemory(inMemory) {}

  llvm::Error parse();

private:
  using Bytes = llvm::ArrayRef<uint8_t>;

  llvm::Error parseGraph(Bytes bytes);
  llvm::Error parseOpset(Bytes bytes);
  llvm::Error parseNode(Bytes bytes);
  llvm::Error parseAttribute(Bytes bytes, onnx::NodeAttribute &attribute);
  llvm::Error parseValueInfo(Bytes bytes, std::vector<onnx::ValueInfo> &values);
  llvm::Error parseType(Bytes bytes, onnx::ValueInfo &value);
  llvm::Error parseTensorType(Bytes bytes, onnx::ValueInfo &value);
  llvm::Error parseShape(Bytes bytes, onnx::ValueInfo &value);
  llvm::Error parseDimension(Bytes bytes, onnx::ValueInfo &value);
  llvm::Error parseTensor(Bytes bytes, onnx::Tensor &tensor);
  llvm::Error decodeIntegers(onnx::Tensor &tensor,
                             llvm::ArrayRef<int64_t> integers);
  llvm::Error findExternal(onnx::Tensor &tensor,
                           const llvm::StringMap<llvm::StringRef> &entries);
  llvm::Error checkSize(const onnx::Tensor &tensor);
  llvm::Error addConstants();

  /// Calls `read` for every field.
  llvm::Error
  forEachField(const char *what, Bytes bytes,
               llvm::function_ref<llvm::Error(onnx::Message &)> read);
  llvm::Error countRecord();
  llvm::Error error(const onnx::Tensor &tensor, const llvm::Twine &message) {
    return tensorError(file.path(), tensor.name, message);
  }
  /// Keeps numbers that are not in the file in this form.
  Bytes keep(std::vector<uint8_t> numbers) {
    file.decoded.push_back(std::move(numbers));
    return file.decoded.back();
  }

  ONNXFile &file;
  bool inMemory, hasGraph = false;
  uint64_t records = 0;
};
} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_PARSER_H
